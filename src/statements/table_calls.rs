//! Functions in FROM: `read_csv('x.csv', header => false)`, `vector_search('t', …)`. What columns they
//! have is known only after a look at files and tables, which DataFusion's table functions, planned
//! without waiting, cannot take. So a call is rewritten to a table whose name is the call, and a table
//! of such a name is opened when the planner asks for it; a view that holds one keeps it as text.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, Ident, ObjectName, TableAlias, TableFactor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::error::{Error, Result};
use crate::statements::function_arguments::visit;
use crate::statements::named_arguments::{Arguments, Signature};
use crate::{files, search};

/// Rewrites every call of these functions in a statement.
pub fn rewrite(statement: &mut Statement) -> Result<()> {
    visit(statement, &mut Rewriter)
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match as_table(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn as_table(factor: &mut TableFactor) -> Result<()> {
    let TableFactor::Table { name, alias, args, .. } = factor else { return Ok(()) };
    let Some(list) = args else { return Ok(()) };
    let Some(signature) = known(&name.to_string()) else { return Ok(()) };
    // Checked here, while the whole statement is at hand.
    let arguments = signature.bind(&list.args)?.positional();
    let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    let call = format!("{}({})", signature.function, arguments.join(", "));
    *name = ObjectName::from(vec![Ident::with_quote('"', call)]);
    *args = None;
    alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::new(signature.function),
        columns: vec![],
        at: None,
    });
    Ok(())
}

fn known(name: &str) -> Option<&'static Signature> {
    let all = files::functions::FUNCTIONS.iter().chain(search::functions::FUNCTIONS);
    all.copied().find(|signature| signature.function.eq_ignore_ascii_case(name))
}

/// The function and the arguments of a table's name that is a call.
pub fn parse(name: &str) -> Option<Result<(&'static str, Arguments)>> {
    let (function, _) = name.split_once('(')?;
    let signature = known(function)?;
    let call = Parser::new(&GenericDialect {})
        .try_with_sql(name)
        .and_then(|mut parser| parser.parse_expr());
    let Ok(Expr::Function(call)) = call else { return None };
    let FunctionArguments::List(list) = call.args else { return None };
    Some(signature.bind(&list.args).map(|arguments| (signature.function, arguments)))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParser;

    use super::*;

    fn rewritten(sql: &str) -> Result<String> {
        let mut statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
        rewrite(&mut statement)?;
        Ok(statement.to_string())
    }

    #[test]
    fn calls_become_tables_wherever_they_stand() {
        assert_eq!(
            rewritten("SELECT * FROM read_csv('a''b.csv', header => false, delim => ';')").unwrap(),
            r#"SELECT * FROM "read_csv('a''b.csv', ';', false)" AS read_csv"#
        );
        assert_eq!(
            rewritten("EXPLAIN SELECT * FROM READ_TEXT(path => 'x') AS t JOIN u ON true").unwrap(),
            r#"EXPLAIN SELECT * FROM "read_text('x')" AS t JOIN u ON true"#
        );
        assert_eq!(
            rewritten("COPY (SELECT (SELECT count(*) FROM read_npy('x'))) TO 'y.csv'").unwrap(),
            r#"COPY (SELECT (SELECT count(*) FROM "read_npy('x')" AS read_npy)) TO y.csv"#
        );
        let other = "SELECT * FROM generate_series(1, 2)";
        assert_eq!(rewritten(other).unwrap(), other);
    }

    #[test]
    fn a_wrong_call_is_refused_before_planning() {
        let error =
            rewritten("SELECT * FROM read_csv('x', heder => true)").unwrap_err().to_string();
        assert!(error.contains("did you mean 'header'?"), "{error}");
        let error = rewritten("WITH t AS (SELECT * FROM read_text()) SELECT * FROM t").unwrap_err();
        assert!(error.to_string().contains("'path' is missing"), "{error}");
    }
}
