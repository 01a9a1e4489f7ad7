//! Other programs read what we write, and we read what they write: Python's lancedb.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use portolan::Database;

use crate::python;
use crate::skipped::skip;

const LANCEDB: &str = "lancedb==0.40.0";

const READ: &str = r#"
import json, sys, lancedb
db = lancedb.connect(sys.argv[1])
listed = db.list_tables()
names = sorted(getattr(listed, "tables", listed))
rows = db.open_table("ports").to_arrow().sort_by("id").to_pylist()
print(json.dumps({"names": names, "rows": rows}))
"#;

const APPEND: &str = r#"
import sys, lancedb, pyarrow as pa
table = lancedb.connect(sys.argv[1]).open_table("ports")
table.add(pa.table({
    "id": pa.array([3, 4], pa.int64()),
    "name": pa.array(["Porto", None], pa.string()),
    "embedding": pa.array([[5.0, 6.0], None], pa.list_(pa.float32(), 2)),
}))
"#;

const SEARCH: &str = r#"
import json, sys, lancedb
table = lancedb.connect(sys.argv[1]).open_table("ports")
print(json.dumps(table.search([4.0, 4.0]).limit(1).to_list()[0]["id"]))
"#;

const OPTIMIZE: &str = r#"
import sys, lancedb
lancedb.connect(sys.argv[1]).open_table("ports").optimize()
"#;

async fn database(location: &str) -> Database {
    let database = Database::open(location).await.unwrap();
    for sql in [
        "CREATE TABLE ports (id BIGINT, name TEXT, embedding VECTOR(2))",
        "INSERT INTO ports VALUES (1, 'Genoa', [1, 2])",
        "INSERT INTO ports VALUES (2, 'Lisbon', [3, 4]), (9, 'gone', [0, 0])",
        "UPDATE ports SET name = 'Genova' WHERE id = 1",
        "DELETE FROM ports WHERE id = 9",
        "CREATE TABLE empty (id BIGINT)",
    ] {
        run(&database, sql).await;
    }
    database
}

async fn run(database: &Database, sql: &str) {
    database.sql(sql).await.unwrap().collect().await.unwrap();
}

async fn ids(database: &Database, sql: &str) -> Vec<i64> {
    let batches = database.sql(sql).await.unwrap().collect().await.unwrap();
    let columns = batches.iter().map(|batch| batch.column(0).as_primitive::<Int64Type>());
    columns.flat_map(|column| column.values().to_vec()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lancedb_reads_our_folder_and_we_read_what_it_appends() {
    let python = match python::with(LANCEDB) {
        Ok(python) => python,
        Err(reason) => return skip(&reason),
    };
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_string_lossy().into_owned();
    let ours = database(&location).await;

    let read: serde_json::Value = serde_json::from_str(&python.run(READ, &location)).unwrap();
    assert_eq!(
        read,
        serde_json::json!({
            "names": ["empty", "ports"],
            "rows": [
                {"id": 1, "name": "Genova", "embedding": [1.0, 2.0]},
                {"id": 2, "name": "Lisbon", "embedding": [3.0, 4.0]},
            ],
        })
    );
    assert_eq!(python.run(SEARCH, &location).trim(), "2");

    python.run(APPEND, &location);
    let all = "SELECT id FROM ports ORDER BY id";
    assert_eq!(ids(&ours, all).await, [1, 2, 3, 4], "seen by a database that was open before");
    let fresh = Database::open(&location).await.unwrap();
    assert_eq!(ids(&fresh, all).await, [1, 2, 3, 4], "seen by one that is opened after");
    assert_eq!(ids(&fresh, "SELECT id FROM ports WHERE embedding IS NULL").await, [4]);

    run(&fresh, "DELETE FROM ports WHERE id = 3").await;
    assert_eq!(ids(&fresh, all).await, [1, 2, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_survives_lancedb_optimizing_its_table() {
    let python = match python::with(LANCEDB) {
        Ok(python) => python,
        Err(reason) => return skip(&reason),
    };
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_string_lossy().into_owned();
    let ours = database(&location).await;
    run(&ours, "CREATE INDEX ON ports (id)").await;
    run(&ours, "INSERT INTO ports SELECT value, 'x', NULL FROM generate_series(10, 1000)").await;
    run(&ours, "DELETE FROM ports WHERE id % 2 = 0").await;

    python.run(OPTIMIZE, &location);
    let fresh = Database::open(&location).await.unwrap();
    assert_eq!(ids(&fresh, "SELECT id FROM ports WHERE id = 501").await, [501]);
    assert_eq!(ids(&fresh, "SELECT id FROM ports WHERE id = 500").await, [0; 0]);
    assert_eq!(ids(&fresh, "SELECT id FROM ports WHERE id < 15 ORDER BY id").await, [1, 11, 13]);
    run(&fresh, "INSERT INTO ports VALUES (2000, 'new', NULL)").await;
    assert_eq!(ids(&fresh, "SELECT id FROM ports WHERE id > 998").await.len(), 2);
}
