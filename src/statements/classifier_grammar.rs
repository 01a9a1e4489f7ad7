//! The grammar of statements about classifiers.

use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::statements::about_grammar::{About, New, about, parse_options, parse_value};
use crate::statements::grammar::word;
use crate::statements::text::sql_text;

/// A statement about classifiers.
#[derive(Debug, Clone)]
pub enum ClassifierStatement {
    /// SHOW CLASSIFIERS
    Show,
    /// DROP CLASSIFIER [IF EXISTS] a, b
    Drop {
        /// The classifiers.
        names: Vec<Ident>,
        /// Do nothing where one is not there.
        if_exists: bool,
    },
    /// CREATE CLASSIFIER
    Create(Box<CreateClassifier>),
}

/// CREATE [OR REPLACE] CLASSIFIER [IF NOT EXISTS] name
/// ON t (vector, label) | ON (query) | USING TEXT 'a dog' [THRESHOLD x] [WITH (option = value, …)]
#[derive(Debug, Clone)]
pub struct CreateClassifier {
    /// Its name.
    pub name: Ident,
    /// Put it in the place of the one that is there.
    pub replace: bool,
    /// Do nothing if it is there.
    pub if_not_exists: bool,
    /// What it is made from.
    pub made_from: MadeFrom,
    /// Names and values, as they were written.
    pub options: Vec<(String, String)>,
}

/// What a classifier is made from.
#[derive(Debug, Clone)]
pub enum MadeFrom {
    /// Texts that rows are held against.
    Texts {
        /// The texts.
        texts: Vec<String>,
        /// The least cosine of a row that is like a single text.
        threshold: Option<f64>,
    },
    /// Rows with labels.
    Rows {
        /// A table, a file or a query in parentheses, as SQL.
        source: String,
        /// The columns with vectors and with labels; the query's two where they are not named.
        columns: Option<(Ident, Ident)>,
    },
}

/// Such a statement, or nothing where it is none.
pub fn parse(parser: &mut Parser<'_>) -> Result<Option<ClassifierStatement>, ParserError> {
    let about = about(parser, "classifier", "classifiers")?;
    let New { name, replace, if_not_exists } = match about {
        None => return Ok(None),
        Some(About::All) => return Ok(Some(ClassifierStatement::Show)),
        Some(About::Drop { names, if_exists }) => {
            return Ok(Some(ClassifierStatement::Drop { names, if_exists }));
        }
        Some(About::New(new)) => new,
    };
    let next = parser.peek_token();
    let made_from = if word(&next, "using") {
        parse_texts(parser)?
    } else if word(&next, "on") {
        parse_rows(parser)?
    } else {
        return parser.expected("ON table (vector, label) or USING TEXT 'a text'", next);
    };
    let options = parse_options(parser)?;
    let create = CreateClassifier { name, replace, if_not_exists, made_from, options };
    Ok(Some(ClassifierStatement::Create(Box::new(create))))
}

fn parse_texts(parser: &mut Parser<'_>) -> Result<MadeFrom, ParserError> {
    parser.next_token();
    let text = parser.next_token();
    if !word(&text, "text") {
        return parser.expected("TEXT", text);
    }
    let texts = parser.parse_comma_separated(Parser::parse_literal_string)?;
    let threshold = if word(&parser.peek_token(), "threshold") {
        parser.next_token();
        let next = parser.peek_token();
        match parse_value(parser)?.parse() {
            Ok(threshold) => Some(threshold),
            Err(_) => return parser.expected("a number", next),
        }
    } else {
        None
    };
    Ok(MadeFrom::Texts { texts, threshold })
}

fn parse_rows(parser: &mut Parser<'_>) -> Result<MadeFrom, ParserError> {
    parser.next_token();
    let first = parser.peek_token();
    let (source, is_query) = match first.token {
        Token::LParen => {
            parser.next_token();
            let query = parser.parse_query()?;
            parser.expect_token(&Token::RParen)?;
            (format!("({})", sql_text(query.as_ref())), true)
        }
        Token::SingleQuotedString(path) => {
            parser.next_token();
            (format!("'{}'", path.replace('\'', "''")), false)
        }
        _ => (parser.parse_object_name(false)?.to_string(), false),
    };
    if is_query && parser.peek_token().token != Token::LParen {
        return Ok(MadeFrom::Rows { source, columns: None });
    }
    let open = parser.peek_token();
    if !parser.consume_token(&Token::LParen) {
        return parser.expected("(vector, label), the columns to learn from", open);
    }
    let vector = parser.parse_identifier()?;
    parser.expect_token(&Token::Comma)?;
    let label = parser.parse_identifier()?;
    parser.expect_token(&Token::RParen)?;
    Ok(MadeFrom::Rows { source, columns: Some((vector, label)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::GenericDialect;

    fn parsed(text: &str) -> Result<Option<ClassifierStatement>, ParserError> {
        parse(&mut Parser::new(&GenericDialect {}).try_with_sql(text).unwrap())
    }

    fn created(text: &str) -> CreateClassifier {
        match parsed(text) {
            Ok(Some(ClassifierStatement::Create(create))) => *create,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_a_classifier_is_made_from() {
        let dogs = created("create classifier dogs using text 'a dog' threshold -0.0564");
        assert!(matches!(
            dogs.made_from,
            MadeFrom::Texts { texts, threshold: Some(t) } if texts == ["a dog"] && t == -0.0564
        ));
        let digits = created(
            "CREATE OR REPLACE CLASSIFIER Digits ON a.train (\"V\", label) WITH (method = knn, k = 3)",
        );
        assert!(digits.replace && !digits.if_not_exists);
        assert_eq!(digits.options, [("method".into(), "knn".into()), ("k".into(), "3".into())]);
        assert!(matches!(
            digits.made_from,
            MadeFrom::Rows { source, columns: Some((v, _)) }
                if source == "a.train" && v.quote_style == Some('"')
        ));
        let query = created("CREATE CLASSIFIER IF NOT EXISTS c ON (SELECT v, 'it''s' FROM t)");
        assert!(query.if_not_exists);
        assert!(matches!(
            query.made_from,
            MadeFrom::Rows { source, columns: None } if source == "(SELECT v, 'it''s' FROM t)"
        ));
        let two = created("CREATE CLASSIFIER c USING TEXT 'a cat', 'a dog'");
        assert!(matches!(two.made_from, MadeFrom::Texts { texts, .. } if texts.len() == 2));
    }

    #[test]
    fn other_statements() {
        assert!(matches!(parsed("SHOW CLASSIFIERS"), Ok(Some(ClassifierStatement::Show))));
        assert!(matches!(
            parsed("DROP CLASSIFIER IF EXISTS a, b"),
            Ok(Some(ClassifierStatement::Drop { names, if_exists: true })) if names.len() == 2
        ));
        assert!(matches!(parsed("CREATE TABLE classifier (a INT)"), Ok(None)));
        assert!(parsed("CREATE CLASSIFIER c FROM t").is_err());
        assert!(parsed("CREATE CLASSIFIER c ON t").is_err());
    }
}
