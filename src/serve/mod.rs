//! The database over HTTP.

mod embeddings;
mod guard;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use tokio::net::TcpListener;

use crate::Database;

/// Largest request that is read: a few thousand long texts.
const LARGEST_REQUEST: usize = 64 << 20;

/// Where to listen, and to whom.
#[derive(Clone)]
pub struct ServeOptions {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 is any that is free.
    pub port: u16,
    /// What a client must send as `Authorization: Bearer …`; nothing is asked for without.
    pub token: Option<String>,
}

impl fmt::Debug for ServeOptions {
    // The token is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeOptions").field("host", &self.host).field("port", &self.port).finish()
    }
}

/// A server that listens and does not answer yet.
pub struct Server {
    listener: TcpListener,
    router: Router,
    address: SocketAddr,
}

impl Server {
    /// Listens, to answer OpenAI's `/v1/embeddings` with the models of this machine.
    pub async fn bind(db: Database, options: &ServeOptions) -> io::Result<Self> {
        if !options.host.is_loopback() && options.token.is_none() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{} can be reached from other machines, so clients must show a token: set PORTOLAN_TOKEN or --token",
                    options.host
                ),
            ));
        }
        let listener = TcpListener::bind((options.host, options.port)).await?;
        let address = listener.local_addr()?;
        let guard = guard::Guard::new(options);
        let router = embeddings::router(db)
            .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
            .layer(middleware::from_fn_with_state(guard, guard::check));
        Ok(Self { listener, router, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` comes, then finishes what it has begun.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        axum::serve(self.listener, self.router).with_graceful_shutdown(stop).await
    }
}
