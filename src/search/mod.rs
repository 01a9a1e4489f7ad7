//! Search: which rows are nearest to a vector. The rule that lets `ORDER BY cosine(…) LIMIT 10` find
//! them by itself, the operator that does it, and the vectors that it keeps decoded.

mod build;
mod candidates;
mod column;
mod constants;
mod decoded;
mod exact;
pub mod functions;
mod fuse;
mod index;
mod operator;
mod ranked;
mod request;
mod rule;
mod scores;
mod shown;
mod table;

pub use build::{Kind, Wanted, Workshop};
pub use constants::settled;
pub use decoded::{Columns, Target};
pub use index::{Metric, Tuning};
pub use operator::is_search;
pub use rule::{RULE, SearchRule, answers};
pub use scores::{Positions, Scored};
