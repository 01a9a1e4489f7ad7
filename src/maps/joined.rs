//! A map as a table: the columns of the table that it is of, and what is known of each row's point.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Column, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder};

use super::facts::{Facts, POINTS};
use crate::error::Result;
use crate::tables::Table;

/// Columns of the points that say how they are stored, not what they are.
const INNER: [&str; 5] = ["component", "level", "cell", "row_id", "vector_hash"];

/// What a point is called, where that is asked for.
pub const POINT: &str = "_portolan_point";

/// The join. A row of the table that has no point is not in it, nor a point whose row is gone.
///
/// The points' columns keep their names. A column of the table that has one of these is called by the
/// table's name as well, `t_x`; only `id` is the table's own where it has one.
pub fn joined(
    map: &str,
    facts: &Facts,
    points: Table,
    source: &Table,
    with_point: bool,
) -> Result<Arc<dyn TableProvider>> {
    let columns: Vec<String> =
        source.schema().fields().iter().map(|field| field.name().clone()).collect();
    let told: Vec<String> = points
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .filter(|name| !INNER.contains(&name.as_str()))
        .filter(|name| name != "id" || !columns.contains(name))
        .collect();
    let (rows_are, points_are) = (
        TableReference::partial(facts.schema.as_str(), facts.table.as_str()),
        TableReference::partial(map, POINTS),
    );
    let of = |whose: &TableReference, name: &str| Column::new(Some(whose.clone()), name);
    let (left, right) = match &facts.key {
        Some(key) => (of(&rows_are, key), of(&points_are, "id")),
        None => (of(&rows_are, "_rowid"), of(&points_are, "row_id")),
    };
    let rows: Arc<dyn TableProvider> = match facts.key {
        Some(_) => Arc::new(source.clone()),
        None => Arc::new(source.with_row_ids()),
    };
    let mut taken: Vec<String> = told.clone();
    let mut shown: Vec<Expr> = Vec::new();
    for name in &columns {
        let mut called = name.clone();
        while taken.contains(&called) {
            called = format!("{}_{called}", facts.table);
        }
        shown.push(Expr::Column(of(&rows_are, name)).alias(&called));
        taken.push(called);
    }
    shown.extend(told.iter().map(|name| Expr::Column(of(&points_are, name)).alias(name)));
    if with_point {
        shown.push(Expr::Column(of(&points_are, "id")).alias(POINT));
    }
    let points: Arc<dyn TableProvider> = Arc::new(points);
    let points = LogicalPlanBuilder::scan(points_are, provider_as_source(points), None)?.build()?;
    let plan = LogicalPlanBuilder::scan(rows_are, provider_as_source(rows), None)?
        .join(points, JoinType::Inner, (vec![left], vec![right]), None)?
        .project(shown)?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}
