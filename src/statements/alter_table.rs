//! ALTER TABLE: add, drop and rename columns, rename the table. Each is one commit that touches
//! no row.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::sql::sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, ColumnOption,
    RenameTableNameKind,
};
use futures::FutureExt;
use lance::Dataset;
use lance::dataset::{ColumnAlteration, NewColumnTransform};

use crate::catalog::Relation;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::statements::names::quoted;
use crate::statements::text::sql_text;
use crate::statements::{backfill, columns, create_table, mapped, names};
use crate::tables::{ColumnRole, Definition, TableName, retrying};

const TAG: &str = "ALTER TABLE";

/// ALTER TABLE t operation, …
pub async fn run(db: &Database, alter: &AlterTable, text: &str) -> Result<ResultSet> {
    let name = names::table(db, &alter.name)?;
    if alter.if_exists && db.catalog().relation(&name).await?.is_none() {
        db.notice(format!("table '{name}' does not exist, skipping"));
        return Ok(ResultSet::done(TAG));
    }
    for operation in &alter.operations {
        match operation {
            AlterTableOperation::AddColumn { column_def, if_not_exists, .. } => {
                add(db, &name, column_def, *if_not_exists, text).await?;
            }
            AlterTableOperation::DropColumn { column_names, if_exists, .. } => {
                for column in column_names {
                    let column = names::identifier(db, column);
                    retrying(&name, || drop_column(db, &name, &column, *if_exists)).await?;
                }
            }
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                let old = names::identifier(db, old_column_name);
                let new = names::identifier(db, new_column_name);
                retrying(&name, || rename_column(db, &name, &old, &new)).await?;
                mapped::column_renamed(db, &name, (&old, &new), text).await?;
            }
            AlterTableOperation::RenameTable { table_name } => {
                let (RenameTableNameKind::To(to) | RenameTableNameKind::As(to)) = table_name;
                rename_table(db, &name, to, text).await?;
            }
            AlterTableOperation::AlterColumn { column_name, op } => {
                let column = names::identifier(db, column_name);
                retrying(&name, || alter_column(db, &name, &column, op)).await?;
            }
            other => {
                return Err(Error::Unsupported(format!(
                    "ALTER TABLE … {other} is not supported; columns can be added, dropped and renamed, the table renamed"
                )));
            }
        }
    }
    Ok(ResultSet::done(TAG))
}

async fn add(
    db: &Database,
    name: &TableName,
    column: &ColumnDef,
    if_not_exists: bool,
    text: &str,
) -> Result<()> {
    let generated = column.options.iter().find_map(|option| match &option.option {
        ColumnOption::Generated { generation_expr: Some(expression), .. } => Some(expression),
        _ => None,
    });
    if let Some(expression) = generated {
        let (ident, typed) = (&column.name, Some(&column.data_type));
        backfill::add(db, name, ident, typed, if_not_exists, expression, text).await?;
        return Ok(());
    }
    let not_null = column
        .options
        .iter()
        .any(|option| matches!(option.option, ColumnOption::NotNull | ColumnOption::PrimaryKey(_)));
    let default = column.options.iter().find_map(|option| match &option.option {
        ColumnOption::Default(expression) => Some(expression),
        _ => None,
    });
    let column_name = names::identifier(db, &column.name);
    names::check_column(&column_name)?;
    if not_null {
        return Err(Error::Unsupported(format!(
            "column '{column_name}' cannot be added as NOT NULL, since the rows that are there have no value; add it without, fill it by UPDATE, then ALTER COLUMN {column_name} SET NOT NULL"
        )));
    }
    let data_type = backfill::planned_type(db, &column.data_type.to_string()).await?;
    let data_type = create_table::stored_type(&column_name, &data_type)?;
    let role = match default {
        Some(expression) => ColumnRole::Default(sql_text(expression)),
        None => ColumnRole::Plain,
    };
    if let ColumnRole::Default(expression) = &role {
        let field = Field::new(&column_name, data_type.clone(), true);
        columns::constant_value(db.context(), expression, &field)?;
    }
    let made = Definition::new(vec![(Field::new(&column_name, data_type, true), role)], &[]);
    let field = made.schema().field(0).clone();
    let added = retrying(name, || add_nulls(db, name, field.clone(), if_not_exists)).await?;
    // As in PostgreSQL, rows that are there get the default too.
    if let (true, Some(expression)) = (added, default) {
        let fill = format!(
            "UPDATE {}.{} SET {} = {}",
            quoted(&name.schema),
            quoted(&name.table),
            quoted(&column_name),
            sql_text(expression)
        );
        db.follow_up(fill).await?;
    }
    Ok(())
}

