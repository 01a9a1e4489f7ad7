//! Where in a statement's text an error is. The parser says so; the planner mostly names the thing
//! only, and then its first appearance in the text is the place.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::database::Database;
use crate::error::{Error, Location};
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
