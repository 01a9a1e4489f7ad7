//! Text to statements: our own grammar first, DataFusion's for the rest.

use datafusion::common::config::Dialect as DialectName;
use datafusion::sql::parser::{DFParserBuilder, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName};
use datafusion::sql::sqlparser::dialect::{GenericDialect, dialect_from_str};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{
    Location as TokenLocation, Token, TokenWithSpan, Tokenizer, TokenizerError, Word,
};

use crate::catalog::MARK;
use crate::error::{Error, Location, Result};
use crate::statements::secret::SecretStatement;
use crate::statements::split::Piece;

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

/// What a statement is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// One of ours.
    Own(Own),
    /// One about secrets.
    Secret(SecretStatement),
    /// One that DataFusion's parser knows.
    Sql(Box<Parsed>),
}

/// Parses one statement. Locations are relative to its own text.
pub fn parse(piece: &Piece<'_>, dialect: DialectName, recursion_limit: usize) -> Result<Kind> {
    let dialect = dialect_from_str(dialect).unwrap_or_else(|| Box::new(GenericDialect {}));
    let tokens =
        Tokenizer::new(dialect.as_ref(), piece.text).tokenize_with_location().map_err(tokenizer)?;
    let mut own = Parser::new(dialect.as_ref()).with_tokens_with_locations(tokens.clone());
    if let Some(statement) = parse_own(&mut own).map_err(parser)? {
        return Ok(Kind::Own(statement));
    }
    let tokens = column_names_into_alias(versions_into_names(tokens));
    let mut rest = DFParserBuilder::new(tokens)
        .with_dialect(dialect.as_ref())
        .with_recursion_limit(recursion_limit)
        .build()?;
    let statement = rest.parse_statement()?;
    let next = rest.parser.peek_token();
    if next.token != Token::EOF {
        return Err(Error::Sql {
            message: format!(
                "expected the end of the statement, found '{next}'; separate statements with ;"
            ),
            location: location(next.span.start),
        });
    }
    Ok(Kind::Sql(Box::new(statement)))
}

fn location(at: TokenLocation) -> Option<Location> {
    (at.line > 0).then_some(Location { line: at.line, column: at.column })
}

fn tokenizer(error: TokenizerError) -> Error {
    Error::Sql { message: error.message, location: location(error.location) }
}

fn parser(error: ParserError) -> Error {
    match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            let (message, location) = split_location(&text);
            Error::Sql { message, location }
        }
        ParserError::RecursionLimitExceeded => Error::sql(
            "the statement nests too deeply; SET datafusion.sql_parser.recursion_limit higher, or split it",
        ),
    }
}

/// The parser writes places into its sentences: `… at Line: 1, Column: 8`.
pub fn split_location(text: &str) -> (String, Option<Location>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return (text.to_string(), None);
    };
    let mut numbers = place.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
    let location = match (numbers.next(), numbers.next()) {
        (Some(line), Some(column)) => Some(Location { line, column }),
        _ => None,
    };
    (message.to_string(), location)
}

fn word(token: &TokenWithSpan, text: &str) -> bool {
    matches!(&token.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text))
}

