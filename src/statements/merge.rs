//! MERGE INTO, and the join of a table with a source that upserts share.

use datafusion::arrow::datatypes::Field;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, col, lit, when};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, Merge, MergeAction, MergeClauseKind, MergeInsertKind, TableFactor,
};
use std::sync::Arc;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::statements::change::{ADDRESS, CHANGE, Change, ID, Twice};
use crate::statements::columns::{self, with_generated};
use crate::statements::names::{self, quoted};
use crate::statements::row_keys;
use crate::statements::text::sql_text;
use crate::tables::{ColumnRole, Definition, RowChange, Table, TableName, retrying};
use futures::FutureExt;
use portolan_udfs::Fingerprint;

const TAG: &str = "MERGE";
/// The column with the number of the clause that a row falls under.
const CLAUSE: &str = "__clause";

/// Which rows of the join a clause is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// In both.
    Matched,
    /// In the source only.
    NotMatched,
    /// In the table only.
    NotMatchedBySource,
}

/// What a clause does; values are SQL text over the join.
#[derive(Debug, Clone)]
pub enum Action {
    /// New values for some columns.
    Update(Vec<(String, String)>),
    /// The row goes.
    Delete,
    /// A new row.
    Insert {
        /// Values for some columns; the others get their defaults.
        values: Vec<(String, String)>,
        /// Whether `values` has the generated columns too.
        generated_given: bool,
    },
}

/// One WHEN of a merge.
#[derive(Debug, Clone)]
pub struct Clause {
    pub kind: Match,
    pub condition: Option<String>,
    pub action: Action,
}

/// Runs MERGE INTO.
pub async fn run(db: &Database, merge: &Merge, text: &str) -> Result<ResultSet> {
    let (name, alias) = target(db, merge)?;
    if merge.output.is_some() {
        return Err(Error::Unsupported(
            "MERGE has no OUTPUT; SELECT the rows afterwards".to_string(),
        ));
    }
    let changed = retrying(&name, || async {
        plan_merge(db, merge, &name, &alias).boxed().await?.apply(db, text).await
    })
    .await?;
    Ok(ResultSet::count(TAG, changed.total()))
}

fn target(db: &Database, merge: &Merge) -> Result<(TableName, String)> {
    let TableFactor::Table { name: object, alias, .. } = &merge.table else {
        return Err(Error::sql("MERGE INTO changes a table; name it directly"));
    };
    let name = names::table(db, object)?;
    let alias = match alias {
        Some(alias) => names::identifier(db, &alias.name),
        None => name.table.clone(),
    };
    Ok((name, alias))
}

/// What EXPLAIN MERGE shows.
pub async fn explain(db: &Database, merge: &Merge) -> Result<Change> {
    let (name, alias) = target(db, merge)?;
    plan_merge(db, merge, &name, &alias).boxed().await
}

async fn plan_merge(db: &Database, merge: &Merge, name: &TableName, alias: &str) -> Result<Change> {
    let table = db.catalog().table(name).await?;
    let definition = table.definition();
    let source_alias = source_alias(db, &merge.source)?;
    let clauses = merge
        .clauses
        .iter()
        .map(|clause| self::clause(db, &definition, &name.to_string(), clause))
        .collect::<Result<Vec<_>>>()?;
    let join = Join {
        alias: alias.to_string(),
        source: format!(
            "(SELECT *, TRUE AS \"__source\" FROM {}) AS {source_alias}",
            sql_text(&merge.source)
        ),
        source_alias,
        on: sql_text(merge.on.as_ref()),
    };
    join.plan(db, table, &clauses, Twice::Error).await
}

fn source_alias(db: &Database, source: &TableFactor) -> Result<String> {
    let alias = match source {
        TableFactor::Table { name, alias: None, .. } => {
            names::parts(db, name)?.pop().map(|name| quoted(&name))
        }
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::TableFunction { alias: Some(alias), .. }
        | TableFactor::Function { alias: Some(alias), .. } => {
            Some(quoted(&names::identifier(db, &alias.name)))
        }
        _ => None,
    };
    alias.ok_or_else(|| Error::sql("the source of MERGE needs a name; write USING (…) AS s"))
}

