//! INSERT, and upserts by ON CONFLICT.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::prelude::Expr;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{
    self, CastKind, ConflictTarget, Expr as SqlExpr, Ident, Insert, OnConflictAction, OnInsert,
    Query, SetExpr, Statement as Sql, TableObject, visit_expressions, visit_expressions_mut,
};

use crate::catalog::Relation;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::statements::change::{ADDRESS, CHANGE, Change, ID, Twice};
use crate::statements::columns::{self, shape};
use crate::statements::merge::{self, Action, Clause, Join, Match};
use crate::statements::names::{self, quoted};
use crate::statements::text::sql_text;
use crate::statements::values::{self, is_default};
use crate::tables::{
    CheckedRows, ColumnRole, Definition, RowChange, Table, TableName, commit_append, retrying,
    write_fragments,
};
use futures::FutureExt;

const TAG: &str = "INSERT";

/// `None` for a table of the session, which DataFusion fills.
pub async fn run(db: &Database, insert: &Insert, text: &str) -> Result<Option<ResultSet>> {
    let TableObject::TableName(object) = &insert.table else {
        return Err(Error::Unsupported("INSERT goes into a table, named directly".to_string()));
    };
    let name = names::table(db, object)?;
    if let Some(Relation::Session(_)) = db.catalog().relation(&name).await? {
        return Ok(None);
    }
    if insert.returning.is_some() || insert.output.is_some() {
        return Err(Error::Unsupported(
            "INSERT has no RETURNING; SELECT the rows afterwards".to_string(),
        ));
    }
    if insert.overwrite || insert.partitioned.is_some() {
        return Err(Error::Unsupported(
            "INSERT OVERWRITE is not supported; use CREATE OR REPLACE TABLE … AS".to_string(),
        ));
    }
    let inserted = retrying(&name, || once(db, insert, &name, text)).await?;
    Ok(Some(ResultSet::count(TAG, inserted)))
}

async fn once(db: &Database, insert: &Insert, name: &TableName, text: &str) -> Result<u64> {
    let table = db.catalog().table(name).await?;
    let definition = table.definition();
    let rows = rows(db, insert, name, &definition).await?;
    if let Some(OnInsert::DuplicateKeyUpdate(_)) = &insert.on {
        return Err(Error::Unsupported(
            "ON DUPLICATE KEY UPDATE is not supported; use ON CONFLICT (key) DO UPDATE SET …"
                .to_string(),
        ));
    }
    if let Some(OnInsert::OnConflict(conflict)) = &insert.on {
        let change = plan_upsert(db, insert, conflict, table, rows).boxed().await?;
        return Ok(change.apply(db, text).await?.total());
    }
    if definition.primary_key().is_empty() {
        return append(db, &table, name, rows, text).await;
    }
    let plan = as_change(rows, &definition)?;
    let change = Change { table, plan, twice: Twice::Error, pins: Vec::new() };
    Ok(change.apply(db, text).await?.total())
}

/// What EXPLAIN INSERT shows: the rows that would be inserted. `None` for a table of the session.
pub async fn explain(db: &Database, insert: &Insert) -> Result<Option<LogicalPlan>> {
    let TableObject::TableName(object) = &insert.table else { return Ok(None) };
    let name = names::table(db, object)?;
    if let Some(Relation::Session(_)) = db.catalog().relation(&name).await? {
        return Ok(None);
    }
    let table = db.catalog().table(&name).await?;
    Ok(Some(rows(db, insert, &name, &table.definition()).boxed().await?))
}

/// The statement's rows in the table's shape.
async fn rows(
    db: &Database,
    insert: &Insert,
    name: &TableName,
    definition: &Definition,
) -> Result<LogicalPlan> {
    let listed = insert
        .columns
        .iter()
        .map(|column| {
            names::parts(db, column)?
                .pop()
                .ok_or_else(|| Error::sql("an empty column name in INSERT; name the column"))
        })
        .collect::<Result<Vec<_>>>()?;
    let table = name.to_string();
    let mut source = insert.source.clone();
    let listed = match &mut source {
        Some(query) => without_generated(query, definition, listed),
        None => listed,
    };
    let targets = columns::targets(definition, &table, listed)?;
    let Some(mut query) = source else {
        // INSERT INTO t DEFAULT VALUES
        let one = LogicalPlanBuilder::empty(true).build()?;
        return shape(db.context(), definition, one, &[]);
    };
    fill_defaults(&mut query, definition, &targets)?;
    values::alike_in(db, &mut query).boxed().await?;
    type_vectors(&mut query, definition, &targets);
    let parsed = Parsed::Statement(Box::new(Sql::Query(query)));
    let plan = db.context().state().statement_to_plan(parsed).await?;
    let given = plan.schema().fields().len();
    if given > targets.len() || (given < targets.len() && !insert.columns.is_empty()) {
        return Err(Error::sql(format!(
            "INSERT gives {given} values a row for {} columns ({}); give one for each",
            targets.len(),
            targets.join(", ")
        )));
    }
    if given < targets.len() {
        return Err(Error::sql(format!(
            "table '{table}' takes {} values a row ({}), INSERT gives {given}; list the columns that it gives",
            targets.len(),
            targets.join(", ")
        )));
    }
    shape(db.context(), definition, plan, &targets)
}

