//! Statements over HTTP.

use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::served::{Served, message, told};
use crate::cli;

const TABLE: &str = "
    CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, v VECTOR(2));
    INSERT INTO t VALUES (1, 'it''s', [1, 0.5]), (2, NULL, NULL);";

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_as_json_or_as_arrow() {
    let served = Served::database(TABLE, &[]).await;
    let all = served.sql("SELECT * FROM t ORDER BY id").await;
    let rows =
        json!([{"id": 1, "name": "it's", "v": [1.0, 0.5]}, {"id": 2, "name": null, "v": null}]);
    assert_eq!(all, (200, rows.clone()));
    let asked = served.post("/sql").json(&json!({"sql": "SELECT * FROM t ORDER BY id"}));
    assert_eq!(told(asked.send().await.unwrap()).await, (200, rows));
    assert_eq!(served.sql("SELECT * FROM t WHERE id = 9").await, (200, json!([])));
    assert_eq!(served.sql("SELECT 1 AS a; SELECT 2 AS b").await, (200, json!([{"b": 2}])));
    let (status, tables) = served.sql("SHOW TABLES").await;
    assert!(status == 200 && tables[0]["table_name"] == "t", "{tables}");
    assert_eq!(served.sql("EXPLAIN SELECT * FROM t").await.0, 200);
    assert_eq!(served.sql("DESCRIBE t").await.0, 200);

    let asked = served.post("/sql").header("accept", "application/vnd.apache.arrow.stream");
    let asked = asked.body("SELECT i, 'text' AS t FROM generate_series(1, 100000) AS s(i)");
    let bytes = asked.send().await.unwrap().bytes().await.unwrap();
    let reader = StreamReader::try_new(bytes.as_ref(), None).unwrap();
    let mut sum = 0;
    for batch in reader {
        let batch = batch.unwrap();
        sum += batch.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>();
        assert!(batch.column(1).as_string_opt::<i32>().is_some());
    }
    assert_eq!(sum, 100_000 * 100_001 / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_as_csv_and_as_parquet() {
    let served = Served::database(TABLE, &["--read-write"]).await;
    let asked = async |kind: &str, statement: &str| {
        let asked = served.post("/sql").header("accept", kind).body(statement.to_string());
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{statement}");
        let said = answer.headers()["content-type"].to_str().unwrap().to_string();
        (said, answer.bytes().await.unwrap())
    };
    let csv = async |statement: &str| {
        let (said, bytes) = asked("text/csv", statement).await;
        assert_eq!(said, "text/csv; charset=utf-8");
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    assert_eq!(csv("SELECT * FROM t ORDER BY id").await, "id,name,v\n1,it's,\"[1.0,0.5]\"\n2,,\n");
    assert_eq!(csv("SELECT 'a, \"b\"' AS q, X'00ff' AS b").await, "q,b\n\"a, \"\"b\"\"\",00ff\n");
    assert_eq!(csv("SELECT id, v FROM t WHERE id = 9").await, "id,v\n");
    assert_eq!(csv("DROP TABLE IF EXISTS nothing").await, "");
    let many = csv("SELECT i FROM generate_series(1, 100000) AS s(i)").await;
    let numbers: i64 = many.lines().skip(1).map(|line| line.parse::<i64>().unwrap()).sum();
    assert_eq!((numbers, many.lines().count()), (100_000 * 100_001 / 2, 100_001));

    // Larger than what is kept for one group of rows, so that it comes in several pieces.
    let statement =
        "SELECT i, CAST([i, sin(i)] AS VECTOR(2)) AS v, CAST(random() AS TEXT) || i AS t
        FROM generate_series(1, 900000) AS s(i)";
    let (said, bytes) = asked("application/vnd.apache.parquet", statement).await;
    assert_eq!(said, "application/vnd.apache.parquet");
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    assert!(reader.metadata().num_row_groups() > 1);
    assert_eq!(reader.schema().field(1).data_type().to_string(), "FixedSizeList(2 x Float32)");
    let batches: Vec<_> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
    let sums = batches
        .iter()
        .map(|batch| batch.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>());
    assert_eq!(sums.sum::<i64>(), 900_000 * 900_001 / 2);
    let (_, none) = asked("application/vnd.apache.parquet", "SELECT * FROM t WHERE id = 9").await;
    let none = ParquetRecordBatchReaderBuilder::try_new(none).unwrap();
    assert_eq!((none.schema().fields().len(), none.metadata().file_metadata().num_rows()), (3, 0));

    // A refusal is JSON, whatever was asked for.
    let refused = served.post("/sql").header("accept", "text/csv").body("SELECT nam FROM t");
    let (status, answer) = told(refused.send().await.unwrap()).await;
    assert!(status == 400 && message(&answer).contains("nam"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_at_other_ports_send_no_statements() {
    let served = Served::database(TABLE, &["--read-write"]).await;
    let host = served.url().strip_prefix("http://").unwrap().to_string();
    let port = host.rsplit(':').next().unwrap();
    let sent = async |origin: Option<&str>| {
        let mut request = served.post("/sql").body("INSERT INTO t (id) SELECT max(id) + 1 FROM t");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        told(request.send().await.unwrap()).await
    };
    for origin in [
        "http://127.0.0.1:3000",
        "http://localhost",
        &format!("http://localhost:{port}"),
        "https://example.org",
        "null",
        "",
    ] {
        let (status, answer) = sent(Some(origin)).await;
        assert_eq!(status, 403, "{origin}: {answer}");
        assert!(message(&answer).contains("Origin"), "{answer}");
    }
    assert_eq!(served.sql("SELECT count(*) AS n FROM t").await.1, json!([{"n": 2}]));
    assert_eq!(sent(Some(&format!("http://{host}"))).await.0, 200);
    assert_eq!(sent(None).await.0, 200);
    assert_eq!(served.sql("SELECT count(*) AS n FROM t").await.1, json!([{"n": 4}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_do_more_than_read_are_refused() {
    let served = Served::database(TABLE, &[]).await;
    let outside = served.beside().join("outside.csv");
    std::fs::write(&outside, "a\nsecret\n").unwrap();
    let path = outside.display().to_string();
    let written = served.beside().join("written.csv").display().to_string();
    for statement in [
        "INSERT INTO t VALUES (3, 'x', NULL)",
        "UPDATE t SET name = 'x'",
        "DELETE FROM t",
        "DROP TABLE t",
        "TRUNCATE t",
        "CREATE TABLE u AS SELECT 1",
        "CREATE VIEW w AS SELECT 1",
        "SELECT 1 AS a INTO u",
        "ALTER TABLE t ADD COLUMN c AS (id + 1)",
        "CREATE MAP m ON t (v)",
        "DROP MAP IF EXISTS m",
        "ALTER MAP m TAG 'x' WHERE true",
        "VACUUM",
        "OPTIMIZE t",
        "SELECT 1; DELETE FROM t",
        "WITH a AS (SELECT 1) DELETE FROM t",
        "EXPLAIN ANALYZE DELETE FROM t",
        "SET portolan.offline = true",
        "RESET portolan.seed",
        "PREPARE p AS SELECT 1",
        "CREATE SECRET s (TYPE http, BEARER_TOKEN 'x')",
        "PULL MODEL 'all-MiniLM-L6-v2'",
        &format!("COPY t TO '{written}'"),
        &format!("EXPORT MAP m TO '{written}.svg'"),
        &format!("CREATE EXTERNAL TABLE e STORED AS CSV LOCATION '{path}'"),
    ] {
        let (status, answer) = served.sql(statement).await;
        assert_eq!(status, 403, "{statement}: {answer}");
    }
    for statement in [
        format!("SELECT * FROM '{path}'"),
        format!("SELECT * FROM read_csv('{path}')"),
        format!("SELECT * FROM '{}/../outside.csv'", served.location()),
        format!("SELECT * FROM read_text('{path}')"),
        format!("SELECT * FROM '{}/t.lance'", served.location()),
        "SELECT * FROM 'http://127.0.0.1:1/x.csv'".to_string(),
        "SELECT * FROM read_text('/etc/passwd')".to_string(),
        "SELECT embed_image('/etc/passwd')".to_string(),
    ] {
        let (status, answer) = served.sql(&statement).await;
        assert_eq!(status, 400, "{statement}: {answer}");
        assert!(!message(&answer).contains("secret"), "{answer}");
    }
    let (_, answer) = served.sql(&format!("SELECT * FROM '{path}'")).await;
    assert!(message(&answer).contains("files cannot be read or written here"), "{answer}");
    assert!(!std::path::Path::new(&written).exists());
    assert_eq!(served.sql("SELECT count(*) AS n FROM t").await, (200, json!([{"n": 2}])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_be_told_to_write() {
    let served = Served::database(TABLE, &["--read-write"]).await;
    assert_eq!(
        served.sql("INSERT INTO t VALUES (3, 'x', NULL)").await,
        (200, json!([{"count": 1}]))
    );
    assert_eq!(served.sql("DELETE FROM t WHERE id < 3").await.1, json!([{"count": 2}]));
    assert_eq!(served.sql("CREATE TABLE u AS SELECT id FROM t").await.0, 200);
    assert_eq!(served.sql("SELECT count(*) AS n FROM u").await.1, json!([{"n": 1}]));
    let path = served.beside().join("written.csv").display().to_string();
    let export = format!("EXPORT MAP m TO '{path}.svg'");
    for statement in
        [format!("COPY t TO '{path}'"), export, "SET portolan.offline = true".to_string()]
    {
        let (status, answer) = served.sql(&statement).await;
        assert_eq!(status, 403, "{statement}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_request_gets_one_sentence() {
    let served = Served::database(TABLE, &[]).await;
    for (statement, part) in [
        ("", "no statement"),
        (" \n", "no statement"),
        ("SELEC 1", "SELEC"),
        ("SELECT * FROM tt", "did you mean"),
        ("SELECT nam FROM t", "nam"),
        ("SELECT cosine(v, [1, 2, 3]) FROM t", "3"),
        ("SELECT 1/0", "ivide by zero"),
        ("SELECT CAST(name AS INT) FROM t", "it's"),
    ] {
        let (status, answer) = served.sql(statement).await;
        assert_eq!(status, 400, "{statement}: {answer}");
        assert!(message(&answer).contains(part), "{statement}: {answer}");
    }
    for (kind, body, status) in [
        ("application/json", "{", 400),
        ("application/json", "{}", 400),
        ("application/json", "{\"sql\": 1}", 400),
        ("text/html", "SELECT 1", 415),
        ("application/json; charset=utf-8", "{\"sql\": \"SELECT 1\"}", 200),
        ("text/plain;charset=UTF-8", "SELECT 1", 200),
        ("application/x-www-form-urlencoded", "SELECT 1", 200),
    ] {
        let asked = served.post("/sql").header("content-type", kind).body(body);
        let (got, answer) = told(asked.send().await.unwrap()).await;
        assert_eq!(got, status, "{kind}: {body}: {answer}");
    }
    let (status, _) = told(served.post("/sql").body(vec![0xff, 0xfe]).send().await.unwrap()).await;
    assert_eq!(status, 400);
    let long = format!("SELECT '{}'", "x".repeat(2 << 20));
    assert_eq!(served.sql(&long).await.0, 413);
    let deep = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    assert_eq!(served.sql(&deep).await.0, 400);
    assert_eq!(told(served.get("/sql").send().await.unwrap()).await.0, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_stopped_and_others_go_on() {
    let served = Served::database(TABLE, &["--timeout", "1", "--at-once", "2"]).await;
    let endless = "SELECT sum(i) FROM generate_series(1, 1000000000000) AS s(i)";
    let began = Instant::now();
    let (status, answer) = served.sql(endless).await;
    assert_eq!(status, 408, "{answer}");
    assert!(message(&answer).contains("longer than 1 s"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(served.sql("SELECT 1 AS a").await, (200, json!([{"a": 1}])));
    // An answer that is cut off is not taken for a whole one.
    let rows = "SELECT i FROM generate_series(1, 1000000000000) AS s(i)";
    let answer = served.post("/sql").body(rows).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let mut answer = answer;
    let ended = loop {
        match answer.chunk().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert!(ended.is_err(), "the answer ended as if it were whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ask_at_once() {
    let served = Served::database(TABLE, &["--at-once", "4"]).await;
    let clients = (0..60).map(|client: i64| {
        let served = &served;
        async move {
            for turn in 0..5 {
                let (a, b) = (client * 10 + turn, 7);
                let (status, rows) =
                    served.sql(&format!("SELECT {a} * {b} + count(*) AS n FROM t")).await;
                assert_eq!((status, &rows[0]["n"]), (200, &Value::from(a * b + 2)));
            }
        }
    });
    futures::future::join_all(clients).await;
}

#[test]
fn what_is_served_must_be_said() {
    let run = cli::run(&["serve"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("<DB>"), "{}", run.err);
    let run = cli::run(&["serve", "x.db", "--read-only", "--read-write"]);
    assert_eq!(run.code, Some(2));
    let run = cli::run(&["serve", "x.db", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("set PORTOLAN_TOKEN or --token"), "{}", run.err);
}
