//! Where in a statement's text an error is. The parser says so; the planner mostly names the thing
//! only, and then its first appearance in the text is the place.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::database::Database;
use crate::error::{Error, Location};
use crate::maps::TABLES;
use crate::statements::parse::split_location;
use crate::tables::TableName;

/// The place of a byte offset.
pub fn start_of(text: &str, offset: usize) -> Location {
    let before = text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count() as u64 + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
    Location { line, column }
}

/// The error with its place in the whole text, where `statement` begins at `start`.
pub fn in_text(error: Error, statement: &str, start: Location) -> Error {
    let within = match &error {
        Error::Sql { location: Some(location), .. }
        | Error::DataFusion { location: Some(location), .. } => Some(*location),
        Error::DataFusion { source, .. } => from_engine(source, statement),
        Error::NotFound { name, .. } => {
            name.rsplit('.').next().and_then(|last| first_appearance(last, statement))
        }
        _ => None,
    };
    let Some(within) = within else { return error };
    let place = if within.line <= 1 {
        Location { line: start.line, column: start.column + within.column.saturating_sub(1) }
    } else {
        Location { line: start.line + within.line - 1, column: within.column }
    };
    error.moved_to(place)
}

/// The planner's error for a table that is not there, with the nearest names.
pub fn missing_table(db: &Database, error: Error) -> Error {
    let Error::DataFusion { source, .. } = &error else { return error };
    let DataFusionError::Plan(message) = source.find_root() else { return error };
    let Some(name) = message.strip_prefix("table '").and_then(|m| m.strip_suffix("' not found"))
    else {
        return error;
    };
    let own = name.strip_prefix(db.catalog_name()).and_then(|rest| rest.strip_prefix('.'));
    match own.and_then(|rest| rest.split_once('.')) {
        Some((map, table)) if db.catalog().bundle(map).is_some() => Error::not_found(
            "table",
            format!("{map}.{table}"),
            format!("; map '{map}' has {}", TABLES.join(", ")),
        ),
        Some((schema, _)) if !db.catalog().has_schema(schema) => {
            Error::not_found("schema", schema, "; CREATE SCHEMA makes one")
        }
        Some((schema, table)) => {
            let name = TableName { schema: schema.to_string(), table: table.to_string() };
            db.catalog().missing("table", &name)
        }
        None => error,
    }
}

/// Characters of a call that a message repeats; of a longer one, the name alone.
const SHOWN: usize = 60;

/// The planner's error for a window function without OVER, which it takes for one that nobody knows.
pub fn without_over(db: &Database, error: Error, statement: &str) -> Error {
    let Error::DataFusion { source, .. } = &error else { return error };
    let DataFusionError::Plan(message) = source.find_root() else { return error };
    let Some(name) = message.strip_prefix("Invalid function '").and_then(|m| m.split('\'').next())
    else {
        return error;
    };
    if !db.context().state().window_functions().contains_key(name) {
        return error;
    }
    let ours = portolan_udfs::window_functions().iter().any(|function| function.name() == name);
    let over = if ours { "OVER ()" } else { "OVER (ORDER BY …)" };
    let call = call_without_over(name, statement);
    let location = call.as_ref().map(|(place, _)| *place);
    let shown = call.map(|(_, text)| text).filter(|text| text.chars().count() <= SHOWN);
    let shown = shown.unwrap_or_else(|| format!("{name}(…)"));
    Error::Sql { message: format!("{name} is a window function: write {shown} {over}"), location }
}

/// Where in a statement a function is called without OVER, and the call in one line.
fn call_without_over(name: &str, statement: &str) -> Option<(Location, String)> {
    let tokens = Tokenizer::new(&GenericDialect {}, statement).tokenize_with_location().ok()?;
    let tokens: Vec<TokenWithSpan> =
        tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    tokens.iter().enumerate().find_map(|(index, first)| {
        let Token::Word(word) = &first.token else { return None };
        if !word.value.eq_ignore_ascii_case(name) {
            return None;
        }
        let length = arguments(tokens.get(index + 1..)?)?;
        let (call, rest) = tokens.get(index..)?.split_at_checked(length + 1)?;
        let next = rest.first().map(|token| &token.token);
        if matches!(next, Some(Token::Word(word)) if word.keyword == Keyword::OVER) {
            return None;
        }
        let at = first.span.start;
        Some((Location { line: at.line, column: at.column }, in_one_line(call)))
    })
}

/// How many tokens a call's arguments are, with their parentheses.
fn arguments(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut open = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => open += 1,
            Token::RParen => open = open.checked_sub(1)?,
            _ => {}
        }
        if open == 0 {
            return (index > 0).then_some(index + 1);
        }
    }
    None
}

/// Tokens as they were written, with one blank where there was any.
fn in_one_line(tokens: &[TokenWithSpan]) -> String {
    let mut text = String::new();
    let mut end = None;
    for token in tokens {
        if end.is_some_and(|end| end != token.span.start) {
            text.push(' ');
        }
        text.push_str(&token.token.to_string());
        end = Some(token.span.end);
    }
    text
}

fn from_engine(error: &DataFusionError, statement: &str) -> Option<Location> {
    let root = error.find_root();
    match root {
        DataFusionError::SQL(parser, _) => split_location(&parser.to_string()).1,
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, .. } => first_appearance(&field.name, statement),
            SchemaError::AmbiguousReference { field } => first_appearance(&field.name, statement),
            _ => None,
        },
        DataFusionError::Plan(message) => quoted_name(message)
            .and_then(|name| first_appearance(name.rsplit('.').next()?, statement)),
        _ => None,
    }
}

/// The first `'name'` in a message of the planner.
fn quoted_name(message: &str) -> Option<&str> {
    message.split('\'').nth(1).filter(|name| !name.is_empty())
}

fn first_appearance(name: &str, statement: &str) -> Option<Location> {
    let tokens = Tokenizer::new(&GenericDialect {}, statement).tokenize_with_location().ok()?;
    tokens.into_iter().find_map(|token| match &token.token {
        Token::Word(word) if word.value.eq_ignore_ascii_case(name) => {
            let at = token.span.start;
            Some(Location { line: at.line, column: at.column })
        }
        _ => None,
    })
}
