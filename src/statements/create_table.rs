//! CREATE TABLE, with columns or AS a query.

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::DFSchema;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::physical_plan::EmptyRecordBatchStream;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, Expr as SqlExpr, Query, Statement as Sql, TableConstraint,
};
use portolan_udfs::Fingerprint;

use crate::catalog::Relation;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::statements::names::{self, quoted};
use crate::statements::text::sql_text;
use crate::statements::{columns, row_keys};
use crate::tables::{CheckedRows, ColumnRole, Definition, TableName, create, storable};
use futures::FutureExt;

const TAG: &str = "CREATE TABLE";

/// `None` for a temporary table, which the session keeps as DataFusion does.
pub async fn run(db: &Database, statement: &CreateTable, text: &str) -> Result<Option<ResultSet>> {
    if statement.external {
        return Ok(None);
    }
    let temporary = statement.temporary || db.setting("temporary_tables").as_deref() == Some("on");
    if temporary {
        return create_temporary(db, statement).await;
    }
    refuse_what_we_lack(statement)?;
    if statement.or_replace && statement.if_not_exists {
        return Err(Error::sql(
            "OR REPLACE and IF NOT EXISTS contradict each other; write one of them",
        ));
    }
    let name = names::new_table(db, &statement.name)?;
    let existing = match db.catalog().relation(&name).await? {
        Some(_) if statement.if_not_exists => {
            db.notice(format!("table '{name}' already exists, skipping"));
            return Ok(Some(ResultSet::done(TAG)));
        }
        Some(Relation::Table(table)) if statement.or_replace => Some(table),
        Some(Relation::View) if statement.or_replace => {
            return Err(Error::AlreadyExists {
                kind: "view",
                name: name.to_string(),
                remedy: "DROP VIEW first, a table does not replace it",
            });
        }
        Some(Relation::Map) => {
            return Err(Error::AlreadyExists {
                kind: "map",
                name: name.to_string(),
                remedy: "DROP MAP drops it, or choose another name for the table",
            });
        }
        Some(Relation::Session(_)) if statement.or_replace => {
            db.drop_session_table(&name)?;
            None
        }
        Some(_) => return Err(taken(&name)),
        None => None,
    };
    let columns = declared_columns(db, statement).await?;
    let key = primary_key(db, statement)?;
    let (definition, rows, _stops) = match &statement.query {
        None if columns.is_empty() => {
            return Err(Error::sql(format!("table '{name}' has no columns; give it at least one")));
        }
        None => {
            let definition = definition(columns, &key, existing.as_ref())?;
            check_expressions(db, &definition)?;
            let definition = fingerprinted(db, &definition)?;
            let schema = definition.schema().clone();
            let rows: SendableRecordBatchStream = Box::pin(EmptyRecordBatchStream::new(schema));
            (definition, rows, None)
        }
        Some(query) => {
            let (definition, plan) =
                from_query(db, query, columns, &key, existing.as_ref()).await?;
            let (rows, stops) = db.stream_away(plan).boxed().await?;
            (definition, rows, Some(stops))
        }
    };
    check_key(&definition, &key)?;
    db.progress().begin(format!("writing {name}"), "rows", None);
    let checked = CheckedRows::new(rows, &definition, name.to_string(), db.progress().clone())
        .with_unique_key(&definition)?;
    let old = existing.map(|table| table.dataset().clone());
    let replaces = old.is_some();
    let made = create(db.catalog().storage(), &name, old, Box::pin(checked), text).boxed().await;
    db.progress().finish();
    match made {
        Ok(dataset) => {
            // What has committed a first version commits no other.
            if replaces {
                db.catalog().storage().remember(&name, dataset);
            }
            Ok(Some(ResultSet::done(TAG)))
        }
        Err(Error::Lance(error))
            if matches!(
                *error,
                lance::Error::CommitConflict { .. } | lance::Error::DatasetAlreadyExists { .. }
            ) =>
        {
            Err(taken(&name))
        }
        // Another process has made it meanwhile, and Lance cannot tell whose commit it was.
        Err(Error::Lance(_)) if !replaces && db.catalog().table(&name).await.is_ok() => {
            Err(taken(&name))
        }
        Err(error) => Err(error),
    }
}

fn taken(name: &TableName) -> Error {
    Error::AlreadyExists {
        kind: "table",
        name: name.to_string(),
        remedy: "use CREATE OR REPLACE, IF NOT EXISTS or another name",
    }
}

async fn create_temporary(db: &Database, statement: &CreateTable) -> Result<Option<ResultSet>> {
    let plain = CreateTable { temporary: false, ..statement.clone() };
    let parsed = Parsed::Statement(Box::new(Sql::CreateTable(plain)));
    let plan = db.context().state().statement_to_plan(parsed).await?;
    let frame = db.context().execute_logical_plan(plan).await?;
    frame.collect().await?;
    Ok(Some(ResultSet::done(TAG)))
}

