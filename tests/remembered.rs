//! Which rows passed a filter is remembered, for the version of the table it was true for and no other.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::util::pretty::pretty_format_batches;
use portolan::Database;

const NEAREST: &str = "SELECT id FROM t WHERE lang = 'de' ORDER BY cosine(v, [1, 0]) DESC LIMIT 2";

async fn ids(db: &Database, sql: &str) -> Vec<i64> {
    let batches = db.sql(sql).await.unwrap().collect().await.unwrap();
    let ids = batches.iter().map(|batch| batch.column(0).as_primitive::<Int64Type>().values());
    ids.flat_map(|ids| ids.to_vec()).collect()
}

async fn run(db: &Database, sql: &str) {
    db.sql(sql).await.unwrap().collect().await.unwrap();
}

/// Whether a query knew from before which rows pass its filter.
async fn remembers(db: &Database, sql: &str) -> bool {
    let batches = db.sql(&format!("EXPLAIN ANALYZE {sql}")).await.unwrap().collect().await.unwrap();
    let plan = pretty_format_batches(&batches).unwrap().to_string();
    assert!(plan.contains("VectorSearch"), "{plan}");
    plan.contains("filters_remembered=1")
}

async fn filled(db: &Database, first: &str) {
    run(db, "CREATE TABLE t (id BIGINT, lang TEXT, v VECTOR(2))").await;
    let rows = format!("(1, '{first}', '[1, 0]'), (2, 'de', '[0.9, 0.1]'), (3, 'de', '[0, 1]')");
    run(db, &format!("INSERT INTO t VALUES {rows}")).await;
}

#[tokio::test]
async fn until_the_table_changes() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().to_str().unwrap()).await.unwrap();
    filled(&db, "en").await;
    assert!(!remembers(&db, NEAREST).await);
    assert!(remembers(&db, NEAREST).await);
    assert_eq!(ids(&db, NEAREST).await, [2, 3]);

    run(&db, "INSERT INTO t VALUES (4, 'de', '[1, 0]')").await;
    assert!(!remembers(&db, NEAREST).await);
    assert_eq!(ids(&db, NEAREST).await, [4, 2]);
    run(&db, "UPDATE t SET lang = 'fr' WHERE id = 4").await;
    assert_eq!(ids(&db, NEAREST).await, [2, 3]);
    run(&db, "DELETE FROM t WHERE id = 2").await;
    assert_eq!(ids(&db, NEAREST).await, [3]);
}

#[tokio::test]
async fn a_table_is_not_taken_for_one_of_its_name_that_was_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().to_str().unwrap()).await.unwrap();
    filled(&db, "en").await;
    assert_eq!(ids(&db, NEAREST).await, [2, 3]);
    run(&db, "DROP TABLE t").await;
    filled(&db, "de").await;
    assert_eq!(ids(&db, NEAREST).await, [1, 2]);
}

#[tokio::test]
async fn what_functions_say_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().to_str().unwrap()).await.unwrap();
    filled(&db, "en").await;
    let query = NEAREST.replace("lang =", "lower(lang) =");
    assert!(!remembers(&db, &query).await);
    assert!(!remembers(&db, &query).await);
    assert_eq!(ids(&db, &query).await, [2, 3]);
}
