//! CREATE SCHEMA.

use datafusion::sql::sqlparser::ast::SchemaName;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::statements::names;

/// CREATE SCHEMA [IF NOT EXISTS] s
pub async fn create(db: &Database, name: &SchemaName, if_not_exists: bool) -> Result<ResultSet> {
    let SchemaName::Simple(object) = name else {
        return Err(Error::Unsupported(
            "schemas have no owner; write CREATE SCHEMA name".to_string(),
        ));
    };
    let schema = match names::parts(db, object)?.as_slice() {
        [schema] => schema.clone(),
        [catalog, schema] if catalog == db.catalog_name() => schema.clone(),
        _ => {
            return Err(Error::sql(format!(
                "'{object}' is not the name of a schema; write one name"
            )));
        }
    };
    names::check_new("schema", &schema)?;
    if db.catalog().bundle(&schema).is_some() {
        return Err(Error::AlreadyExists {
            kind: "map",
            name: schema,
            remedy: "give the schema another name",
        });
    }
    let made =
        !db.catalog().has_schema(&schema) && db.catalog().storage().create_schema(&schema).await?;
    if !made {
        if !if_not_exists {
            return Err(Error::AlreadyExists {
                kind: "schema",
                name: schema,
                remedy: "use IF NOT EXISTS or another name",
            });
        }
        db.notice(format!("schema '{schema}' already exists, skipping"));
    }
    db.catalog().refresh().await?;
    Ok(ResultSet::done("CREATE SCHEMA"))
}
