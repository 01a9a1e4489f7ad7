//! The grammar of CREATE VECTOR INDEX and CREATE TEXT INDEX.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::statements::grammar::word;

/// What is searched for with an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    /// Vectors.
    Vectors,
    /// Words.
    Words,
}

/// CREATE [OR REPLACE] VECTOR | TEXT INDEX [IF NOT EXISTS] [name] ON t [USING kind] (column)
/// [USING kind] [WITH (option = value, …)]
#[derive(Debug, Clone)]
pub struct SearchIndex {
    /// What for.
    pub searched: Searched,
    /// Its name, if it is given one.
    pub name: Option<Ident>,
    /// The table.
    pub table: ObjectName,
    /// The column.
    pub column: Ident,
    /// The kind of index.
    pub using: Option<String>,
    /// Names and values, as they were written.
    pub options: Vec<(String, String)>,
    /// Do nothing if it is there.
    pub if_not_exists: bool,
    /// Put it in the place of the one that is there.
    pub replace: bool,
}

/// Such a statement, or nothing where it is none.
pub fn parse(parser: &mut Parser<'_>) -> Result<Option<SearchIndex>, ParserError> {
    let ahead: Vec<_> = (0..5).map(|n| parser.peek_nth_token(n)).collect();
    let starts = |words: &[&str]| words.iter().zip(&ahead).all(|(text, token)| word(token, text));
    let replace = starts(&["create", "or", "replace"]);
    let at = if replace { 3 } else { 1 };
    let searched = match ahead.get(at) {
        Some(token) if word(token, "vector") => Searched::Vectors,
        Some(token) if word(token, "text") => Searched::Words,
        _ => return Ok(None),
    };
    if !starts(&["create"]) || !ahead.get(at + 1).is_some_and(|token| word(token, "index")) {
        return Ok(None);
    }
    (0..at + 2).for_each(|_| drop(parser.next_token()));
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = match word(&parser.peek_token(), "on") {
        true => None,
        false => Some(parser.parse_identifier()?),
    };
    parser.expect_keyword(Keyword::ON)?;
    let table = parser.parse_object_name(false)?;
    let before = parse_using(parser)?;
    parser.expect_token(&Token::LParen)?;
    let column = parser.parse_identifier()?;
    parser.expect_token(&Token::RParen)?;
    let using = match before {
        Some(kind) => Some(kind),
        None => parse_using(parser)?,
    };
    let options = match parser.parse_keyword(Keyword::WITH) {
        true => {
            parser.expect_token(&Token::LParen)?;
            let options = parser.parse_comma_separated(parse_option)?;
            parser.expect_token(&Token::RParen)?;
            options
        }
        false => Vec::new(),
    };
    Ok(Some(SearchIndex { searched, name, table, column, using, options, if_not_exists, replace }))
}

fn parse_using(parser: &mut Parser<'_>) -> Result<Option<String>, ParserError> {
    if !parser.parse_keyword(Keyword::USING) {
        return Ok(None);
    }
    Ok(Some(parser.parse_identifier()?.value.to_ascii_lowercase()))
}

/// `metric = 'cosine'`, `partitions = 16`, `stem = false`
fn parse_option(parser: &mut Parser<'_>) -> Result<(String, String), ParserError> {
    let name = parser.parse_identifier()?.value.to_ascii_lowercase();
    parser.expect_token(&Token::Eq)?;
    let next = parser.next_token();
    let value = match &next.token {
        Token::SingleQuotedString(text) => text.clone(),
        Token::Number(number, _) => number.clone(),
        Token::Word(word) => word.value.to_ascii_lowercase(),
        _ => return parser.expected("a value, as 'cosine' or 16", next),
    };
    Ok((name, value))
}
