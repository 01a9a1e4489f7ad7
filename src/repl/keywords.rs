//! The words of our SQL, for highlighting, completion and hints.

/// Words that begin a statement.
pub const STATEMENTS: &[&str] = &[
    "ALTER", "ANALYZE", "COPY", "CREATE", "DELETE", "DESCRIBE", "DROP", "EXPLAIN", "EXPORT",
    "INSERT", "MERGE", "OPTIMIZE", "PULL", "REFRESH", "RESET", "RESTORE", "SELECT", "SET", "SHOW",
    "TRUNCATE", "UPDATE", "VACUUM", "VALUES", "WITH",
];

/// All other keywords.
pub const OTHERS: &[&str] = &[
    "ADD",
    "ALL",
    "ALWAYS",
    "AND",
    "ANTI",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "BETWEEN",
    "BIGINT",
    "BOOLEAN",
    "BY",
    "CASCADE",
    "CASE",
    "CAST",
    "CLASSIFIER",
    "CLASSIFIERS",
    "COLUMN",
    "COLUMNS",
    "CONFLICT",
    "CROSS",
    "CURRENT",
    "DATABASE",
    "DATE",
    "DECIMAL",
    "DEFAULT",
    "DESC",
    "DISTINCT",
    "DO",
    "DOUBLE",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXCLUDE",
    "EXISTS",
    "EXTERNAL",
    "FALSE",
    "FETCH",
    "FILTER",
    "FIRST",
    "FLOAT",
    "FOLLOWING",
    "FOR",
    "FROM",
    "FULL",
    "FUNCTIONS",
    "GENERATED",
    "GROUP",
    "GROUPING",
    "HALFVEC",
    "HAVING",
    "IF",
    "ILIKE",
    "IN",
    "INDEX",
    "INDEXES",
    "INNER",
    "INT",
    "INTEGER",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LAST",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCATION",
    "MAP",
    "MAPS",
    "MATCHED",
    "MODEL",
    "MODELS",
    "NATURAL",
    "NOT",
    "NOTHING",
    "NULL",
    "NULLS",
    "OF",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRECEDING",
    "PRIMARY",
    "QUALIFY",
    "RANGE",
    "REAL",
    "RECURSIVE",
    "RENAME",
    "REPLACE",
    "RIGHT",
    "ROLLUP",
    "ROW",
    "ROWS",
    "SCHEMA",
    "SECRET",
    "SECRETS",
    "SEMI",
    "SETS",
    "SIMILAR",
    "SMALLINT",
    "STORED",
    "STRUCT",
    "TABLE",
    "TABLES",
    "TABLESAMPLE",
    "TAG",
    "TEXT",
    "THEN",
    "THRESHOLD",
    "TIME",
    "TIMESTAMP",
    "TO",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "UNIQUE",
    "UNNEST",
    "UNTAG",
    "USING",
    "VARCHAR",
    "VECTOR",
    "VERBOSE",
    "VERSION",
    "VERSIONS",
    "VIEW",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITHIN",
];

/// What follows a word, when there is hardly a choice.
const FOLLOWS: &[(&str, &str)] = &[
    ("ALTER", "TABLE"),
    ("CLASSIFIER", "USING"),
    ("CROSS", "JOIN"),
    ("DELETE", "FROM"),
    ("EXPORT", "MAP"),
    ("FULL", "JOIN"),
    ("GENERATED", "ALWAYS AS ("),
    ("GROUP", "BY"),
    ("INNER", "JOIN"),
    ("INSERT", "INTO"),
    ("LEFT", "JOIN"),
    ("MERGE", "INTO"),
    ("NULLS", "LAST"),
    ("ORDER", "BY"),
    ("OVER", "()"),
    ("PARTITION", "BY"),
    ("PRIMARY", "KEY"),
    ("PULL", "MODEL"),
    ("REFRESH", "MAP"),
    ("RESTORE", "TABLE"),
    ("RIGHT", "JOIN"),
    ("TIMESTAMP", "AS OF"),
    ("TRUNCATE", "TABLE"),
    ("VERSION", "AS OF"),
];

/// Whether a word is a keyword.
pub fn is_keyword(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    // Both lists are sorted.
    [STATEMENTS, OTHERS].iter().any(|list| list.binary_search(&word.as_str()).is_ok())
}

/// What most likely comes after a word.
pub fn follower(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_uppercase();
    FOLLOWS.iter().find(|(before, _)| *before == word).map(|(_, after)| *after)
}

/// A keyword in the case in which the user writes: lower if what is typed is lower.
pub fn in_case_of(keyword: &str, typed: &str) -> String {
    let lower = typed.chars().any(char::is_lowercase) || !typed.chars().any(char::is_alphabetic);
    if lower { keyword.to_ascii_lowercase() } else { keyword.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(STATEMENTS.is_sorted());
        assert!(OTHERS.is_sorted());
    }

    #[test]
    fn case_follows_the_user() {
        assert!(is_keyword("select") && is_keyword("Where") && !is_keyword("ports"));
        assert_eq!(in_case_of("SELECT", "se"), "select");
        assert_eq!(in_case_of("SELECT", "SE"), "SELECT");
        assert_eq!(follower("order"), Some("BY"));
    }
}
