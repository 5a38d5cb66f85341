//! A fork server: loaded once, it forks a process for each task.
//!
//! A small submission is soon read: what it would wait for is a program being loaded. So one process is
//! loaded, waits for tasks, and forks for each. The fork confines itself before it looks at a file. No
//! task has run in the process that it comes from, which wipes what it passes on; and after a fork that
//! did not end well another server is started, so that nothing is learnt of one by what crashed another.
//!
//! A task goes to the server as its length (8 bytes, little endian) and its text. What comes back are
//! pieces of the fork's answer, each after its length (4 bytes), a length of 0, and the fork's wait
//! status (4 bytes). One task at a time.

use std::{
    fs::File,
    hint::black_box,
    io::{self, PipeReader, Read, Write},
    mem,
    os::{
        fd::{AsRawFd, FromRawFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{ChildStdin, ChildStdout, ExitCode, ExitStatus},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::{
    Job, Limits, MAX_MESSAGE, NO_LIMITS, NO_TASK, Task, WorkerCommand, WorkerError,
    child::perform,
    program::Running,
    run::{LOOK, answer_of, crashed, decoded, machine, too_much, worker},
};

/// Exit code of a fork that panicked, as Rust has it.
const PANICKED: u8 = 101;

/// Does tasks in forks of one process, one at a time.
#[derive(Debug)]
pub struct ForkServer {
    command: WorkerCommand,
    /// Started by the first task, and again where it is gone.
    standing: Mutex<Option<Standing>>,
}

/// Ends when its input is closed, with what it has under way; killed with it when dropped.
#[derive(Debug)]
struct Standing {
    running: Running,
    input: ChildStdin,
    output: ChildStdout,
}

impl ForkServer {
    pub fn new(command: WorkerCommand) -> Self {
        Self {
            command,
            standing: Mutex::new(None),
        }
    }

    /// As [`Workers::run`](super::Workers::run).
    pub fn run<T: Task>(
        &self,
        task: T,
        out: &Path,
        limits: &Limits,
    ) -> Result<T::Done, WorkerError> {
        let problem = |e: &dyn std::fmt::Display| machine(&self.command, e);
        let out = std::path::absolute(out).map_err(|e| problem(&e))?;
        let job = Job {
            task,
            out,
            limits: limits.clone(),
            parent: 0,
        };
        let text = serde_json::to_vec(&job).map_err(|e| problem(&e))?;
        let answer = self.answer(T::NAME, &text, limits, &job.out)?;
        decoded::<T>(&answer, &job.out)
    }

    fn answer(
        &self,
        name: &str,
        text: &[u8],
        limits: &Limits,
        out: &Path,
    ) -> Result<Vec<u8>, WorkerError> {
        let problem = |e: &dyn std::fmt::Display| machine(&self.command, e);
        let mut held = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have killed the one that stood by.
        let sent = held.take().and_then(|mut standing| {
            let sent = send(&mut standing.input, text);
            sent.is_ok().then_some(standing)
        });
        let standing = match sent {
            Some(standing) => standing,
            None => {
                let mut standing = self.start(name).map_err(|e| problem(&e))?;
                send(&mut standing.input, text).map_err(|e| problem(&e))?;
                standing
            }
        };
        let Standing {
            running,
            input,
            mut output,
        } = standing;
        let (tell, told) = mpsc::channel();
        let reading = thread::spawn(move || {
            // Nobody listens any more where the task was stopped.
            let _ = tell.send(receive(&mut output));
            output
        });
        let begun = Instant::now();
        let (status, answer) = loop {
            let received = told.recv_timeout(LOOK);
            if let Some(why) = too_much(limits, out).map_err(|e| problem(&e))? {
                return Err(stopped(&why));
            }
            match received {
                Ok(Ok(received)) => break received,
                Err(mpsc::RecvTimeoutError::Timeout)
                    if begun.elapsed().as_secs() >= limits.wall_s =>
                {
                    return Err(stopped(&format!("it did not end in {} s", limits.wall_s)));
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                // With its fork, as far as anybody knows.
                Ok(Err(_)) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(crashed("the worker died"));
                }
            }
        };
        if status.success()
            && let Ok(output) = reading.join()
        {
            *held = Some(Standing {
                running,
                input,
                output,
            });
        }
        answer_of(&self.command, name, status, answer)
    }

    fn start(&self, name: &str) -> io::Result<Standing> {
        // To be killed with what it forked.
        let child = worker(&self.command, name).process_group(0).spawn()?;
        let mut running = Running(child);
        let missing = || io::Error::other("the worker's pipes are missing");
        let input = running.0.stdin.take().ok_or_else(missing)?;
        let output = running.0.stdout.take().ok_or_else(missing)?;
        Ok(Standing {
            running,
            input,
            output,
        })
    }
}

fn stopped(why: &str) -> WorkerError {
    crashed(&format!("the worker was stopped: {why}"))
}

fn send(to: &mut impl Write, text: &[u8]) -> io::Result<()> {
    to.write_all(&(text.len() as u64).to_le_bytes())?;
    to.write_all(text)
}

fn receive(from: &mut impl Read) -> io::Result<(ExitStatus, Vec<u8>)> {
    let mut number = [0; 4];
    let mut answer = Vec::new();
    loop {
        from.read_exact(&mut number)?;
        let length = u64::from(u32::from_le_bytes(number));
        if length == 0 {
            break;
        }
        let piece = from.by_ref().take(length).read_to_end(&mut answer)?;
        if piece as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    from.read_exact(&mut number)?;
    Ok((ExitStatus::from_raw(i32::from_le_bytes(number)), answer))
}

/// A task, if there is another.
fn task(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u64::from_le_bytes(length);
    if length > MAX_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // Of that size from the start: what grows leaves copies behind.
    let mut text = vec![0; length as usize];
    from.read_exact(&mut text)?;
    Ok(Some(text))
}

/// Leaves nothing of it for forks to come.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // The compiler would leave out what nobody reads.
    black_box(bytes);
}

/// The server: forks for each task that standard input brings, until it is closed.
pub fn serve_forks<T: Task>() -> ExitCode {
    match forks::<T>() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(NO_TASK),
    }
}

fn forks<T: Task>() -> io::Result<()> {
    // SAFETY: nothing else of this process reads or writes them; the standard library's own
    // handles hold nothing yet.
    let (mut input, mut output) = unsafe { (File::from_raw_fd(0), File::from_raw_fd(1)) };
    while let Some(mut task) = task(&mut input)? {
        let parent = rustix::process::getpid();
        let begun = io::pipe().and_then(|pipes| {
            // SAFETY: this process has one thread, so that the fork is whole: no lock is held by a
            // thread that it does not have.
            match unsafe { libc::fork() } {
                -1 => Err(io::Error::last_os_error()),
                fork => Ok((fork, pipes)),
            }
        });
        let status = match begun {
            Err(_) => i32::from(NO_LIMITS) << 8,
            Ok((0, (reads, writes))) => {
                drop((input, output, reads));
                let work = || perform::<T>(&task, Some(parent.as_raw_pid()), &writes);
                // What panics does not come back as a second server.
                let code = match silence().map(|()| catch_unwind(AssertUnwindSafe(work))) {
                    Ok(Ok(code)) => code,
                    Ok(Err(_)) => PANICKED,
                    Err(_) => NO_LIMITS,
                };
                // Not before its end: that is what the server waits for.
                mem::forget(writes);
                // SAFETY: ends the process without what the server's exit would do.
                unsafe { libc::_exit(i32::from(code)) }
            }
            Ok((fork, (mut reads, writes))) => {
                drop(writes);
                let passed = pass_on(&input, &mut reads, &mut output);
                let fork = Pid::from_raw(fork).ok_or(io::ErrorKind::InvalidData)?;
                // Over already, unless it closed its answer to live on or nobody waits for it.
                let _ = kill_process(fork, Signal::KILL);
                let status = waitpid(Some(fork), WaitOptions::empty())?;
                passed?;
                status.map_or(0, |(_, status)| status.as_raw())
            }
        };
        wipe(&mut task);
        output.write_all(&0_u32.to_le_bytes())?;
        output.write_all(&status.to_le_bytes())?;
    }
    Ok(())
}

/// Passes a fork's answer on; an error where nobody waits for it any more.
fn pass_on(input: &File, reads: &mut PipeReader, output: &mut File) -> io::Result<()> {
    let mut piece = [0; 1 << 14];
    let mut passed = 0;
    loop {
        let event = |fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        let mut events = [event(input.as_raw_fd()), event(reads.as_raw_fd())];
        // SAFETY: both are open, and so many.
        let ready = unsafe { libc::poll(events.as_mut_ptr(), 2, -1) };
        match ready {
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => continue,
                error => return Err(error),
            },
            // Nothing is sent before the answer: it was closed.
            _ if events[0].revents != 0 => return Err(io::ErrorKind::BrokenPipe.into()),
            _ => {}
        }
        let n = reads.read(&mut piece)?;
        passed += n as u64;
        if n == 0 || passed > MAX_MESSAGE {
            wipe(&mut piece);
            return Ok(());
        }
        output.write_all(&(n as u32).to_le_bytes())?;
        output.write_all(&piece[..n])?;
    }
}

/// Puts nothing in the place of what the server's input and output were.
fn silence() -> io::Result<()> {
    for _ in 0..2 {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        mem::forget(null);
    }
    Ok(())
}
