//! DROP TABLE, DROP VIEW, DROP SCHEMA.

use datafusion::logical_expr::TableType;
use datafusion::sql::sqlparser::ast::ObjectName;

use crate::catalog::Relation;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::statements::{mapped, names};
use crate::tables::{MAIN_SCHEMA, TableName};

/// DROP TABLE a, b [CASCADE]
pub async fn tables(
    db: &Database,
    objects: &[ObjectName],
    if_exists: bool,
    cascade: bool,
) -> Result<ResultSet> {
    if !cascade {
        for object in objects {
            refuse_if_mapped(db, &names::table(db, object)?)?;
        }
    }
    for object in objects {
        let name = names::table(db, object)?;
        match db.catalog().relation(&name).await? {
            Some(Relation::Table(_)) => drop_table(db, &name).await?,
            Some(Relation::Session(table)) if table.table_type() != TableType::View => {
                db.drop_session_table(&name)?;
            }
            Some(Relation::View | Relation::Session(_)) => {
                return Err(Error::sql(format!("'{name}' is a view; DROP VIEW drops it")));
            }
            Some(Relation::Map) => return Err(is_a_map(&name)),
            None if if_exists => db.notice(format!("table '{name}' does not exist, skipping")),
            None => return Err(db.catalog().missing("table", &name)),
        }
    }
    Ok(ResultSet::done("DROP TABLE"))
}

/// An error if there are maps of a table: they would be of nothing.
fn refuse_if_mapped(db: &Database, name: &TableName) -> Result<()> {
    let maps = mapped::maps_of(db, name);
    let (things, they, them) = match maps.as_slice() {
        [] => return Ok(()),
        [_] => ("map", "is", "it"),
        _ => ("maps", "are", "them"),
    };
    Err(Error::Constraint(format!(
        "table '{name}' cannot be dropped, since {things} {} {they} made of it; DROP TABLE {name} CASCADE drops {them} too",
        maps.join(", ")
    )))
}

/// Drops a table, and the maps of it before: killed in between, it leaves a table that has fewer.
async fn drop_table(db: &Database, name: &TableName) -> Result<()> {
    let maps = mapped::maps_of(db, name);
    for map in &maps {
        db.catalog().storage().drop_bundle(map).await?;
        db.notice(format!("map '{map}' is dropped with table '{name}'"));
    }
    db.catalog().storage().drop_table(name).await?;
    if maps.is_empty() { Ok(()) } else { db.catalog().refresh().await }
}

fn is_a_map(name: &TableName) -> Error {
    Error::sql(format!("'{name}' is a map, or part of one; DROP MAP drops it"))
}

/// DROP VIEW a, b
pub async fn views(db: &Database, objects: &[ObjectName], if_exists: bool) -> Result<ResultSet> {
    for object in objects {
        let name = names::table(db, object)?;
        match db.catalog().relation(&name).await? {
            Some(Relation::View) => db.catalog().storage().drop_view(&name).await?,
            Some(Relation::Session(table)) if table.table_type() == TableType::View => {
                db.drop_session_table(&name)?;
            }
            Some(Relation::Table(_) | Relation::Session(_)) => {
                return Err(Error::sql(format!("'{name}' is a table; DROP TABLE drops it")));
            }
            Some(Relation::Map) => return Err(is_a_map(&name)),
            None if if_exists => db.notice(format!("view '{name}' does not exist, skipping")),
            None => return Err(db.catalog().missing("view", &name)),
        }
    }
    Ok(ResultSet::done("DROP VIEW"))
}

/// DROP SCHEMA a, b [CASCADE]
pub async fn schemas(
    db: &Database,
    objects: &[ObjectName],
    if_exists: bool,
    cascade: bool,
) -> Result<ResultSet> {
    for object in objects {
        let schema = names::parts(db, object)?.pop().unwrap_or_default();
        if !db.catalog().has_schema(&schema) {
            if if_exists {
                db.notice(format!("schema '{schema}' does not exist, skipping"));
                continue;
            }
            return Err(Error::not_found("schema", schema, ""));
        }
        if schema == MAIN_SCHEMA {
            return Err(Error::Unsupported(format!(
                "schema '{MAIN_SCHEMA}' is the database's own folder and cannot be dropped; drop its tables"
            )));
        }
        let held = db.catalog().names(&schema);
        if !held.is_empty() && !cascade {
            return Err(Error::Constraint(format!(
                "schema '{schema}' is not empty ({}); drop these first, or DROP SCHEMA {schema} CASCADE",
                held.join(", ")
            )));
        }
        for table in held {
            let name = TableName { schema: schema.clone(), table };
            match db.catalog().relation(&name).await? {
                Some(Relation::Table(_)) => drop_table(db, &name).await?,
                Some(Relation::View) => db.catalog().storage().drop_view(&name).await?,
                Some(Relation::Session(_)) => db.drop_session_table(&name)?,
                Some(Relation::Map) | None => {}
            }
        }
        db.catalog().storage().drop_schema(&schema).await?;
        db.catalog().refresh().await?;
    }
    Ok(ResultSet::done("DROP SCHEMA"))
}
