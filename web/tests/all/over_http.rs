//! Over HTTP, by the real programs: the API asked by schemathesis whatever its description allows
//! and much that it does not; the lines to copy run with the tools they are for.

use std::{net::SocketAddr, path::PathBuf, process::Command};

use crate::support::site::Site;
use fairframe_web::{
    api,
    state::{
        accounts::{self, By, Role},
        jobs, proposals,
        tokens::{self, Scope},
    },
};

/// Requests made of each operation, besides those of the boundaries of each parameter.
const EXAMPLES: &str = "15";

/// A program of the environment with the packages of `tests/python/requirements.txt`; none, said
/// plainly, where there is none. Never none in CI.
fn program(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FAIRFRAME_VENV").map(PathBuf::from);
    let program = folder
        .map(|f| f.join("bin").join(name))
        .filter(|p| p.exists());
    if program.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|v| v != "true"),
            "no {name}"
        );
        eprintln!("skipped: no {name} (`make venv` makes FAIRFRAME_VENV)");
    }
    program
}

/// Serves a site at an address of this machine.
async fn listen(site: &Site) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = site.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// What a program said that did well.
async fn run(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{errors}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lines_to_copy_work_with_the_tools_they_are_for() {
    let Some(python) = program("python") else {
        return;
    };
    let site = Site::new().await;
    let (samples, _) = crate::support::demo(&site.layout);
    let rows = samples.iter().filter(|s| s.reasons.is_empty()).count();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command
        .arg(crate::support::project().join("tests/python/tools.py"))
        .arg(format!("http://{}/datasets/photos", listen(&site).await))
        .arg(folder.path())
        .arg(rows.to_string())
        .env("HF_HOME", folder.path().join("hf"))
        .env("HOME", folder.path());
    let said = run(command).await;
    for tool in [
        "curl",
        "polars",
        "pandas",
        "DuckDB",
        "Hugging Face datasets",
    ] {
        assert!(said.contains(&format!("{tool}: ")), "{said}");
    }
    println!("{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_breaks_the_server_and_answers_are_as_described() {
    let Some(schemathesis) = program("schemathesis") else {
        return;
    };
    let site = Site::new().await;
    let (samples, _) = crate::support::demo(&site.layout);
    let db = &site.app.db;
    let mut mira = site.member("mira", &[(Role::Curator, None)]).await;
    let account = accounts::find(db, By::Name("mira")).await.unwrap().unwrap();
    let photos = fairframe_schemas::Name::new("photos").unwrap();
    let mut write = db.write().await.unwrap();
    let scopes = [Scope::Read, Scope::Curate].into();
    let token = tokens::create(&mut write, &account, "t", &scopes, 30)
        .await
        .unwrap();
    let job = jobs::ask(&mut write, jobs::Kind::Ingest, &photos, "mira", None).await;
    write.commit().await.unwrap();
    let base = "2.0.0".parse().unwrap();
    let proposal = proposals::propose(db, &photos, base, "noor", "New.")
        .await
        .unwrap();
    // Once the index is there, nothing has to be waited for.
    while mira
        .get("/datasets/photos/2.0.0/samples")
        .await
        .status
        .as_u16()
        == 503
    {}

    let address = listen(&site).await;
    let folder = tempfile::tempdir().unwrap();
    let description = folder.path().join("openapi.json");
    std::fs::write(&description, serde_json::to_vec(&api::openapi()).unwrap()).unwrap();
    let accepted = samples.iter().find(|s| s.reasons.is_empty()).unwrap();
    let known = format!(
        "[parameters]\n\"path.name\" = \"photos\"\n\"path.version\" = \"latest\"\n\
         \"path.id\" = \"{}\"\n\"path.job\" = \"{}\"\n\"path.proposal\" = \"{proposal}\"\n",
        accepted.sample_id,
        job.unwrap(),
    );
    // Things that are there; and whatever may stand in an address.
    for (name, config) in [("known", known.as_str()), ("any", "")] {
        let config_file = folder.path().join(format!("{name}.toml"));
        std::fs::write(&config_file, config).unwrap();
        let mut command = Command::new(&schemathesis);
        command
            .arg("--config-file")
            .arg(&config_file)
            .args(["run", "--url", &format!("http://{address}")])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args(["--seed", "1", "--max-examples", EXAMPLES])
            .args(["--phases", "examples,coverage,fuzzing"])
            .args([
                "--suppress-health-check",
                "all",
                "--warnings",
                "off",
                "--no-color",
            ])
            .args([
                "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance,\
                 response_headers_conformance,response_schema_conformance,unsupported_method,\
                 allow_header_conformance",
            ])
            .arg(&description)
            .current_dir(folder.path());
        println!("{name}: {}", run(command).await);
    }
}