fn refuse_what_we_lack(statement: &CreateTable) -> Result<()> {
    let lacking = [
        (statement.like.is_some(), "LIKE; use AS SELECT * FROM … WHERE FALSE"),
        (statement.clone.is_some(), "CLONE; use AS SELECT * FROM …"),
        (statement.partition_by.is_some(), "PARTITION BY; create an index instead"),
        (statement.inherits.is_some(), "INHERITS"),
    ];
    match lacking.iter().find(|(given, _)| *given) {
        Some((_, what)) => Err(Error::Unsupported(format!("CREATE TABLE has no {what}"))),
        None => Ok(()),
    }
}

/// The declared columns. Their types are planned by DataFusion, all in one query.
async fn declared_columns(
    db: &Database,
    statement: &CreateTable,
) -> Result<Vec<(Field, ColumnRole)>> {
    if statement.columns.is_empty() {
        return Ok(Vec::new());
    }
    let casts: Vec<String> = statement
        .columns
        .iter()
        .map(|column| {
            format!(
                "CAST(NULL AS {}) AS {}",
                column.data_type,
                quoted(&names::identifier(db, &column.name))
            )
        })
        .collect();
    let plan =
        db.context().state().create_logical_plan(&format!("SELECT {}", casts.join(", "))).await?;
    let mut columns: Vec<(Field, ColumnRole)> = Vec::new();
    for (column, planned) in statement.columns.iter().zip(plan.schema().fields()) {
        let name = names::identifier(db, &column.name);
        names::check_column(&name)?;
        if columns.iter().any(|(field, _)| field.name() == &name) {
            return Err(Error::sql(format!("column '{name}' is declared twice; name it once")));
        }
        columns.push(declared(&name, column, planned.data_type())?);
    }
    Ok(columns)
}

/// The type that a column is stored as.
pub fn stored_type(name: &str, data_type: &DataType) -> Result<DataType> {
    storable(data_type).map_err(|part| {
        Error::Unsupported(format!(
            "column '{name}' has type {part}, which a table cannot store; cast it to another type"
        ))
    })
}

fn declared(name: &str, column: &ColumnDef, planned: &DataType) -> Result<(Field, ColumnRole)> {
    let mut nullable = true;
    let mut role = ColumnRole::Plain;
    for option in &column.options {
        match &option.option {
            ColumnOption::Null => nullable = true,
            ColumnOption::NotNull | ColumnOption::PrimaryKey(_) => nullable = false,
            ColumnOption::Default(_) | ColumnOption::Generated { .. }
                if role != ColumnRole::Plain =>
            {
                return Err(Error::sql(format!(
                    "column '{name}' is given values in two ways; use one DEFAULT or GENERATED ALWAYS AS"
                )));
            }
            ColumnOption::Default(expression) => role = ColumnRole::Default(sql_text(expression)),
            ColumnOption::Generated { generation_expr: Some(expression), .. }
            | ColumnOption::Materialized(expression) => {
                role = ColumnRole::Generated(sql_text(expression));
            }
            ColumnOption::Comment(_) => {}
            other => {
                return Err(Error::Unsupported(format!(
                    "column '{name}': '{other}' is not supported; columns have NOT NULL, DEFAULT, PRIMARY KEY and GENERATED ALWAYS AS (…) STORED"
                )));
            }
        }
    }
    Ok((Field::new(name, stored_type(name, planned)?, nullable), role))
}

/// The names of the key's columns, from the columns' own options or the table's constraint.
fn primary_key(db: &Database, statement: &CreateTable) -> Result<Vec<String>> {
    let mut key: Vec<String> = statement
        .columns
        .iter()
        .filter(|column| {
            column.options.iter().any(|o| matches!(o.option, ColumnOption::PrimaryKey(_)))
        })
        .map(|column| names::identifier(db, &column.name))
        .collect();
    if key.len() > 1 {
        return Err(Error::sql(format!(
            "a table has one primary key; for a key of several columns write PRIMARY KEY ({}) after the columns",
            key.join(", ")
        )));
    }
    for constraint in &statement.constraints {
        let TableConstraint::PrimaryKey(constraint) = constraint else {
            return Err(Error::Unsupported(format!(
                "'{constraint}' is not supported; a table can have a PRIMARY KEY and NOT NULL columns"
            )));
        };
        if !key.is_empty() {
            return Err(Error::sql("a table has one primary key; declare it once"));
        }
        for column in &constraint.columns {
            match &column.column.expr {
                SqlExpr::Identifier(ident) => key.push(names::identifier(db, ident)),
                other => {
                    return Err(Error::sql(format!("'{other}' in PRIMARY KEY is not a column")));
                }
            }
        }
    }
    Ok(key)
}

fn definition(
    columns: Vec<(Field, ColumnRole)>,
    key: &[String],
    existing: Option<&crate::tables::Table>,
) -> Result<Definition> {
    let id = existing.and_then(|table| {
        let schema = table.definition().schema().clone();
        Definition::id(schema.metadata()).map(str::to_string)
    });
    Ok(match id {
        Some(id) => Definition::with_id(columns, key, id),
        None => Definition::new(columns, key),
    })
}

