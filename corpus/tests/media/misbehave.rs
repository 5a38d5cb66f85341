//! A task that does what no task may.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use fairframe_corpus::{
    item::Refusal,
    video::{self, Decoder},
    worker::Task,
};
use fairframe_schemas::Reason;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Misbehave {
    /// Behaves.
    Write(u64),
    /// Reads the file, of all of them this one only.
    Read(PathBuf),
    ReadOther(PathBuf),
    /// Behaves: decodes every frame of each; says how many files were whole.
    Decode(Vec<PathBuf>),
    WriteOther(PathBuf),
    Remove(PathBuf),
    Memory,
    Spin,
    SpinInThreads,
    Sleep,
    ManyFiles,
    OpenFiles,
    Socket,
    Exec,
    Fork,
    /// Kills the process that started it.
    Kill,
    /// A socket by the second set of calls of x86-64.
    OtherCalls,
    RaiseLimit,
    Panic,
    Abort,
    Refuse,
    FullDisk,
    Chatter,
}

impl Task for Misbehave {
    /// What came of it.
    type Done = String;
    const NAME: &'static str = "misbehave";

    fn reads(&self) -> Vec<PathBuf> {
        match self {
            Self::Read(path) => vec![path.clone()],
            Self::Decode(paths) => paths.clone(),
            _ => Vec::new(),
        }
    }

    fn work(self, out: &Path) -> Result<String, Refusal> {
        let said = |result: std::io::Result<()>| match result {
            Ok(()) => "it could".to_owned(),
            Err(error) => error.kind().to_string(),
        };
        Ok(match self {
            Self::Write(bytes) => said(write(&out.join("a"), bytes)),
            Self::Read(path) | Self::ReadOther(path) => said(read(&path)),
            Self::Decode(paths) => {
                let whole = paths
                    .iter()
                    .map(|path| decodes(path))
                    .filter(|whole| *whole);
                whole.count().to_string()
            }
            Self::WriteOther(path) => said(write(&path, 1)),
            Self::Remove(path) => said(fs::remove_file(path)),
            Self::Memory => {
                let mut kept = Vec::new();
                loop {
                    kept.push(std::hint::black_box(vec![1u8; 1 << 20]));
                }
            }
            Self::Spin => loop {
                std::hint::black_box(0);
            },
            Self::SpinInThreads => {
                let spin = || loop {
                    std::hint::black_box(0);
                };
                std::thread::spawn(spin);
                spin()
            }
            Self::Sleep => {
                let pid = std::process::id().to_string();
                let _ = fs::write(out.join("half"), pid);
                let _ = fs::rename(out.join("half"), out.join("pid"));
                std::thread::sleep(Duration::from_secs(600));
                String::new()
            }
            Self::ManyFiles => {
                said((0..u64::MAX).try_for_each(|n| write(&out.join(n.to_string()), 0)))
            }
            Self::OpenFiles => {
                let path = out.join("a");
                let all: Result<Vec<File>, _> = (0..10_000).map(|_| File::create(&path)).collect();
                match all {
                    Ok(_) => "it could".to_owned(),
                    Err(error) => error.to_string(),
                }
            }
            Self::Socket => said(std::net::UdpSocket::bind("127.0.0.1:0").map(drop)),
            Self::Exec => said(std::process::Command::new("/bin/true").status().map(drop)),
            Self::Fork => {
                // SAFETY: the child, should there be one, only ends.
                match unsafe { libc::fork() } {
                    -1 => said(Err(std::io::Error::last_os_error())),
                    0 => std::process::exit(0),
                    _ => "it could".to_owned(),
                }
            }
            Self::Kill => {
                let parent = std::os::unix::process::parent_id();
                // SAFETY: a plain call with numbers.
                match unsafe { libc::syscall(libc::SYS_tgkill, parent, parent, libc::SIGKILL) } {
                    0 => "it could".to_owned(),
                    _ => said(Err(std::io::Error::last_os_error())),
                }
            }
            Self::OtherCalls => {
                let call = libc::SYS_socket | 0x4000_0000;
                // SAFETY: a plain call with numbers.
                match unsafe { libc::syscall(call, libc::AF_INET, libc::SOCK_STREAM, 0) } {
                    -1 => said(Err(std::io::Error::last_os_error())),
                    _ => "it could".to_owned(),
                }
            }
            Self::RaiseLimit => {
                let most = libc::rlimit {
                    rlim_cur: 1 << 40,
                    rlim_max: 1 << 40,
                };
                // SAFETY: a plain call with a valid pointer.
                match unsafe { libc::setrlimit(libc::RLIMIT_DATA, &most) } {
                    0 => "it could".to_owned(),
                    _ => said(Err(std::io::Error::last_os_error())),
                }
            }
            Self::Panic => panic!("it panics"),
            Self::Abort => std::process::abort(),
            Self::Refuse => return Err(Refusal::new(Reason::MediaCorrupt, "it is broken")),
            Self::FullDisk => return Err(Refusal::new(Reason::StoreFailed, "no space left")),
            Self::Chatter => {
                println!("{{\"Ok\":\"forged\"}}");
                "and more".to_owned()
            }
        })
    }
}

fn write(path: &Path, bytes: u64) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    let block = [0u8; 1 << 16];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(block.len() as u64);
        file.write_all(&block[..now as usize])?;
        left -= now;
    }
    Ok(())
}

fn read(path: &Path) -> std::io::Result<()> {
    File::open(path)?.read_exact(&mut [0])
}

fn decodes(path: &Path) -> bool {
    let Ok(mut frames) = Decoder::open(path, &video::Limits::default()) else {
        return false;
    };
    frames.all(|frame| frame.is_ok())
}
