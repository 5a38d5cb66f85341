//! `fairframe serve`.
//!
//! What a client may cost is bounded: the time of a handshake, the time and the size of a request's
//! head, the time between pieces of its body, and the number of connections.

use std::{
    io::{self, Write as _},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use fairframe_schemas::Layout;
use fairframe_web::{
    App, access::Client, competitions::scorers::Scorers, heap, hosts::Hosts, jobs::Workshop,
    state::links,
};
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use tower::ServiceExt;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::{
    Common,
    exit::{self, Doing, Failure},
    ingest::clock,
};

/// Longest wait for the whole head of a request, and for the next request on a connection.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 32 << 10;

/// Connections at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;

/// Longest wait for the next piece of a request's body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// How long answers under way may take once the server is asked to end.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Address to listen at
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// A name under which the server is reached; addresses and `localhost` always are [repeatable]
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// Browsers reach the server by a proxy that speaks TLS: cookies go no other way, and the
    /// proxy's `X-Forwarded-For` says who asks
    #[arg(long)]
    pub behind_tls: bool,
    /// The server's certificate and those up to its authority, PEM: it speaks TLS itself
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        conflicts_with = "behind_tls"
    )]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// A folder of folders with a `source.toml` each: what curators may ingest and release
    #[arg(long, value_name = "DIR")]
    pub sources: Option<PathBuf>,
    /// Processes that score submissions to competitions
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub workers: usize,
}

impl ServeArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        heap::keep_little();
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        let hosts = Hosts::new(self.hosts.iter().map(String::as_str));
        runtime.block_on(async {
            let layout = Layout::new(&common.root);
            let tls = match (&self.tls_certificate, &self.tls_key) {
                (Some(certificate), Some(key)) => Some(tls(certificate, key)?),
                _ => None,
            };
            let https = self.behind_tls || tls.is_some();
            let app = App::open(layout, clock(), https);
            let mut app = app.await.doing("open the database")?;
            app.workshop = Workshop {
                program: Some(std::env::current_exe().doing("find this program")?),
                sources: self.sources.clone(),
            };
            let runner = tokio::spawn(app.runner().run());
            let scorers = Scorers {
                db: app.db.clone(),
                layout: Layout::new(&common.root),
                program: std::env::current_exe().doing("find this program")?,
                workers: self.workers,
            };
            let scorers = tokio::spawn(scorers.run());
            let first = links::first(&app.db).await.doing("make the first link")?;
            let db = app.db.clone();
            let router = fairframe_web::router_for(app, hosts)
                .layer(RequestBodyTimeoutLayer::new(BODY_TIME));
            let listener = listen(self.listen).doing(format!("listen at {}", self.listen))?;
            let address = listener.local_addr().doing("ask for the address")?;
            let scheme = if tls.is_some() { "https" } else { "http" };
            eprintln!("serving {} at {scheme}://{address}/", common.root.display());
            if let Some(link) = first {
                // Whoever started the server may have stopped listening.
                let _ = writeln!(
                    std::io::stderr(),
                    "the first administrator sets a password at {scheme}://{address}/welcome/{link}"
                );
            }
            serve(listener, tls, router, self.behind_tls).await;
            // A job under way is ended, and begun again by the next server.
            runner.abort();
            scorers.abort();
            let _ = (runner.await, scorers.await);
            db.close().await;
            Ok(exit::OK)
        })
    }
}

/// What TLS connections are accepted with. Read once: a renewed certificate wants a new start.
fn tls(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Failure> {
    let named = |path: &Path| format!("read `{}`", path.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .doing(named(certificate))?;
    let secret = PrivateKeyDer::from_pem_file(key).doing(named(key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .doing("set up TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .doing(format!(
            "use `{}` with `{}`",
            certificate.display(),
            key.display()
        ))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// As many may wait as are served at a time: those that come at once beyond what waits are not heard,
/// and try again a second later only.
fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = match at {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A server that starts again takes its address back at once.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(MAX_CONNECTIONS as u32)
}

/// Serves until the process is asked to end, then lets answers under way finish.
async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, proxied: bool) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (stop, stopping) = watch::channel(false);
    let mut open = JoinSet::new();
    let mut stopped = pin!(stopped());
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut stopped => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, from)) => {
                let from = Caller {
                    address: from.ip(),
                    proxied,
                };
                let (router, stopping, tls) = (router.clone(), stopping.clone(), tls.clone());
                open.spawn(async move {
                    match tls {
                        None => connection(stream, from, router, stopping).await,
                        Some(tls) => match timeout(HEAD_TIME, tls.accept(stream)).await {
                            Ok(Ok(stream)) => connection(stream, from, router, stopping).await,
                            Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
                            Err(_) => tracing::debug!("a handshake took too long"),
                        },
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                // Out of file descriptors, say: it passes when connections end.
                tracing::warn!(%error, "a connection was not accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
        while open.try_join_next().is_some() {}
    }
    drop(listener);
    let _ = stop.send(true);
    let rest = async { while open.join_next().await.is_some() {} };
    let _ = timeout(GRACE, rest).await;
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
struct Caller {
    address: IpAddr,
    /// Whether that is our own proxy.
    proxied: bool,
}

impl Caller {
    /// Notes on a request who sent it. A proxy adds the address it was asked from at the end.
    fn note(self, request: &mut Request<Incoming>) {
        let forwarded = request
            .headers()
            .get_all("x-forwarded-for")
            .into_iter()
            .next_back();
        let last = forwarded
            .and_then(|v| v.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
            .filter(|_| self.proxied);
        let client = Client(last.unwrap_or(self.address));
        request.extensions_mut().insert(client);
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    from: Caller,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(router.map_request(move |mut request: Request<_>| {
        from.note(&mut request);
        request
    }));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        _ = stopping.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Ends at an interrupt or a request to terminate.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}
