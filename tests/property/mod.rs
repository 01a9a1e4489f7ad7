//! Generated statements against a plain oracle: UPDATE and DELETE touch exactly the rows that
//! SELECT with the same WHERE shows, and those are the right ones.
//!
//! `PROPTEST_CASES=1000` runs more cases.

mod generate;
mod predicate;
mod search;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use portolan::Database;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use generate::{Case, list};
use predicate::{Other, Predicate, Row, Scope};

/// Subqueries that DataFusion cannot plan, in SELECT neither.
const GAPS: &[&str] = &["Internal error", "null_aware anti join only supports"];
const CASES: u32 = 40;
const STACK: usize = 64 << 20; // debug builds recurse deeply while they plan

#[test]
fn select_shows_the_right_rows() {
    run(|case| async move {
        let mut tables = Tables::create(&case).await?;
        let expected = tables.ids_where(&case.condition);
        let sql = format!("SELECT t.id FROM t WHERE {} ORDER BY t.id", case.condition);
        tables.expect_ids(&sql, expected).await
    });
}

#[test]
fn update_touches_the_right_rows() {
    run(|case| async move {
        let mut tables = Tables::create(&case).await?;
        let touched = tables.ids_where(&case.condition);
        for row in tables.rows.iter_mut().filter(|row| touched.contains(&row.id)) {
            row.b = case.value.value(Scope { row, other: None, others: &case.others });
        }
        let sql = format!("UPDATE t SET b = {} WHERE {}", case.value, case.condition);
        tables.expect_change(&sql, touched.len()).await
    });
}

#[test]
fn delete_touches_the_right_rows() {
    run(|case| async move {
        let mut tables = Tables::create(&case).await?;
        let touched = tables.ids_where(&case.condition);
        tables.rows.retain(|row| !touched.contains(&row.id));
        let sql = format!("DELETE FROM t WHERE {}", case.condition);
        tables.expect_change(&sql, touched.len()).await
    });
}

#[test]
fn update_from_touches_the_right_rows() {
    run(|case| async move {
        let mut tables = Tables::create(&case).await?;
        let before = tables.rows.clone();
        for row in &mut tables.rows {
            // The key of `u` in the condition: at most one row of `u` for each of `t`.
            let scope = Scope { row, other: None, others: &case.others };
            let partner = scope.others_where(&case.join).find(|other| Some(other.k) == row.a);
            if let Some(partner) = partner {
                row.b = partner.x;
            }
        }
        let matched = |row: &&Row| {
            let scope = Scope { row, other: None, others: &case.others };
            scope.others_where(&case.join).any(|other| Some(other.k) == row.a)
        };
        let touched = before.iter().filter(matched).count();
        let sql = format!("UPDATE t SET b = u.x FROM u WHERE u.k = t.a AND {}", case.join);
        tables.expect_change(&sql, touched).await
    });
}

#[test]
fn delete_using_touches_the_right_rows() {
    run(|case| async move {
        let mut tables = Tables::create(&case).await?;
        let before = tables.rows.len();
        tables.rows.retain(|row| {
            let scope = Scope { row, other: None, others: &case.others };
            scope.others_where(&case.join).next().is_none()
        });
        let touched = before - tables.rows.len();
        let sql = format!("DELETE FROM t USING u WHERE {}", case.join);
        tables.expect_change(&sql, touched).await
    });
}

/// Runs a check on many cases; a case that fails is made as small as it gets.
fn run<F>(check: impl Fn(Case) -> F + Send + Sync)
where
    F: Future<Output = Result<(), TestCaseError>>,
{
    let work = || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_stack_size(STACK)
            .enable_all()
            .build()
            .unwrap();
        let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
        let config = Config {
            cases: cases.unwrap_or(CASES),
            failure_persistence: None,
            max_shrink_iters: 500,
            ..Config::default()
        };
        let outcome =
            TestRunner::new(config).run(&generate::case(), |case| runtime.block_on(check(case)));
        if let Err(error) = outcome {
            panic!("{error}");
        }
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(scope, work).unwrap().join().unwrap();
    });
}

