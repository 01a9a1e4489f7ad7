//! DESCRIBE.

use datafusion::sql::sqlparser::ast::ObjectName;
use portolan_udfs::Fingerprint;

use crate::catalog::Relation;
use crate::database::Database;
use crate::error::Result;
use crate::result::ResultSet;
use crate::statements::names;
use crate::statements::show::{table, texts};
use crate::tables::{ColumnRole, Definition};

/// The columns of a stored table; `None` for what DataFusion describes.
pub async fn run(db: &Database, object: &ObjectName) -> Result<Option<ResultSet>> {
    let Ok(name) = names::table(db, object) else { return Ok(None) };
    if name.table.contains(['.', '/', '@']) {
        return Ok(None);
    }
    let definition = match db.catalog().relation(&name).await? {
        Some(Relation::Table(table)) => table.definition(),
        Some(_) => return Ok(None),
        None if db.catalog().has_schema(&name.schema) => {
            return Err(db.catalog().missing("table", &name));
        }
        None => return Ok(None),
    };
    let key = definition.primary_key();
    let fields = definition.schema().fields();
    let role = |wanted: fn(ColumnRole) -> Option<String>| {
        texts(fields.iter().map(|field| wanted(Definition::role(field))))
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
