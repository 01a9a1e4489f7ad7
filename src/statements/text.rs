//! Pieces of a statement as SQL text again.

use std::fmt::Display;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Value, ValueWithSpan, VisitMut, VisitorMut};

/// A piece of the syntax tree as text that parses to the same piece. The tree's own display leaves
/// quotes alone that look doubled already, and so would change the text `a''b`; with every quote
/// doubled beforehand, they all look so.
pub fn sql_text<T: VisitMut + Clone + Display>(piece: &T) -> String {
    let mut piece = piece.clone();
    let _ = piece.visit(&mut DoubleQuotes);
    piece.to_string()
}

struct DoubleQuotes;

impl VisitorMut for DoubleQuotes {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if let Value::SingleQuotedString(text) = &mut value.value {
            *text = text.replace('\'', "''");
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::parser::DFParser;

    #[test]
    fn every_text_comes_back() {
        for value in ["", "'", "''", "'''", "a'b", "a''b", r"\'", r"\\'", r"'\''", "x'", "%'_"] {
            let literal = format!("'{}'", value.replace('\'', "''"));
            let parsed = DFParser::parse_sql_into_expr(&format!("f({literal}, 1)")).unwrap().expr;
            let again = DFParser::parse_sql_into_expr(&sql_text(&parsed)).unwrap().expr;
            assert_eq!(parsed, again, "{literal}");
        }
    }
}
