//! `SELECT embed_text(x) … ORDER BY y LIMIT 10` embeds ten rows: what models compute is computed
//! above a sort that keeps few rows, where the sort does not need it.
//!
//! A rule for finished plans: rules for logical plans are undone by those that follow them, which
//! push narrow projections below sorts whatever they cost.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use portolan_udfs::runs_a_model;

/// The rule.
#[derive(Debug)]
pub struct LateEmbedding;

impl PhysicalOptimizerRule for LateEmbedding {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match lift(&node)? {
            Some(lifted) => Ok(Transformed::yes(lifted)),
            None => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "late_embedding"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The node with the costly part of the projection below it above it, if there is such a part.
fn lift(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (ordering, fetch) = if let Some(sort) = node.downcast_ref::<SortExec>() {
        (sort.expr(), sort.fetch())
    } else if let Some(merge) = node.downcast_ref::<SortPreservingMergeExec>() {
        (merge.expr(), merge.fetch())
    } else {
        return Ok(None);
    };
    let [child] = node.children()[..] else { return Ok(None) };
    let (Some(_), Some(projection)) = (fetch, child.downcast_ref::<ProjectionExec>()) else {
        return Ok(None);
    };
    let Some(Split { below, above, places }) = split(projection, ordering)? else {
        return Ok(None);
    };
    let moved: Result<Vec<PhysicalSortExpr>> = ordering
        .iter()
        .map(|sort| {
            Ok(PhysicalSortExpr::new(
                moved(&sort.expr, &|at| places.get(at).copied()?)?,
                sort.options,
            ))
        })
        .collect();
    let Some(ordering) = LexOrdering::new(moved?) else { return Ok(None) };
    let below: Arc<dyn ExecutionPlan> =
        Arc::new(ProjectionExec::try_new(below, projection.input().clone())?);
    let sorted: Arc<dyn ExecutionPlan> = match node.downcast_ref::<SortExec>() {
        Some(sort) => Arc::new(
            SortExec::new(ordering, below)
                .with_preserve_partitioning(sort.preserve_partitioning())
                .with_fetch(fetch),
        ),
        None => Arc::new(SortPreservingMergeExec::new(ordering, below).with_fetch(fetch)),
    };
    Ok(Some(Arc::new(ProjectionExec::try_new(above, sorted)?)))
}

/// A projection in two.
struct Split {
    /// What is needed for sorting, and what the costly part is computed from.
    below: Vec<ProjectionExpr>,
    /// The whole projection, of that.
    above: Vec<ProjectionExpr>,
    /// Where in `below` the outputs are that are computed there.
    places: Vec<Option<usize>>,
}

fn split(projection: &ProjectionExec, ordering: &LexOrdering) -> Result<Option<Split>> {
    let mut sorted_by = Vec::new();
    for sort in ordering {
        sorted_by.extend(collect_columns(&sort.expr).iter().map(Column::index));
    }
    let late: Vec<bool> = projection
        .expr()
        .iter()
        .enumerate()
        .map(|(at, output)| !sorted_by.contains(&at) && is_costly(&output.expr))
        .collect();
    if !late.contains(&true) {
        return Ok(None);
    }
    let mut below = Vec::new();
    let mut places = Vec::new();
    for (output, late) in projection.expr().iter().zip(&late) {
        places.push((!late).then_some(below.len()));
        if !late {
            below.push(output.clone());
        }
    }
    // The costly part's inputs are carried along, once each.
    let mut carried: Vec<(usize, usize)> = Vec::new();
    for (output, _) in projection.expr().iter().zip(&late).filter(|(_, late)| **late) {
        let mut columns: Vec<Column> = collect_columns(&output.expr).into_iter().collect();
        columns.sort_by_key(Column::index);
        for column in columns {
            if carried.iter().all(|(from, _)| *from != column.index()) {
                carried.push((column.index(), below.len()));
                let alias = column.name().to_string();
                below.push(ProjectionExpr { expr: Arc::new(column), alias });
            }
        }
    }
    let carried_to = |from: usize| carried.iter().find(|(at, _)| *at == from).map(|(_, to)| *to);
    let above = projection
        .expr()
        .iter()
        .zip(&places)
        .map(|(output, place)| {
            let expr = match place {
                Some(place) => Arc::new(Column::new(&output.alias, *place)) as _,
                None => moved(&output.expr, &carried_to)?,
            };
            Ok(ProjectionExpr { expr, alias: output.alias.clone() })
        })
        .collect::<Result<_>>()?;
    Ok(Some(Split { below, above, places }))
}

/// Whether evaluating an expression runs a model.
fn is_costly(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let mut found = false;
    // The visitor does not fail.
    let _ = expr.apply(|part| {
        let call = part.downcast_ref::<ScalarFunctionExpr>();
        found |= call.is_some_and(|call| runs_a_model(call.fun()));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

/// An expression over the same columns at other places.
fn moved(
    expr: &Arc<dyn PhysicalExpr>,
    to: &dyn Fn(usize) -> Option<usize>,
) -> Result<Arc<dyn PhysicalExpr>> {
    expr.clone()
        .transform_up(|part| {
            let Some(column) = part.downcast_ref::<Column>() else {
                return Ok(Transformed::no(part));
            };
            let place = to(column.index()).unwrap_or(column.index());
            Ok(Transformed::yes(Arc::new(Column::new(column.name(), place))))
        })
        .data()
}