/// The tables, and what they should hold.
struct Tables {
    database: Database,
    rows: Vec<Row>,
    others: Vec<Other>,
}

impl Tables {
    async fn create(case: &Case) -> Result<Self, TestCaseError> {
        let database = Database::in_memory().await.unwrap();
        let mut tables = Self { database, rows: case.rows.clone(), others: case.others.clone() };
        tables.run("CREATE TABLE t (id BIGINT, a BIGINT, b BIGINT, s TEXT, f BOOLEAN)").await?;
        tables.run("CREATE TABLE u (k BIGINT, x BIGINT, s TEXT)").await?;
        let fragments: Vec<_> = case.rows.chunks(case.fragment).collect();
        for (index, rows) in fragments.iter().enumerate() {
            tables.run(&format!("INSERT INTO t VALUES {}", list(rows))).await?;
            if case.indexed && index == fragments.len() / 2 {
                let _ = tables.run("CREATE INDEX ON t (a)").await;
            }
        }
        if !case.others.is_empty() {
            tables.run(&format!("INSERT INTO u VALUES {}", list(&case.others))).await?;
        }
        for hole in &case.holes {
            tables.run(&format!("DELETE FROM t WHERE id = {hole}")).await?;
            tables.rows.retain(|row| row.id != *hole);
        }
        Ok(tables)
    }

    fn ids_where(&self, condition: &Predicate) -> Vec<i64> {
        let holds = |row: &&Row| {
            condition.holds(Scope { row, other: None, others: &self.others }) == Some(true)
        };
        self.rows.iter().filter(holds).map(|row| row.id).collect()
    }

    async fn run(&self, sql: &str) -> Result<Vec<RecordBatch>, TestCaseError> {
        let run = async || self.database.sql(sql).await?.collect().await;
        run().await.map_err(|error: portolan::Error| match error.to_string() {
            gap if GAPS.iter().any(|known| gap.contains(known)) => TestCaseError::reject(gap),
            other => TestCaseError::fail(format!("{other}\n{sql}")),
        })
    }

    async fn expect_ids(&mut self, sql: &str, expected: Vec<i64>) -> Result<(), TestCaseError> {
        let found = numbers(&self.run(sql).await?);
        check_equal(&found, &expected, sql)
    }

    /// Runs a statement that should change `count` rows and leave the table as `rows` says.
    async fn expect_change(&mut self, sql: &str, count: usize) -> Result<(), TestCaseError> {
        let found = numbers(&self.run(sql).await?);
        check_equal(&found, &vec![count as i64], sql)?;
        let after = rows(&self.run("SELECT id, a, b, s, f FROM t ORDER BY id").await?);
        check_equal(&after, &self.rows, sql)
    }
}

fn check_equal<T: PartialEq + std::fmt::Debug>(
    found: &T,
    expected: &T,
    sql: &str,
) -> Result<(), TestCaseError> {
    if found == expected {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{sql}\nexpected {expected:?}\nfound    {found:?}")))
}

fn numbers(batches: &[RecordBatch]) -> Vec<i64> {
    let mut numbers = Vec::new();
    for batch in batches {
        let column = cast(batch.column(0), &DataType::Int64).unwrap();
        numbers.extend(column.as_primitive::<Int64Type>().values());
    }
    numbers
}

fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let id = batch.column(0).as_primitive::<Int64Type>();
        let a = batch.column(1).as_primitive::<Int64Type>();
        let b = batch.column(2).as_primitive::<Int64Type>();
        let s = cast(batch.column(3), &DataType::Utf8).unwrap();
        let f = batch.column(4).as_boolean();
        let columns = id.iter().zip(a).zip(b).zip(s.as_string::<i32>()).zip(f);
        rows.extend(columns.map(|((((id, a), b), s), f)| Row {
            id: id.unwrap(),
            a,
            b,
            s: s.map(String::from),
            f,
        }));
    }
    rows
}
