//! Stored maps: what is known of each, their tables, and the map itself as a table: its points joined
//! with the columns of the table that it is of.

mod facts;
mod grounds;
mod joined;

pub use facts::{Facts, INFO, NEIGHBORS, POINTS, TABLES, TAGS, TOPICS};
pub use grounds::Grounds;
pub use joined::{POINT, joined};
