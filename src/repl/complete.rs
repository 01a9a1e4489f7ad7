//! What Tab offers, from the text before the cursor and the names that there are.

use std::path::Path;

use crate::repl::commands::COMMANDS;
use crate::repl::context::{Statement, expects_table, unquoted};
use crate::repl::format::Format;
use crate::repl::keywords::{self, in_case_of};
use crate::repl::lexer::{Kind, is_word};
use crate::repl::names::Names;

/// Candidates that are offered at most: more than this nobody reads.
const MOST: usize = 500;

/// Something that could stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// How it is listed.
    pub shown: String,
    /// What is put in place of the word.
    pub inserted: String,
}

impl Candidate {
    fn word(text: &str) -> Self {
        Self { shown: text.to_string(), inserted: text.to_string() }
    }

    /// A table, column or schema, in quotes if it needs them.
    fn name(name: &str) -> Self {
        Self { shown: name.to_string(), inserted: quoted_if_needed(name) }
    }

    fn function(name: &str) -> Self {
        Self { shown: format!("{name}()"), inserted: format!("{name}(") }
    }
}

/// What could stand at `cursor`, and where the word begins that it would replace.
pub fn complete(names: &Names, text: &str, cursor: usize) -> (usize, Vec<Candidate>) {
    let Some(before) = text.get(..cursor) else { return (cursor, Vec::new()) };
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let (start, mut candidates) = match before[line_start..].trim_start().strip_prefix('\\') {
        Some(command) => complete_command(names, command, cursor),
        None => complete_sql(names, text, cursor),
    };
    candidates.sort();
    candidates.dedup();
    candidates.truncate(MOST);
    (start, candidates)
}

fn complete_command(names: &Names, command: &str, cursor: usize) -> (usize, Vec<Candidate>) {
    let Some((name, arguments)) = command.split_once(char::is_whitespace) else {
        let listed = COMMANDS.iter().flat_map(|(call, _)| {
            let words = call.split([' ', ',', '[']).filter(|word| word.starts_with('\\'));
            words.map(|word| &word[1..])
        });
        let start = cursor - command.len();
        return (start, matching(listed.map(Candidate::word), command));
    };
    let typed = arguments.rsplit(char::is_whitespace).next().unwrap_or_default();
    let start = cursor - typed.len();
    let candidates = match name {
        "i" | "o" | "g" | "gx" | "e" | "c" => {
            let typed = typed.trim_start_matches('\'');
            return (cursor - typed.len(), files(typed));
        }
        "d" | "d+" | "dt" | "dt+" | "dv" | "dv+" => table_candidates(names),
        "df" | "df+" => names
            .functions
            .iter()
            .chain(&names.table_functions)
            .map(|name| Candidate::word(name))
            .collect(),
        "x" | "timing" => ["on", "off"].map(Candidate::word).to_vec(),
        "pset" if arguments.trim_start().starts_with("format ") => {
            Format::names().iter().map(|name| Candidate::word(name)).collect()
        }
        "pset" => ["expanded", "format", "null", "pager"].map(Candidate::word).to_vec(),
        _ => Vec::new(),
    };
    (start, matching(candidates, typed))
}

fn complete_sql(names: &Names, text: &str, cursor: usize) -> (usize, Vec<Candidate>) {
    let statement = Statement::around(text, cursor);
    let before = &statement.before;
    // Inside quotes: a file, where a file can stand.
    if let Some(last) = before.last()
        && last.kind == Kind::String
        && !last.closed
    {
        let typed = last.text.trim_start_matches('\'');
        let found = if statement.expects_file() { files(typed) } else { Vec::new() };
        return (cursor - typed.len(), found);
    }
    let path = statement.path_at_cursor();
    let start = cursor - path.iter().map(|token| token.text.len()).sum::<usize>();
    let previous = statement.word_before(path.len());
    let (typed, qualifier) = match path.split_last() {
        Some((last, qualifier)) if !last.is_symbol(".") => (last.text, qualifier),
        _ => ("", path),
    };
    let typed = typed.trim_start_matches('"');
    let typed_start = cursor
        - path.last().map_or(0, |last| if last.is_symbol(".") { 0 } else { last.text.len() });

    if previous.is_some_and(|word| ["SET", "RESET", "SHOW"].iter().any(|verb| word.is_word(verb))) {
        let whole: String = path.iter().map(|token| token.text).collect();
        let settings = names.settings.iter().map(|name| Candidate::word(name));
        let mut found = matching(settings, &whole);
        if qualifier.is_empty() {
            found.extend(keyword_candidates(keywords::OTHERS, typed));
        }
        return (start, found);
    }
    if let Some(qualifier) = qualifier.iter().rev().find(|token| !token.is_symbol(".")) {
        return (typed_start, matching(members(&statement, names, qualifier.text), typed));
    }
    let candidates = match previous {
        None => keyword_candidates(keywords::STATEMENTS, typed),
        Some(word) if expects_table(word) || (word.is_symbol(",") && statement.in_from_list()) => {
            let functions = names.table_functions.iter().map(|name| Candidate::function(name));
            let mut found = table_candidates(names);
            found.extend(functions.filter(|_| !typed.is_empty()));
            matching(found, typed)
        }
        Some(_) => {
            let mut found = columns(&statement, names);
            if !typed.is_empty() {
                found.extend(names.functions.iter().map(|name| Candidate::function(name)));
            }
            let mut found = matching(found, typed);
            if !typed.is_empty() {
                found.extend(keyword_candidates(keywords::OTHERS, typed));
                found.extend(keyword_candidates(keywords::STATEMENTS, typed));
            }
            found
        }
    };
    (typed_start, candidates)
}

