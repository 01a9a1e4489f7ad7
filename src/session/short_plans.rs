//! A query that a search answers has ten rows to work on. Most of what the engine does to plans finds nothing
//! to do there, and finding that out takes longer than the search.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::Optimizer;
use datafusion::physical_optimizer::{PhysicalOptimizerContext, PhysicalOptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use portolan_udfs::vector::Between;

use super::passes::two_are_enough;
use crate::search;

/// The rules that have something to do where rows of one table are filtered, computed, sorted and cut.
const RULES: [&str; 9] = [
    "simplify_expressions",
    "eliminate_duplicated_expr",
    "eliminate_filter",
    "eliminate_limit",
    "push_down_limit",
    "push_down_filter",
    "common_sub_expression_eliminate",
    "optimize_projections",
    search::RULE,
];

/// A query of one table, optimized by the rules that such a query needs; `None` where no search answers it.
pub fn short(state: &SessionState, plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    if matches!(plan, LogicalPlan::Explain(_)) || !may_search(plan)? || !two_are_enough(plan)? {
        return Ok(None);
    }
    let options = state.config().options();
    let plan = state.analyzer().execute_and_check(plan.clone(), options, |_, _| {})?;
    let rules = state.optimizers().iter().filter(|rule| RULES.contains(&rule.name()));
    let optimizer = Optimizer::with_rules(rules.cloned().collect());
    let plan = optimizer.optimize(plan, state, |_, _| {})?;
    Ok(search::answers(&plan)?.then_some(plan))
}

/// Whether something is sorted, and the distance between vectors asked for.
fn may_search(plan: &LogicalPlan) -> Result<bool> {
    let (mut sorts, mut measures) = (false, false);
    plan.apply(|node| {
        sorts |= matches!(node, LogicalPlan::Sort(_));
        node.apply_expressions(|expr| {
            measures |= expr.exists(|part| Ok(is_measure(part)))?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(sorts && measures)
}

fn is_measure(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.inner().is::<Between>())
}

/// A rule of the engine's about plans, for all but those whose rows a search gives: one thread does what is left,
/// in the order in which the operators stand.
#[derive(Debug)]
pub struct UnlessSearched(pub Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl PhysicalOptimizerRule for UnlessSearched {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if is_short(&plan) { Ok(plan) } else { self.0.optimize(plan, config) }
    }

    fn optimize_with_context(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        context: &dyn PhysicalOptimizerContext,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if is_short(&plan) { Ok(plan) } else { self.0.optimize_with_context(plan, context) }
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// Whether a plan works row by row on what a search of all rows of a table gives. Rows that have to pass filters
/// before come from a scan, which has parts.
fn is_short(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let children = plan.children();
    match children.as_slice() {
        [] => search::is_search(plan.as_ref()),
        [input] => {
            let by_row = plan.is::<ProjectionExec>()
                || plan.is::<FilterExec>()
                || plan.is::<SortExec>()
                || plan.is::<GlobalLimitExec>();
            by_row && is_short(input)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;

    /// Fewer rules make the same plan, where they are enough.
    #[tokio::test]
    async fn a_short_plan_is_as_all_rules_make_it() {
        let db = Database::in_memory().await.unwrap();
        let made =
            "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, s STRUCT<a INT>, v VECTOR(2));
            INSERT INTO t (id, name, v) VALUES (1, 'a', [1, 0]), (2, 'b', [0, 1]);
            CREATE VIEW u AS SELECT id, name AS called, v AS vector FROM t";
        db.sql(made).await.unwrap().collect().await.unwrap();
        for (query, is_short) in [
            ("SELECT id FROM t ORDER BY cosine(v, [1, 0]) DESC NULLS LAST LIMIT 3", true),
            ("SELECT id FROM t ORDER BY v <=> [1, 0] LIMIT 3 OFFSET 2", true),
            (
                "SELECT *, cosine(v, [1, 0]) AS near FROM t ORDER BY near DESC NULLS LAST, id LIMIT 3",
                true,
            ),
            (
                "SELECT id, 1 - cosine(v, [1, 0]), cosine(v, [1, 0]) FROM t ORDER BY cosine(v, [1, 0]) DESC NULLS LAST LIMIT 3",
                true,
            ),
            (
                "SELECT upper(name) FROM t WHERE id > 1 + 1 AND name <> 'x' ORDER BY l2_distance(v, [1, 0]) LIMIT 3",
                true,
            ),
            (
                "SELECT called || '!' FROM u ORDER BY cosine(vector, [1, 0]) DESC NULLS LAST LIMIT 3",
                true,
            ),
            (
                "SELECT called || '!' FROM u WHERE called LIKE 'a%' ORDER BY cosine(vector, [1, 0]) DESC NULLS LAST LIMIT 3",
                false,
            ),
            (
                "SELECT n FROM (SELECT name AS n, v AS w FROM t WHERE id IN (1, 2)) AS x WHERE n IS NOT NULL ORDER BY dot(w, [1, 0]) DESC NULLS LAST LIMIT 3",
                false,
            ),
            (
                "SELECT id FROM (SELECT * FROM t ORDER BY cosine(v, [1, 0]) DESC NULLS LAST LIMIT 5) AS x ORDER BY id LIMIT 2",
                true,
            ),
            (
                "SELECT id FROM t WHERE true ORDER BY cosine(v, [1, 0]) DESC NULLS LAST, cosine(v, [1, 0]) DESC NULLS LAST LIMIT 3",
                true,
            ),
            ("SELECT s['a'] FROM t ORDER BY cosine(v, [1, 0]) DESC NULLS LAST LIMIT 3", true),
            (
                "SELECT id FROM t WHERE false ORDER BY cosine(v, [1, 0]) DESC NULLS LAST LIMIT 3",
                false,
            ),
            ("SELECT id FROM t ORDER BY cosine(v, [1, 0]) LIMIT 3", false),
            ("SELECT id FROM t ORDER BY cosine(v, [1, 0]) DESC NULLS LAST", false),
            ("SELECT id, cosine(v, [1, 0]) FROM t ORDER BY id LIMIT 3", false),
            (
                "SELECT count(*) FROM (SELECT * FROM t ORDER BY cosine(v, [1, 0]) DESC NULLS LAST LIMIT 3) AS x",
                false,
            ),
            ("EXPLAIN SELECT id FROM t ORDER BY cosine(v, [1, 0]) DESC NULLS LAST LIMIT 3", false),
        ] {
            // Statements are read so that rows without a vector come last.
            let state = db.context().state();
            let plan = state.create_logical_plan(query).await.unwrap();
            let found = short(&state, &plan).unwrap();
            assert_eq!(found.is_some(), is_short, "{query}");
            if let Some(found) = found {
                let all = state.optimize(&plan).unwrap();
                let shown = |plan: &LogicalPlan| {
                    let text = plan.display_indent().to_string();
                    // Numbered by how many were looked for.
                    text.replace("__common_expr_2", "__common_expr_1")
                };
                assert_eq!(shown(&found), shown(&all));
            }
        }
    }
}
