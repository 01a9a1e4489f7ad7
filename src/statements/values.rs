//! VALUES whose rows know different things of one column: `(1, NULL), (2, embed_text('a'))`. The planner
//! takes rows only where all carry the same metadata, so those of such a column are given the same.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::Field;
use datafusion::sql::parser::{DFParser, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, SetExpr, Values, VisitMut, VisitorMut, visit_expressions,
    visit_expressions_mut,
};
use portolan_udfs::Fingerprint;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::statements::function_arguments::visit;
use crate::statements::text::sql_text;

/// What a template calls the value that it is for.
const VALUE: &str = "value";

/// Whether a statement has VALUES of which some may know more than others.
pub fn may_differ(parsed: &mut Parsed) -> Result<bool> {
    let mut found = Calls::default();
    visit(parsed, &mut found)?;
    Ok(!found.calls.is_empty())
}

/// The statement with rows that know the same. Rows of vectors of two models are an error.
pub async fn alike(db: &Database, parsed: &Parsed) -> Result<Parsed> {
    let mut parsed = parsed.clone();
    let mut found = Calls::default();
    visit(&mut parsed, &mut found)?;
    if let Some(fields) = fields(db, &found.calls).await {
        visit(&mut parsed, &mut Alike { fields: fields.into_iter() })?;
    }
    Ok(parsed)
}

/// The same of a query.
pub async fn alike_in(db: &Database, query: &mut Query) -> Result<()> {
    let mut found = Calls::default();
    let _ = query.visit(&mut found);
    if let Some(fields) = fields(db, &found.calls).await
        && let ControlFlow::Break(error) = query.visit(&mut Alike { fields: fields.into_iter() })
    {
        return Err(error);
    }
    Ok(())
}

/// What the planner knows of each call; `None` where it finds something wrong, which it says when
/// the statement itself is planned.
async fn fields(db: &Database, calls: &[String]) -> Option<Vec<Field>> {
    if calls.is_empty() {
        return None;
    }
    let named = calls.iter().enumerate().map(|(index, call)| format!("{call} AS \"{index}\""));
    let query = format!("SELECT {}", named.collect::<Vec<_>>().join(", "));
    let plan = db.context().state().create_logical_plan(&query).await.ok()?;
    let fields = plan.schema().fields().iter().zip(calls);
    Some(fields.map(|(field, call)| field.as_ref().clone().with_name(call)).collect())
}

/// The calls in all VALUES of a statement, column by column, as text.
#[derive(Default)]
struct Calls {
    calls: Vec<String>,
}

impl VisitorMut for Calls {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        each_column(&mut query.body, &mut |column| {
            self.calls
                .extend(column.iter().filter(|value| calls(value)).map(|value| sql_text(*value)));
            Ok(())
        })
    }
}

/// Gives each column of all VALUES the same metadata, by what is known of the calls in them.
struct Alike {
    fields: std::vec::IntoIter<Field>,
}

impl VisitorMut for Alike {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        each_column(&mut query.body, &mut |column| {
            let known: Vec<Option<Field>> = column
                .iter()
                .map(|value| if calls(value) { self.fields.next() } else { None })
                .collect();
            unify(column, &known)
        })
    }
}

/// Shows all columns of two rows and more that hold calls.
fn each_column(
    body: &mut SetExpr,
    act: &mut dyn FnMut(&mut [&mut Expr]) -> Result<()>,
) -> ControlFlow<Error> {
    match body {
        SetExpr::Values(values) => match columns(values, act) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        },
        SetExpr::SetOperation { left, right, .. } => {
            each_column(left, act)?;
            each_column(right, act)
        }
        _ => ControlFlow::Continue(()),
    }
}

fn columns(values: &mut Values, act: &mut dyn FnMut(&mut [&mut Expr]) -> Result<()>) -> Result<()> {
    let width = values.rows.iter().map(|row| row.content.len()).min().unwrap_or(0);
    if values.rows.len() < 2 {
        return Ok(());
    }
    for index in 0..width {
        let mut column: Vec<&mut Expr> =
            values.rows.iter_mut().filter_map(|row| row.content.get_mut(index)).collect();
        // What DEFAULT stands for is put there later.
        let waits = column.iter().any(|value| is_default(value));
        if !waits && column.iter().any(|value| calls(value)) {
            act(&mut column)?;
        }
    }
    Ok(())
}

/// Whether a value is DEFAULT, which is not a name.
pub fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(Ident { value, quote_style: None, .. }) if value.eq_ignore_ascii_case("default"))
}

/// Whether a value is more than what stands there: nothing else knows more than its type.
fn calls(value: &Expr) -> bool {
    visit_expressions(value, |part| match part {
        Expr::Function(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

fn unify(column: &mut [&mut Expr], known: &[Option<Field>]) -> Result<()> {
    let plain = |field: &Option<Field>| field.as_ref().is_none_or(|f| f.metadata().is_empty());
    let marked: Vec<&Field> = known.iter().flatten().collect();
    let alike = match marked.split_first() {
        _ if known.iter().all(plain) => true,
        Some((first, others)) if marked.len() == known.len() => {
            others.iter().all(|other| other.metadata() == first.metadata())
        }
        _ => false,
    };
    if alike {
        return Ok(());
    }
    let mut made: Option<(&Field, Fingerprint)> = None;
    for field in marked {
        let Some(own) = Fingerprint::of(field) else { continue };
        made = Some(match made {
            None => (field, own),
            Some((first, common)) => {
                Fingerprint::check(first, field)?;
                (first, common.together_with(&own))
            }
        });
    }
    let mark = made.map(|(_, made)| {
        let pairs = made.metadata().into_iter();
        let pairs = pairs.map(|(key, json)| format!("'{key}', '{}'", json.replace('\'', "''")));
        pairs.collect::<Vec<_>>().join(", ")
    });
    for (value, field) in column.iter_mut().zip(known) {
        let mut template = VALUE.to_string();
        if !plain(field) {
            // CASE gives its value and nothing that is known of it.
            template = format!("CASE WHEN TRUE THEN {template} END");
        }
        if let Some(mark) = &mark {
            template = format!("with_metadata({template}, {mark})");
        }
        let template = DFParser::parse_sql_into_expr(&template)?.expr;
        let inner = std::mem::replace(*value, template);
        put(value, inner);
    }
    Ok(())
}

/// Puts a value into a template.
fn put(template: &mut Expr, value: Expr) {
    let mut value = Some(value);
    let _ = visit_expressions_mut(template, |part| {
        if !matches!(part, Expr::Identifier(name) if name.value == VALUE) {
            return ControlFlow::Continue(());
        }
        if let Some(value) = value.take() {
            *part = value;
        }
        ControlFlow::Break(())
    });
}