/// Adds a column that is NULL everywhere. False if it is there already and that is fine.
pub async fn add_nulls(
    db: &Database,
    name: &TableName,
    field: Field,
    if_not_exists: bool,
) -> Result<bool> {
    let table = db.catalog().table(name).await?;
    if table.definition().column(field.name()).is_some() {
        if if_not_exists {
            db.notice(format!(
                "column '{}' of table '{name}' already exists, skipping",
                field.name()
            ));
            return Ok(false);
        }
        return Err(Error::AlreadyExists {
            kind: "column",
            name: format!("{}' of table '{name}", field.name()),
            remedy: "use ADD COLUMN IF NOT EXISTS or another name",
        });
    }
    let mut dataset = table.dataset().as_ref().clone();
    let schema = Arc::new(Schema::new(vec![field]));
    dataset.add_columns(NewColumnTransform::AllNulls(schema), None, None).boxed().await?;
    db.catalog().storage().remember(name, dataset);
    Ok(true)
}

async fn latest(db: &Database, name: &TableName) -> Result<(Dataset, Definition)> {
    let table = db.catalog().table(name).await?;
    Ok((table.dataset().as_ref().clone(), table.definition()))
}

async fn drop_column(db: &Database, name: &TableName, column: &str, if_exists: bool) -> Result<()> {
    let (mut dataset, definition) = latest(db, name).await?;
    if definition.column(column).is_none() {
        if if_exists {
            db.notice(format!("column '{column}' of table '{name}' does not exist, skipping"));
            return Ok(());
        }
        return Err(columns::unknown(&definition, &name.to_string(), column));
    }
    if definition.primary_key().iter().any(|key| key == column) {
        return Err(Error::Constraint(format!(
            "column '{column}' is in the primary key of table '{name}' and cannot be dropped"
        )));
    }
    refuse_if_read(db, name, &definition, column, "dropped")?;
    if definition.names().count() == 1 {
        return Err(Error::Constraint(format!(
            "'{column}' is the only column of table '{name}'; DROP TABLE drops it all"
        )));
    }
    dataset.drop_columns(&[column]).boxed().await?;
    // Afterwards: a half-filled column without its note would pass for a filled one.
    backfill::forget(&mut dataset, column).await?;
    db.catalog().storage().remember(name, dataset);
    Ok(())
}

/// A generated column would lose what it is made of.
fn refuse_if_read(
    db: &Database,
    name: &TableName,
    definition: &Definition,
    column: &str,
    what: &str,
) -> Result<()> {
    let schema = datafusion::common::DFSchema::try_from(definition.schema().as_ref().clone())?;
    for (generated, expression) in definition.generated() {
        let value = db.context().state().create_logical_expr(&expression, &schema)?;
        if generated.name() != column && value.column_refs().iter().any(|read| read.name == column)
        {
            return Err(Error::Constraint(format!(
                "column '{column}' of table '{name}' cannot be {what}, since column '{}' is generated from it as ({expression}); drop that first",
                generated.name()
            )));
        }
    }
    Ok(())
}

async fn rename_column(db: &Database, name: &TableName, old: &str, new: &str) -> Result<()> {
    let (mut dataset, definition) = latest(db, name).await?;
    if definition.column(old).is_none() {
        return Err(columns::unknown(&definition, &name.to_string(), old));
    }
    names::check_column(new)?;
    if definition.column(new).is_some() {
        return Err(Error::AlreadyExists {
            kind: "column",
            name: format!("{new}' of table '{name}"),
            remedy: "rename it to another name",
        });
    }
    refuse_if_read(db, name, &definition, old, "renamed")?;
    let alteration = ColumnAlteration::new(old.to_string()).rename(new.to_string());
    dataset.alter_columns(&[alteration]).boxed().await?;
    db.catalog().storage().remember(name, dataset);
    Ok(())
}

