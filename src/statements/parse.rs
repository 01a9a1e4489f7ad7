//! Text to statements: our own grammar first, DataFusion's for the rest.

use datafusion::common::config::Dialect as DialectName;
use datafusion::sql::parser::{DFParserBuilder, Statement as Parsed};
use datafusion::sql::sqlparser::dialect::{GenericDialect, dialect_from_str};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{
    Location as TokenLocation, Token, Tokenizer, TokenizerError,
};

use crate::error::{Error, Location, Result};
use crate::statements::grammar::{self, Own};
use crate::statements::secret::SecretStatement;
use crate::statements::split::Piece;
use crate::statements::tokens;

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
    if let Some(statement) = grammar::parse(&mut own).map_err(parser)? {
        return Ok(Kind::Own(statement));
    }
    let tokens = tokens::rewrite(tokens);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::split::split;

    #[test]
    fn errors_know_their_place() {
        let error =
            parse(&split("SELECT 1 +\n  FROM WHERE")[0], DialectName::Generic, 50).unwrap_err();
        let tail = parse(&split("VACUUM t now")[0], DialectName::Generic, 50).unwrap_err();
        assert_eq!(tail.location(), Some(Location { line: 1, column: 10 }));
        assert!(error.to_string().contains("xpected"), "{error}");
    }
}
