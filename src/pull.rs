//! `fairframe pull`.

use std::path::PathBuf;

use fairframe_ingest::pull::{Origin, Pulled, Settings, run};
use fairframe_schemas::{Split, text};

use crate::{
    Common,
    exit::{self, Doing, Failure},
    progress::Progress,
    server::Credentials,
};

#[derive(Debug, clap::Args)]
pub struct PullArgs {
    /// A release: its folder, or its URL (`http://host/data/demo/1.0.0/`, or the page that shows it)
    release: String,
    /// Folder of the copy; an earlier pull into it is gone on with
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Only media of this split: train, validation or test
    #[arg(long)]
    split: Option<Split>,
    /// No media: manifest, card, attributions, recall list
    #[arg(long)]
    only_metadata: bool,
    /// Transfers at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    jobs: u16,
    /// Connections to one upstream host at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=512))]
    per_host: u16,
    /// Requests to one host a second [default: unlimited]
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Name and contact sent to servers; Wikimedia asks for it
    #[arg(long, value_name = "TEXT", env = "FAIRFRAME_USER_AGENT")]
    user_agent: Option<String>,
    /// Upstream host that may have a private address; the host of the release's URL may
    #[arg(long, value_name = "HOST")]
    allow_private: Vec<String>,
    #[command(flatten)]
    credentials: Credentials,
}

impl PullArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let origin = Origin::parse(&self.release).doing("pull")?;
        let settings = Settings {
            to: self.to,
            split: self.split,
            only_metadata: self.only_metadata,
            jobs: self.jobs.into(),
            per_host: self.per_host.into(),
            rate: self.rate.unwrap_or(0.0),
            user_agent: self.user_agent,
            allow_private: self.allow_private,
            token: match &origin {
                Origin::Server { .. } => self.credentials.token()?,
                Origin::Folder { .. } => None,
            },
            origin,
        };
        let done = pull(&settings, common)?;
        if common.json {
            exit::print_json(&done)?;
        } else {
            print!("{}", describe(&done));
        }
        Ok(if done.samples.failed == 0 {
            exit::OK
        } else {
            exit::FOUND
        })
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        _ => Err("not a number of requests a second; give 0 (unlimited) or more".to_owned()),
    }
}

/// What a pull without options asks for.
pub fn plain(origin: Origin, to: PathBuf) -> Settings {
    Settings {
        origin,
        to,
        split: None,
        only_metadata: false,
        jobs: 16,
        per_host: 8,
        rate: 0.0,
        user_agent: None,
        allow_private: Vec::new(),
        token: None,
    }
}

/// Pulls with progress on stderr.
pub fn pull(settings: &Settings, common: &Common) -> Result<Pulled, Failure> {
    let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
    let progress = Progress::new(common);
    let done = runtime
        .block_on(run(settings, &progress))
        .doing(format!("pull {}", settings.origin))?;
    if !done.withdrawals_known {
        // Under `--quiet` too: the copy may hold what somebody has withdrawn.
        eprintln!(
            "warning: {}: no recall list of the newest release is there; \
             what was withdrawn after this release is not known",
            settings.origin
        );
    }
    Ok(done)
}

/// What a person reads at the end.
pub fn describe(done: &Pulled) -> String {
    let s = &done.samples;
    let mut out = format!("{} {}\n", done.dataset, done.version);
    let mut line = |n: u64, what: &str| out.push_str(&format!("  {n:>9} {what}\n"));
    line(done.files, "release files checked");
    line(s.present, "media there already");
    line(
        s.fetched,
        &format!("media fetched, {}", text::size(s.fetched_bytes)),
    );
    if s.without_media > 0 {
        line(s.without_media, "records without media");
    }
    if s.recalled > 0 {
        line(s.recalled, "recalled: not fetched");
    }
    if s.failed > 0 {
        line(s.failed, "failed: see failures.csv; pull again to retry");
    }
    if !done.removed.is_empty() {
        line(done.removed.len() as u64, "files removed: recalled");
    }
    line(done.held, "samples held, with attributions");
    out.push_str(&format!("  {}\n", done.folder.display()));
    out.push_str(&format!("  {}\n", done.papers.display()));
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_rate_is_finite_and_not_negative() {
        for bad in ["nan", "inf", "-1", "-0.5", "1e999", "fast"] {
            assert!(super::rate(bad).is_err(), "{bad}");
        }
        assert_eq!(super::rate("2.5"), Ok(2.5));
        assert_eq!(super::rate("0"), Ok(0.0));
    }
}
