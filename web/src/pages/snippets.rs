//! Lines to copy from a dataset's page: how each tool opens this release, from this server.
//!
//! Where a dataset has terms the lines send the token in the environment variable
//! `FAIRFRAME_TOKEN`. They name the variable and never hold the token, which a command line would
//! show to every user of the machine.

use crate::catalog::SUMS;

/// The environment variable that the lines take a token from, as `fairframe` does.
const TOKEN: &str = "FAIRFRAME_TOKEN";

/// Lines for one tool.
pub struct Snippet {
    pub tool: &'static str,
    pub text: String,
}

/// The lines of every tool. `base` is the path of the release's files, `parts` are the names of its
/// Parquet files, `token` says whether they are sent to accounts only.
pub fn snippets(origin: &str, base: &str, parts: &[String], token: bool) -> Vec<Snippet> {
    let parts: Vec<String> = parts
        .iter()
        .map(|p| format!("{origin}{base}/{p}"))
        .collect();
    let snippet = |tool, text| Snippet { tool, text };
    vec![
        snippet(
            "curl",
            format!(
                "{}curl -fLO {origin}{base}/{SUMS}\nsha256sum --check --ignore-missing {SUMS}",
                parts.iter().map(|p| curl(p, token)).collect::<String>()
            ),
        ),
        snippet("polars", polars(&parts, token)),
        snippet("pandas", pandas(&parts, token)),
        snippet("DuckDB", duckdb(origin, &parts, token)),
        snippet("Hugging Face datasets", datasets(&parts, token)),
        snippet(
            "everything, media included",
            format!("fairframe pull {origin}{base}/ --to copy"),
        ),
    ]
}

/// One address, or a list of several, as Python writes them.
fn python_list(parts: &[String]) -> String {
    let quoted: Vec<String> = parts.iter().map(|p| format!("\"{p}\"")).collect();
    match quoted.as_slice() {
        [one] => one.clone(),
        all => format!("[{}]", all.join(", ")),
    }
}

fn curl(part: &str, token: bool) -> String {
    match token {
        false => format!("curl -fLO -C - {part}\n"),
        // A builtin of the shell: no process has the token among its arguments.
        true => format!(
            "printf 'Authorization: Bearer %s' \"${TOKEN}\" |\n  curl -fLO -C - -H @- {part}\n"
        ),
    }
}

/// The header, for Python.
fn header() -> String {
    format!("token = {{\"Authorization\": \"Bearer \" + os.environ[\"{TOKEN}\"]}}\n")
}

/// polars has no option for a header: Python fetches for it.
fn polars(parts: &[String], token: bool) -> String {
    let list = python_list(parts);
    if !token {
        return format!("import polars as pl\nsamples = pl.read_parquet({list})");
    }
    let head = format!(
        "import os\nfrom urllib.request import Request, urlopen\nimport polars as pl\n{}",
        header()
    );
    match parts.len() {
        1 => format!(
            "{head}asked = Request({list}, headers=token)\nsamples = pl.read_parquet(urlopen(asked).read())"
        ),
        _ => format!(
            "{head}parts = (urlopen(Request(part, headers=token)) for part in {list})\nsamples = pl.concat(pl.read_parquet(part.read()) for part in parts)"
        ),
    }
}

fn pandas(parts: &[String], token: bool) -> String {
    let list = python_list(parts);
    let (head, option) = match token {
        false => ("import pandas as pd\n".to_owned(), ""),
        true => (
            format!("import os\nimport pandas as pd\n{}", header()),
            ", storage_options=token",
        ),
    };
    match parts.len() {
        1 => format!("{head}samples = pd.read_parquet({list}{option})"),
        _ => format!("{head}samples = pd.concat(pd.read_parquet(part{option}) for part in {list})"),
    }
}

/// For DuckDB's own command line, whose `getenv` reads the environment.
fn duckdb(origin: &str, parts: &[String], token: bool) -> String {
    let secret = match token {
        false => String::new(),
        true => format!(
            "CREATE SECRET (TYPE http, SCOPE '{origin}',\n  BEARER_TOKEN getenv('{TOKEN}'));\n"
        ),
    };
    let list: Vec<String> = parts.iter().map(|p| format!("'{p}'")).collect();
    format!(
        "INSTALL httpfs; LOAD httpfs;\n{secret}SELECT region, count(*)\nFROM read_parquet([{}])\nGROUP BY region;",
        list.join(", ")
    )
}

fn datasets(parts: &[String], token: bool) -> String {
    let list = python_list(parts);
    let (head, option) = match token {
        false => ("from datasets import load_dataset\n".to_owned(), ""),
        true => (
            format!("import os\nfrom datasets import load_dataset\n{}", header()),
            "\n    storage_options={\"headers\": token},",
        ),
    };
    format!(
        "{head}samples = load_dataset(\n    \"parquet\",\n    data_files={list},\n    split=\"train\",{option}\n)"
    )
}
