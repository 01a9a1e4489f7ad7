//! The grammar of the statements that only we have.

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::classifier_grammar::{self, ClassifierStatement};
use super::index_grammar::{self, SearchIndex};
use super::map_grammar::{self, MapStatement};

/// A statement that only we have.
#[derive(Debug, Clone)]
pub enum Own {
    /// OPTIMIZE [TABLE] t
    Optimize(ObjectName),
    /// VACUUM [t] [RETAIN n VERSIONS | RETAIN n DAYS]
    Vacuum {
        /// All tables when none is named.
        table: Option<ObjectName>,
        /// What is kept.
        retain: Retain,
    },
    /// SHOW VERSIONS OF t
    ShowVersions(ObjectName),
    /// SHOW INDEXES [ON t]
    ShowIndexes(Option<ObjectName>),
    /// RESTORE TABLE t TO VERSION n | TIMESTAMP '…'
    Restore(ObjectName, VersionSpec),
    /// CREATE VECTOR INDEX or CREATE TEXT INDEX
    CreateIndex(SearchIndex),
    /// About models.
    Model(ModelStatement),
    /// About classifiers.
    Classifier(ClassifierStatement),
    /// About maps.
    Map(MapStatement),
    /// ALTER TABLE t ADD COLUMN [IF NOT EXISTS] c AS (expr)
    AddGenerated {
        /// The table.
        table: ObjectName,
        /// The new column.
        column: Ident,
        /// Do nothing if it is there.
        if_not_exists: bool,
        /// Its values.
        expression: Box<Expr>,
    },
}

/// A statement about models, or the cache of their vectors. None of them changes the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelStatement {
    /// SHOW MODELS
    Show,
    /// PULL MODEL 'name'
    Pull(String),
    /// VERIFY MODEL 'name'
    Verify(String),
    /// DROP MODEL [IF EXISTS] 'name'
    Drop {
        /// The model.
        name: String,
        /// Do nothing if it is not there.
        if_exists: bool,
    },
    /// CREATE [OR REPLACE] MODEL name FROM 'folder'
    Create {
        /// The model.
        name: String,
        /// Its folder.
        folder: String,
        /// Whether a model of the user's own with this name is forgotten.
        replace: bool,
    },
    /// SHOW CACHE
    ShowCache,
    /// VACUUM CACHE
    VacuumCache,
}

impl Own {
    /// Whether it is refused where the database is read-only.
    pub fn changes_database(&self) -> bool {
        !matches!(
            self,
            Self::ShowVersions(_)
                | Self::ShowIndexes(_)
                | Self::Model(_)
                | Self::Classifier(ClassifierStatement::Show)
                | Self::Map(MapStatement::Show | MapStatement::Export { .. })
        )
    }
}

/// Which versions VACUUM keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retain {
    /// What is younger than a week.
    Default,
    /// The newest n.
    Versions(u64),
    /// What is younger than n days.
    Days(u64),
}

/// A version of a table, as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionSpec {
    /// By its number.
    Number(u64),
    /// The newest that is not younger.
    Timestamp(String),
}

/// Whether a token is this word, without quotes.
pub fn word(token: &TokenWithSpan, text: &str) -> bool {
    matches!(&token.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text))
}

