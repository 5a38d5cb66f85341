//! The working process: one task in, one answer out.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    compress::{Encode, Libraries},
    detector::LookTask,
    frame::FrameTask,
    swap::{HandOut, SwapTask, TakeIn},
};

use super::{
    CODE, Job, Limits, MAX_MESSAGE, NO_LIMITS, NO_TASK, Task, confine,
    program::{PROGRAM, launch},
};

/// Serves the task of this name, of all that there are.
macro_rules! tasks {
    ($name:ident $(, $task:ty)*) => {{
        $(if $name == <$task>::NAME {
            return serve::<$task>();
        })*
        let _ = $name;
        ExitCode::from(NO_TASK)
    }};
}

/// Does what `fairframe-media` is started for by a stage: the task of this name.
pub fn worker_main(name: &str) -> ExitCode {
    if name == PROGRAM {
        return launch();
    }
    tasks!(
        name, FrameTask, Libraries, Encode, SwapTask, HandOut, TakeIn, LookTask
    )
}

/// Reads a task from standard input, does it within its limits, and writes the answer to
/// standard output.
pub fn serve<T: Task>() -> ExitCode {
    let mut text = Vec::new();
    match io::stdin().take(MAX_MESSAGE).read_to_end(&mut text) {
        Ok(_) => ExitCode::from(perform::<T>(&text, None, io::stdout().lock())),
        Err(_) => ExitCode::from(NO_TASK),
    }
}

/// Does a task within its limits, which are this process's from then on; `forked_by` is what it ends
/// with, if not what the task says. Gives what to exit with.
pub(super) fn perform<T: Task>(text: &[u8], forked_by: Option<i32>, mut to: impl Write) -> u8 {
    // The limits first: what the task's own fields make of the text is not to be trusted more
    // than a file, as some were read from files.
    #[derive(Deserialize)]
    struct Terms {
        limits: Limits,
        parent: i32,
        #[serde(rename = "task")]
        _task: IgnoredAny,
    }
    let Ok(terms) = serde_json::from_slice::<Terms>(text) else {
        return NO_TASK;
    };
    let parent = forked_by.unwrap_or(terms.parent);
    if end_with(parent).is_err() || confine::resources(&terms.limits, Some(CODE)).is_err() {
        return NO_LIMITS;
    }
    let Ok(job) = serde_json::from_slice::<Job<T>>(text) else {
        return NO_TASK;
    };
    if confine::files(&job.task.reads(), &job.out).is_err() || confine::calls().is_err() {
        return NO_LIMITS;
    }
    let answer = job.task.work(&job.out);
    let Ok(text) = serde_json::to_vec(&answer) else {
        return NO_TASK;
    };
    match to.write_all(&text).and_then(|()| to.flush()) {
        Ok(()) => 0,
        Err(_) => FAILED,
    }
}

/// Exit code of a worker whose answer nobody took.
const FAILED: u8 = 1;

/// Has the kernel kill this process when the thread that started it ends, which waits for it;
/// an error where it is gone already.
pub fn end_with(parent: i32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    match getppid().map(Pid::as_raw_pid) == Some(parent) {
        true => Ok(()),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}
