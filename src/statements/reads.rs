//! Statements that read tables and do nothing else.

use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{Query, SetExpr, Statement as Sql};

use crate::statements::classifier_grammar::ClassifierStatement;
use crate::statements::grammar::{ModelStatement, Own};
use crate::statements::map_grammar::MapStatement;
use crate::statements::parse::Kind;

/// Whether a statement is one of them. What is not known here is none.
pub fn only_reads(kind: &Kind) -> bool {
    match kind {
        Kind::Own(own) => matches!(
            own,
            Own::ShowVersions(_)
                | Own::ShowIndexes(_)
                | Own::Model(ModelStatement::Show)
                | Own::Classifier(ClassifierStatement::Show)
                | Own::Map(MapStatement::Show)
        ),
        Kind::Sql(parsed) => parsed_reads(parsed),
        Kind::Secret(_) => false,
    }
}

fn parsed_reads(parsed: &Parsed) -> bool {
    match parsed {
        Parsed::Statement(sql) => sql_reads(sql),
        Parsed::Explain(explain) => parsed_reads(&explain.statement),
        _ => false,
    }
}

fn sql_reads(sql: &Sql) -> bool {
    match sql {
        Sql::Query(query) => query_reads(query),
        Sql::Explain { statement, .. } => sql_reads(statement),
        Sql::ExplainTable { .. }
        | Sql::ShowTables { .. }
        | Sql::ShowColumns { .. }
        | Sql::ShowFunctions { .. }
        | Sql::ShowVariable { .. } => true,
        _ => false,
    }
}

/// A query may hold an INSERT where a SELECT is usual, or make a table of its rows.
fn query_reads(query: &Query) -> bool {
    let named = query.with.iter().flat_map(|with| &with.cte_tables);
    rows_read(&query.body) && named.into_iter().all(|table| query_reads(&table.query))
}

fn rows_read(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(query) => query_reads(query),
        SetExpr::SetOperation { left, right, .. } => rows_read(left) && rows_read(right),
        SetExpr::Values(_) | SetExpr::Table(_) => true,
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::Database;

    #[tokio::test]
    async fn what_only_reads() {
        let db = Database::in_memory().await.unwrap();
        let reads = |text: &str| db.parse(text).unwrap()[0].only_reads();
        for text in [
            "SELECT 1",
            "WITH a AS (SELECT 1) SELECT * FROM a UNION ALL VALUES (2)",
            "EXPLAIN ANALYZE SELECT 1",
            "DESCRIBE t",
            "SHOW TABLES",
            "SHOW MAPS",
            "SHOW portolan.seed",
        ] {
            assert!(reads(text), "{text}");
        }
        for text in [
            "INSERT INTO t VALUES (1)",
            "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
            "SELECT 1 INTO t",
            "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
            "EXPLAIN COPY t TO 'x.csv'",
            "COPY t TO 'x.csv'",
            "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION 'x.csv'",
            "SET portolan.seed = 1",
            "RESET portolan.seed",
            "PREPARE p AS SELECT 1",
            "EXECUTE p",
            "PULL MODEL 'x'",
            "REFRESH MAP m",
            "ALTER MAP m TAG 'x' WHERE true",
            "EXPORT MAP m TO 'm.svg'",
            "VACUUM",
            "CREATE SECRET s (TYPE http, BEARER_TOKEN 'x')",
        ] {
            assert!(!reads(text), "{text}");
        }
    }
}
