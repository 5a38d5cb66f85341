//! What a working process forbids itself, before it looks at a file.
//!
//! Resources by rlimits: without them there is no work. Files by Landlock and system calls by
//! seccomp, as far as the kernel has them: a kernel without leaves the rest standing.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::Limits;

/// The newest Landlock that is asked for; older kernels give what they have.
const NEWEST: ABI = ABI::V10;

/// Limits memory, CPU time, the size of a file, open files; no core dumps. Address space as well,
/// to the memory and so many bytes of code.
pub fn resources(limits: &Limits, code: Option<u64>) -> io::Result<()> {
    let memory = limits.memory_mb << 20;
    let space = code.map(|code| (Resource::As, memory + code));
    for (resource, value) in [
        (Resource::Data, memory),
        (Resource::Cpu, limits.cpu_s),
        (Resource::Fsize, limits.output_mb << 20),
        (Resource::Nofile, limits.open_files),
        (Resource::Core, 0),
    ]
    .into_iter()
    .chain(space)
    {
        let most = getrlimit(resource).maximum;
        let value = Some(most.map_or(value, |most| most.min(value)));
        setrlimit(
            resource,
            Rlimit {
                current: value,
                maximum: value,
            },
        )?;
    }
    Ok(())
}

/// Lets only `reads` be read (what is not there stays so) and only `out` be written.
pub fn files(reads: &[PathBuf], out: &Path) -> Result<(), RulesetError> {
    nothing()?
        .add_rules(path_beneath_rules(reads, read()))?
        .add_rules(path_beneath_rules([out], write()))?
        .restrict_self()?;
    Ok(())
}

/// What any program reads: other programs, libraries, what the loader and Python look for, and
/// facts of the machine. Of processes only its first one's: what stands in `/proc` of others tells
/// their environment, ours too.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys",
    "/proc/driver",
    "/sys/devices/system",
];
const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// As [`files`], of a program that reads and runs the system's and `reads`, and uses `devices`.
pub fn files_of_program(
    reads: &[PathBuf],
    devices: &[PathBuf],
    folder: &Path,
) -> Result<(), RulesetError> {
    let run = read() | AccessFs::Execute;
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    nothing()?
        .add_rules(path_beneath_rules(SYSTEM, run))?
        .add_rules(path_beneath_rules(reads, run))?
        .add_rules(path_beneath_rules(DEVICES, device))?
        .add_rules(path_beneath_rules(devices, device | AccessFs::IoctlDev))?
        .add_rules(path_beneath_rules([folder], write()))?
        .restrict_self()?;
    Ok(())
}

/// Allows nothing, as far as the kernel knows.
fn nothing() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()
}

fn read() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// Files and folders; no devices, pipes, sockets or links.
fn write() -> BitFlags<AccessFs> {
    read()
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer
}

/// Takes away system calls that no decoding needs: they fail with `EPERM`. Threads may still be
/// made, processes not.
pub fn calls() -> Result<(), seccompiler::Error> {
    let mut rules = all(&[FORBIDDEN, PROCESSES, GROUPS]);
    let thread = SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64);
    rules.insert(libc::SYS_clone, vec![when(thread, 0)?]);
    // Signals to itself only, as `abort` sends one.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![when(SeccompCmpOp::Ne, own)?]);
    forbid(rules)
}

/// The same of a program that may start others, but neither in another group, which would not
/// be stopped with it, nor with rights of its own.
pub fn calls_of_program() -> Result<(), seccompiler::Error> {
    let mut rules = all(&[FORBIDDEN, GROUPS]);
    let apart = NAMESPACES.iter().map(|flag| {
        let flag = *flag as u32 as u64;
        when(SeccompCmpOp::MaskedEq(flag), flag)
    });
    rules.insert(libc::SYS_clone, apart.collect::<Result<_, _>>()?);
    forbid(rules)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn all(calls: &[&[i64]]) -> Rules {
    let calls = calls.iter().copied().flatten();
    calls.map(|call| (*call, Vec::new())).collect()
}

/// Where the first argument is so.
fn when(operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, operator, value)?;
    SeccompRule::new(vec![condition])
}

fn forbid(mut rules: Rules) -> Result<(), seccompiler::Error> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(());
    };
    // Of other processes.
    rules.insert(libc::SYS_prlimit64, vec![when(SeccompCmpOp::Ne, 0)?]);
    // The C library then makes its threads by `clone`, whose flags can be seen.
    let mut newer = Rules::from([(libc::SYS_clone3, Vec::new())]);
    if arch == TargetArch::x86_64 {
        for rules in [&mut rules, &mut newer] {
            let twins = rules
                .iter()
                .map(|(call, rules)| (call | X32, rules.clone()));
            let twins: Rules = twins.collect();
            rules.extend(twins);
        }
    }
    apply(rules, libc::EPERM, arch)?;
    apply(newer, libc::ENOSYS, arch)
}

fn apply(rules: Rules, errno: i32, arch: TargetArch) -> Result<(), seccompiler::Error> {
    let deny = SeccompAction::Errno(errno as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, deny, arch)?;
    let program = BpfProgram::try_from(filter)?;
    match seccompiler::apply_filter(&program) {
        // A kernel without seccomp or its filters.
        Err(seccompiler::Error::Prctl(e) | seccompiler::Error::Seccomp(e))
            if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// What a call's number has besides in the second set of calls of x86-64 (x32), if the kernel
/// has that.
const X32: i64 = 0x4000_0000;

/// Other programs and processes, and memory that no limit counts: of a worker.
const PROCESSES: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_socketpair,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_memfd_create,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
];

/// Out of the group that is stopped as a whole.
const GROUPS: &[i64] = &[libc::SYS_setsid, libc::SYS_setpgid];

/// New rights for a new process.
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Network; other processes' memory and lives; what goes around this filter or the limits;
/// what only administrators do.
const FORBIDDEN: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_by_handle_at,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_capset,
];
