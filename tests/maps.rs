//! Maps as they last: across sessions, whole or not at all, damaged, and where nothing may be changed.

use datafusion::arrow::util::display::array_value_to_string;
use portolan::{Database, OpenOptions};

const TABLE: &str =
    "CREATE TABLE t AS SELECT i AS id, CAST([sin(i), cos(i), i % 7] AS VECTOR(3)) AS v
    FROM generate_series(1, 60) AS s(i)";
const MAP: &str = "CREATE MAP m ON t (v) WITH (n_epochs = 20)";
const SUM: &str = "SELECT count(*) || ' ' || round(sum(CAST(x AS DOUBLE) * 3 + y), 3) FROM m";

async fn text(db: &Database, sql: &str) -> String {
    let rows = db.sql(sql).await.unwrap().collect().await.unwrap();
    array_value_to_string(rows[0].column(0), 0).unwrap()
}

async fn error(db: &Database, sql: &str) -> String {
    match db.sql(sql).await {
        Err(error) => error.to_string(),
        Ok(result) => result.collect().await.unwrap_err().to_string(),
    }
}

/// The line that SHOW MAPS has of the only map, without the time.
async fn shown(db: &Database) -> String {
    let rows = db.sql("SHOW MAPS").await.unwrap().collect().await.unwrap();
    let cells = rows[0].columns().iter().take(rows[0].num_columns() - 1);
    let cells: Vec<String> = cells.map(|cell| array_value_to_string(cell, 0).unwrap()).collect();
    assert_eq!(rows[0].num_rows(), 1);
    cells.join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_str().unwrap();
    let one = Database::open(location).await.unwrap();
    let other = Database::open(location).await.unwrap();
    one.sql(TABLE).await.unwrap();
    assert!(error(&other, "SELECT * FROM m").await.contains("table 'm' does not exist"));
    one.sql(MAP).await.unwrap();
    let there = text(&one, SUM).await;
    assert!(there.starts_with("60 "), "{there}");
    assert_eq!(text(&other, SUM).await, there);
    assert_eq!(text(&Database::open(location).await.unwrap(), SUM).await, there);

    // The same rows make the same map.
    one.sql("CREATE MAP again ON t (v) WITH (n_epochs = 20)").await.unwrap();
    assert_eq!(text(&one, &SUM.replace("FROM m", "FROM again")).await, there);
    one.sql("DROP MAP again").await.unwrap();

    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let reader = Database::open_with(location, options).await.unwrap();
    assert_eq!(text(&reader, SUM).await, there);
    for statement in ["DROP MAP m", "REFRESH MAP m", &MAP.replace(" m ", " n ")] {
        assert!(error(&reader, statement).await.contains("read-only"), "{statement}");
    }
    assert_eq!(shown(&reader).await.split(' ').next(), Some("m"));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_stale_a_map_is() {
    let db = Database::in_memory().await.unwrap();
    db.sql(TABLE).await.unwrap();
    db.sql(MAP).await.unwrap();
    let fresh = shown(&db).await;
    assert!(fresh.starts_with("m t v umap 60 "), "{fresh}");
    assert!(fresh.ends_with(" 0 0 0"), "{fresh}");
    db.sql("INSERT INTO t VALUES (61, [1, 2, 3]), (62, NULL)").await.unwrap();
    db.sql("DELETE FROM t WHERE id < 4").await.unwrap();
    assert!(shown(&db).await.ends_with(" 1 3 2"), "{}", shown(&db).await);
    db.take_notices();
    db.sql("REFRESH MAP m").await.unwrap();
    let notices = db.take_notices().join("; ");
    assert!(notices.contains("has 58 rows: 1 placed, 3 taken away"), "{notices}");
    assert!(notices.contains("left out 1 row"), "{notices}");
    assert!(shown(&db).await.ends_with(" 0 0 0"));
    db.sql("REFRESH MAP m").await.unwrap();
    assert!(db.take_notices()[0].contains("up to date"));

    // Of a table that was made anew every row is new.
    db.sql("CREATE OR REPLACE TABLE t (id BIGINT, v VECTOR(3))").await.unwrap();
    assert_eq!(text(&db, "SELECT count(*) FROM m.points").await, "58");
    let few = error(&db, "REFRESH MAP m").await;
    assert!(few.contains("are as they were"), "{few}");
    db.sql("CREATE OR REPLACE TABLE t (id BIGINT)").await.unwrap();
    let gone = error(&db, "REFRESH MAP m").await;
    assert!(gone.contains("column 'v' of table 't', which has it no longer"), "{gone}");
    assert!(!shown(&db).await.is_empty());
}

/// Another program takes the table away: it knows of no maps.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_without_its_map() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().to_str().unwrap()).await.unwrap();
    db.sql(TABLE).await.unwrap();
    db.sql(MAP).await.unwrap();
    std::fs::remove_dir_all(folder.path().join("t.lance")).unwrap();
    for statement in ["SELECT * FROM m", "REFRESH MAP m"] {
        let gone = error(&db, statement).await;
        assert!(gone.contains("table 't' does not exist"), "{gone}");
    }
    assert_eq!(text(&db, "SELECT count(*) FROM m.points").await, "60");
    assert_eq!(shown(&db).await.split(' ').next(), Some("m"));
    db.sql("DROP MAP m").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_statement_left_is_no_map() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_str().unwrap();
    let db = Database::open(location).await.unwrap();
    db.sql(TABLE).await.unwrap();
    db.sql(MAP).await.unwrap();
    let there = text(&db, SUM).await;
    // All tables are there, the last step is not done.
    let file = folder.path().join("m.map/_map.json");
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(error(&db, "SELECT * FROM m").await.contains("table 'm' does not exist"));
    assert!(error(&db, "DROP MAP m").await.contains("map 'm' does not exist"));
    assert_eq!(
        text(&db, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'm'").await,
        "0"
    );
    db.sql(MAP).await.unwrap();
    assert_eq!(text(&db, SUM).await, there);
    // A refresh that wrote its tables and no more: what is told is the old map, all of it.
    let old = std::fs::read(&file).unwrap();
    assert_ne!(old, kept);
    db.sql("DELETE FROM t WHERE id > 50").await.unwrap();
    db.sql("REFRESH MAP m").await.unwrap();
    let count = "SELECT (SELECT count(*) FROM m.points) || ' ' || (SELECT count(*) FROM m.neighbors) || ' ' || (SELECT rows FROM m.info)";
    assert_eq!(text(&db, count).await, "50 50 50");
    std::fs::write(&file, &old).unwrap();
    assert_eq!(text(&db, count).await, "60 60 60");
    db.sql("REFRESH MAP m").await.unwrap();
    assert_eq!(text(&db, count).await, "50 50 50");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_map_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_str().unwrap();
    let db = Database::open(location).await.unwrap();
    db.sql(TABLE).await.unwrap();
    db.sql(MAP).await.unwrap();
    std::fs::remove_dir_all(folder.path().join("m.map/points.lance")).unwrap();
    let lost = error(&db, "SELECT * FROM m").await;
    assert!(lost.contains("its table 'points' is gone"), "{lost}");
    db.sql("REFRESH MAP m FULL").await.unwrap();
    assert!(text(&db, SUM).await.starts_with("60 "));
    std::fs::write(folder.path().join("m.map/_map.json"), "{").unwrap();
    let damaged = error(&db, "SELECT * FROM m").await;
    assert!(damaged.contains("map 'm' is damaged"), "{damaged}");
    assert_eq!(shown(&db).await.split(' ').next(), Some("m"));
    assert_eq!(text(&db, "SELECT count(*) FROM t").await, "60");
    db.sql("DROP MAP m").await.unwrap();
    assert!(!folder.path().join("m.map").exists());
}

/// Nobody's tag is lost because others tag rows at that time, or make the map anew.
#[tokio::test(flavor = "multi_thread")]
async fn many_tag_rows_at_once() {
    let db = Database::in_memory().await.unwrap();
    db.sql(TABLE).await.unwrap();
    db.sql(MAP).await.unwrap();
    let mut statements: Vec<String> =
        (1..=8).map(|n| format!("ALTER MAP m TAG 'tag {n}' WHERE id % {n} = 0")).collect();
    statements.push("REFRESH MAP m FULL".to_string());
    let running: Vec<_> = statements
        .into_iter()
        .map(|statement| {
            let db = db.clone();
            tokio::spawn(async move { db.sql(&statement).await.unwrap().collect().await.unwrap() })
        })
        .collect();
    for statement in running {
        statement.await.unwrap();
    }
    for n in 1..=8 {
        let count = text(&db, &format!("SELECT count(*) FROM m.tags WHERE tag = 'tag {n}'")).await;
        assert_eq!(count, (60 / n).to_string(), "tag {n}");
    }
}

/// A map of an earlier release has no table of tags: it gets one with the first of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_map_without_a_table_of_tags() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_str().unwrap();
    let db = Database::open(location).await.unwrap();
    db.sql(TABLE).await.unwrap();
    db.sql(MAP).await.unwrap();
    let file = folder.path().join("m.map/_map.json");
    let mut bundle: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    bundle["tables"].as_object_mut().unwrap().remove("tags").unwrap();
    std::fs::write(&file, bundle.to_string()).unwrap();
    std::fs::remove_dir_all(folder.path().join("m.map/tags.lance")).unwrap();
    let db = Database::open(location).await.unwrap();
    assert!(error(&db, "SELECT * FROM m.tags").await.contains("table 'm.tags' does not exist"));
    assert_eq!(text(&db, "ALTER MAP m TAG 'x' WHERE id < 3").await, "2");
    assert_eq!(text(&db, "SELECT count(*) FROM m.tags").await, "2");
}