/// The columns that the statement can name.
fn columns(statement: &Statement<'_>, names: &Names) -> Vec<Candidate> {
    let tables = statement.tables(names);
    let columns = tables.iter().flat_map(|(_, table)| &table.columns);
    let aliases = tables.iter().map(|(alias, _)| Candidate::name(alias));
    columns.map(|name| Candidate::name(name)).chain(aliases).collect()
}

/// What comes after `qualifier.`: the columns of a table, or the tables of a schema.
fn members(statement: &Statement<'_>, names: &Names, qualifier: &str) -> Vec<Candidate> {
    let qualifier = unquoted(qualifier);
    let named = |name: &str| name.eq_ignore_ascii_case(qualifier);
    let tables = statement.tables(names);
    let table = tables.iter().find(|(alias, _)| named(alias)).map(|(_, table)| *table);
    if let Some(table) = table.or_else(|| names.tables.iter().find(|table| named(&table.name))) {
        return table.columns.iter().map(|name| Candidate::name(name)).collect();
    }
    let tables = names.tables.iter().filter(|table| named(&table.schema));
    tables.map(|table| Candidate::name(&table.name)).collect()
}

/// Tables as they can be named: those of other schemas with their schema.
fn table_candidates(names: &Names) -> Vec<Candidate> {
    let tables = names.tables.iter().filter(|table| table.schema != "information_schema");
    let tables = tables.map(|table| {
        if table.schema == names.default_schema {
            return Candidate::name(&table.name);
        }
        let path = format!("{}.{}", quoted_if_needed(&table.schema), quoted_if_needed(&table.name));
        Candidate::word(&path)
    });
    let schemas = names.schemas.iter().filter(|schema| **schema != names.default_schema);
    let schemas = schemas.map(|schema| {
        let path = format!("{}.", quoted_if_needed(schema));
        Candidate::word(&path)
    });
    tables.chain(schemas).collect()
}

fn keyword_candidates(list: &[&str], typed: &str) -> Vec<Candidate> {
    let candidates = list.iter().map(|keyword| Candidate::word(&in_case_of(keyword, typed)));
    matching(candidates, typed)
}

/// Those that begin with what is typed, in whatever case.
fn matching(candidates: impl IntoIterator<Item = Candidate>, typed: &str) -> Vec<Candidate> {
    let typed = typed.to_lowercase();
    let begins = |candidate: &Candidate| candidate.shown.to_lowercase().starts_with(&typed);
    candidates.into_iter().filter(begins).collect()
}