fn clause(
    db: &Database,
    definition: &Definition,
    table: &str,
    clause: &datafusion::sql::sqlparser::ast::MergeClause,
) -> Result<Clause> {
    let kind = match clause.clause_kind {
        MergeClauseKind::Matched => Match::Matched,
        MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget => Match::NotMatched,
        MergeClauseKind::NotMatchedBySource => Match::NotMatchedBySource,
    };
    let action = match &clause.action {
        MergeAction::Delete { .. } => Action::Delete,
        MergeAction::Update(update) => {
            Action::Update(assignments(db, definition, table, &update.assignments)?)
        }
        MergeAction::Insert(insert) => {
            let listed = insert
                .columns
                .iter()
                .map(|column| Ok(names::parts(db, column)?.pop().unwrap_or_default()))
                .collect::<Result<Vec<_>>>()?;
            let targets = columns::targets(definition, table, listed)?;
            let MergeInsertKind::Values(values) = &insert.kind else {
                return Err(Error::Unsupported(
                    "write INSERT (columns) VALUES (…) in MERGE".to_string(),
                ));
            };
            let row = match values.rows.as_slice() {
                [row] => &row.content,
                _ => return Err(Error::sql("INSERT in MERGE has one row of VALUES")),
            };
            if row.len() != targets.len() {
                return Err(Error::sql(format!(
                    "INSERT in MERGE gives {} values for {} columns ({}); give one for each",
                    row.len(),
                    targets.len(),
                    targets.join(", ")
                )));
            }
            let values = targets.into_iter().zip(row.iter().map(sql_text)).collect();
            Action::Insert { values, generated_given: false }
        }
    };
    let fits = match (&action, kind) {
        (Action::Insert { .. }, Match::NotMatched) => true,
        (Action::Insert { .. }, _) | (_, Match::NotMatched) => false,
        _ => true,
    };
    if !fits {
        return Err(Error::sql(
            "in MERGE, WHEN NOT MATCHED inserts, WHEN MATCHED and WHEN NOT MATCHED BY SOURCE update or delete",
        ));
    }
    Ok(Clause { kind, condition: clause.predicate.as_ref().map(sql_text), action })
}

/// The columns that SET names, with their new values as SQL text.
pub fn assignments(
    db: &Database,
    definition: &Definition,
    table: &str,
    assignments: &[Assignment],
) -> Result<Vec<(String, String)>> {
    let mut values: Vec<(String, String)> = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        let AssignmentTarget::ColumnName(target) = &assignment.target else {
            return Err(Error::Unsupported(
                "SET (a, b) = (…) is not supported; write SET a = …, b = …".to_string(),
            ));
        };
        let name = names::parts(db, target)?.pop().unwrap_or_default();
        let field = columns::assignable(definition, table, &name)?;
        if values.iter().any(|(known, _)| *known == name) {
            return Err(Error::sql(format!("column '{name}' is set twice; set it once")));
        }
        let text = sql_text(&assignment.value);
        let value = match Definition::role(field) {
            ColumnRole::Default(default) if text.eq_ignore_ascii_case("default") => default,
            _ if text.eq_ignore_ascii_case("default") => "NULL".to_string(),
            _ => text,
        };
        values.push((name, value));
    }
    Ok(values)
}

/// A table joined with a source.
pub struct Join {
    /// What the statement calls the table.
    pub alias: String,
    /// The source as SQL, with a column `__source` that is never NULL.
    pub source: String,
    /// What the statement calls the source.
    pub source_alias: String,
    /// The condition.
    pub on: String,
}

impl Join {
    /// Finds each row's clause, and what becomes of it.
    pub async fn plan(
        &self,
        db: &Database,
        table: Table,
        clauses: &[Clause],
        twice: Twice,
    ) -> Result<Change> {
        let Self { alias, source, source_alias, on } = self;
        let pin = db.catalog().pin(Arc::new(table.with_row_ids()));
        let definition = table.definition();
        let target = quoted(alias);
        let has = |kind: Match| clauses.iter().any(|clause| clause.kind == kind);
        let join = match (has(Match::NotMatched), has(Match::NotMatchedBySource)) {
            (true, true) => "FULL JOIN",
            (true, false) => "LEFT JOIN",
            (false, true) => "RIGHT JOIN",
            (false, false) => "JOIN",
        };
        let conditions: Vec<String> = clauses
        .iter()
        .map(|clause| {
            let here = match clause.kind {
                Match::Matched => {
                    format!("{target}.\"_rowid\" IS NOT NULL AND {source_alias}.\"__source\" IS NOT NULL")
                }
                Match::NotMatched => format!("{target}.\"_rowid\" IS NULL"),
                Match::NotMatchedBySource => format!("{source_alias}.\"__source\" IS NULL"),
            };
            match &clause.condition {
                Some(condition) => format!("{here} AND ({condition})"),
                None => here,
            }
        })
        .collect();
        let number =
            case(conditions.iter().enumerate().map(|(i, when)| (when, i.to_string())), "-1");
        let mut select = vec![
            format!("{number} AS \"{CLAUSE}\""),
            format!("{target}.\"_rowid\" AS \"{ID}\""),
            format!("{target}.\"_rowaddr\" AS \"{ADDRESS}\""),
        ];
        for field in definition.schema().fields() {
            let name = field.name();
            let kept = format!("{target}.{}", quoted(name));
            let data_type = Definition::sql_type(field.data_type());
            let values = clauses.iter().zip(&conditions).filter_map(|(clause, when)| {
                let value = match &clause.action {
                    Action::Delete => return None,
                    Action::Update(values) => find(values, name)?,
                    Action::Insert { values, .. } => {
                        find(values, name).unwrap_or_else(|| match Definition::role(field) {
                            ColumnRole::Default(default) => default,
                            _ => "NULL".to_string(),
                        })
                    }
                };
                let nested = field.data_type().is_nested() && !data_type.ends_with(')');
                Some((when, if nested { value } else { format!("CAST({value} AS {data_type})") }))
            });
            let value = case(values, &kept);
            select.push(format!("{value} AS {}", quoted(name)));
        }
        let from = format!("FROM {source} {join} {} AS {target} ON {on}", db.pinned(&pin));
        for field in definition.schema().fields() {
            check_vectors(db, field, clauses, &from).await?;
        }
        let query = format!("SELECT {} {from}", select.join(", "));
        let plan = db.context().state().create_logical_plan(&query).await?;
        let plan = finish(db, &definition, plan, clauses)?;
        Ok(Change { table, plan, twice, pins: vec![pin] })
    }
}

