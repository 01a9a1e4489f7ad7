//! `cosine(v, [0.1, 0.2, …])`: a long vector that is written as an array is read as one text, before the planner makes
//! an expression of each of its numbers and goes through them again and again.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    UnaryOperator, Value, VisitorMut,
};

use super::function_arguments::visit;
use crate::error::{Error, Result};

/// Shorter ones cost little, and are shown in plans as they were written.
const LONG: usize = 16;

/// Functions that take nothing but vectors.
const FUNCTIONS: [&str; 4] = ["cosine", "dot", "l1_distance", "l2_distance"];

/// Writes long vectors in another way, in a whole statement.
pub fn rewrite(statement: &mut Statement) -> Result<()> {
    visit(statement, &mut Long)
}

struct Long;

impl VisitorMut for Long {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Cast { expr, data_type: DataType::Custom(name, _), .. }
                if name.to_string().eq_ignore_ascii_case("vector") =>
            {
                if let Some((text, _)) = numbers(expr) {
                    **expr = Expr::value(Value::SingleQuotedString(text));
                }
            }
            Expr::Function(call) => {
                let name = call.name.to_string();
                if FUNCTIONS.iter().any(|function| name.eq_ignore_ascii_case(function))
                    && let FunctionArguments::List(list) = &mut call.args
                {
                    list.args.iter_mut().for_each(argument);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn argument(argument: &mut FunctionArg) {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else { return };
    let Some((text, width)) = numbers(expr) else { return };
    let vector = ObjectName::from(vec![Ident::new("VECTOR")]);
    *expr = Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(Expr::value(Value::SingleQuotedString(text))),
        data_type: DataType::Custom(vector, vec![width.to_string()]),
        array: false,
        format: None,
    };
}

/// An array of many numbers as text, and how many they are.
fn numbers(expr: &Expr) -> Option<(String, usize)> {
    let Expr::Array(array) = expr else { return None };
    let width = array.elem.len();
    if width < LONG {
        return None;
    }
    let mut text = String::with_capacity(width * 12);
    for element in &array.elem {
        text.push(if text.is_empty() { '[' } else { ',' });
        let (sign, number) = match element {
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => ("-", expr.as_ref()),
            other => ("", other),
        };
        let Expr::Value(value) = number else { return None };
        let Value::Number(digits, false) = &value.value else { return None };
        text.push_str(sign);
        text.push_str(digits);
    }
    text.push(']');
    Some((text, width))
}
