//! Classifiers as they last: across sessions, in memory, where nothing may be changed, and damaged.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;
use portolan::{Database, OpenOptions};

const TRAIN: &str =
    "CREATE CLASSIFIER sides ON (SELECT [i, 5.0], CASE WHEN i < 0 THEN 'left' ELSE 'right' END
    FROM generate_series(-20, 19) AS s(i))";
const SAID: &str = "SELECT string_agg(classify([x, 5.0], 'sides')['label'], ' ' ORDER BY x)
    FROM (VALUES (-9.0), (9.0)) AS v (x)";

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

#[tokio::test(flavor = "multi_thread")]
async fn a_classifier_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_str().unwrap();
    let one = Database::open(location).await.unwrap();
    let other = Database::open(location).await.unwrap();
    let missing = error(&other, SAID).await;
    assert!(missing.contains("classifier 'sides' does not exist"), "{missing}");
    one.sql(TRAIN).await.unwrap();
    assert!(one.take_notices()[0].contains("held out"));
    assert_eq!(text(&other, SAID).await, "left right");

    // From a file.
    let file = folder.path().join("rows.parquet");
    let file = file.display();
    let copy = format!(
        "COPY (SELECT [i, 5.0] AS v, i < 0 AS is_left FROM generate_series(-20, 19) AS s(i)) TO '{file}'"
    );
    one.sql(&copy).await.unwrap().collect().await.unwrap();
    one.sql(&format!("CREATE CLASSIFIER lefts ON '{file}' (v, is_left)")).await.unwrap();
    let lefts = SAID.replace("'sides')['label']", "'lefts')['label']::TEXT");
    assert_eq!(text(&other, &lefts).await, "true false");
    one.sql("DROP CLASSIFIER lefts").await.unwrap();

    // One session replaces it, the other sees that at its next statement.
    let swapped = TRAIN.replace("CREATE", "CREATE OR REPLACE").replace("i < 0", "i > 0");
    one.sql(&swapped).await.unwrap();
    assert_eq!(text(&other, SAID).await, "right left");
    assert_eq!(text(&Database::open(location).await.unwrap(), SAID).await, "right left");

    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let reader = Database::open_with(location, options).await.unwrap();
    assert_eq!(text(&reader, SAID).await, "right left");
    for statement in [TRAIN, "DROP CLASSIFIER sides"] {
        let refused = error(&reader, statement).await;
        assert!(refused.contains("opened read-only"), "{refused}");
    }

    one.sql("DROP CLASSIFIER sides").await.unwrap();
    let missing = error(&other, SAID).await;
    assert!(missing.contains("classifier 'sides' does not exist"), "{missing}");
    let files = std::fs::read_dir(folder.path().join("_classifiers")).unwrap().count();
    assert_eq!(files, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory_too() {
    let db = Database::in_memory().await.unwrap();
    db.sql(TRAIN).await.unwrap();
    assert_eq!(text(&db, SAID).await, "left right");
    let other = Database::in_memory().await.unwrap();
    let missing = error(&other, SAID).await;
    assert!(missing.contains("'sides' does not exist; CREATE CLASSIFIER makes one"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_left_out_are_told() {
    let db = Database::in_memory().await.unwrap();
    let rows =
        "([1.0, 0.0], 'a'), ([0.0, 1.0], 'b'), (NULL, 'a'), ([0.0, 0.0], 'a'), ([1.0, 1.0], NULL)";
    let few = format!("CREATE CLASSIFIER few ON (SELECT * FROM (VALUES {rows}) AS v (v, label))");
    db.sql(&few).await.unwrap();
    assert_eq!(
        db.take_notices(),
        [
            "CREATE CLASSIFIER left out 3 rows: 2 without a vector or another argument that it needs, 1 with zeros only, which have no direction"
        ]
    );
}

#[tokio::test]
async fn on_one_thread_too() {
    let db = Database::in_memory().await.unwrap();
    db.sql(TRAIN).await.unwrap();
    assert_eq!(text(&db, SAID).await, "left right");
}

/// Whatever of its answer is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_classifier_is_asked_once_and_after_the_filters() {
    let db = Database::in_memory().await.unwrap();
    db.sql(TRAIN).await.unwrap();
    db.sql("CREATE TABLE t AS SELECT i, [i, 5.0] AS v FROM generate_series(1, 10) AS s(i)")
        .await
        .unwrap();
    let once = "SELECT said['label'], said['score'] FROM
        (SELECT classify(v, 'sides') AS said FROM t WHERE abs(i) % 2 = 1)";
    let twice = "SELECT classify(v, 'sides')['label'] AS a, classify(v, 'sides')['score'] AS b
        FROM t WHERE abs(i) % 2 = 1";
    for query in [once, twice] {
        let rows = db.sql(&format!("EXPLAIN {query}")).await.unwrap().collect().await.unwrap();
        let shown = pretty_format_batches(&rows).unwrap().to_string();
        let plan = shown.split("physical_plan").nth(1).unwrap();
        assert_eq!(plan.matches("classify(CAST(v@").count(), 1, "{plan}");
        assert!(plan.find("classify(CAST(v@") < plan.find("FilterExec"), "{plan}");
    }
}

/// The same rows in another order, and on another day.
#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_rows_is_not_seen() {
    let db = Database::in_memory().await.unwrap();
    db.sql(
        "CREATE TABLE t AS SELECT [sin(i * 1.7), sin(i * 2.3), cos(i * 0.9)] AS v, i % 3 AS label
         FROM generate_series(1, 200) AS s(i)",
    )
    .await
    .unwrap();
    for (name, order) in [("a", ""), ("b", " DESC")] {
        for method in ["logistic", "knn"] {
            db.sql(&format!(
                "CREATE CLASSIFIER {name}_{method} ON (SELECT * FROM t ORDER BY v[1]{order}) WITH (method = '{method}')"
            ))
            .await
            .unwrap();
        }
    }
    for method in ["logistic", "knn"] {
        let sql = format!(
            "SELECT CAST(count(*) AS DOUBLE) FROM t
             WHERE classify(v, 'a_{method}') <> classify(v, 'b_{method}')"
        );
        let rows = db.sql(&sql).await.unwrap().collect().await.unwrap();
        assert_eq!(rows[0].column(0).as_primitive::<Float64Type>().value(0), 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().to_str().unwrap()).await.unwrap();
    db.sql(TRAIN).await.unwrap();
    let file = folder.path().join("_classifiers/sides.classifier");
    let whole = std::fs::read(&file).unwrap();
    let reads = [SAID, "SHOW CLASSIFIERS"];
    for (bytes, expected, told) in [
        (&whole[..whole.len() - 1], "it ends too early", &reads[..1]),
        (&whole[..10], "it ends too early", &reads[..]),
        (b"something else that is as long as a first line", "its first line", &reads[..]),
    ] {
        std::fs::write(&file, bytes).unwrap();
        for sql in told {
            let error = error(&db, sql).await;
            let remedy = "CREATE OR REPLACE CLASSIFIER makes it anew";
            assert!(error.contains(expected) && error.contains(remedy), "{sql}: {error}");
        }
    }
    db.sql(&TRAIN.replace("CREATE", "CREATE OR REPLACE")).await.unwrap();
    assert_eq!(text(&db, SAID).await, "left right");
    // A file that was being written when its writer was killed is none.
    std::fs::write(folder.path().join("_classifiers/sides.classifier#1"), &whole[..50]).unwrap();
    assert_eq!(text(&db, "SELECT string_agg(name, ' ') FROM portolan.classifiers").await, "sides");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_a_database_has_none() {
    let context = SessionContext::new();
    portolan::register_functions(&context);
    let error = context.sql("SELECT classify([1.0], 'sides')").await.unwrap_err().to_string();
    assert!(error.contains("they are kept in a database"), "{error}");
}
