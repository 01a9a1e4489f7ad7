//! SHOW MAPS.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::Int64Type;

use crate::catalog::Relation;
use crate::database::Database;
use crate::error::Result;
use crate::maps::Facts;
use crate::result::ResultSet;
use crate::statements::names::quoted;
use crate::statements::parts::query;
use crate::statements::show::{table, texts};
use crate::tables::Definition;

/// How a map and its table differ.
#[derive(Debug, Default, Clone, Copy)]
struct Stale {
    /// Rows with a vector that are not on the map.
    new: Option<i64>,
    /// Points whose row is gone.
    gone: Option<i64>,
    /// Versions of the table since.
    behind: Option<i64>,
}

/// What each map is of, and how stale it is. Of a table that is there no longer nothing is known, of a
/// damaged map only its name.
pub async fn show(db: &Database) -> Result<ResultSet> {
    let mut all = Vec::new();
    for (name, bundle) in db.catalog().all_bundles() {
        let facts = Facts::of(&name, &bundle).ok();
        let stale = match &facts {
            Some(facts) => stale(db, &name, facts).await?,
            None => Stale::default(),
        };
        all.push((name, facts, stale));
    }
    let text = |part: fn(&Facts) -> String| texts(all.iter().map(|(_, f, _)| f.as_ref().map(part)));
    let count = |part: &dyn Fn(&Option<Facts>, &Stale) -> Option<i64>| -> ArrayRef {
        Arc::new(all.iter().map(|(_, facts, stale)| part(facts, stale)).collect::<Int64Array>())
    };
    let fact =
        |part: fn(&Facts) -> u64| count(&|facts, _| i64::try_from(part(facts.as_ref()?)).ok());
    let names: StringArray = all.iter().map(|(name, _, _)| Some(name.as_str())).collect();
    let refreshed = all.iter().map(|(_, facts, _)| facts.as_ref().map(|facts| facts.refreshed));
    table(vec![
        ("name", Arc::new(names)),
        ("table", text(|facts| facts.source().to_string())),
        ("column", text(|facts| facts.column.clone())),
        ("projection", text(|facts| facts.projection.name().to_string())),
        ("rows", fact(|facts| facts.rows)),
        ("topics", fact(|facts| facts.topics)),
        ("new_rows", count(&|_, stale| stale.new)),
        ("gone_rows", count(&|_, stale| stale.gone)),
        ("versions_behind", count(&|_, stale| stale.behind)),
        ("refreshed", Arc::new(refreshed.collect::<TimestampMicrosecondArray>())),
    ])
}

async fn stale(db: &Database, map: &str, facts: &Facts) -> Result<Stale> {
    let Some(Relation::Table(source)) = db.catalog().relation(&facts.source()).await? else {
        return Ok(Stale::default());
    };
    let same = Definition::id(&source.dataset().schema().metadata) == facts.table_id.as_deref();
    // Versions of another table of that name say nothing.
    let behind = same.then(|| source.dataset().version_id().saturating_sub(facts.table_version));
    let behind = behind.and_then(|behind| i64::try_from(behind).ok());
    if behind == Some(0) {
        return Ok(Stale { new: Some(0), gone: Some(0), behind });
    }
    let definition = source.definition();
    let there = |column: &String| definition.column(column).is_some();
    if !there(&facts.column) || facts.key.as_ref().is_some_and(|key| !there(key)) {
        return Ok(Stale { behind, ..Stale::default() });
    }
    let pin = db.catalog().pin(Arc::new(source.with_row_ids()));
    let (key, point) = match &facts.key {
        Some(key) => (quoted(key), "id"),
        None => ("_rowid".to_string(), "row_id"),
    };
    let (rows, points) = (db.pinned(&pin), format!("{}.points", quoted(map)));
    let count = |text: String| async move {
        let counted = query(db, &text).await?;
        let column = counted.column(0).as_primitive_opt::<Int64Type>().cloned();
        Ok::<_, crate::error::Error>(column.and_then(|column| column.iter().next().flatten()))
    };
    let vector = quoted(&facts.column);
    let new = count(format!(
        "SELECT count(*) FROM {rows} AS t LEFT ANTI JOIN {points} AS p ON t.{key} = p.{point} WHERE t.{vector} IS NOT NULL"
    ));
    let new = new.await?;
    let gone = count(format!(
        "SELECT count(*) FROM {points} AS p LEFT ANTI JOIN {rows} AS t ON t.{key} = p.{point}"
    ));
    Ok(Stale { new, gone: gone.await?, behind })
}
