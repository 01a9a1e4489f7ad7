//! Portolan: an embedded vector database whose interface is SQL.
//!
//! A database is a folder (or an object-store prefix) of Lance tables. Everything else, from
//! embedding text to drawing a map of a million rows, is a function or a statement of SQL.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> portolan::Result<()> {
//! use portolan::Database;
//!
//! let db = Database::in_memory().await?;
//! db.sql("CREATE TABLE ports (id BIGINT PRIMARY KEY, name TEXT)").await?;
//! db.sql("INSERT INTO ports VALUES (1, 'Genoa'), (2, 'Lisbon')").await?;
//! let batches = db.sql("SELECT name FROM ports ORDER BY id").await?.collect().await?;
//! assert_eq!(batches[0].num_rows(), 2);
//! # Ok(())
//! # }
//! ```

mod catalog;
mod classifiers;
pub mod cli;
mod database;
mod error;
mod files;
mod functions;
mod map_export;
mod map_view;
mod maps;
mod memory;
mod nested;
mod progress;
mod recent;
pub mod repl;
mod result;
mod search;
pub mod serve;
mod session;
pub mod statements;
mod system;
mod tables;
mod watched;
mod windows;

pub use database::{Database, OpenOptions};
pub use error::{Error, Location, Result};
pub use functions::register_functions;
pub use progress::{Progress, ProgressSnapshot};
pub use result::{ResultSet, Tag};
pub use session::parse_bytes;
