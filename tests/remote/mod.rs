//! Embedding by a server, through SQL.

mod naming;
pub mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Float32Type;
use datafusion::arrow::util::display::array_value_to_string;
use portolan::Database;
use serde_json::json;

use crate::models;
use crate::skipped::skip;
use server::{Reply, Server, right};

/// A length that the manifest of the model says.
const DIMS: usize = 384;

/// A database whose texts go to a server; the model's own files are not read.
async fn database(server: &Server) -> Database {
    let db = Database::in_memory().await.unwrap();
    run(&db, "SET portolan.text_model = 'all-MiniLM-L6-v2'").await;
    run(&db, "SET portolan.model_dir = '/no/models'").await;
    run(&db, "SET portolan.inference_mode = 'remote'").await;
    run(&db, &format!("SET portolan.remote_url = '{}'", server.url())).await;
    db
}

async fn run(db: &Database, sql: &str) {
    let result = db.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    result.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The first value of a query, as text.
async fn first(db: &Database, sql: &str) -> String {
    let rows = db.sql(sql).await.unwrap().collect().await.unwrap();
    array_value_to_string(rows[0].column(0), 0).unwrap()
}

/// The one sentence that a statement fails with.
async fn refusal(db: &Database, sql: &str) -> String {
    let failed = match db.sql(sql).await {
        Ok(result) => result.collect().await.map(|_| ()),
        Err(error) => Err(error),
    };
    failed.expect_err(sql).to_string()
}

/// A vector that tells how long its text is.
fn long(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; DIMS];
    vector[text.len()] = 3.0;
    vector
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_become_vectors() {
    let server = Server::start(|_, texts| right(texts, long));
    let db = database(&server).await;
    run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY, text TEXT, v VECTOR(384) GENERATED ALWAYS AS (embed_text(text)) STORED)").await;
    run(&db, "INSERT INTO t VALUES (1, 'a'), (2, 'bcd'), (3, NULL), (4, 'a')").await;
    let rows = db.sql("SELECT v FROM t ORDER BY id").await.unwrap().collect().await.unwrap();
    let vectors = rows[0].column(0).as_fixed_size_list();
    let ones: Vec<Option<usize>> = vectors
        .iter()
        .map(|vector| {
            let vector = vector?;
            let values = vector.as_primitive::<Float32Type>().values();
            assert_eq!(values.iter().sum::<f32>(), 1.0, "of length 1");
            values.iter().position(|value| *value == 1.0)
        })
        .collect();
    assert_eq!(ones, [Some(1), Some(3), None, Some(1)]);
    // Each text once, and the model by its name.
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0]["model"], "all-MiniLM-L6-v2");
    assert_eq!(server.texts(), ["a", "bcd"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stumbles_is_asked_again() {
    let server = Server::start(|number, texts| match number {
        0 => Reply { status: 500, body: json!({"error": "busy"}), delay: Duration::ZERO },
        _ => right(texts, long),
    });
    let db = database(&server).await;
    run(&db, "SELECT embed_text(t) FROM (VALUES ('a'), ('b')) AS v (t)").await;
    assert_eq!(server.texts(), ["a", "b", "a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_wrong_is_one_sentence() {
    let host = |server: &Server| server.url().replace("http://", "").replace("/v1/embeddings", "");
    let short = Server::start(|_, texts| right(texts, |_| vec![1.0; 3]));
    let db = database(&short).await;
    let said = refusal(&db, "SELECT embed_text('a')").await;
    let expected =
        format!("the server {} sent a vector of 3 numbers where 384 were due", host(&short));
    assert_eq!(said, expected);

    let refusing = Server::start(|_, _| Reply {
        status: 401,
        body: json!({"error": {"message": "who are you?"}}),
        delay: Duration::ZERO,
    });
    let db = database(&refusing).await;
    let said = refusal(&db, "SELECT embed_text('a')").await;
    let expected = format!(
        "the server {} wants a key (status 401); put it into an environment variable and name that variable",
        host(&refusing)
    );
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_too_slow_is_left() {
    let server =
        Server::start(|_, texts| Reply { delay: Duration::from_secs(20), ..right(texts, long) });
    let db = database(&server).await;
    run(&db, "SET portolan.remote_timeout = 1").await;
    let started = Instant::now();
    let said = refusal(&db, "SELECT embed_text('a')").await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let host = server.url().replace("http://", "").replace("/v1/embeddings", "");
    let expected = format!(
        "the server {host} did not answer within 1s; allow it more time, or send it less at once"
    );
    assert_eq!(said, expected);
    assert_eq!(server.requests().len(), 1);
    let zero = refusal(&db, "SET portolan.remote_timeout = 0").await;
    assert_eq!(zero, "portolan.remote_timeout is a whole number from 1, not '0'");
}

/// A text that the server cannot embed is a row that fails, and named by its key.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_fails_is_named() {
    let server = Server::start(|_, texts| {
        right(texts, |text| match text {
            "bad" => vec![f32::NAN; DIMS],
            _ => long(text),
        })
    });
    let db = database(&server).await;
    run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VECTOR(384))").await;
    let insert =
        "INSERT INTO t SELECT id, embed_text(t) FROM (VALUES (16, 'a'), (17, 'bad')) AS v (id, t)";
    let said = refusal(&db, insert).await;
    assert!(said.starts_with("embed_text('bad') in the row with id 17: "), "{said}");
    run(&db, "SET portolan.on_error = 'null'").await;
    run(&db, insert).await;
    let rows = db.sql("SELECT key FROM portolan.errors").await.unwrap().collect().await.unwrap();
    assert_eq!(rows[0].column(0).as_string::<i32>().value(0), "17");
}

/// A backfill asks for no row twice, not even for those that fail.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_fails_is_tried_once() {
    let server = Server::start(|_, texts| {
        right(texts, |text| match text.starts_with("bad") {
            true => vec![f32::NAN; DIMS],
            false => long(text),
        })
    });
    let db = database(&server).await;
    run(&db, "SET portolan.embed_cache = 'off'").await;
    run(&db, "SET portolan.on_error = 'null'").await;
    run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY, text TEXT)").await;
    run(&db, "INSERT INTO t VALUES (1, 'a'), (2, 'bad'), (3, NULL)").await;
    run(&db, "INSERT INTO t VALUES (4, 'bc'), (5, 'bad too')").await;
    run(&db, "ALTER TABLE t ADD COLUMN v VECTOR(384) AS (embed_text(text))").await;
    let mut asked = server.texts();
    asked.sort();
    assert_eq!(asked, ["a", "bad", "bad too", "bc"]);
    assert_eq!(
        first(&db, "SELECT string_agg(key, ' ' ORDER BY key) FROM portolan.errors").await,
        "2 5"
    );
}

/// A backfill that goes on where another one ended tries the rows that failed then, each once.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_failed_is_tried_again_by_the_next_run() {
    let better = Arc::new(AtomicBool::new(false));
    let knows = better.clone();
    let server = Server::start(move |_, texts| {
        let knows = knows.load(Ordering::Relaxed);
        if !knows && texts.iter().any(|text| text == "bc") {
            return Reply { status: 401, body: json!({}), delay: Duration::ZERO };
        }
        right(texts, |text| match (knows, text) {
            (_, "worse") | (false, "bad") => vec![f32::NAN; DIMS],
            _ => long(text),
        })
    });
    let db = database(&server).await;
    run(&db, "SET portolan.embed_cache = 'off'").await;
    run(&db, "SET portolan.on_error = 'null'").await;
    run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY, text TEXT)").await;
    run(&db, "INSERT INTO t VALUES (1, 'a'), (2, 'bad'), (3, NULL), (4, 'worse')").await;
    run(&db, "INSERT INTO t VALUES (5, 'bc')").await;
    let backfill = "ALTER TABLE t ADD COLUMN v VECTOR(384) AS (embed_text(text))";
    let said = refusal(&db, backfill).await;
    assert!(said.contains("status 401"), "{said}");
    better.store(true, Ordering::Relaxed);
    let before = server.requests().len();
    run(&db, backfill).await;
    let mut asked = server.texts_from(before);
    asked.sort();
    // Whether there is a vector is found out first, then it is made: twice without a cache.
    asked.dedup_by(|a, b| a == b && a == "bad");
    assert_eq!(asked, ["bad", "bc", "worse"]);
    let missing = "SELECT string_agg(id::TEXT, ' ' ORDER BY id) FROM t WHERE v IS NULL";
    assert_eq!(first(&db, missing).await, "3 4");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_unless_a_server_is_set() {
    if let Err(reason) = models::fetched() {
        return skip(&format!("local embedding beside a server: {reason}"));
    }
    let server = Server::start(|_, texts| right(texts, long));
    let db = database(&server).await;
    run(&db, "RESET portolan.model_dir").await;
    // Set, but not to be used.
    run(&db, "SET portolan.inference_mode = 'local'").await;
    let many = "SELECT embed_text('a text ' || value) FROM generate_series(1, 40)";
    run(&db, many).await;
    run(&db, "RESET portolan.remote_url").await;
    run(&db, "SET portolan.inference_mode = 'remote'").await;
    let said = refusal(&db, "SELECT embed_text('a')").await;
    assert!(said.contains("needs a server; SET portolan.remote_url"), "{said}");
    run(&db, "SET portolan.inference_mode = 'dynamic'").await;
    run(&db, &many.replace("a text", "a word")).await;
    assert_eq!(server.texts(), Vec::<String>::new());

    // The same statement is sent once there is where to.
    run(&db, &format!("SET portolan.remote_url = '{}'", server.url())).await;
    run(&db, &many.replace("a text", "a line")).await;
    assert_eq!(server.texts().len(), 40);
}
