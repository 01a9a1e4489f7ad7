//! Stored classifiers: where they lie in a database, and a session's view of them.

mod listing;
mod shelf;
mod store;

pub use listing::listed;
pub use shelf::Shelf;
pub use store::Store;
