//! Progress as a person sees it: a bar on a terminal, a line every few seconds elsewhere;
//! and as the server reads it, [`fairframe_web::jobs::Line`].

use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

use fairframe_ingest::reporter::Reporter;
use fairframe_web::jobs::Line;
use indicatif::{ProgressBar, ProgressStyle};

use crate::Common;

/// Seconds between lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Seconds between lines for the server.
const EVERY_LINE: Duration = Duration::from_millis(250);

pub struct Progress {
    quiet: bool,
    lines: bool,
    terminal: bool,
    stage: Mutex<Option<Stage>>,
}

struct Stage {
    name: String,
    total: Option<u64>,
    done: u64,
    began: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(common: &Common) -> Self {
        Self {
            quiet: common.quiet || common.lines.is_some(),
            lines: common.lines.is_some(),
            terminal: std::io::stderr().is_terminal(),
            stage: Mutex::new(None),
        }
    }

    fn with(&self, work: impl FnOnce(&mut Option<Stage>)) {
        work(&mut self.stage.lock().unwrap_or_else(|e| e.into_inner()));
    }
}

impl Stage {
    fn tell(&mut self) {
        self.said = Instant::now();
        say(&Line::Stage {
            name: self.name.clone(),
            done: self.done,
            total: self.total,
        });
    }

    fn line(&self) -> String {
        let rate = self.done as f64 / self.began.elapsed().as_secs_f64().max(1e-3);
        let left = match self.total {
            Some(total) if self.done > 0 && total > self.done => {
                format!(", {:.0} s left", (total - self.done) as f64 / rate)
            }
            _ => String::new(),
        };
        let total = self.total.map(|t| format!(" of {t}")).unwrap_or_default();
        format!(
            "{}: {}{total}, {rate:.0} a second{left}",
            self.name, self.done
        )
    }

    fn end(self, quiet: bool) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if !quiet {
            eprintln!(
                "{}: {} in {:.1} s",
                self.name,
                self.done,
                self.began.elapsed().as_secs_f64()
            );
        }
    }
}

impl Reporter for Progress {
    fn stage(&self, name: &str, total: Option<u64>) {
        self.with(|stage| {
            if let Some(ended) = stage.take() {
                ended.end(self.quiet);
            }
            let bar = (self.terminal && !self.quiet).then(|| {
                let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
                let form = match total {
                    Some(_) => "{msg} {bar:30} {pos}/{len} {per_sec} {eta} left",
                    None => "{spinner} {msg} {pos} {per_sec}",
                };
                if let Ok(style) = ProgressStyle::with_template(form) {
                    bar.set_style(style);
                }
                bar.set_message(name.to_owned());
                bar
            });
            let now = Instant::now();
            let stage = stage.insert(Stage {
                name: name.to_owned(),
                total,
                done: 0,
                began: now,
                said: now,
                bar,
            });
            if self.lines {
                stage.tell();
            }
        });
    }

    fn advance(&self, steps: u64) {
        self.with(|stage| {
            let Some(stage) = stage else { return };
            stage.done += steps;
            let whole = stage.total == Some(stage.done);
            if self.lines && (whole || stage.said.elapsed() >= EVERY_LINE) {
                stage.tell();
            } else if let Some(bar) = &stage.bar {
                bar.inc(steps);
            } else if !self.quiet && stage.said.elapsed() >= EVERY {
                stage.said = Instant::now();
                eprintln!("{}", stage.line());
            }
        });
    }

    fn message(&self, text: &str) {
        if self.lines {
            say(&Line::Message {
                text: text.to_owned(),
            });
        } else if !self.quiet {
            eprintln!("{text}");
        }
    }
}

/// One line of JSON on stderr.
fn say(line: &Line) {
    if let Ok(text) = serde_json::to_string(line) {
        eprintln!("{text}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.with(|stage| {
            if let Some(ended) = stage.take() {
                ended.end(self.quiet);
            }
        });
    }
}
