//! Stored maps: what is known of each, their tables, and the map itself as a table: its points joined
//! with the columns of the table that it is of.

mod facts;
mod joined;

pub use facts::{Facts, INFO, POINTS, TABLES};
pub use joined::joined;