async fn alter_column(
    db: &Database,
    name: &TableName,
    column: &str,
    operation: &AlterColumnOperation,
) -> Result<()> {
    let (mut dataset, definition) = latest(db, name).await?;
    let Some(field) = definition.column(column) else {
        return Err(columns::unknown(&definition, &name.to_string(), column));
    };
    match operation {
        AlterColumnOperation::SetNotNull => {
            let nulls = dataset.count_rows(Some(format!("`{column}` IS NULL"))).boxed().await?;
            if nulls > 0 {
                return Err(Error::Constraint(format!(
                    "column '{column}' of table '{name}' has NULL in {nulls} rows; fill them by UPDATE first"
                )));
            }
            let alteration = ColumnAlteration::new(column.to_string()).set_nullable(false);
            dataset.alter_columns(&[alteration]).boxed().await?;
        }
        AlterColumnOperation::DropNotNull => {
            if definition.primary_key().iter().any(|key| key == column) {
                return Err(Error::Constraint(format!(
                    "column '{column}' is in the primary key of table '{name}', which is never NULL"
                )));
            }
            let alteration = ColumnAlteration::new(column.to_string()).set_nullable(true);
            dataset.alter_columns(&[alteration]).boxed().await?;
        }
        AlterColumnOperation::SetDefault { value } => {
            columns::constant_value(db.context(), &sql_text(value), field)?;
            set_metadata(&mut dataset, column, Definition::default_entry(Some(sql_text(value))))
                .await?;
        }
        AlterColumnOperation::DropDefault => {
            set_metadata(&mut dataset, column, Definition::default_entry(None)).await?;
        }
        AlterColumnOperation::SetDataType { data_type, .. } => {
            if let ColumnRole::Generated(_) = Definition::role(field) {
                return Err(Error::Constraint(format!(
                    "column '{column}' of table '{name}' is generated; drop it and add it with the other type"
                )));
            }
            let planned = backfill::planned_type(db, &data_type.to_string()).await?;
            let stored = create_table::stored_type(column, &planned)?;
            let alteration = ColumnAlteration::new(column.to_string()).cast_to(stored);
            dataset.alter_columns(&[alteration]).boxed().await?;
        }
        other => {
            return Err(Error::Unsupported(format!(
                "ALTER COLUMN {column} {other} is not supported"
            )));
        }
    }
    db.catalog().storage().remember(name, dataset);
    Ok(())
}

async fn set_metadata(
    dataset: &mut Dataset,
    column: &str,
    (key, value): (&'static str, Option<String>),
) -> Result<()> {
    dataset
        .update_field_metadata()
        .update(column, HashMap::from([(key.to_string(), value)]))?
        .await?;
    Ok(())
}

async fn rename_table(
    db: &Database,
    name: &TableName,
    to: &datafusion::sql::sqlparser::ast::ObjectName,
    text: &str,
) -> Result<()> {
    let mut target = names::table(db, to)?;
    if to.0.len() == 1 {
        target.schema = name.schema.clone();
    }
    names::check_new("table", &target.table)?;
    if !db.catalog().has_schema(&target.schema) {
        return Err(Error::not_found("schema", target.schema, "; CREATE SCHEMA makes one"));
    }
    match db.catalog().relation(name).await? {
        Some(Relation::Table(_)) => {}
        Some(_) => {
            return Err(Error::Unsupported(format!(
                "'{name}' is not a stored table; only those are renamed"
            )));
        }
        None => return Err(db.catalog().missing("table", name)),
    }
    if db.catalog().relation(&target).await?.is_some() {
        return Err(Error::AlreadyExists {
            kind: "table",
            name: target.to_string(),
            remedy: "drop it first or choose another name",
        });
    }
    db.catalog().storage().sweep(&target).await?;
    db.catalog().storage().rename_table(name, &target).await?;
    mapped::table_renamed(db, name, &target, text).await
}
