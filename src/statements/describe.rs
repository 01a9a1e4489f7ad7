//! DESCRIBE and SHOW TABLES.

use datafusion::common::TableReference;
use datafusion::logical_expr::{col, lit};
use datafusion::sql::sqlparser::ast::{
    ObjectName, ShowStatementFilter, ShowStatementFilterPosition, ShowStatementOptions,
};
use futures::FutureExt;
use portolan_udfs::Fingerprint;

use crate::catalog::Relation;
use crate::database::Database;
use crate::error::Result;
use crate::result::ResultSet;
use crate::statements::names;
use crate::statements::show::{table, texts};
use crate::tables::{ColumnRole, Definition};

/// SHOW TABLES [FROM schema] [LIKE pattern]: the tables and views that a user has, without those that
/// describe them; `None` for what is not understood.
pub async fn tables(db: &Database, options: &ShowStatementOptions) -> Result<Option<ResultSet>> {
    let ShowStatementOptions { show_in, starts_with, limit, limit_from, filter_position } = options;
    if starts_with.is_some() || limit.is_some() || limit_from.is_some() {
        return Ok(None);
    }
    let mut wanted = col("table_schema").not_eq(lit("information_schema"));
    if let Some(within) = show_in {
        let Some(ObjectName(parts)) = &within.parent_name else { return Ok(None) };
        let [part] = parts.as_slice() else { return Ok(None) };
        let Some(schema) = part.as_ident() else { return Ok(None) };
        wanted = wanted.and(col("table_schema").eq(lit(schema.value.as_str())));
    }
    match filter_position {
        None => {}
        Some(
            ShowStatementFilterPosition::Infix(ShowStatementFilter::Like(pattern))
            | ShowStatementFilterPosition::Suffix(ShowStatementFilter::Like(pattern)),
        ) => wanted = wanted.and(col("table_name").like(lit(pattern.as_str()))),
        Some(_) => return Ok(None),
    }
    let columns = ["table_catalog", "table_schema", "table_name", "table_type"];
    let frame = db.context().table("information_schema.tables").await?;
    let frame = frame.filter(wanted)?.select_columns(&columns)?;
    let frame = frame.sort_by(columns.map(col).to_vec())?;
    Ok(Some(ResultSet::rows(db.stream_frame(frame).boxed().await?)))
}

/// The columns of a table, a view or a map; `None` for what DataFusion describes.
pub async fn run(db: &Database, object: &ObjectName) -> Result<Option<ResultSet>> {
    let Ok(name) = names::table(db, object) else { return Ok(None) };
    if name.table.contains(['.', '/', '@']) {
        return Ok(None);
    }
    // What a view shows of a table's columns is neither key nor default of its own.
    let (schema, stored) = match db.catalog().relation(&name).await? {
        Some(Relation::Table(table)) => {
            let definition = table.definition();
            (definition.schema().clone(), Some(definition))
        }
        Some(Relation::View | Relation::Map) => {
            let place = TableReference::partial(name.schema.as_str(), name.table.as_str());
            (db.context().table_provider(place).await?.schema(), None)
        }
        Some(Relation::Session(_)) => return Ok(None),
        None if db.catalog().has_schema(&name.schema) => {
            return Err(db.catalog().missing("table", &name));
        }
        None => return Ok(None),
    };
    let key = stored.as_ref().map(Definition::primary_key).unwrap_or_default();
    let fields = schema.fields();
    let role = |wanted: fn(ColumnRole) -> Option<String>| {
        texts(
            fields.iter().map(|field| wanted(Definition::role(field)).filter(|_| stored.is_some())),
        )
    };
    let result = table(vec![
        ("column_name", texts(fields.iter().map(|field| Some(field.name())))),
        ("data_type", texts(fields.iter().map(|f| Some(Definition::sql_type(f.data_type()))))),
        (
            "is_nullable",
            texts(fields.iter().map(|field| Some(if field.is_nullable() { "YES" } else { "NO" }))),
        ),
        (
            "key",
            texts(fields.iter().map(|field| key.contains(field.name()).then_some("PRIMARY KEY"))),
        ),
        (
            "default",
            role(|role| match role {
                ColumnRole::Default(expression) => Some(expression),
                _ => None,
            }),
        ),
        (
            "generated",
            role(|role| match role {
                ColumnRole::Generated(expression) => Some(expression),
                _ => None,
            }),
        ),
        ("model", texts(fields.iter().map(|field| Some(Fingerprint::of(field)?.in_full())))),
    ])?;
    Ok(Some(result))
}
