//! Operators that make many batches of one let go of their thread now and then: otherwise a
//! stopped statement would keep its threads, and the next one would wait for them.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// DataFusion's own rule makes only scans and exchanges yield. These can go on for hours between
/// two batches of a scan.
const MULTIPLYING: &[&str] = &[
    "CrossJoinExec",
    "HashJoinExec",
    "NestedLoopJoinExec",
    "PiecewiseMergeJoin",
    "SortMergeJoinExec",
    "UnnestExec",
];

/// The plan with a yielding operator above everything that multiplies rows. It is put there when
/// the plan is about to run, so that EXPLAIN shows what the planner made.
pub fn yielding(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    // EXPLAIN ANALYZE shows the plan that it has run.
    if plan.name() == "AnalyzeExec" {
        return Ok(plan);
    }
    plan.transform_up(|plan| {
        if !MULTIPLYING.contains(&plan.name()) {
            return Ok(Transformed::no(plan));
        }
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(plan))))
    })
    .data()
}
