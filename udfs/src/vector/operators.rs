//! `v + w`, `v - w`, `v * 2`, `v / 2`, and pgvector's `<=>`, as functions of vectors.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::{DFSchema, Result};
use datafusion_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion_expr::sqlparser::ast::BinaryOperator;
use datafusion_expr::{Expr, ExprSchemable, ScalarUDF, ScalarUDFImpl, cast, lit};

use super::{Between, VectorArithmetic, VectorScale, is_vector};

/// The planner of operators between vectors.
#[derive(Debug, Clone, Copy, Default)]
pub struct VectorOperators;

impl ExprPlanner for VectorOperators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        // Other planners know types that this one cannot say yet.
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema))
        else {
            return Ok(PlannerResult::Original(expr));
        };
        let RawBinaryExpr { op, left: a, right: b } = &expr;
        let pair = || vec![a.clone(), b.clone()];
        let vectors = is_vector(&left) && is_list(&right) || is_list(&left) && is_vector(&right);
        let planned = match op {
            BinaryOperator::Plus if vectors => call(VectorArithmetic::add(), pair()),
            BinaryOperator::Minus if vectors => call(VectorArithmetic::subtract(), pair()),
            BinaryOperator::Spaceship if vectors => lit(1.0f32) - call(Between::cosine(), pair()),
            // pgvector's users write the other vector as text.
            BinaryOperator::Spaceship if is_vector(&left) && right.is_string() => {
                lit(1.0f32) - call(Between::cosine(), vec![a.clone(), cast(b.clone(), left)])
            }
            BinaryOperator::Multiply if is_vector(&left) && right.is_numeric() => {
                call(VectorScale::multiply(), pair())
            }
            BinaryOperator::Multiply if left.is_numeric() && is_vector(&right) => {
                call(VectorScale::multiply(), vec![b.clone(), a.clone()])
            }
            BinaryOperator::Divide if is_vector(&left) && right.is_numeric() => {
                call(VectorScale::divide(), pair())
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(PlannerResult::Planned(planned))
    }
}

fn call(function: impl ScalarUDFImpl + 'static, arguments: Vec<Expr>) -> Expr {
    Arc::new(ScalarUDF::new_from_impl(function)).call(arguments)
}

fn is_list(kind: &DataType) -> bool {
    matches!(kind, DataType::FixedSizeList(..) | DataType::List(_) | DataType::LargeList(_))
}