/// A generated column may be listed where every row says DEFAULT for it: then it says nothing.
fn without_generated(
    query: &mut Query,
    definition: &Definition,
    mut listed: Vec<String>,
) -> Vec<String> {
    let SetExpr::Values(values) = query.body.as_mut() else { return listed };
    for index in (0..listed.len()).rev() {
        let generated = definition
            .column(&listed[index])
            .is_some_and(|field| matches!(Definition::role(field), ColumnRole::Generated(_)));
        let always = values.rows.iter().all(|row| row.content.get(index).is_some_and(is_default));
        if generated && always {
            listed.remove(index);
            for row in &mut values.rows {
                row.content.remove(index);
            }
        }
    }
    listed
}

/// DEFAULT in VALUES becomes the column's default.
fn fill_defaults(query: &mut Query, definition: &Definition, targets: &[String]) -> Result<()> {
    let SetExpr::Values(values) = query.body.as_mut() else { return Ok(()) };
    for row in &mut values.rows {
        for (index, value) in row.content.iter_mut().enumerate() {
            if is_default(value) {
                let field = targets.get(index).and_then(|name| definition.column(name));
                let role = field.map(Definition::role).unwrap_or(ColumnRole::Plain);
                *value = match role {
                    ColumnRole::Default(expression) => parse_expression(&expression)?,
                    _ => SqlExpr::value(ast::Value::Null),
                };
            }
        }
    }
    Ok(())
}

/// In VALUES, a vector may be a list in one row and a text in the next: each gets its type.
fn type_vectors(query: &mut Query, definition: &Definition, targets: &[String]) {
    let SetExpr::Values(values) = query.body.as_mut() else { return };
    for (index, name) in targets.iter().enumerate() {
        let Some(field) = definition.column(name) else { continue };
        let DataType::FixedSizeList(item, dims) = field.data_type() else { continue };
        let name = if item.data_type() == &DataType::Float16 { "HALFVEC" } else { "VECTOR" };
        let name = ast::ObjectName::from(vec![Ident::new(name)]);
        let sql_type = ast::DataType::Custom(name, vec![dims.to_string()]);
        for row in &mut values.rows {
            if let Some(value) = row.content.get_mut(index) {
                *value = SqlExpr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(value.clone()),
                    data_type: sql_type.clone(),
                    array: false,
                    format: None,
                };
            }
        }
    }
}

fn parse_expression(text: &str) -> Result<SqlExpr> {
    Ok(datafusion::sql::parser::DFParser::parse_sql_into_expr(text)?.expr)
}

async fn append(
    db: &Database,
    table: &Table,
    name: &TableName,
    rows: LogicalPlan,
    text: &str,
) -> Result<u64> {
    let (stream, _stops) = db.stream_away(rows).boxed().await?;
    db.progress().begin(format!("writing {name}"), "rows", None);
    let checked =
        CheckedRows::new(stream, &table.definition(), name.to_string(), db.progress().clone());
    let storage = db.catalog().storage();
    let written = write_fragments(storage, table.dataset(), Box::pin(checked)).boxed().await;
    db.progress().finish();
    let fragments = written?;
    let count =
        fragments.iter().filter_map(|fragment| fragment.physical_rows).sum::<usize>() as u64;
    if fragments.is_empty() {
        return Ok(0);
    }
    // A commit that failed keeps its files: what the store answered last need not be what it did.
    let commit = commit_append(table.dataset().clone(), fragments, text).boxed();
    storage.remember(name, commit.await?);
    Ok(count)
}

