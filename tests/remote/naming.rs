//! Topics named by a model on a server.

use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use portolan::Database;
use serde_json::{Value, json};

use super::server::{Reply, Server};

/// Rows of three sorts, each of two: enough of them for two depths.
const ROWS: &str = "CREATE TABLE t AS SELECT i AS id,
    CAST(make_array(cos(a), sin(a), cos(7.0 * a), 0.01 * cos(i * 1.7), 0.01 * sin(i * 2.3)) AS VECTOR(5)) AS v,
    CASE i % 3 WHEN 0 THEN 'a bird that ' WHEN 1 THEN 'a ship which ' ELSE 'the number ' END
        || CASE i % 2 WHEN 0 THEN 'rests at night' ELSE 'moves by day' END AS text
    FROM (SELECT value AS i, (value % 3) * 2.1 + (value % 2) * 0.2 AS a FROM range(0, 1500))";

const TOPICS: &str = "SELECT DISTINCT topic['topic_1'], topic['topic_2'] FROM
    (SELECT topics(v, text, n_topics => 3) OVER () AS topic FROM t) ORDER BY 1, 2";

async fn run(db: &Database, sql: &str) {
    let result = db.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    result.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn database(server: Option<&Server>) -> Database {
    let db = Database::in_memory().await.unwrap();
    run(&db, ROWS).await;
    if let Some(server) = server {
        run(&db, &format!("SET portolan.naming_url = '{}'", server.root())).await;
        run(&db, "SET portolan.naming_model = 'namer'").await;
    }
    db
}

/// The names of the topics of both depths.
async fn names(db: &Database) -> Vec<(String, String)> {
    let batches = db.sql(TOPICS).await.unwrap().collect().await.unwrap();
    batches
        .iter()
        .flat_map(|batch| {
            let names = |column| batch.column(column).as_string::<i32>().iter();
            let text = |name: Option<&str>| name.unwrap_or("-").to_string();
            names(0).map(text).zip(names(1).map(text)).collect::<Vec<_>>()
        })
        .collect()
}

fn asked(request: &Value) -> String {
    request["messages"][1]["content"].as_str().unwrap().to_string()
}

/// How many topics a request is about.
fn due(request: &Value) -> usize {
    asked(request).lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count()
}

fn said(content: &str) -> Reply {
    let body = json!({"choices": [{"message": {"role": "assistant", "content": content}}]});
    Reply { status: 200, body, delay: Duration::ZERO }
}

/// Names that tell which request they come from.
fn named(number: usize, request: &Value) -> Reply {
    let names: Vec<String> = (1..=due(request)).map(|at| format!("Name {number}.{at}")).collect();
    said(&format!("Here you are:\n{}", json!(names)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_names_topics_and_those_below_them() {
    let server = Server::answering(named);
    let db = database(Some(&server)).await;
    let names = names(&db).await;
    assert!(names.len() > 3, "{names:?}");
    assert!(names.iter().all(|(first, _)| first.starts_with("Name 0.")), "{names:?}");
    assert!(names.iter().all(|(_, below)| below.starts_with("Name ")), "{names:?}");
    let requests = server.requests();
    assert_eq!(due(&requests[0]), 3);
    assert_eq!(requests[0]["model"], "namer");
    assert!(asked(&requests[0]).contains("bird"), "{}", asked(&requests[0]));
    // Topics below are asked for by the topic above, which has its name by then.
    assert!(requests.len() > 1);
    for request in &requests[1..] {
        assert!(asked(request).contains("the topic “Name 0."), "{}", asked(request));
    }
    assert!(db.take_notices().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_where_nobody_asked_for_it() {
    let words = names(&database(None).await).await;
    assert!(words.iter().any(|(first, _)| first.contains("bird")), "{words:?}");
}

/// Words name topics where the server has no good answer, and a notice says why.
async fn fallback(answer: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static, why: &str) {
    let words = names(&database(None).await).await;
    let server = Server::answering(answer);
    let db = database(Some(&server)).await;
    run(&db, "SET portolan.naming_timeout = 1").await;
    let started = Instant::now();
    assert_eq!(names(&db).await, words, "{why}");
    let notices = db.take_notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("are named by their words: the server 127.0.0.1:"), "{notices:?}");
    assert!(notices[0].contains(why), "{notices:?}");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_slow_is_asked_once() {
    let slow = |_, request: &Value| Reply { delay: Duration::from_secs(3), ..named(0, request) };
    fallback(slow, "did not answer within 1s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_says_why() {
    let refuse = |_, _: &Value| Reply {
        status: 404,
        body: json!({"error": {"message": "no model namer"}}),
        delay: Duration::ZERO,
    };
    fallback(refuse, "no model namer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_list_of_names_is_no_name() {
    fallback(|_, _| said("I would call them birds."), "something else than a list").await;
    fallback(|_, _| said("[\"Birds\"]"), "gave 1 names").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_with_one_temperature_is_not_told_another() {
    let server = Server::answering(|number, request| match request.get("temperature") {
        Some(_) => Reply {
            status: 400,
            body: json!({"error": {"message": "Unsupported value: 'temperature'"}}),
            delay: Duration::ZERO,
        },
        None => named(number, request),
    });
    let db = database(Some(&server)).await;
    let names = names(&db).await;
    assert!(names.iter().all(|(first, _)| first.starts_with("Name ")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_work_are_told_before_anything_is_done() {
    let db = database(None).await;
    let refusal = async |db: &Database| match db.sql(TOPICS).await {
        Ok(result) => result.collect().await.expect_err(TOPICS).to_string(),
        Err(error) => error.to_string(),
    };
    run(&db, "SET portolan.naming_url = 'http://127.0.0.1:9'").await;
    let said = refusal(&db).await;
    assert!(said.contains("portolan.naming_model is not"), "{said}");
    run(&db, "SET portolan.naming_model = 'namer'").await;
    run(&db, "SET portolan.naming_key_env = 'NO_SUCH_KEY_HERE'").await;
    let said = refusal(&db).await;
    assert!(said.contains("NO_SUCH_KEY_HERE"), "{said}");
    run(&db, "RESET portolan.naming_key_env").await;
    run(&db, "SET portolan.naming_url = 'somewhere'").await;
    let said = refusal(&db).await;
    assert!(said.contains("https://"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_map_keeps_the_names_it_was_given() {
    let server = Server::answering(named);
    let folder = tempfile::tempdir().unwrap();
    let stored = Database::open(folder.path().to_str().unwrap()).await.unwrap();
    run(&stored, ROWS).await;
    run(&stored, &format!("SET portolan.naming_url = '{}'", server.root())).await;
    run(&stored, "SET portolan.naming_model = 'namer'").await;
    run(&stored, "CREATE MAP m ON t (v) WITH (text = 'text')").await;
    let sql = "SELECT DISTINCT topic_short FROM m.topics";
    let batches = stored.sql(sql).await.unwrap().collect().await.unwrap();
    for batch in &batches {
        let names = batch.column(0).as_string::<i32>();
        assert!(names.iter().all(|name| name.unwrap().starts_with("Name ")), "{names:?}");
    }
    assert!(!server.requests().is_empty());
}
