//! Names as SQL writes them, and the places that they mean.

use datafusion::sql::sqlparser::ast::{
    FromTable, Ident, ObjectName, ObjectNamePart, ObjectType, SchemaName, Statement, TableFactor,
    TableObject,
};

use crate::catalog::MARK;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::tables::TableName;

/// An identifier's name: as it is when quoted, in lower case otherwise.
pub fn identifier(db: &Database, ident: &Ident) -> String {
    let fold = db.context().state().config().options().sql_parser.enable_ident_normalization;
    if ident.quote_style.is_some() || !fold {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}

/// The parts of a dotted name.
pub fn parts(db: &Database, name: &ObjectName) -> Result<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(identifier(db, ident)),
            ObjectNamePart::Function(_) => Err(Error::sql(format!(
                "'{name}' is not a name; write it as identifiers with dots"
            ))),
        })
        .collect()
}

/// The place of a table or view.
pub fn table(db: &Database, name: &ObjectName) -> Result<TableName> {
    let options = db.context().state().config().options().catalog.clone();
    let parts = parts(db, name)?;
    let (catalog, schema, table) = match parts.as_slice() {
        [table] => (None, options.default_schema, table.clone()),
        [schema, table] => (None, schema.clone(), table.clone()),
        [catalog, schema, table] => (Some(catalog.clone()), schema.clone(), table.clone()),
        _ => return Err(Error::sql(format!("'{name}' has too many parts; write schema.table"))),
    };
    if let Some(catalog) = catalog
        && catalog != db.catalog_name()
    {
        return Err(Error::Unsupported(format!(
            "'{name}' is in catalog '{catalog}'; only tables of '{}' can be changed",
            db.catalog_name()
        )));
    }
    Ok(TableName { schema, table })
}

/// Whether a statement is about something in another catalog of the session.
pub fn of_another_catalog(db: &Database, statement: &Statement) -> bool {
    let default = db.context().state().config().options().catalog.default_catalog.clone();
    let catalog_of = |name: &ObjectName, own_parts: usize| match name.0.as_slice() {
        [ObjectNamePart::Identifier(catalog), rest @ ..] if rest.len() == own_parts => {
            identifier(db, catalog)
        }
        _ => default.clone(),
    };
    let elsewhere = |name: &ObjectName| catalog_of(name, 2) != db.catalog_name();
    let factor_elsewhere = |factor: &TableFactor| match factor {
        TableFactor::Table { name, .. } => elsewhere(name),
        _ => false,
    };
    match statement {
        Statement::CreateTable(create) => elsewhere(&create.name),
        Statement::CreateView(create) => elsewhere(&create.name),
        Statement::CreateSchema { schema_name: SchemaName::Simple(name), .. } => {
            catalog_of(name, 1) != db.catalog_name()
        }
        Statement::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => elsewhere(name),
            _ => false,
        },
        Statement::Update(update) => factor_elsewhere(&update.table.relation),
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            from.first().is_some_and(|table| factor_elsewhere(&table.relation))
        }
        Statement::Truncate(truncate) => {
            truncate.table_names.first().is_some_and(|table| elsewhere(&table.name))
        }
        Statement::Drop { object_type: ObjectType::Schema, names, .. } => {
            names.first().is_some_and(|name| catalog_of(name, 1) != db.catalog_name())
        }
        Statement::Drop { names, .. } => names.first().is_some_and(elsewhere),
        _ => false,
    }
}

/// The place of a table or view that is to be made: its name must be one that a folder can have.
pub fn new_table(db: &Database, name: &ObjectName) -> Result<TableName> {
    let place = table(db, name)?;
    check_new("table", &place.table)?;
    if !db.catalog().has_schema(&place.schema) {
        return Err(Error::not_found("schema", place.schema, "; CREATE SCHEMA makes one"));
    }
    Ok(place)
}

/// Refuses names that would leave the folder, hide in it, or mean something else in FROM.
pub fn check_new(kind: &str, name: &str) -> Result<()> {
    let bad = |c: char| {
        c.is_control() || matches!(c, '/' | '\\' | '.' | '*' | '?' | ':' | '"') || c == MARK
    };
    if name.is_empty()
        || name.len() > 200
        || name.starts_with(['_', '-', ' '])
        || name.contains(bad)
    {
        return Err(Error::Invalid(format!(
            "'{name}' cannot be the name of a {kind}; use letters, digits and underscores, a letter first"
        )));
    }
    Ok(())
}

/// Refuses names of columns that Lance reads as something else.
pub fn check_column(name: &str) -> Result<()> {
    let hidden = matches!(name, "_rowid" | "_rowaddr" | "_rowoffset" | "_distance" | "_score");
    if name.is_empty() || hidden || name.starts_with("__") || name.contains(['.', '`']) {
        return Err(Error::Invalid(format!(
            "'{name}' cannot be the name of a column; rename it with AS, without dots, backticks or two leading underscores"
        )));
    }
    Ok(())
}

/// A name as SQL text.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
