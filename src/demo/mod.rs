//! `fairframe demo`: the whole way on the bundled samples.

mod replay;
mod reports;
mod root;

use std::{net::SocketAddr, path::PathBuf};

use fairframe_ingest::{
    media::WorkerCommand,
    pull::{Origin, Pulled},
    run::{Declared, Outcome, Settings},
    verify::verify,
};
use fairframe_schemas::{Layout, Timestamp};

use crate::{
    Common,
    corpus::{self, CorpusArgs},
    exit::{self, Doing, Failure},
    ingest::{declared, describe, ingest},
    pull,
    serve::ServeArgs,
};

#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Folder of the bundled datasets
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    datasets: PathBuf,
    /// Serve the result afterwards
    #[arg(long)]
    serve: bool,
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Make no deepfake corpus: it takes some minutes
    #[arg(long)]
    no_corpus: bool,
    /// Where the recorded wiki answers: a release holds the address its media came from
    #[arg(long, hide = true, default_value_t = REPLAY_PORT)]
    replay_port: u16,
}

/// Before one of the three actors withdrew, and after: the demo's clock.
const BEFORE: &str = "2026-09-01T00:00:00Z";
const AFTER: &str = "2026-11-01T00:00:00Z";

/// The port asked for first: with the same port two runs write the same addresses.
const REPLAY_PORT: u16 = 7433;

/// The researcher's copy, below the demo's folder.
const COPY: &str = "researcher-copy";

impl DemoArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        root::prepare(&common.root).doing("start the demo")?;
        let layout = Layout::new(&common.root);
        let at = |text: &str| text.parse::<Timestamp>().doing("read the demo's date");
        let (before, after) = (at(BEFORE)?, at(AFTER)?);

        eprintln!("\n1. Photos: recorded Wikimedia Commons answers and a crowdsourced drop");
        let photos = self.photos(&layout, after, common)?;
        print!("{}", describe(&photos));

        eprintln!("\n2. Actor videos, on {BEFORE}: all three have given consent");
        let actors = vec![declared(&self.datasets.join("actors/source.toml"))?];
        let first = ingest(&settings(&layout, actors.clone(), before)?, common)?;
        print!("{}", describe(&first));

        if !self.no_corpus {
            eprintln!(
                "\n3. A deepfake corpus of them: pairs, framed faces, swaps, three qualities"
            );
            let source = self.datasets.join("corpus/source.toml");
            let made = corpus::make(&CorpusArgs::new(source, before), common)?;
            print!("{}", describe(&made));
        }

        eprintln!("\n4. A researcher's copy of the actors' videos");
        let copy = Copy::of(&first, &layout);
        let pulled = copy.pull(common)?;
        print!("{}", pull::describe(&pulled));

        eprintln!("\n5. The same session on {AFTER}: one has withdrawn");
        let second = ingest(&settings(&layout, actors, after)?, common)?;
        print!("{}", describe(&second));
        let withdrawn = corpus::follow(&layout, &second.dataset, after, common)?;
        for outcome in &withdrawn {
            print!("{}", describe(outcome));
        }
        if !self.no_corpus {
            // The detector had learned of whom withdrew: it went with them, and its report.
            corpus::make(
                &CorpusArgs::new(self.datasets.join("corpus/source.toml"), after),
                common,
            )?;
        }

        eprintln!("\n6. The researcher pulls again: the recall list of the newest version holds");
        let pulled = copy.pull(common)?;
        print!("{}", pull::describe(&pulled));

        eprintln!("\n7. Verify");
        let mut sound = true;
        let releases = || [&photos, &second].into_iter().chain(&withdrawn);
        for release in releases() {
            let found = verify(&release.folder, Some(&layout)).doing("verify")?;
            sound &= found.is_sound();
            let verdict = if found.is_sound() {
                "sound"
            } else {
                "NOT sound"
            };
            println!(
                "  {} {}: {verdict}; {} files, {} rows, {} media checked",
                release.dataset, release.version, found.files, found.rows, found.media
            );
            for p in &found.problems {
                println!("    {}: {}: {}", p.rule, p.at, p.problem);
            }
        }

        eprintln!("\n8. A detector's scores judged");
        reports::reports(&self.datasets, &layout.reports())?;

        println!("\nEverything is in {}", common.root.display());
        for release in releases() {
            println!("  card: {}", release.folder.join("card.html").display());
        }
        if !self.no_corpus {
            let made = layout.corpora().join("demo-corpus");
            let made = made.display();
            println!(
                "  what the framed faces and swaps look like: {made}/frames/*/sheet.jpg, {made}/fakes/*/sheet.jpg"
            );
            println!(
                "  real against fake: {}",
                layout
                    .reports()
                    .join("demo-corpus-baseline/report.html")
                    .display()
            );
        }
        if !sound {
            return Ok(exit::FOUND);
        }
        if self.serve {
            return ServeArgs {
                listen: self.listen,
                hosts: Vec::new(),
                behind_tls: false,
                tls_certificate: None,
                tls_key: None,
                sources: Some(self.datasets.clone()),
                workers: 1,
            }
            .run(common);
        }
        Ok(exit::OK)
    }

    /// Ingests Commons as replayed on loopback, by the same client as live, and the drop.
    fn photos(&self, layout: &Layout, at: Timestamp, common: &Common) -> Result<Outcome, Failure> {
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        let commons = self.datasets.join("demo-commons");
        let (address, server) = runtime
            .block_on(replay::serve(&commons.join("replay"), self.replay_port))
            .doing("start the replay server")?;
        let mut replayed = declared(&commons.join("source.toml"))?;
        if let Some(wiki) = &mut replayed.toml.wikimedia {
            wiki.api = format!("http://{address}/w/api.php");
        }
        let drop = declared(&self.datasets.join("drop/source.toml"))?;
        let outcome = ingest(&settings(layout, vec![drop, replayed], at)?, common);
        server.abort();
        outcome
    }
}

/// A researcher's copy of a release.
struct Copy {
    release: PathBuf,
    to: PathBuf,
}

impl Copy {
    fn of(release: &Outcome, layout: &Layout) -> Self {
        Self {
            release: release.folder.clone(),
            to: layout.root().join(COPY),
        }
    }

    fn pull(&self, common: &Common) -> Result<Pulled, Failure> {
        let origin = Origin::parse(&self.release.display().to_string()).doing("pull")?;
        pull::pull(&pull::plain(origin, self.to.clone()), common)
    }
}

fn settings(layout: &Layout, sources: Vec<Declared>, at: Timestamp) -> Result<Settings, Failure> {
    Ok(Settings {
        layout: layout.clone(),
        sources,
        as_of: Some(at),
        now: at,
        restart: false,
        listing: Default::default(),
        worker: WorkerCommand::beside().doing("find what decodes media")?,
        parallel: std::thread::available_parallelism().map_or(2, usize::from),
    })
}
