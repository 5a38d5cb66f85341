//! `fairframe serve`.
//!
//! What a client may cost is bounded: the time and the size of a request's
//! head, and the number of connections. Requests have no bodies.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use fairframe_schemas::Layout;
use fairframe_web::hosts::Hosts;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Common,
    exit::{self, Doing, Failure},
};

/// Longest wait for the whole head of a request, and for the next request on a connection.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 32 << 10;

/// Connections at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;

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
}

impl ServeArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        let hosts = Hosts::new(self.hosts.iter().map(String::as_str));
        let router = fairframe_web::router_for(Layout::new(&common.root), hosts);
        runtime.block_on(async {
            let listener = TcpListener::bind(self.listen)
                .await
                .doing(format!("listen at {}", self.listen))?;
            let address = listener.local_addr().doing("ask for the address")?;
            eprintln!("serving {} at http://{address}/", common.root.display());
            serve(listener, router).await;
            Ok(exit::OK)
        })
    }
}

/// Serves until the process is asked to end, then lets answers under way finish.
async fn serve(listener: TcpListener, router: Router) {
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
            Ok((stream, _)) => {
                let work = connection(stream, router.clone(), stopping.clone());
                open.spawn(async move {
                    work.await;
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

async fn connection(stream: TcpStream, router: Router, mut stopping: watch::Receiver<bool>) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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