/// One of our statements, or nothing where it is none.
pub fn parse(parser: &mut Parser<'_>) -> Result<Option<Own>, ParserError> {
    if let Some(statement) = parse_model(parser)? {
        return finish(parser, Own::Model(statement));
    }
    if let Some(statement) = classifier_grammar::parse(parser)? {
        return finish(parser, Own::Classifier(statement));
    }
    if let Some(statement) = map_grammar::parse(parser)? {
        return finish(parser, Own::Map(statement));
    }
    if let Some(index) = index_grammar::parse(parser)? {
        return finish(parser, Own::CreateIndex(index));
    }
    let first = parser.peek_token();
    if word(&first, "optimize") {
        parser.next_token();
        let _ = parser.parse_keyword(Keyword::TABLE);
        let table = parser.parse_object_name(false)?;
        return finish(parser, Own::Optimize(table));
    }
    if word(&first, "vacuum") {
        parser.next_token();
        let _ = parser.parse_keyword(Keyword::TABLE);
        let named = !matches!(parser.peek_token().token, Token::EOF)
            && !word(&parser.peek_token(), "retain");
        let table = if named { Some(parser.parse_object_name(false)?) } else { None };
        let retain = parse_retain(parser)?;
        return finish(parser, Own::Vacuum { table, retain });
    }
    if word(&first, "restore") {
        parser.next_token();
        let _ = parser.parse_keyword(Keyword::TABLE);
        let table = parser.parse_object_name(false)?;
        parser.expect_keyword(Keyword::TO)?;
        let version = parse_version(parser)?;
        return finish(parser, Own::Restore(table, version));
    }
    if word(&first, "show") {
        let second = parser.peek_nth_token(1);
        if word(&second, "versions") {
            parser.next_token();
            parser.next_token();
            parse_of(parser)?;
            let table = parser.parse_object_name(false)?;
            return finish(parser, Own::ShowVersions(table));
        }
        if word(&second, "indexes") || word(&second, "indices") {
            parser.next_token();
            parser.next_token();
            let table = if parser.peek_token().token == Token::EOF {
                None
            } else {
                parse_of(parser)?;
                Some(parser.parse_object_name(false)?)
            };
            return finish(parser, Own::ShowIndexes(table));
        }
    }
    if word(&first, "alter") {
        return parse_add_generated(parser);
    }
    Ok(None)
}

fn parse_model(parser: &mut Parser<'_>) -> Result<Option<ModelStatement>, ParserError> {
    let ahead: Vec<TokenWithSpan> = (0..4).map(|n| parser.peek_nth_token(n)).collect();
    let starts = |words: &[&str]| words.iter().zip(&ahead).all(|(text, token)| word(token, text));
    let mut skip = |count: usize| (0..count).for_each(|_| drop(parser.next_token()));
    if starts(&["show", "models"]) {
        skip(2);
        return Ok(Some(ModelStatement::Show));
    }
    if starts(&["show", "cache"]) {
        skip(2);
        return Ok(Some(ModelStatement::ShowCache));
    }
    if starts(&["vacuum", "cache"]) {
        skip(2);
        return Ok(Some(ModelStatement::VacuumCache));
    }
    if starts(&["pull", "model"]) {
        skip(2);
        return Ok(Some(ModelStatement::Pull(parse_model_name(parser)?)));
    }
    if starts(&["verify", "model"]) {
        skip(2);
        return Ok(Some(ModelStatement::Verify(parse_model_name(parser)?)));
    }
    if starts(&["drop", "model"]) {
        skip(2);
        let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
        let name = parse_model_name(parser)?;
        return Ok(Some(ModelStatement::Drop { name, if_exists }));
    }
    let replace = starts(&["create", "or", "replace", "model"]);
    if !replace && !starts(&["create", "model"]) {
        return Ok(None);
    }
    skip(if replace { 4 } else { 2 });
    let name = parse_model_name(parser)?;
    parser.expect_keyword(Keyword::FROM)?;
    let folder = parser.parse_literal_string()?;
    Ok(Some(ModelStatement::Create { name, folder, replace }))
}

/// A model's name: in quotes of either kind, or a word. Names keep their case.
fn parse_model_name(parser: &mut Parser<'_>) -> Result<String, ParserError> {
    let next = parser.next_token();
    match next.token {
        Token::SingleQuotedString(name) => Ok(name),
        Token::Word(word) => Ok(word.value),
        _ => parser.expected("a model's name, as 'all-MiniLM-L6-v2'", next),
    }
}

fn finish(parser: &mut Parser<'_>, own: Own) -> Result<Option<Own>, ParserError> {
    let next = parser.peek_token();
    if next.token == Token::EOF {
        return Ok(Some(own));
    }
    parser.expected("the end of the statement", next)
}

fn parse_of(parser: &mut Parser<'_>) -> Result<(), ParserError> {
    parser
        .expect_one_of_keywords(&[
            Keyword::OF,
            Keyword::ON,
            Keyword::FROM,
            Keyword::IN,
            Keyword::FOR,
        ])
        .map(|_| ())
}

fn parse_retain(parser: &mut Parser<'_>) -> Result<Retain, ParserError> {
    if !word(&parser.peek_token(), "retain") {
        return Ok(Retain::Default);
    }
    parser.next_token();
    let number = parser.parse_literal_uint()?;
    let unit = parser.next_token();
    if word(&unit, "versions") || word(&unit, "version") {
        Ok(Retain::Versions(number))
    } else if word(&unit, "days") || word(&unit, "day") {
        Ok(Retain::Days(number))
    } else {
        parser.expected("VERSIONS or DAYS", unit)
    }
}