/// SQL folds names to lower case unless they are quoted.
fn quoted_if_needed(name: &str) -> String {
    let plain = name.chars().all(|c| is_word(c) && !c.is_uppercase())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty();
    if plain { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// The files and folders that begin with what is typed.
fn files(typed: &str) -> Vec<Candidate> {
    let (folder, prefix) = match typed.rfind('/') {
        Some(slash) => typed.split_at(slash + 1),
        None => ("", typed),
    };
    let home = folder
        .strip_prefix("~/")
        .and_then(|rest| std::env::var("HOME").ok().map(|home| format!("{home}/{rest}")));
    let place = home.as_deref().unwrap_or(folder);
    let place = if place.is_empty() { Path::new(".") } else { Path::new(place) };
    let Ok(entries) = place.read_dir() else { return Vec::new() };
    let entries = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let hidden = name.starts_with('.') && !prefix.starts_with('.');
        if !name.starts_with(prefix) || hidden {
            return None;
        }
        let slash = if entry.path().is_dir() { "/" } else { "" };
        Some(Candidate {
            shown: format!("{name}{slash}"),
            inserted: format!("{folder}{name}{slash}"),
        })
    });
    entries.take(MOST).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::repl::names::TableNames;

    fn names() -> Names {
        let table = |schema: &str, name: &str, columns: &[&str]| TableNames {
            schema: schema.to_string(),
            name: name.to_string(),
            columns: columns.iter().map(|name| name.to_string()).collect(),
        };
        let words = |text: &str| text.split(' ').map(str::to_string).collect();
        Names {
            tables: vec![
                table("public", "ports", &["id", "name", "Founded In"]),
                table("public", "voyages", &["id", "port_id", "days"]),
                table("atlas", "points", &["x", "y"]),
            ],
            schemas: words("public atlas"),
            default_schema: "public".to_string(),
            functions: words("cosine count cos embed_text"),
            table_functions: words("generate_series"),
            settings: words("portolan.ann portolan.seed datafusion.execution.batch_size"),
        }
    }

    /// What is inserted at `|`.
    fn at(text: &str) -> Vec<String> {
        let cursor = text.find('|').unwrap();
        let text = text.replacen('|', "", 1);
        let (_, candidates) = complete(&names(), &text, cursor);
        candidates.into_iter().map(|candidate| candidate.inserted).collect()
    }

    #[test]
    fn statements_begin_with_their_verbs() {
        assert_eq!(at("sel|"), ["select"]);
        assert_eq!(at("SEL|"), ["SELECT"]);
        assert_eq!(at("select 1; de|"), ["delete", "describe"]);
    }

    #[test]
    fn tables_after_from() {
        assert_eq!(at("select * from |"), ["atlas.", "atlas.points", "ports", "voyages"]);
        assert_eq!(at("select * from po|"), ["ports"]);
        assert_eq!(at("select * from ports p, v|"), ["voyages"]);
        assert_eq!(at("select * from atlas.|"), ["points"]);
        assert_eq!(at("select * from gen|"), ["generate_series("]);
        assert_eq!(at("insert into v|"), ["voyages"]);
    }

    #[test]
    fn columns_of_the_tables_that_are_named() {
        assert_eq!(at("select day| from voyages"), ["days"]);
        assert_eq!(at("select | from ports"), ["\"Founded In\"", "id", "name", "ports"]);
        assert_eq!(at("select v.| from voyages as v"), ["days", "id", "port_id"]);
        assert_eq!(at("select * from ports p join voyages v on p.id = v.po|"), ["port_id"]);
        assert_eq!(at("select ports.n|"), ["name"]);
    }

    #[test]
    fn functions_and_keywords_in_expressions() {
        assert_eq!(at("select cos|"), ["cos(", "cosine("]);
        assert_eq!(at("select id from ports whe|"), ["when", "where"]);
        assert_eq!(at("select id FROM ports WHE|"), ["WHEN", "WHERE"]);
    }

    #[test]
    fn settings_after_set() {
        assert_eq!(at("set portolan.s|"), ["portolan.seed"]);
        assert_eq!(at("show data|"), ["database", "datafusion.execution.batch_size"]);
    }

    #[test]
    fn files_inside_quotes() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ports.csv"), "").unwrap();
        std::fs::create_dir(folder.path().join("photos")).unwrap();
        let place = folder.path().to_str().unwrap();
        assert_eq!(at(&format!("select * from '{place}/po|")), [format!("{place}/ports.csv")]);
        assert_eq!(
            at(&format!("select * from read_images('{place}/p|")),
            [format!("{place}/photos/"), format!("{place}/ports.csv")]
        );
        assert_eq!(at(&format!("select '{place}/p|")), Vec::<String>::new());
        assert_eq!(at(&format!("\\i {place}/por|")), [format!("{place}/ports.csv")]);
    }

    #[test]
    fn backslash_commands() {
        assert_eq!(at("\\ti|"), ["timing"]);
        assert_eq!(at("\\d po|"), ["ports"]);
        assert_eq!(at("\\x o|"), ["off", "on"]);
        assert_eq!(at("\\pset format pa|"), ["parquet"]);
        assert_eq!(at("select 1\n\\wa|"), ["watch"]);
    }

    #[test]
    fn nothing_disturbs_it() {
        for text in ["|", "'|", "\"|", ".|", "select .|", "é|", "select \"Fo|", "\\|", "(|"] {
            at(text);
        }
        assert_eq!(at("select * from ports p where p.\"Fo|"), ["\"Founded In\""]);
    }
}
