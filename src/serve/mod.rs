//! The database over HTTP.

mod answer;
mod embeddings;
mod form;
mod guard;
mod headers;
mod maps;
mod page;
mod pictures;
mod refusal;
mod sql;
mod thumbnails;
mod turns;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

pub use self::pictures::Pictures;
use self::refusal::Refusal;
use self::turns::Turns;
use crate::Database;

/// Largest request that is read: a few thousand long texts.
const LARGEST_REQUEST: usize = 64 << 20;

/// Where to listen, to whom, and what is answered.
#[derive(Clone)]
pub struct ServeOptions {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 is any that is free.
    pub port: u16,
    /// What a client must send as `Authorization: Bearer …`; nothing is asked for without.
    pub token: Option<String>,
    /// What is answered.
    pub offer: Offer,
    /// How long a statement may take until its last row is sent.
    pub timeout: Duration,
    /// Statements that run at once; others wait.
    pub at_once: usize,
    /// Which files' pictures are shown, where rows name files.
    pub pictures: Pictures,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// OpenAI's `/v1/embeddings`.
    Embeddings,
    /// The maps, and the page that shows them.
    Maps,
    /// The same, and statements.
    Database {
        /// Statements that change the database too.
        writable: bool,
    },
}

/// Which statements are run over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statements {
    None,
    /// Those that read.
    Read,
    /// Those that change the database too.
    Write,
}

impl Statements {
    /// As clients read it.
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            host: IpAddr::from([127, 0, 0, 1]),
            port: 0,
            token: None,
            offer: Offer::Maps,
            timeout: Duration::from_secs(60),
            at_once: 8,
            pictures: Pictures::default(),
        }
    }
}

impl fmt::Debug for ServeOptions {
    // The token is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("offer", &self.offer)
            .finish_non_exhaustive()
    }
}

/// A server that listens and does not answer yet.
pub struct Server {
    listener: TcpListener,
    router: Router,
    address: SocketAddr,
}

impl Server {
    /// Listens. Statements will run on the threads of `engine`, which may be others than those that answer.
    pub async fn bind(db: Database, options: &ServeOptions, engine: &Handle) -> io::Result<Self> {
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
        let turns = Turns::new(options.at_once, options.timeout, engine.clone());
        let pictures = options.pictures.clone();
        let (router, there_is) = match options.offer {
            Offer::Embeddings => (embeddings::router(db), "POST /v1/embeddings and GET /v1/models"),
            Offer::Maps => {
                let maps = maps::router(db, turns, Statements::None, pictures);
                (page::router().merge(maps), "/ and GET /maps")
            }
            Offer::Database { writable } => {
                let statements = if writable { Statements::Write } else { Statements::Read };
                let maps = maps::router(db.clone(), turns.clone(), statements, pictures);
                let router = page::router().merge(maps).merge(sql::router(db, turns, writable));
                (router, "/, GET /maps and POST /sql")
            }
        };
        let router = router
            .fallback(move || async move { Refusal::nowhere(there_is) })
            .method_not_allowed_fallback(move || async move { Refusal::not_that_way(there_is) })
            .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
            .layer(middleware::from_fn_with_state(guard, guard::check))
            .layer(middleware::map_response(headers::add));
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
