//! The Lance table provider and everything that reads or changes one table: scans, checked writes,
//! mutations, backfills, versions and indexes. Knows nothing of SQL statements.

mod bundle;
mod definition;
mod mutation;
mod provider;
mod pushdown;
mod scan;
mod storage;
mod types;
mod versions;
mod write;

pub use bundle::Bundle;
pub use definition::{ColumnRole, Definition};
pub use mutation::{Mutation, RowChange, commit_append, is_conflict, retrying};
pub use provider::Table;
pub use pushdown::lance_evaluates;
pub use storage::{Listing, MAIN_SCHEMA, Storage, TableName};
pub use types::storable;
pub use versions::{VersionKey, at_version, checkout, number_at};
pub use write::{
    CheckedRows, SeenKeys, create, discard, hash_rows, key_as_text, properties, write_fragments,
};
