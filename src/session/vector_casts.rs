//! Casts of text to vectors become a function, before DataFusion finds that Arrow has none.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;
use portolan_udfs::scalar::VectorFromText;

/// The rule.
#[derive(Debug)]
pub struct VectorCasts;

impl AnalyzerRule for VectorCasts {
    fn name(&self) -> &str {
        "vector_casts"
    }

    fn analyze(&self, plan: LogicalPlan, _options: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite_node).map(|plan| plan.data)
    }
}

/// An expression of no columns, outside a plan.
pub fn cast_in(expr: Expr) -> Result<Expr> {
    expr.transform_up(|expr| rewrite(expr, &DFSchema::empty())).map(|expr| expr.data)
}

fn rewrite_node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&node.inputs());
    if let LogicalPlan::TableScan(scan) = &node {
        schema.merge(&DFSchema::try_from_qualified_schema(
            scan.table_name.clone(),
            &scan.source.schema(),
        )?);
    }
    let names = NamePreserver::new(&node);
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|expr| rewrite(expr, &schema))?;
        Ok(rewritten.update_data(|expr| name.restore(expr)))
    })
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field })) =
        &expr
    else {
        return Ok(Transformed::no(expr));
    };
    let is_vector = matches!(
        field.data_type(),
        DataType::FixedSizeList(item, _)
            if matches!(item.data_type(), DataType::Float16 | DataType::Float32 | DataType::Float64)
    );
    let is_text = is_vector
        && matches!(
            inner.get_type(schema),
            Ok(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        );
    if !is_text {
        return Ok(Transformed::no(expr));
    }
    let function = ScalarUDF::new_from_impl(VectorFromText::new(field.data_type().clone()));
    Ok(Transformed::yes(Arc::new(function).call(vec![inner.as_ref().clone()])))
}
