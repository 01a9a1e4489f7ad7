//! What `\d` and its relatives ask the database.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::error::ArrowError;
use datafusion::logical_expr::Documentation;
use datafusion::prelude::SessionContext;

use crate::repl::commands::Relations;

/// The query behind `\d`, `\dt` and `\dv`.
pub fn relations(kind: Relations, pattern: Option<&str>, detailed: bool) -> String {
    let more = if detailed {
        ", (SELECT count(*) FROM information_schema.columns c \
         WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name) AS columns, \
         v.definition"
    } else {
        ""
    };
    let views = if detailed {
        "LEFT JOIN information_schema.views v \
         ON v.table_schema = t.table_schema AND v.table_name = t.table_name "
    } else {
        ""
    };
    let mut filter = "t.table_schema <> 'information_schema'".to_string();
    filter += match kind {
        Relations::All => "",
        Relations::Tables => " AND t.table_type <> 'VIEW'",
        Relations::Views => " AND t.table_type = 'VIEW'",
    };
    if let Some(pattern) = pattern {
        let (schema, table) = match pattern.split_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, pattern),
        };
        if let Some(schema) = schema {
            filter += &format!(" AND t.table_schema ILIKE {}", like(schema));
        }
        filter += &format!(" AND t.table_name ILIKE {}", like(table));
    }
    format!(
        "SELECT t.table_schema AS schema, t.table_name AS name, \
         CASE t.table_type WHEN 'BASE TABLE' THEN 'table' ELSE lower(t.table_type) END AS type{more} \
         FROM information_schema.tables t {views}WHERE {filter} ORDER BY 1, 2"
    )
}

/// The query behind `\dn`.
pub const SCHEMAS: &str = "SELECT DISTINCT schema_name AS name FROM information_schema.schemata \
                           ORDER BY 1";

/// The query behind `\l`.
pub const DATABASES: &str = "SELECT catalog_name AS name, count(*) AS schemas \
                             FROM information_schema.schemata GROUP BY 1 ORDER BY 1";

/// A pattern with `*` and `?` as a string for LIKE.
fn like(pattern: &str) -> String {
    let mut text = String::new();
    for c in pattern.trim_matches('"').chars() {
        match c {
            '*' => text.push('%'),
            '?' => text.push('_'),
            '%' | '_' | '\\' => text.extend(['\\', c]),
            '\'' => text.push_str("''"),
            c => text.push(c),
        }
    }
    format!("'{text}'")
}

/// One function, as `\df` shows it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Function {
    name: String,
    kind: &'static str,
    call: Option<String>,
    description: Option<String>,
}

/// The rows of `\df`: one a function, by name.
pub fn functions(
    context: &SessionContext,
    pattern: Option<&str>,
    detailed: bool,
) -> Result<RecordBatch, ArrowError> {
    let state = context.state();
    let mut functions = Vec::new();
    let mut add = |name: &str, kind, documentation: Option<&Documentation>| {
        if pattern.is_none_or(|pattern| matches(pattern, name)) {
            let description = documentation.map(|text| first_sentence(&text.description));
            let call = documentation.map(|text| text.syntax_example.clone());
            functions.push(Function { name: name.to_string(), kind, call, description });
        }
    };
    for (name, function) in state.scalar_functions() {
        add(name, "scalar", function.documentation());
    }
    for (name, function) in state.aggregate_functions() {
        add(name, "aggregate", function.documentation());
    }
    for (name, function) in state.window_functions() {
        add(name, "window", function.documentation());
    }
    for name in state.table_functions().keys() {
        add(name, "table", None);
    }
    functions.sort();

    let column = |text: fn(&Function) -> Option<&str>| -> ArrayRef {
        Arc::new(StringArray::from_iter(functions.iter().map(text)))
    };
    let mut columns = vec![
        ("name", column(|function| Some(&function.name))),
        ("kind", column(|function| Some(function.kind))),
    ];
    if detailed {
        columns.push(("call", column(|function| function.call.as_deref())));
    }
    columns.push(("description", column(|function| function.description.as_deref())));
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
}

fn first_sentence(text: &str) -> String {
    let text = text.trim();
    let ends = [". ", ".\n"].into_iter().filter_map(|end| text.find(end));
    let end = ends.min().map_or(text.len(), |end| end + 1);
    text[..end].split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a name matches a pattern with `*` and `?`; a word without either matches inside.
fn matches(pattern: &str, name: &str) -> bool {
    fn from(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => {
                (0..=name.len()).any(|skip| name.get(skip..).is_some_and(|name| from(rest, name)))
            }
            (Some(('?', pattern)), Some((_, name))) => from(pattern, name),
            (Some((p, pattern)), Some((n, name))) if p == n => from(pattern, name),
            _ => false,
        }
    }
    let pattern = pattern.to_lowercase();
    let name = name.to_lowercase();
    if !pattern.contains(['*', '?']) {
        return name.contains(&pattern);
    }
    from(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert_eq!(like("a*_?'b"), "'a%\\__''b'");
        assert!(matches("cos*", "cosine"));
        assert!(matches("*_xy", "umap_xy"));
        assert!(matches("c?s", "cos"));
        assert!(!matches("c?s", "cosine"));
        assert!(matches("SIN", "cosine"));
    }

    #[test]
    fn descriptions_are_one_sentence() {
        assert_eq!(first_sentence("Does it.\nAnd more. Then"), "Does it.");
        assert_eq!(first_sentence("Uses 1.5 of\n  it"), "Uses 1.5 of it");
    }
}
