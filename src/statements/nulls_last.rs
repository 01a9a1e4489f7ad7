//! `ORDER BY cosine(a, b) DESC`: rows without a vector come last, as in ascending order, unless the
//! statement says NULLS FIRST. A NULL is never the best match.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, ObjectName, OrderByExpr, OrderByKind, Query, SelectItem, SetExpr, Value,
    Visit, Visitor, VisitorMut, WindowType,
};

use super::function_arguments::visit;
use crate::error::{Error, Result};

/// Functions of two vectors.
const BETWEEN: [&str; 8] = [
    "array_distance",
    "cosine",
    "cosine_distance",
    "dot",
    "hamming_distance",
    "inner_product",
    "l1_distance",
    "l2_distance",
];

/// Says NULLS LAST where a statement orders by vectors and does not say where NULLs go.
pub fn rewrite(statement: &mut Statement) -> Result<()> {
    visit(statement, &mut Last)
}

struct Last;

impl VisitorMut for Last {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let items = match query.body.as_ref() {
            SetExpr::Select(select) => select.projection.as_slice(),
            _ => &[],
        };
        if let Some(OrderByKind::Expressions(keys)) =
            query.order_by.as_mut().map(|order| &mut order.kind)
        {
            keys.iter_mut().for_each(|key| put_last(key, items));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::Function(call) = expr
            && let Some(WindowType::WindowSpec(window)) = &mut call.over
        {
            window.order_by.iter_mut().for_each(|key| put_last(key, &[]));
        }
        ControlFlow::Continue(())
    }
}

fn put_last(key: &mut OrderByExpr, items: &[SelectItem]) {
    let options = &mut key.options;
    if options.asc == Some(false)
        && options.nulls_first.is_none()
        && compares_vectors(meant(&key.expr, items))
    {
        options.nulls_first = Some(false);
    }
}

/// What a key stands for: an item of SELECT by its name or place, or itself.
fn meant<'a>(key: &'a Expr, items: &'a [SelectItem]) -> &'a Expr {
    let found = match key {
        Expr::Identifier(name) => items.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias }
                if alias.value.eq_ignore_ascii_case(&name.value) =>
            {
                Some(expr)
            }
            _ => None,
        }),
        Expr::Value(value) => match &value.value {
            Value::Number(place, _) => {
                let item = place.parse::<usize>().ok().and_then(|at| items.get(at.checked_sub(1)?));
                match item {
                    Some(
                        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. },
                    ) => Some(expr),
                    _ => None,
                }
            }
            _ => None,
        },
        _ => None,
    };
    found.unwrap_or(key)
}

/// Whether a function of two vectors is anywhere in an expression.
fn compares_vectors(expr: &Expr) -> bool {
    struct Search;
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let found = match expr {
                Expr::Function(call) => is_between(&call.name),
                Expr::BinaryOp { op, .. } => *op == BinaryOperator::Spaceship,
                _ => false,
            };
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    expr.visit(&mut Search).is_break()
}

fn is_between(name: &ObjectName) -> bool {
    let name = name.0.last().and_then(|part| part.as_ident());
    name.is_some_and(|name| BETWEEN.iter().any(|known| known.eq_ignore_ascii_case(&name.value)))
}