/// Rows of the table's shape as a change plan that inserts each.
fn as_change(rows: LogicalPlan, definition: &Definition) -> Result<LogicalPlan> {
    let mut columns: Vec<Expr> = vec![
        lit(RowChange::Insert.code()).alias(CHANGE),
        lit(ScalarValue::UInt64(None)).alias(ID),
        lit(ScalarValue::UInt64(None)).alias(ADDRESS),
    ];
    columns.extend(
        definition.names().map(|name| Expr::Column(datafusion::common::Column::from_name(name))),
    );
    Ok(LogicalPlanBuilder::from(rows).project(columns)?.build()?)
}

async fn plan_upsert(
    db: &Database,
    insert: &Insert,
    conflict: &ast::OnConflict,
    table: Table,
    rows: LogicalPlan,
) -> Result<Change> {
    let definition = table.definition();
    let key = definition.primary_key();
    let name = table.name().map(ToString::to_string).unwrap_or_default();
    if key.is_empty() {
        return Err(Error::Constraint(format!(
            "table '{name}' has no primary key, so nothing can conflict; declare one, or use MERGE INTO"
        )));
    }
    if let Some(target) = &conflict.conflict_target {
        check_target(db, target, &key, &name)?;
    }
    let alias = match &insert.table_alias {
        Some(alias) => names::identifier(db, &alias.alias),
        None => table.name().map(|name| name.table.clone()).unwrap_or_default(),
    };
    let source = db.catalog().pin(Arc::new(ViewTable::new(rows, None)));
    let on: Vec<String> = key
        .iter()
        .map(|column| format!("{}.{1} = \"excluded\".{1}", quoted(&alias), quoted(column)))
        .collect();
    let all: Vec<(String, String)> = definition
        .names()
        .map(|column| (column.to_string(), format!("\"excluded\".{}", quoted(column))))
        .collect();
    let mut clauses = Vec::new();
    let mut twice = Twice::First;
    if let OnConflictAction::DoUpdate(update) = &conflict.action {
        twice = Twice::Error;
        let mut assignments = update.assignments.clone();
        for assignment in &mut assignments {
            qualify(db, &mut assignment.value, &definition, &alias);
        }
        let mut selection = update.selection.clone();
        if let Some(selection) = &mut selection {
            qualify(db, selection, &definition, &alias);
        }
        clauses.push(Clause {
            kind: Match::Matched,
            condition: selection.as_ref().map(sql_text),
            action: Action::Update(merge::assignments(db, &definition, &name, &assignments)?),
        });
    }
    clauses.push(Clause {
        kind: Match::NotMatched,
        condition: None,
        action: Action::Insert { values: all, generated_given: true },
    });
    let join = Join {
        alias,
        source: format!(
            "(SELECT *, TRUE AS \"__source\" FROM {}) AS \"excluded\"",
            db.pinned(&source)
        ),
        source_alias: "\"excluded\"".to_string(),
        on: on.join(" AND "),
    };
    let mut change = join.plan(db, table, &clauses, twice).await?;
    change.pins.push(source);
    Ok(change)
}

fn check_target(db: &Database, target: &ConflictTarget, key: &[String], table: &str) -> Result<()> {
    let ConflictTarget::Columns(columns) = target else {
        return Err(Error::Unsupported(format!(
            "constraints have no names; write ON CONFLICT ({})",
            key.join(", ")
        )));
    };
    let mut given: Vec<String> =
        columns.iter().map(|column| names::identifier(db, column)).collect();
    let mut wanted = key.to_vec();
    given.sort();
    wanted.sort();
    if given != wanted {
        return Err(Error::Constraint(format!(
            "ON CONFLICT ({}) is not the primary key of table '{table}', which is ({})",
            given.join(", "),
            key.join(", ")
        )));
    }
    Ok(())
}

/// A bare column in ON CONFLICT means the stored row's, not the new one's.
fn qualify(db: &Database, expression: &mut SqlExpr, definition: &Definition, alias: &str) {
    let has_subquery = visit_expressions(expression, |inner| match inner {
        SqlExpr::Subquery(_) | SqlExpr::InSubquery { .. } | SqlExpr::Exists { .. } => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break();
    if has_subquery {
        return;
    }
    let _ = visit_expressions_mut(expression, |inner| {
        if let SqlExpr::Identifier(ident) = inner
            && definition.column(&names::identifier(db, ident)).is_some()
        {
            *inner =
                SqlExpr::CompoundIdentifier(vec![Ident::with_quote('"', alias), ident.clone()]);
        }
        ControlFlow::<()>::Continue(())
    });
}
