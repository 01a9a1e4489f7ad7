//! What statements about things that a database keeps by name have in common: SHOW, DROP, CREATE, and
//! the options behind WITH.

use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::statements::grammar::word;

/// What is to become of things of a kind.
pub enum About {
    /// SHOW things
    All,
    /// DROP thing [IF EXISTS] a, b
    Drop {
        /// Which.
        names: Vec<Ident>,
        /// Do nothing where one is not there.
        if_exists: bool,
    },
    /// CREATE thing, as far as its name
    New(New),
}

/// CREATE [OR REPLACE] thing [IF NOT EXISTS] name
pub struct New {
    /// Its name.
    pub name: Ident,
    /// Put it in the place of the one that is there.
    pub replace: bool,
    /// Do nothing if it is there.
    pub if_not_exists: bool,
}

/// What a statement says of things of a kind, or nothing where it is about others.
pub fn about(
    parser: &mut Parser<'_>,
    one: &str,
    several: &str,
) -> Result<Option<About>, ParserError> {
    let ahead: Vec<TokenWithSpan> = (0..4).map(|n| parser.peek_nth_token(n)).collect();
    let starts = |words: &[&str]| words.iter().zip(&ahead).all(|(text, token)| word(token, text));
    let mut skip = |count: usize| (0..count).for_each(|_| drop(parser.next_token()));
    if starts(&["show", several]) {
        skip(2);
        return Ok(Some(About::All));
    }
    if starts(&["drop", one]) {
        skip(2);
        let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
        let names = parser.parse_comma_separated(Parser::parse_identifier)?;
        return Ok(Some(About::Drop { names, if_exists }));
    }
    let replace = starts(&["create", "or", "replace", one]);
    if !replace && !starts(&["create", one]) {
        return Ok(None);
    }
    skip(if replace { 4 } else { 2 });
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_identifier()?;
    Ok(Some(About::New(New { name, replace, if_not_exists })))
}

/// `[WITH (option = value, …)]`, as names and values
pub fn parse_options(parser: &mut Parser<'_>) -> Result<Vec<(String, String)>, ParserError> {
    if !parser.parse_keyword(Keyword::WITH) {
        return Ok(Vec::new());
    }
    parser.expect_token(&Token::LParen)?;
    let options = parser.parse_comma_separated(parse_option)?;
    parser.expect_token(&Token::RParen)?;
    Ok(options)
}

/// `method = 'knn'`, `k = 15`, `normalize = false`
fn parse_option(parser: &mut Parser<'_>) -> Result<(String, String), ParserError> {
    let name = parser.parse_identifier()?.value.to_ascii_lowercase();
    parser.expect_token(&Token::Eq)?;
    Ok((name, parse_value(parser)?))
}

/// `'knn'`, `15`, `-0.5`, `true`
pub fn parse_value(parser: &mut Parser<'_>) -> Result<String, ParserError> {
    let minus = if parser.consume_token(&Token::Minus) { "-" } else { "" };
    let next = parser.next_token();
    match &next.token {
        Token::Number(number, _) => Ok(format!("{minus}{number}")),
        Token::SingleQuotedString(text) if minus.is_empty() => Ok(text.clone()),
        Token::Word(word) if minus.is_empty() => Ok(word.value.clone()),
        _ => parser.expected("a value, as 'knn' or 15", next),
    }
}
