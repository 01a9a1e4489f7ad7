//! Several writers of one database at once: every acknowledged change is there, and a conflict
//! that cannot be solved is an error, not a loss.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use portolan::{Database, Error};
use tempfile::TempDir;

const WRITERS: i64 = 3;
const ROUNDS: i64 = 8;

struct Shared {
    folder: TempDir,
}

impl Shared {
    async fn new(statements: &[&str]) -> Self {
        let shared = Self { folder: tempfile::tempdir().unwrap() };
        let database = shared.open().await;
        for sql in statements {
            run(&database, sql).await.unwrap();
        }
        shared
    }

    /// As another process would see it: nothing is shared but the folder.
    async fn open(&self) -> Database {
        Database::open(&self.folder.path().join("database").to_string_lossy()).await.unwrap()
    }

    /// Runs one task per writer, each with its own database, and sums what they give.
    async fn write<F>(&self, work: impl Fn(Database, i64) -> F) -> i64
    where
        F: Future<Output = i64> + Send + 'static,
    {
        let mut tasks = Vec::new();
        for writer in 0..WRITERS {
            tasks.push(tokio::spawn(work(self.open().await, writer)));
        }
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    }

    async fn number(&self, sql: &str) -> i64 {
        let database = self.open().await;
        let batches = database.sql(sql).await.unwrap().collect().await.unwrap();
        batches[0].column(0).as_primitive::<Int64Type>().value(0)
    }
}

async fn run(database: &Database, sql: &str) -> Result<(), Error> {
    database.sql(sql).await?.collect().await?;
    Ok(())
}

/// Whether a statement was done; a conflict that its retries did not solve is a no.
async fn acknowledged(database: &Database, sql: &str) -> bool {
    match run(database, sql).await {
        Ok(()) => true,
        Err(Error::Conflict { .. }) => false,
        Err(other) => panic!("{sql}: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_inserted_row_is_there() {
    let shared = Shared::new(&["CREATE TABLE t (id BIGINT)"]).await;
    let rows = shared
        .write(|database, writer| async move {
            let mut rows = 0;
            for round in 0..ROUNDS {
                let sql = format!("INSERT INTO t VALUES ({writer}), ({round})");
                rows += if acknowledged(&database, &sql).await { 2 } else { 0 };
            }
            rows
        })
        .await;
    assert_eq!(shared.number("SELECT count(*) FROM t").await, rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_lost() {
    let statements =
        ["CREATE TABLE t (id BIGINT, n BIGINT)", "INSERT INTO t VALUES (1, 0), (2, 0)"];
    let shared = Shared::new(&statements).await;
    let updates = shared
        .write(|database, _| async move {
            let mut updates = 0;
            for _ in 0..ROUNDS {
                let sql = "UPDATE t SET n = n + 1 WHERE id = 1";
                updates += i64::from(acknowledged(&database, sql).await);
            }
            updates
        })
        .await;
    assert_eq!(shared.number("SELECT n FROM t WHERE id = 1").await, updates);
    assert_eq!(shared.number("SELECT n FROM t WHERE id = 2").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_taken_once() {
    let shared = Shared::new(&["CREATE TABLE t (id BIGINT PRIMARY KEY, writer BIGINT)"]).await;
    let taken = shared
        .write(|database, writer| async move {
            let mut taken = 0;
            for round in 0..ROUNDS {
                let sql = format!("INSERT INTO t VALUES ({round}, {writer})");
                taken += i64::from(run(&database, &sql).await.is_ok());
            }
            taken
        })
        .await;
    assert_eq!(shared.number("SELECT count(*) FROM t").await, taken);
    assert_eq!(shared.number("SELECT count(DISTINCT id) FROM t").await, taken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_creates_wins() {
    // Often: who comes second must have looked before the first was done.
    for _ in 0..10 * ROUNDS {
        let shared = Shared::new(&[]).await;
        let created = shared
            .write(|database, writer| async move {
                let sql = format!("CREATE TABLE t AS SELECT {writer} AS writer");
                i64::from(run(&database, &sql).await.is_ok())
            })
            .await;
        assert_eq!(created, 1);
        assert_eq!(shared.number("SELECT count(*) FROM t").await, 1);
    }
}
