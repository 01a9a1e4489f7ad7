//! The map that another one is laid out to be compared with.

use datafusion::arrow::array::RecordBatch;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::maps::Facts;
use crate::statements::maps::table_id;
use crate::statements::names::quoted;
use crate::statements::parts::query;
use crate::tables::{Table, TableName};

/// Its name, and where it has which rows; an error if these are not the rows of this table. A name that
/// there is not as it is written is meant in small letters.
pub async fn other(
    db: &Database,
    written: &str,
    table: &Table,
    place: &TableName,
    key: Option<&str>,
) -> Result<(String, RecordBatch)> {
    let lower = written.to_lowercase();
    let found =
        [written, &lower].into_iter().find_map(|name| Some((name, db.catalog().bundle(name)?)));
    let Some((name, bundle)) = found else { return Err(db.catalog().missing_map(written)) };
    let facts = Facts::of(name, &bundle)?;
    if facts.source() != *place {
        return Err(Error::Invalid(format!(
            "map '{name}' is of table '{}', and a map of table '{place}' is aligned to one of the same table",
            facts.source()
        )));
    }
    if !facts.calls_rows_of(place, key, table_id(table).as_deref()) {
        return Err(Error::Invalid(format!(
            "map '{name}' is of rows that table '{place}' had before it was made anew; REFRESH MAP {name} FULL first"
        )));
    }
    let points = query(db, &format!("SELECT id, x, y FROM {}.points", quoted(name))).await?;
    Ok((name.to_string(), points))
}
