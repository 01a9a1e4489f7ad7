//! Row ids: an updated row keeps its id, a new one gets an id that no row has had, and the table
//! stays one that Lance itself finds sound.

use std::collections::BTreeMap;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Int64Type, UInt64Type};
use futures::TryStreamExt;
use lance::Dataset;
use portolan::Database;

/// The row id of each key.
async fn row_ids(uri: &str) -> BTreeMap<i64, u64> {
    let dataset = Dataset::open(uri).await.unwrap();
    dataset.validate().await.unwrap();
    let mut scan = dataset.scan();
    scan.project(&["id"]).unwrap().with_row_id();
    let batches: Vec<_> = scan.try_into_stream().await.unwrap().try_collect().await.unwrap();
    let mut ids = BTreeMap::new();
    for batch in &batches {
        let keys = batch["id"].as_primitive::<Int64Type>();
        let rows = batch["_rowid"].as_primitive::<UInt64Type>();
        ids.extend(keys.values().iter().copied().zip(rows.values().iter().copied()));
    }
    ids
}

#[tokio::test]
async fn ids_last_through_every_change() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_string_lossy().into_owned();
    let uri = format!("{location}/t.lance");
    let database = Database::open(&location).await.unwrap();
    let run = async |sql: &str| {
        database.sql(sql).await.unwrap().collect().await.unwrap();
    };
    run("CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)").await;
    run("INSERT INTO t SELECT value, 0 FROM generate_series(1, 50)").await;
    run("INSERT INTO t SELECT value, 0 FROM generate_series(51, 100)").await;
    let first = row_ids(&uri).await;
    assert_eq!(first.len(), 100);

    run("UPDATE t SET n = 1 WHERE id % 3 = 0").await;
    assert_eq!(row_ids(&uri).await, first);

    run("MERGE INTO t USING (SELECT value AS k FROM generate_series(90, 120)) AS s ON t.id = s.k
         WHEN MATCHED AND s.k > 95 THEN DELETE
         WHEN MATCHED THEN UPDATE SET n = 2
         WHEN NOT MATCHED THEN INSERT (id, n) VALUES (s.k, 3)")
    .await;
    let merged = row_ids(&uri).await;
    assert_eq!(merged.len(), 95 + 20);
    let old = |ids: &BTreeMap<i64, u64>| -> BTreeMap<i64, u64> {
        ids.iter().filter(|(key, _)| **key <= 95).map(|(k, id)| (*k, *id)).collect()
    };
    assert_eq!(old(&merged), old(&first));
    let new: Vec<u64> = merged.iter().filter(|(key, _)| **key > 100).map(|(_, id)| *id).collect();
    assert!(new.iter().all(|id| !first.values().any(|known| known == id)));

    run("INSERT INTO t VALUES (1, 9), (200, 9) ON CONFLICT (id) DO UPDATE SET n = excluded.n")
        .await;
    let upserted = row_ids(&uri).await;
    assert_eq!(upserted[&1], first[&1]);
    assert!(!merged.values().any(|id| *id == upserted[&200]));

    run("ALTER TABLE t ADD COLUMN twice AS (n * 2)").await;
    run("DELETE FROM t WHERE id < 10").await;
    run("OPTIMIZE t").await;
    let optimized = row_ids(&uri).await;
    assert!(optimized.iter().all(|(key, id)| upserted[key] == *id));
}
