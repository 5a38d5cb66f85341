//! `fairframe serve`.

use std::net::SocketAddr;

use fairframe_schemas::Layout;

use crate::{
    Common,
    exit::{self, Doing, Failure},
};

#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Address to listen at
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

impl ServeArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(self.listen)
                .await
                .doing(format!("listen at {}", self.listen))?;
            let address = listener.local_addr().doing("ask for the address")?;
            eprintln!("serving {} at http://{address}/", common.root.display());
            axum::serve(listener, fairframe_web::router(Layout::new(&common.root)))
                .with_graceful_shutdown(stopped())
                .await
                .doing("serve")
        })?;
        Ok(exit::OK)
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
