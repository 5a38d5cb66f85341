//! A real MediaWiki on loopback: Debian's packages, SQLite, `php -S`.
//!
//! Everything lies in a temporary folder; the installed `/usr/share/mediawiki`
//! is only read. `MW_CONFIG_FILE` tells it which wiki it is.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const MEDIAWIKI: &str = "/usr/share/mediawiki";

/// How long the server may take to answer for the first time.
const START: Duration = Duration::from_secs(60);

/// What is added to the settings that the installer writes. The hook does in
/// little what Commons' `CommonsMetadata` does: lines `; Name : value` of a
/// description page become `extmetadata`.
const SETTINGS: &str = r#"
$wgServer = getenv( 'TEST_WIKI_SERVER' ) ?: 'http://127.0.0.1';
$wgArticlePath = '/index.php?title=$1';
$wgEnableUploads = true;
$wgUploadDirectory = __DIR__ . '/images';
$wgUploadPath = '/images';
$wgCacheDirectory = __DIR__ . '/cache';
$wgFileExtensions = [ 'png', 'jpg', 'jpeg', 'gif', 'svg', 'mkv', 'webm', 'ogv', 'ogg' ];
$wgMainCacheType = CACHE_NONE;
$wgMessageCacheType = CACHE_NONE;
$wgParserCacheType = CACHE_NONE;
$wgJobRunRate = 0;
$wgPhpCli = false;
$wgHooks['GetExtendedMetadata'][] = static function ( &$meta, $file, $context, $single, &$age ) {
    $pages = \MediaWiki\MediaWikiServices::getInstance()->getWikiPageFactory();
    $content = $pages->newFromTitle( $file->getTitle() )->getContent();
    $text = $content ? $content->getText() : '';
    preg_match_all( '/^;\s*(\w+)\s*:\s*(.*)$/m', $text, $fields, PREG_SET_ORDER );
    foreach ( $fields as $field ) {
        $meta[$field[1]] = [ 'value' => trim( $field[2] ), 'source' => 'commons-desc-page' ];
    }
    $age = 0;
    return true;
};
"#;

/// Requests of the API go to MediaWiki, those below `/images` to the files.
const ROUTER: &str = r#"<?php
$path = parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH );
if ( $path === '/api.php' || $path === '/index.php' ) {
    $_SERVER['SCRIPT_NAME'] = $path;
    require '/usr/share/mediawiki' . $path;
    return true;
}
if ( str_starts_with( $path, '/images/' ) ) { return false; }
http_response_code( 404 );
return true;
"#;

/// A file to import.
pub struct Import<'a> {
    pub from: &'a Path,
    /// Its name in the wiki.
    pub name: &'a str,
    /// Its description page.
    pub page: &'a str,
}

/// A running wiki; stopped and removed when dropped.
pub struct TestWiki {
    folder: tempfile::TempDir,
    server: Child,
    port: u16,
}

impl TestWiki {
    /// Installs and starts a wiki. `None`, with a plain word about it, where
    /// the packages are absent; under `CI=true` that is a failure.
    pub fn start() -> Option<Self> {
        let missing = missing_packages();
        if !missing.is_empty() {
            let packages = missing.join(" ");
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "`{packages}` must be installed where CI=true"
            );
            println!("skipped: not installed: {packages} (apt-get install {packages})");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        for sub in ["conf", "data", "conf/images", "conf/cache"] {
            fs::create_dir(folder.path().join(sub)).expect("a folder of the wiki");
        }
        let path = |sub: &str| folder.path().join(sub).display().to_string();
        let mut install = Command::new("php");
        install
            .arg(format!("{MEDIAWIKI}/maintenance/install.php"))
            .args(["--dbtype", "sqlite", "--dbname", "wiki"])
            .args(["--dbpath", &path("data"), "--confpath", &path("conf")])
            .args(["--server", "http://127.0.0.1", "--scriptpath", ""])
            .args(["--pass", "only-on-loopback-1", "Test wiki", "Admin"]);
        done(&mut install);
        let settings = folder.path().join("conf/LocalSettings.php");
        let mut settings = fs::OpenOptions::new()
            .append(true)
            .open(settings)
            .expect("the settings");
        settings
            .write_all(SETTINGS.as_bytes())
            .expect("the settings");
        fs::write(folder.path().join("router.php"), ROUTER).expect("the router");
        let (server, port) = serve(folder.path());
        Some(Self {
            folder,
            server,
            port,
        })
    }

    /// The address of its `api.php`.
    pub fn api(&self) -> String {
        format!("http://127.0.0.1:{}/api.php", self.port)
    }

