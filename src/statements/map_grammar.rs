//! The grammar of statements about maps.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::statements::about_grammar::{About, New, about, parse_options};
use crate::statements::grammar::word;
use crate::statements::map_tags::TagMap;

/// A statement about maps.
#[derive(Debug, Clone)]
pub enum MapStatement {
    /// SHOW MAPS
    Show,
    /// DROP MAP [IF EXISTS] a, b
    Drop {
        /// The maps.
        names: Vec<Ident>,
        /// Do nothing where one is not there.
        if_exists: bool,
    },
    /// REFRESH MAP m [FULL]
    Refresh {
        /// The map.
        name: Ident,
        /// Make it anew.
        full: bool,
    },
    /// ALTER MAP m TAG 'x' WHERE condition, ALTER MAP m UNTAG 'x' [WHERE condition]
    Tag(Box<TagMap>),
    /// EXPORT MAP m TO 'file' [WITH (option = value, …)]
    Export {
        /// The map.
        name: Ident,
        /// Where it is written to.
        place: String,
        /// Names and values, as they were written.
        options: Vec<(String, String)>,
    },
    /// CREATE MAP
    Create(Box<CreateMap>),
}

/// CREATE [OR REPLACE] MAP [IF NOT EXISTS] name ON t (vector) [WITH (option = value, …)]
#[derive(Debug, Clone)]
pub struct CreateMap {
    /// Its name.
    pub name: Ident,
    /// Put it in the place of the one that is there.
    pub replace: bool,
    /// Do nothing if it is there.
    pub if_not_exists: bool,
    /// The table.
    pub table: ObjectName,
    /// The column of vectors.
    pub column: Ident,
    /// Names and values, as they were written.
    pub options: Vec<(String, String)>,
}

/// Such a statement, or nothing where it is none.
pub fn parse(parser: &mut Parser<'_>) -> Result<Option<MapStatement>, ParserError> {
    if word(&parser.peek_token(), "refresh") && word(&parser.peek_nth_token(1), "map") {
        parser.next_token();
        parser.next_token();
        let name = parser.parse_identifier()?;
        let full = word(&parser.peek_token(), "full");
        if full {
            parser.next_token();
        }
        return Ok(Some(MapStatement::Refresh { name, full }));
    }
    if word(&parser.peek_token(), "export") && word(&parser.peek_nth_token(1), "map") {
        parser.next_token();
        parser.next_token();
        let name = parser.parse_identifier()?;
        parser.expect_keyword(Keyword::TO)?;
        let place = text(parser, "a file, as 'map.svg'")?;
        let options = parse_options(parser)?;
        return Ok(Some(MapStatement::Export { name, place, options }));
    }
    if word(&parser.peek_token(), "alter") && word(&parser.peek_nth_token(1), "map") {
        parser.next_token();
        parser.next_token();
        return parse_tag(parser).map(|tag| Some(MapStatement::Tag(Box::new(tag))));
    }
    let New { name, replace, if_not_exists } = match about(parser, "map", "maps")? {
        None => return Ok(None),
        Some(About::All) => return Ok(Some(MapStatement::Show)),
        Some(About::Drop { names, if_exists }) => {
            return Ok(Some(MapStatement::Drop { names, if_exists }));
        }
        Some(About::New(new)) => new,
    };
    parser.expect_keyword(Keyword::ON)?;
    let table = parser.parse_object_name(false)?;
    let open = parser.peek_token();
    if !parser.consume_token(&Token::LParen) {
        return parser.expected("(column), the vectors to be mapped", open);
    }
    let column = parser.parse_identifier()?;
    parser.expect_token(&Token::RParen)?;
    let options = parse_options(parser)?;
    let create = CreateMap { name, replace, if_not_exists, table, column, options };
    Ok(Some(MapStatement::Create(Box::new(create))))
}

/// A text in quotes.
fn text(parser: &mut Parser<'_>, wanted: &str) -> Result<String, ParserError> {
    let next = parser.next_token();
    match next.token {
        Token::SingleQuotedString(text) => Ok(text),
        _ => parser.expected(wanted, next),
    }
}

/// What comes after ALTER MAP.
fn parse_tag(parser: &mut Parser<'_>) -> Result<TagMap, ParserError> {
    let map = parser.parse_identifier()?;
    let verb = parser.next_token();
    let away = word(&verb, "untag");
    if !away && !word(&verb, "tag") {
        return parser.expected("TAG or UNTAG", verb);
    }
    let tag = text(parser, "a tag, as 'to read'")?;
    let condition = match parser.parse_keyword(Keyword::WHERE) {
        true => Some(parser.parse_expr()?),
        // All rows are more than anybody means.
        false if !away => {
            let next = parser.peek_token();
            return parser.expected("WHERE and which rows are tagged", next);
        }
        false => None,
    };
    Ok(TagMap { map, tag, away, condition })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::GenericDialect;

    fn parsed(text: &str) -> Result<Option<MapStatement>, ParserError> {
        parse(&mut Parser::new(&GenericDialect {}).try_with_sql(text).unwrap())
    }

    #[test]
    fn statements_about_maps() {
        let created = parsed(
            "create or replace map M on a.t (\"V\") with (text = 'x', topics = false, seed = 7)",
        );
        let Ok(Some(MapStatement::Create(create))) = created else { panic!("{created:?}") };
        assert!(create.replace && !create.if_not_exists);
        assert_eq!((create.name.value.as_str(), create.table.to_string().as_str()), ("M", "a.t"));
        assert_eq!(create.column.quote_style, Some('"'));
        let options = [("text", "x"), ("topics", "false"), ("seed", "7")];
        assert_eq!(create.options, options.map(|(a, b)| (a.to_string(), b.to_string())));
        assert!(matches!(parsed("SHOW MAPS"), Ok(Some(MapStatement::Show))));
        assert!(matches!(
            parsed("REFRESH MAP m FULL"),
            Ok(Some(MapStatement::Refresh { full: true, .. }))
        ));
        assert!(matches!(
            parsed("DROP MAP IF EXISTS a, b"),
            Ok(Some(MapStatement::Drop { names, if_exists: true })) if names.len() == 2
        ));
        let tagged = parsed("ALTER MAP m TAG 'to read' WHERE x > 1 AND topic_1 = 'foxes'");
        let Ok(Some(MapStatement::Tag(tag))) = tagged else { panic!("{tagged:?}") };
        assert!(!tag.away && tag.tag == "to read" && tag.condition.is_some());
        assert!(
            matches!(parsed("alter map m untag 'x'"), Ok(Some(MapStatement::Tag(tag))) if tag.away)
        );
        assert!(parsed("ALTER MAP m TAG 'x'").is_err());
        let exported = parsed("EXPORT MAP m TO 'a.svg' WITH (width = 900, title = 'A map')");
        let Ok(Some(MapStatement::Export { place, options, .. })) = exported else {
            panic!("{exported:?}")
        };
        assert_eq!((place.as_str(), options.len()), ("a.svg", 2));
        assert!(parsed("EXPORT MAP m TO a").is_err());
        assert!(matches!(parsed("CREATE TABLE map (a INT)"), Ok(None)));
        assert!(parsed("CREATE MAP m ON t").is_err());
        assert!(parsed("CREATE MAP m (v)").is_err());
    }
}
