//! `ORDER BY cosine(v, q) DESC LIMIT 10` finds its rows by a search: the scan below is exchanged for
//! one that gives the nearest rows only. The sort and the limit stay above it and say what is true;
//! a search that gave a row too many would change nothing.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, Sort, TableScan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use portolan_udfs::vector::ToOne;

use super::decoded::Columns;
use super::request::Request;
use super::table::SearchedTable;
use crate::tables::Table;

/// More rows than this are not looked up one by one: reading and sorting all is faster.
const MOST: usize = 10_000;

/// The rule's name.
pub const RULE: &str = "vector_search";

/// Whether rows of a plan come from a search.
pub fn answers(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(false) };
        let provider = source_as_provider(&scan.source);
        Ok(provider.is_ok_and(|provider| provider.is::<SearchedTable>()))
    })
}

/// The rule. It comes after all others, when filters have reached the scan and limits the sort.
#[derive(Debug)]
pub struct SearchRule {
    columns: Arc<Columns>,
}

impl SearchRule {
    /// With the columns that searches keep decoded.
    pub fn new(columns: Arc<Columns>) -> Self {
        Self { columns }
    }
}

impl OptimizerRule for SearchRule {
    fn name(&self) -> &str {
        RULE
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Sort(sort) = &plan else { return Ok(Transformed::no(plan)) };
        match self.searched(sort)? {
            Some(input) => {
                let sort =
                    Sort { expr: sort.expr.clone(), input: Arc::new(input), fetch: sort.fetch };
                Ok(Transformed::yes(LogicalPlan::Sort(sort)))
            }
            None => Ok(Transformed::no(plan)),
        }
    }
}

impl SearchRule {
    /// What is sorted, from a search instead of a scan.
    fn searched(&self, sort: &Sort) -> Result<Option<LogicalPlan>> {
        let (Some(k), Some(first)) = (sort.fetch, sort.expr.first()) else { return Ok(None) };
        if k == 0 || k > MOST || first.nulls_first {
            return Ok(None);
        }
        let order = Order { expr: first.expr.clone(), ascending: first.asc };
        self.below(&sort.input, order, k, sort.expr.len() > 1)
    }

    /// Goes down to the scan, and up again with what takes its place.
    fn below(
        &self,
        plan: &LogicalPlan,
        order: Order,
        k: usize,
        ties: bool,
    ) -> Result<Option<LogicalPlan>> {
        let input = match plan {
            LogicalPlan::Projection(projection) => {
                let order = order.in_terms_of(|column| {
                    let at = projection.schema.maybe_index_of_column(column)?;
                    Some(projection.expr.get(at)?.clone().unalias())
                })?;
                self.below(&projection.input, order, k, ties)?
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let order = order.in_terms_of(|column| {
                    let at = alias.schema.maybe_index_of_column(column)?;
                    let (qualifier, field) = alias.input.schema().qualified_field(at);
                    Some(Expr::Column(Column::new(qualifier.cloned(), field.name())))
                })?;
                self.below(&alias.input, order, k, ties)?
            }
            LogicalPlan::Filter(filter) => {
                let LogicalPlan::TableScan(scan) = filter.input.as_ref() else { return Ok(None) };
                let mut scan = scan.clone();
                scan.filters.extend(split_conjunction_owned(filter.predicate.clone()));
                // The search itself keeps to the filter.
                return self.of_scan(&scan, &order, k, ties);
            }
            LogicalPlan::TableScan(scan) => return self.of_scan(scan, &order, k, ties),
            _ => None,
        };
        match input {
            Some(input) => Ok(Some(plan.with_new_exprs(plan.expressions(), vec![input])?)),
            None => Ok(None),
        }
    }

    fn of_scan(
        &self,
        scan: &TableScan,
        order: &Order,
        k: usize,
        ties: bool,
    ) -> Result<Option<LogicalPlan>> {
        let Ok(provider) = source_as_provider(&scan.source) else { return Ok(None) };
        let Some(table) = provider.downcast_ref::<Table>() else { return Ok(None) };
        let asks = scan
            .filters
            .iter()
            .any(|filter| filter.exists(|part| Ok(is_subquery(part))).unwrap_or(true));
        if scan.fetch.is_some() || asks || table.has_row_ids() {
            return Ok(None);
        }
        let Some(request) = order.request(k, ties) else { return Ok(None) };
        let searched = SearchedTable::new(table, request, &self.columns);
        let Some(searched) = searched.filter(SearchedTable::is_useful) else { return Ok(None) };
        let source = provider_as_source(Arc::new(searched));
        Ok(Some(LogicalPlan::TableScan(TableScan { source, ..scan.clone() })))
    }
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_))
}

/// What rows are sorted by.
struct Order {
    expr: Expr,
    ascending: bool,
}

impl Order {
    /// The same, with other expressions for its columns. Columns that are unknown stay, and mean
    /// nothing further down.
    fn in_terms_of(self, meaning: impl Fn(&Column) -> Option<Expr>) -> Result<Self> {
        let expr = self
            .expr
            .transform(|part| match &part {
                Expr::Column(column) => match meaning(column) {
                    Some(meant) => Ok(Transformed::yes(meant)),
                    None => Ok(Transformed::no(part)),
                },
                _ => Ok(Transformed::no(part)),
            })?
            .data;
        Ok(Self { expr, ..self })
    }

    /// The search that finds the first rows of this order, if one does.
    fn request(&self, k: usize, ties: bool) -> Option<Request> {
        let (mut expr, mut ascending) = (self.expr.clone(), self.ascending);
        // `1 - cosine(…)` and `-dot(…)` are sorted the other way round.
        loop {
            expr = match expr {
                Expr::Alias(alias) => *alias.expr,
                Expr::Negative(inner) => {
                    ascending = !ascending;
                    *inner
                }
                Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right })
                    if is_number(&left) =>
                {
                    ascending = !ascending;
                    *right
                }
                Expr::Cast(cast) if cast.field.data_type().is_floating() => *cast.expr,
                other => {
                    expr = other;
                    break;
                }
            };
        }
        let Expr::ScalarFunction(call) = &expr else { return None };
        // Of the functions of two vectors, the one that knows its own: the rules before this one
        // make it of every other.
        let function = call.func.inner().downcast_ref::<ToOne>()?;
        let ranking = function.ranking()?;
        let [Expr::Column(column)] = call.args.as_slice() else { return None };
        // The other direction asks for the farthest rows.
        if ascending == ranking.descending {
            return None;
        }
        Some(Request {
            column: column.name.clone(),
            query: function.one().to_vec(),
            measure: ranking.measure,
            k,
            ties,
            within: None,
        })
    }
}

/// Whether an expression is a number that subtracting from leaves an order as it is.
fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Float32(Some(x)), _) => x.is_finite(),
        Expr::Literal(ScalarValue::Float64(Some(x)), _) => x.is_finite(),
        Expr::Literal(value, _) => value.data_type().is_integer() && !value.is_null(),
        Expr::Cast(cast) => is_number(&cast.expr),
        _ => false,
    }
}