    /// Uploads files, each with its description page.
    pub fn import(&self, files: &[Import<'_>]) {
        self.upload(files, &[]);
    }

    /// Uploads a new version of a file that is there.
    pub fn replace(&self, name: &str, from: &Path) {
        let file = Import {
            from,
            name,
            page: "",
        };
        self.upload(&[file], &["--overwrite"]);
    }

    fn upload(&self, files: &[Import<'_>], options: &[&str]) {
        let from = tempfile::tempdir_in(self.folder.path()).expect("a folder of files");
        for file in files {
            let to = from.path().join(file.name);
            fs::copy(file.from, &to).unwrap_or_else(|e| panic!("{}: {e}", file.from.display()));
            fs::write(to.with_extension("txt"), file.page).expect("a description");
        }
        let mut import = self.maintenance("importImages.php");
        import.args(["--user", "Admin", "--comment-ext", "txt"]);
        import.args(["--extensions", "jpg,jpeg,png,gif,svg,mkv,webm,ogv,ogg"]);
        done(import.args(options).arg(from.path()));
    }

    /// Writes a page.
    pub fn edit(&self, title: &str, text: &str) {
        let mut edit = self.maintenance("edit.php");
        given(
            edit.args(["--user", "Admin", "--summary", "test", title]),
            text,
        );
    }

    /// Deletes a page; a file's page with its file.
    pub fn delete(&self, title: &str) {
        given(
            self.maintenance("deleteBatch.php").args(["--u", "Admin"]),
            title,
        );
    }

    /// Brings a deleted page back, with its file and under its old id.
    pub fn restore(&self, title: &str) {
        done(
            self.maintenance("undelete.php")
                .args(["--user", "Admin", title]),
        );
    }

    /// Renames a page, leaving a redirect.
    pub fn rename(&self, from: &str, to: &str) {
        let line = format!("{from}|{to}");
        given(
            self.maintenance("moveBatch.php").args(["--u", "Admin"]),
            &line,
        );
    }

    /// Makes new pages searchable.
    pub fn index(&self) {
        done(&mut self.maintenance("rebuildtextindex.php"));
    }

    fn maintenance(&self, script: &str) -> Command {
        let mut command = Command::new("php");
        command
            .arg(format!("{MEDIAWIKI}/maintenance/{script}"))
            .env(
                "MW_CONFIG_FILE",
                self.folder.path().join("conf/LocalSettings.php"),
            );
        command
    }
}

impl Drop for TestWiki {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to stop.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Starts the server on a free port and waits for its first answer.
fn serve(folder: &Path) -> (Child, u16) {
    for _ in 0..5 {
        // Somebody may take the port before the server does; then once more.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("its port").port();
        drop(free);
        let mut server = Command::new("php")
            .args(["-d", "opcache.revalidate_freq=0"])
            .args(["-S", &format!("127.0.0.1:{port}"), "-t"])
            .arg(folder.join("conf"))
            .arg(folder.join("router.php"))
            .env("MW_CONFIG_FILE", folder.join("conf/LocalSettings.php"))
            .env("TEST_WIKI_SERVER", format!("http://127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("php");
        let end = Instant::now() + START;
        while Instant::now() < end && server.try_wait().expect("php").is_none() {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return (server, port);
            }
            sleep(Duration::from_millis(20));
        }
        let _ = server.kill();
        let _ = server.wait();
    }
    panic!("php -S did not start");
}

/// Packages that are needed and not there, by what they bring.
fn missing_packages() -> Vec<&'static str> {
    let php = Command::new("php").arg("-m").stderr(Stdio::null()).output();
    let modules = php.map(|o| String::from_utf8_lossy(&o.stdout).to_lowercase());
    let modules = modules.unwrap_or_default();
    let has = |module: &str| modules.lines().any(|m| m.trim() == module);
    let needs = [
        ("mediawiki", Path::new(MEDIAWIKI).join("api.php").exists()),
        ("php-cli", !modules.is_empty()),
        ("php-sqlite3", has("pdo_sqlite")),
        ("php-mbstring", has("mbstring")),
        ("php-xml", has("dom")),
        ("php-intl", has("intl")),
        ("php-gd", has("gd")),
    ];
    let missing = needs.into_iter().filter(|(_, there)| !there);
    missing.map(|(package, _)| package).collect()
}

/// Runs a command to its end; what it said is shown when it failed.
fn done(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("php");
    check(command, &output);
}

/// As [`done`], with `text` on standard input.
fn given(command: &mut Command, text: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("php");
    let mut input = child.stdin.take().expect("standard input");
    input.write_all(text.as_bytes()).expect("standard input");
    drop(input);
    let output = child.wait_with_output().expect("php");
    check(command, &output);
}

fn check(command: &Command, output: &Output) {
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A real photo shipped with the project.
pub fn photo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("datasets/drop/media")
        .join(name)
}

/// A real photo that the bundled wiki answers serve.
pub fn replayed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("datasets/demo-commons/replay/media")
        .join(name)
}

/// A real clip shipped with the project.
pub fn clip(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("datasets/actors/clips")
        .join(name)
}