/// Refuses vectors of another model than the column's: a CASE over all clauses would have forgotten
/// which model made them.
async fn check_vectors(db: &Database, field: &Field, clauses: &[Clause], from: &str) -> Result<()> {
    if Fingerprint::of(field).is_none() {
        return Ok(());
    }
    for clause in clauses {
        let (Action::Update(values) | Action::Insert { values, .. }) = &clause.action else {
            continue;
        };
        let Some(value) = find(values, field.name()) else { continue };
        let query = format!("SELECT {value} AS {} {from}", quoted(field.name()));
        let plan = db.context().state().create_logical_plan(&query).await?;
        Fingerprint::check(field, plan.schema().field(0))?;
    }
    Ok(())
}

fn find(values: &[(String, String)], name: &str) -> Option<String> {
    values.iter().find(|(column, _)| column == name).map(|(_, value)| format!("({value})"))
}

fn case<'a>(branches: impl Iterator<Item = (&'a String, String)>, otherwise: &str) -> String {
    let branches: Vec<String> =
        branches.map(|(when, then)| format!("WHEN {when} THEN {then}")).collect();
    if branches.is_empty() {
        return otherwise.to_string();
    }
    format!("CASE {} ELSE {otherwise} END", branches.join(" "))
}

/// From the clauses' numbers to a change plan: rows of no clause go, types become the table's,
/// generated columns are computed where their inputs are new.
fn finish(
    db: &Database,
    definition: &Definition,
    plan: LogicalPlan,
    clauses: &[Clause],
) -> Result<LogicalPlan> {
    let number = || col(Column::from_name(CLAUSE));
    let mut leading = vec![
        number().alias(CLAUSE),
        col(Column::from_name(ID)).alias(ID),
        col(Column::from_name(ADDRESS)).alias(ADDRESS),
    ];
    leading.extend(definition.schema().fields().iter().map(|field| {
        cast(col(Column::from_name(field.name())), field.data_type().clone()).alias(field.name())
    }));
    let plan = LogicalPlanBuilder::from(plan)
        .filter(number().gt_eq(lit(0i64)))?
        .project(leading)?
        .build()?;
    let plan = with_generated(db.context(), definition, plan, &|field, inputs, generated| {
        let renewed: Vec<Expr> = clauses
            .iter()
            .enumerate()
            .filter(|(_, clause)| match &clause.action {
                Action::Delete => false,
                Action::Insert { generated_given, .. } => !generated_given,
                Action::Update(values) => values.iter().any(|(column, _)| inputs.contains(column)),
            })
            .map(|(index, _)| lit(index as i64))
            .collect();
        if renewed.is_empty() {
            return Ok(None);
        }
        let kept = col(Column::from_name(field.name()));
        Ok(Some(when(number().in_list(renewed, false), generated).otherwise(kept)?))
    })?;
    let codes = clauses.iter().map(|clause| match clause.action {
        Action::Update(_) => RowChange::Update,
        Action::Delete => RowChange::Delete,
        Action::Insert { .. } => RowChange::Insert,
    });
    let mut code = lit(RowChange::Keep.code());
    for (index, change) in codes.enumerate() {
        code = when(number().eq(lit(index as i64)), lit(change.code())).otherwise(code)?;
    }
    let mut columns = vec![
        code.alias(CHANGE),
        cast(col(Column::from_name(ID)), ScalarValue::UInt64(None).data_type()).alias(ID),
        cast(col(Column::from_name(ADDRESS)), ScalarValue::UInt64(None).data_type()).alias(ADDRESS),
    ];
    columns.extend(definition.names().map(|name| col(Column::from_name(name))));
    let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
    row_keys::known(plan, definition)
}