fn check_key(definition: &Definition, key: &[String]) -> Result<()> {
    for name in key {
        let Some(field) = definition.column(name) else {
            return Err(Error::sql(format!("column '{name}' of the primary key is not declared")));
        };
        if field.data_type().is_nested() {
            return Err(Error::Unsupported(format!(
                "column '{name}' has type {}, which cannot be a primary key; use a number or a text",
                Definition::sql_type(field.data_type())
            )));
        }
    }
    Ok(())
}

/// Defaults must be constants, generated columns must read stored ones: found out now, not at the
/// first insert.
fn check_expressions(db: &Database, definition: &Definition) -> Result<()> {
    let schema = DFSchema::try_from(definition.schema().as_ref().clone())?;
    for field in definition.schema().fields() {
        match Definition::role(field) {
            ColumnRole::Plain => {}
            ColumnRole::Default(expression) => {
                columns::constant_value(db.context(), &expression, field)?;
            }
            ColumnRole::Generated(expression) => {
                check_generated(db, definition, field, &expression, &schema)?;
            }
        }
    }
    Ok(())
}

/// The definition with what its generated columns know of the models that make their vectors.
fn fingerprinted(db: &Database, definition: &Definition) -> Result<Definition> {
    let schema = DFSchema::try_from(definition.schema().as_ref().clone())?;
    let mut marked = definition.clone();
    for (field, expression) in definition.generated() {
        let value = db.context().state().create_logical_expr(&expression, &schema)?;
        let (_, made) = value.to_field(&schema)?;
        marked = marked.with_field(Fingerprint::carry(&made, field.clone()));
    }
    Ok(marked)
}

/// Plans a generated column's expression and refuses what it must not read.
pub fn check_generated(
    db: &Database,
    definition: &Definition,
    field: &Field,
    expression: &str,
    schema: &DFSchema,
) -> Result<()> {
    let value = db.context().state().create_logical_expr(expression, schema)?;
    if value.is_volatile() {
        return Err(Error::sql(format!(
            "generated column '{}' gives another value each time it is computed; use functions that do not, or DEFAULT",
            field.name()
        )));
    }
    let reads_generated = value.column_refs().into_iter().find(|column| {
        definition.generated().any(|(generated, _)| generated.name() == &column.name)
    });
    if let Some(column) = reads_generated {
        return Err(Error::sql(format!(
            "generated column '{}' reads '{}', which is generated too; repeat its expression instead",
            field.name(),
            column.name
        )));
    }
    checked_cast(db, field, value, schema)
}

fn checked_cast(db: &Database, field: &Field, value: Expr, schema: &DFSchema) -> Result<()> {
    db.context().create_physical_expr(cast(value, field.data_type().clone()), schema)?;
    Ok(())
}

/// The table that CREATE TABLE … AS makes, and the plan of its rows.
async fn from_query(
    db: &Database,
    query: &Query,
    declared: Vec<(Field, ColumnRole)>,
    key: &[String],
    existing: Option<&crate::tables::Table>,
) -> Result<(Definition, LogicalPlan)> {
    let parsed = Parsed::Statement(Box::new(Sql::Query(Box::new(query.clone()))));
    let plan = db.context().state().statement_to_plan(parsed).await?;
    if !declared.is_empty() && declared.len() != plan.schema().fields().len() {
        return Err(Error::sql(format!(
            "the table has {} columns, but the query has {}; give each column of the query a name",
            declared.len(),
            plan.schema().fields().len()
        )));
    }
    let columns = if declared.is_empty() {
        columns_of(&plan)?
    } else {
        let made = plan.schema().fields().iter();
        let marked = declared
            .into_iter()
            .zip(made)
            .map(|((field, role), made)| (Fingerprint::carry(made, field), role));
        marked.collect()
    };
    let definition = definition(columns, key, existing)?;
    let casts: Vec<Expr> = plan
        .schema()
        .columns()
        .into_iter()
        .zip(definition.schema().fields())
        .map(|(column, field)| {
            cast(Expr::Column(column), field.data_type().clone()).alias(field.name())
        })
        .collect();
    let plan = LogicalPlanBuilder::from(plan).project(casts)?.build()?;
    let plan = row_keys::known(plan, &definition)?;
    Ok((definition, plan))
}

fn columns_of(plan: &LogicalPlan) -> Result<Vec<(Field, ColumnRole)>> {
    let mut columns: Vec<(Field, ColumnRole)> = Vec::new();
    for field in plan.schema().fields() {
        let name = field.name();
        names::check_column(name)?;
        if columns.iter().any(|(known, _)| known.name() == name) {
            return Err(Error::sql(format!(
                "the query has two columns named '{name}'; rename one with AS"
            )));
        }
        let column = Field::new(name, stored_type(name, field.data_type())?, true);
        columns.push((Fingerprint::carry(field, column), ColumnRole::Plain));
    }
    if columns.is_empty() {
        return Err(Error::sql("the query has no columns; select at least one"));
    }
    Ok(columns)
}