fn parse_version(parser: &mut Parser<'_>) -> Result<VersionSpec, ParserError> {
    let next = parser.next_token();
    if word(&next, "version") {
        Ok(VersionSpec::Number(parser.parse_literal_uint()?))
    } else if word(&next, "timestamp") {
        Ok(VersionSpec::Timestamp(parser.parse_literal_string()?))
    } else {
        parser.expected("VERSION or TIMESTAMP", next)
    }
}

/// `ALTER TABLE t ADD [COLUMN] [IF NOT EXISTS] c AS (expr)`; any other ALTER is not ours.
fn parse_add_generated(parser: &mut Parser<'_>) -> Result<Option<Own>, ParserError> {
    parser
        .maybe_parse(|parser| {
            parser.expect_keywords(&[Keyword::ALTER, Keyword::TABLE])?;
            let table = parser.parse_object_name(false)?;
            parser.expect_keyword(Keyword::ADD)?;
            let _ = parser.parse_keyword(Keyword::COLUMN);
            let if_not_exists =
                parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
            let column = parser.parse_identifier()?;
            parser.expect_keyword(Keyword::AS)?;
            Ok((table, column, if_not_exists))
        })?
        .map(|(table, column, if_not_exists)| {
            parser.expect_token(&Token::LParen)?;
            let expression = Box::new(parser.parse_expr()?);
            parser.expect_token(&Token::RParen)?;
            let _ = word(&parser.peek_token(), "stored") && {
                parser.next_token();
                true
            };
            let own = Own::AddGenerated { table, column, if_not_exists, expression };
            finish(parser, own)
        })
        .unwrap_or(Ok(None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::parse::{Kind, parse};
    use crate::statements::split::split;
    use datafusion::common::config::Dialect;

    fn parsed(text: &str) -> Kind {
        parse(&split(text)[0], Dialect::Generic, 50).unwrap()
    }

    fn own(text: &str) -> Own {
        match parsed(text) {
            Kind::Own(own) => own,
            other => panic!("not ours: {other:?}"),
        }
    }

    #[test]
    fn our_own_statements() {
        assert!(
            matches!(own("optimize table a.b"), Own::Optimize(name) if name.to_string() == "a.b")
        );
        assert!(matches!(own("VACUUM"), Own::Vacuum { table: None, retain: Retain::Default }));
        assert!(matches!(
            own("VACUUM t RETAIN 3 VERSIONS"),
            Own::Vacuum { table: Some(_), retain: Retain::Versions(3) }
        ));
        assert!(matches!(own("show versions of t"), Own::ShowVersions(_)));
        assert!(matches!(own("show indexes"), Own::ShowIndexes(None)));
        assert!(matches!(
            own("RESTORE TABLE t TO VERSION 3"),
            Own::Restore(_, VersionSpec::Number(3))
        ));
        assert!(matches!(own("ALTER TABLE t ADD COLUMN c AS (a + 1)"), Own::AddGenerated { .. }));
        assert!(matches!(parsed("ALTER TABLE t ADD COLUMN c INT"), Kind::Sql(_)));
    }

    #[test]
    fn statements_about_models() {
        let name = || "all-MiniLM-L6-v2".to_string();
        for (text, statement) in [
            ("show models", ModelStatement::Show),
            ("SHOW CACHE", ModelStatement::ShowCache),
            ("vacuum cache", ModelStatement::VacuumCache),
            ("PULL MODEL 'all-MiniLM-L6-v2'", ModelStatement::Pull(name())),
            ("pull model \"all-MiniLM-L6-v2\"", ModelStatement::Pull(name())),
            (
                "DROP MODEL IF EXISTS 'all-MiniLM-L6-v2'",
                ModelStatement::Drop { name: name(), if_exists: true },
            ),
            (
                "CREATE OR REPLACE MODEL Mine FROM '/models/mine'",
                ModelStatement::Create {
                    name: "Mine".to_string(),
                    folder: "/models/mine".to_string(),
                    replace: true,
                },
            ),
        ] {
            match own(text) {
                Own::Model(got) => assert_eq!(got, statement, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(matches!(own("VACUUM \"cache\""), Own::Vacuum { table: Some(_), .. }));
        assert!(matches!(own("VACUUM TABLE cache"), Own::Vacuum { table: Some(_), .. }));
    }
}
