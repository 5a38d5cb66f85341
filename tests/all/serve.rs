//! The real server on a real socket, and clients that mean it no good.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Serving, fairframe, text};

fn connect(server: &Serving) -> TcpStream {
    let address = server
        .url
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
}

/// The first line of the answer to these bytes.
fn answer(server: &Serving, request: &str) -> String {
    let mut stream = connect(server);
    stream.write_all(request.as_bytes()).unwrap();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    text(&all).lines().next().unwrap_or_default().to_owned()
}

fn asked_as(server: &Serving, host: &str) -> String {
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    answer(server, &request)
}

#[test]
fn only_declared_names_are_answered() {
    let root = tempfile::tempdir().unwrap();
    let server = Serving::start(root.path());
    let port = server.url.trim_end_matches('/').rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "localhost", "LocalHost", "[::1]"] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            assert_eq!(asked_as(&server, &host), "HTTP/1.1 200 OK", "{host}");
        }
    }
    for host in [
        "rebound.example",
        "localhost.rebound.example",
        "127.0.0.1.rebound.example",
    ] {
        let host = format!("{host}:{port}");
        assert!(
            asked_as(&server, &host).starts_with("HTTP/1.1 421"),
            "{host}"
        );
    }
    let absolute = "GET http://rebound.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(answer(&server, absolute).starts_with("HTTP/1.1 421"));
    assert_eq!(
        answer(&server, "GET /healthz HTTP/1.0\r\n\r\n"),
        "HTTP/1.0 200 OK"
    );

    let public = Serving::with(root.path(), &["--host", "data.example.org"]);
    assert_eq!(asked_as(&public, "data.example.org"), "HTTP/1.1 200 OK");
    assert!(asked_as(&public, "other.example.org").starts_with("HTTP/1.1 421"));
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let server = Serving::start(root.path());
    let with = |name: &str, bytes: usize| {
        let value = "a".repeat(bytes);
        let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{name}: {value}\r\n");
        answer(&server, &format!("{head}Connection: close\r\n\r\n"))
    };
    assert_eq!(with("X-Small", 8_000), "HTTP/1.1 200 OK");
    assert!(with("X-Large", 40_000).starts_with("HTTP/1.1 431"));
    let many: String = (0..300).map(|i| format!("X-{i}: a\r\n")).collect();
    let many = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert!(answer(&server, &many).starts_with("HTTP/1.1 431"));
}

/// Whoever sends nothing, or a byte now and then, is hung up on; others are served meanwhile.
#[test]
fn slow_clients_are_hung_up_on() {
    let root = tempfile::tempdir().unwrap();
    let server = Serving::start(root.path());
    let silent: Vec<TcpStream> = (0..50).map(|_| connect(&server)).collect();
    let mut slow = connect(&server);
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        .unwrap();
    let mut idle = connect(&server);
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let began = Instant::now();
    let mut hung_up = false;
    slow.set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    while !hung_up {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "a slow head is waited for"
        );
        let sent = slow.write_all(b"a");
        hung_up = sent.is_err()
            || match slow.read(&mut [0; 64]) {
                Ok(n) => n == 0,
                Err(e) => !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            };
        assert_eq!(asked_as(&server, "localhost"), "HTTP/1.1 200 OK");
    }
    for mut stream in silent.into_iter().chain([idle]) {
        // Ends, rather than times out.
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest);
        assert!(
            !matches!(&end, Err(e) if e.kind() == ErrorKind::WouldBlock),
            "{end:?}"
        );
    }
}

/// Asked to end, the server lets an answer under way finish and then ends.
#[test]
fn the_server_ends_when_asked_to() {
    let root = tempfile::tempdir().unwrap();
    let server = Serving::start(root.path());
    let _open = connect(&server);
    assert_eq!(asked_as(&server, "localhost"), "HTTP/1.1 200 OK");
    let mut server = server;
    let id = server.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let server = Serving::start(root.path());
    let address = server
        .url
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let mut second = fairframe(root.path());
    second
        .args(["serve", "--listen", address])
        .stdin(Stdio::null());
    let output = second.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains(address),
        "{}",
        text(&output.stderr)
    );
}

/// With a certificate the server speaks TLS itself, and nothing else.
#[test]
fn it_speaks_tls_itself() {
    use tokio_rustls::rustls::{
        ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs,
    };

    let root = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| root.path().join(name));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let [certificate, key] = [&certificate, &key].map(|path| path.to_str().unwrap());
    let arguments = ["--tls-certificate", certificate, "--tls-key", key];
    let server = Serving::with(root.path(), &arguments);
    let address = server.url.strip_prefix("https://").unwrap();
    let address = address.trim_end_matches('/');

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "127.0.0.1".try_into().unwrap();
    let client = ClientConnection::new(config.into(), name).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    let mut stream = StreamOwned::new(client, stream);
    let request = format!("GET /login HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    assert!(text(&all).starts_with("HTTP/1.1 200 "), "{}", text(&all));

    let mut plain = TcpStream::connect(address).unwrap();
    plain.write_all(request.as_bytes()).unwrap();
    let mut all = Vec::new();
    let _ = plain.read_to_end(&mut all);
    assert!(!text(&all).contains("HTTP/1.1"), "{}", text(&all));

    for (arguments, said) in [
        (
            vec!["--tls-certificate", certificate, "--tls-key", certificate],
            certificate,
        ),
        (
            vec!["--tls-certificate", "/no/such.pem", "--tls-key", key],
            "/no/such.pem",
        ),
        (vec!["--tls-certificate", certificate], "--tls-key"),
    ] {
        let mut command = fairframe(root.path());
        let output = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(
            text(&output.stderr).contains(said),
            "{}",
            text(&output.stderr)
        );
    }
}
