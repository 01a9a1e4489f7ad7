//! Object stores, with servers that the tests start on loopback, and files in place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod azure;
mod database;
mod folder;
mod in_place;
mod readers;
mod s3;
mod servers;
mod web;

use arrow::util::pretty::pretty_format_batches;
use portolan::Database;

/// The rows of a statement as a reader would see them, without the table's frame.
async fn rows(db: &Database, sql: &str) -> Vec<String> {
    let batches = match db.sql(sql).await {
        Ok(result) => result.collect().await,
        Err(error) => Err(error),
    };
    let batches = batches.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let table = pretty_format_batches(&batches).unwrap().to_string();
    let cells = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        cells.join("|")
    };
    table.lines().skip(3).filter(|line| line.starts_with('|')).map(cells).collect()
}

/// The one sentence that a statement fails with.
async fn error(db: &Database, sql: &str) -> String {
    let result = match db.sql(sql).await {
        Ok(result) => result.collect().await,
        Err(error) => Err(error),
    };
    result.expect_err(sql).to_string()
}