fn parse_own(parser: &mut Parser<'_>) -> Result<Option<Own>, ParserError> {
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

/// `t VERSION AS OF 3` becomes the table `"t@v3"` under the name `t`. The parser has the words for
/// few dialects, and the planner forgets what it parsed; the catalog knows such names.
fn versions_into_names(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let significant = |from: usize| {
        (from..tokens.len()).filter(|&i| !matches!(tokens[i].token, Token::Whitespace(_)))
    };
    let mut at = 0;
    while at < tokens.len() {
        let mut ahead = significant(at);
        let found: Option<[usize; 4]> =
            (|| Some([ahead.next()?, ahead.next()?, ahead.next()?, ahead.next()?]))();
        let version = found.and_then(|[kind, as_, of, value]| {
            let spelled = kind == at && word(&tokens[as_], "as") && word(&tokens[of], "of");
            match &tokens[value].token {
                Token::Number(n, _) if spelled && word(&tokens[kind], "version") => {
                    Some((value, format!("v{n}")))
                }
                Token::SingleQuotedString(t) if spelled && word(&tokens[kind], "timestamp") => {
                    Some((value, format!("t{t}")))
                }
                _ => None,
            }
        });
        let name = out.iter().rposition(|t| !matches!(t.token, Token::Whitespace(_)));
        if let (Some((value, version)), Some(name)) = (version, name)
            && let Token::Word(table) = out[name].token.clone()
        {
            let folded =
                if table.quote_style.is_some() { table.value } else { table.value.to_lowercase() };
            let span = out[name].span;
            out[name].token = quoted_word(format!("{folded}{MARK}{version}"));
            at = value + 1;
            let alias_follows =
                significant(at).next().is_some_and(|next| match &tokens[next].token {
                    Token::Word(w) => {
                        w.quote_style.is_some()
                            || w.keyword == Keyword::AS
                            || w.keyword == Keyword::NoKeyword
                    }
                    _ => false,
                });
            if !alias_follows {
                for token in [Token::make_keyword("AS"), quoted_word(folded)] {
                    out.push(TokenWithSpan { token, span });
                }
            }
            continue;
        }
        out.push(tokens[at].clone());
        at += 1;
    }
    out
}

/// `CREATE TABLE t (a, b) AS query` becomes `CREATE TABLE t AS SELECT * FROM (query) AS t (a, b)`:
/// the parser knows lists of columns only with their types.
fn column_names_into_alias(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let Some((open, close)) = bare_column_list(&tokens) else { return tokens };
    let span = tokens[open].span;
    let plain = |token: Token| TokenWithSpan { token, span };
    let words = |text: &str| -> Vec<TokenWithSpan> {
        text.split(' ').map(|word| plain(Token::make_keyword(word))).collect()
    };
    let Some(as_) = (close + 1..tokens.len()).find(|&at| word(&tokens[at], "as")) else {
        return tokens;
    };
    let query_end = tokens.iter().rposition(|token| token.token != Token::EOF).unwrap_or(as_) + 1;
    let mut out = tokens[..open].to_vec();
    out.extend(words("AS SELECT"));
    out.push(plain(Token::Mul));
    out.extend(words("FROM"));
    out.push(plain(Token::LParen));
    out.extend_from_slice(&tokens[as_ + 1..query_end]);
    out.push(plain(Token::RParen));
    out.extend(words("AS"));
    out.push(plain(quoted_word("query".to_string())));
    out.extend_from_slice(&tokens[open..=close]);
    out
}

/// Where the parentheses of `CREATE TABLE t (a, b) AS` are.
fn bare_column_list(tokens: &[TokenWithSpan]) -> Option<(usize, usize)> {
    let seen: Vec<usize> =
        (0..tokens.len()).filter(|&at| !matches!(tokens[at].token, Token::Whitespace(_))).collect();
    let first = *seen.first()?;
    if !word(&tokens[first], "create") {
        return None;
    }
    let table = seen.iter().take(6).position(|&at| word(&tokens[at], "table"))?;
    let open = (table..seen.len()).find(|&i| tokens[seen[i]].token == Token::LParen)?;
    let mut name = seen[table + 1..open].iter().map(|&at| &tokens[at]).collect::<Vec<_>>();
    if let [if_, not, exists, ..] = name.as_slice()
        && (word(if_, "if") && word(not, "not") && word(exists, "exists"))
    {
        name.drain(..3);
    }
    let before_is_name = name.len() % 2 == 1
        && name.iter().enumerate().all(|(i, part)| match part.token {
            Token::Word(_) => i % 2 == 0,
            Token::Period => i % 2 == 1,
            _ => false,
        });
    let close = (open..seen.len()).find(|&i| tokens[seen[i]].token == Token::RParen)?;
    let inside = &seen[open + 1..close];
    let alternating = inside.iter().enumerate().all(|(i, &at)| match &tokens[at].token {
        Token::Word(_) => i % 2 == 0,
        Token::Comma => i % 2 == 1,
        _ => false,
    });
    let names_only = before_is_name && inside.len() % 2 == 1 && alternating;
    let then_as = word(&tokens[*seen.get(close + 1)?], "as");
    (names_only && then_as).then(|| (seen[open], seen[close]))
}

fn quoted_word(value: String) -> Token {
    Token::Word(Word { value, quote_style: Some('"'), keyword: Keyword::NoKeyword })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::split::split;

    fn parsed(text: &str) -> Kind {
        parse(&split(text)[0], DialectName::Generic, 50).unwrap()
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
    fn versions_become_names_with_an_alias() {
        for (text, expected) in [
            ("SELECT * FROM t VERSION AS OF 3", r#"SELECT * FROM "t@v3" AS "t""#),
            ("SELECT * FROM s.T version as of 3 x", r#"SELECT * FROM s."t@v3" x"#),
            (
                "SELECT * FROM t TIMESTAMP AS OF '2026-01-01' WHERE a",
                r#"SELECT * FROM "t@t2026-01-01" AS "t" WHERE a"#,
            ),
        ] {
            match parsed(text) {
                Kind::Sql(statement) => assert_eq!(statement.to_string(), expected),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_call_in_the_query_is_no_list_of_columns() {
        for text in [
            "CREATE TABLE t AS SELECT lower(a) AS b FROM u",
            "CREATE TABLE t AS SELECT STRUCT(a) AS b FROM u",
        ] {
            match parsed(text) {
                Kind::Sql(statement) => assert_eq!(statement.to_string(), text),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_table_of_a_query_can_name_its_columns() {
        match parsed("CREATE OR REPLACE TABLE s.t (a, \"B\") AS VALUES (1, (2))") {
            Kind::Sql(statement) => assert_eq!(
                statement.to_string(),
                r#"CREATE OR REPLACE TABLE s.t AS SELECT * FROM (VALUES (1, (2))) AS "query" (a, "B")"#
            ),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn errors_know_their_place() {
        let error =
            parse(&split("SELECT 1 +\n  FROM WHERE")[0], DialectName::Generic, 50).unwrap_err();
        let tail = parse(&split("VACUUM t now")[0], DialectName::Generic, 50).unwrap_err();
        assert_eq!(tail.location(), Some(Location { line: 1, column: 10 }));
        assert!(error.to_string().contains("xpected"), "{error}");
    }
}
