//! Files on S3: in place, written, with secrets and with the environment's credentials.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use portolan::Database;

use super::servers::{self, Server};
use super::web::{Answer, WebServer};
use super::{error, rows};

fn make_bucket(server: &Server, bucket: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let request = format!(
        "PUT /{bucket} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        server.port
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

pub fn secret(server: &Server, name: &str, scope: &str) -> String {
    format!(
        "CREATE SECRET {name} (TYPE s3, KEY_ID 'test-key', SECRET 'test-secret', REGION 'us-east-1',
         ENDPOINT '127.0.0.1:{}', USE_SSL false, URL_STYLE 'path', SCOPE '{scope}')",
        server.port
    )
}

/// A database that may use a bucket of this name.
pub async fn with_bucket(server: &Server, bucket: &str) -> Database {
    make_bucket(server, bucket);
    let db = Database::in_memory().await.unwrap();
    rows(&db, &secret(server, "moto", &format!("s3://{bucket}"))).await;
    db
}

#[tokio::test]
async fn parquet_in_place_with_patterns_and_partitions() {
    let Some(server) = servers::moto() else { return };
    let db = with_bucket(&server, "ports").await;
    for (day, id, port) in
        [("2024-05-01", 1, "Genoa"), ("2024-05-02", 2, "Lisbon"), ("2023-01-01", 3, "Venice")]
    {
        let copy = format!(
            "COPY (SELECT {id} AS id, '{port}' AS port) TO 's3://ports/log/day={day}/x.parquet' STORED AS PARQUET"
        );
        assert_eq!(rows(&db, &copy).await, ["1"]);
    }
    assert_eq!(
        rows(&db, "SELECT id, port, day FROM 's3://ports/log/day=*/x.parquet' ORDER BY id").await,
        ["1|Genoa|2024-05-01", "2|Lisbon|2024-05-02", "3|Venice|2023-01-01"]
    );
    assert_eq!(
        rows(
            &db,
            "SELECT id FROM 's3://ports/log/day=2024-*/*.parquet' WHERE day > DATE '2024-05-01'"
        )
        .await,
        ["2"]
    );
    assert_eq!(rows(&db, "SELECT count(*) FROM 's3://ports/**/*.parquet'").await, ["3"]);
    assert_eq!(rows(&db, "SELECT count(*) FROM 's3://ports/log/'").await, ["3"]);
    let none = error(&db, "SELECT * FROM 's3://ports/log/day=2022*/x.parquet'").await;
    assert!(none.contains("no file matches 's3://ports/log/day=2022*/x.parquet'"), "{none}");
    let none = error(&db, "SELECT * FROM 's3://ports/none.parquet'").await;
    assert!(none.contains("there is no file 's3://ports/none.parquet'"), "{none}");
}

#[tokio::test]
async fn external_tables_see_new_files() {
    let Some(server) = servers::moto() else { return };
    let db = with_bucket(&server, "external").await;
    rows(&db, "COPY (SELECT 1 AS a) TO 's3://external/t/1.csv'").await;
    rows(&db, "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://external/t/' OPTIONS ('format.has_header' 'true')").await;
    assert_eq!(rows(&db, "SELECT count(*) FROM t").await, ["1"]);
    rows(&db, "COPY (SELECT 2 AS a) TO 's3://external/t/2.csv'").await;
    assert_eq!(rows(&db, "SELECT sum(a) FROM t").await, ["3"]);
}

#[tokio::test]
async fn a_part_of_a_bucket_may_have_its_own_secret() {
    let Some(server) = servers::moto() else { return };
    let db = with_bucket(&server, "shared").await;
    rows(&db, "COPY (SELECT 1 AS a) TO 's3://shared/open/x.csv'").await;
    // Nobody listens behind this one.
    rows(
        &db,
        "CREATE SECRET narrow (TYPE s3, KEY_ID 'a', SECRET 'b', ENDPOINT 'http://127.0.0.1:1',
         SCOPE 's3://shared/closed')",
    )
    .await;
    assert_eq!(rows(&db, "SELECT a FROM 's3://shared/open/x.csv'").await, ["1"]);
    assert_eq!(
        rows(&db, "SHOW SECRETS").await,
        ["moto|s3|s3://shared", "narrow|s3|s3://shared/closed"]
    );
    rows(&db, "DROP SECRET narrow").await;
    let gone = error(&db, "SELECT a FROM 's3://shared/closed/x.csv'").await;
    assert!(gone.contains("there is no file"), "the wider secret is used now: {gone}");
}

#[tokio::test]
async fn a_refused_key_is_not_repeated() {
    let server = WebServer::start(|request| {
        let key = request.headers.get("authorization").cloned().unwrap_or_default();
        let body = format!(
            "<Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>{key}</AWSAccessKeyId></Error>"
        );
        Answer { status: "403 Forbidden", headers: String::new(), body: body.into_bytes() }
    });
    let db = Database::in_memory().await.unwrap();
    rows(
        &db,
        &format!(
            "CREATE SECRET wrong (TYPE s3, KEY_ID 'AKIAWRONGKEY', SECRET 'hunter2-hunter2', ENDPOINT '{}')",
            server.url
        ),
    )
    .await;
    for sql in [
        "SELECT * FROM 's3://bucket/x.csv'",
        "SELECT * FROM 's3://bucket/*.csv'",
        "COPY (SELECT 1) TO 's3://bucket/y.csv'",
        "SELECT * FROM 's3://bucket/x.lance'",
    ] {
        let refused = error(&db, sql).await;
        assert!(
            !refused.contains("AKIAWRONGKEY") && !refused.contains("hunter2"),
            "{sql}: {refused}"
        );
    }
    let refused = error(&db, "SELECT * FROM 's3://bucket/x.csv'").await;
    assert!(refused.contains("s3://bucket/x.csv"), "{refused}");
}

#[tokio::test]
async fn credentials_of_the_environment() {
    let Some(server) = servers::moto() else { return };
    let db = with_bucket(&server, "environment").await;
    rows(&db, "COPY (SELECT 7 AS a) TO 's3://environment/x.csv'").await;
    // Variables belong to a whole process, so this runs in one of its own.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stores::s3::in_a_process_with_variables", "--ignored", "--nocapture"])
        .env("AWS_ACCESS_KEY_ID", "test-key")
        .env("AWS_SECRET_ACCESS_KEY", "test-secret")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", server.port))
        .env_remove("AWS_PROFILE")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
#[ignore = "run by credentials_of_the_environment"]
async fn in_a_process_with_variables() {
    let db = Database::in_memory().await.unwrap();
    assert_eq!(rows(&db, "SELECT a FROM 's3://environment/x.csv'").await, ["7"]);
    // A secret goes before the environment.
    rows(
        &db,
        "CREATE SECRET elsewhere (TYPE s3, KEY_ID 'a', SECRET 'b', ENDPOINT 'http://127.0.0.1:1')",
    )
    .await;
    let elsewhere = error(&db, "SELECT a FROM 's3://environment/x.csv'").await;
    assert!(elsewhere.contains("127.0.0.1:1"), "{elsewhere}");
}
