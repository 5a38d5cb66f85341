//! `fairframe episodes`: few-shot episodes, drawn and frozen.

use std::path::PathBuf;

use fairframe_eval::episodes::{Drawing, Pool, Shape, Sides, Wanted, draw, json_lines, table};
use fairframe_eval::read::Limits;
use fairframe_eval::report::write_whole;

use crate::{
    Common,
    exit::{self, Doing, Failure},
};

/// Draws few-shot episodes as Meta-Dataset does and freezes them to a file.
///
/// Ways and shots vary unless --way, --shot and --query fix them. The same
/// datasets and seed give the same bytes.
#[derive(Debug, clap::Args)]
pub struct EpisodesArgs {
    /// Datasets: NAME=PATH, a manifest version's folder or a CSV or Parquet of sample_id and class
    #[arg(required = true, value_name = "NAME=PATH", value_parser = named)]
    datasets: Vec<(String, PathBuf)>,
    /// Where to: .jsonl for JSON Lines, else Parquet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Episodes of each dataset
    #[arg(long, value_name = "N", default_value_t = 600)]
    episodes: u32,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Column of the class; `labels` of a manifest takes samples with one label
    #[arg(long, value_name = "COLUMN", default_value = "class")]
    class: String,
    /// Classes of an episode
    #[arg(long, value_name = "N", requires_all = ["shot", "query"])]
    way: Option<u32>,
    /// Support samples of a class
    #[arg(long, value_name = "N", requires_all = ["way", "query"])]
    shot: Option<u32>,
    /// Query samples of a class
    #[arg(long, value_name = "N", requires_all = ["way", "shot"])]
    query: Option<u32>,
    /// Draw ways from the nodes of a hierarchy: a CSV of child,parent; may be repeated
    #[arg(long = "hierarchy", value_name = "NAME=FILE", value_parser = named)]
    hierarchies: Vec<(String, PathBuf)>,
    /// Draw the classes of an episode from one value of this column
    #[arg(long, value_name = "COLUMN")]
    alphabet: Option<String>,
    /// Samples with one value of this column never stand in both support and query
    #[arg(long, value_name = "COLUMN")]
    disjoint: Option<String>,
    /// Support only from samples with this value: region=Europe
    #[arg(long, value_name = "COLUMN=VALUE", requires = "query_from", value_parser = pair)]
    support_from: Option<(String, String)>,
    /// Query only from samples with this value of the same column
    #[arg(long, value_name = "COLUMN=VALUE", requires = "support_from", value_parser = pair)]
    query_from: Option<(String, String)>,
    /// Only samples of this split
    #[arg(long, value_name = "SPLIT")]
    split: Option<String>,
    /// A dataset of which nothing was trained on; may be repeated
    #[arg(long = "held-out", value_name = "NAME")]
    held_out: Vec<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let found = text
        .split_once('=')
        .filter(|(a, b)| !a.is_empty() && !b.is_empty());
    let (a, b) = found.ok_or("it has no `=` with something on either side")?;
    Ok((a.to_owned(), b.to_owned()))
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    pair(text).map(|(name, path)| (name, path.into()))
}

impl EpisodesArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let sides = match (self.support_from, self.query_from) {
            (Some((column, support)), Some((same, query))) if column == same => Some(Sides {
                column,
                support,
                query,
            }),
            (Some((a, _)), Some((b, _))) => {
                return Err(format!("`{a}` and `{b}` are two columns; name one"))
                    .doing("set support and query apart");
            }
            _ => None,
        };
        let wanted = Wanted {
            class: self.class,
            alphabet: self.alphabet,
            disjoint: self.disjoint,
            sides,
            split: self.split,
        };
        let shape = match (self.way, self.shot, self.query) {
            (Some(way), Some(shot), Some(query)) => Shape::Fixed { way, shot, query },
            _ => Shape::Varied,
        };
        let drawing = Drawing {
            shape,
            episodes: self.episodes,
            seed: self.seed,
        };
        for name in self.hierarchies.iter().map(|h| &h.0).chain(&self.held_out) {
            if !self.datasets.iter().any(|(dataset, _)| dataset == name) {
                return Err(format!("no dataset is named `{name}`")).doing("draw episodes");
            }
        }
        let limits = Limits::default();
        let mut pools: Vec<(Pool, _)> = Vec::new();
        for (name, path) in &self.datasets {
            if pools.iter().any(|(pool, _)| pool.name == *name) {
                return Err(format!("two datasets are named `{name}`")).doing("draw episodes");
            }
            let doing = format!("draw episodes of `{name}`");
            let mut pool = Pool::read(name, path, &wanted, &limits).doing(&doing)?;
            pool.held_out = self.held_out.contains(name);
            if let Some((_, file)) = self.hierarchies.iter().find(|(n, _)| n == name) {
                pool = pool.with_hierarchy(file, &limits).doing(&doing)?;
            }
            let drawn = draw(&pool, &drawing).doing(&doing)?;
            pools.push((pool, drawn));
        }
        let bytes = match self.out.extension().is_some_and(|e| e == "jsonl") {
            true => json_lines(&pools),
            false => table(&pools, &drawing),
        };
        let bytes = bytes.doing("write episodes")?;
        write_whole(&self.out, &bytes).doing(format!("write `{}`", self.out.display()))?;
        let all: usize = pools.iter().map(|(_, drawn)| drawn.len()).sum();
        if common.json {
            let said =
                serde_json::json!({ "episodes": all, "datasets": pools.len(), "file": self.out });
            exit::print_json(&said)?;
        } else {
            let file = self.out.display();
            exit::print(&format!(
                "{all} episodes of {} datasets: {file}\n",
                pools.len()
            ))?;
        }
        Ok(exit::OK)
    }
}
