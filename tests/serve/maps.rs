//! Maps over HTTP.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Float32Type;
use datafusion::arrow::ipc::reader::StreamReader;
use portolan::Database;
use serde_json::{Value, json};

use super::served::{Served, message, told};
use crate::cli;

const ARROW: &str = "application/vnd.apache.arrow.stream";

/// Sixty rows, two of which have no vector; the map's table has a column that is called as one of a point.
const KEYED: &str = "
    CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, x TEXT, v VECTOR(3));
    INSERT INTO t SELECT i, 'row ' || i || CASE WHEN i % 10 = 0 THEN ' of TENS (a.b)' ELSE '' END, 'x' || i,
        CAST([sin(i), cos(i), i % 7] AS VECTOR(3)) FROM generate_series(1, 60) AS s(i);
    INSERT INTO t VALUES (61, NULL, NULL, NULL);
    CREATE MAP m ON t (v) WITH (text = 'name', n_epochs = 20);";

/// The same without a key, in an order that is not the map's.
const KEYLESS: &str = "
    CREATE TABLE t AS SELECT 'k' || (61 - i) AS id, 'row ' || i AS name,
        CAST([sin(i), cos(i), i % 7] AS VECTOR(3)) AS v FROM generate_series(1, 60) AS s(i);
    CREATE MAP \"My Map\" ON t (v) WITH (n_epochs = 20);";

fn texts<'a>(rows: &'a Value, column: &str) -> Vec<&'a str> {
    rows.as_array().unwrap().iter().map(|row| row[column].as_str().unwrap_or("")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn points_come_in_one_order_whole_or_in_parts() {
    let served = Served::database(KEYED, &[]).await;
    let listed = served.json("/maps").await;
    assert_eq!(listed["maps"][0]["name"], "m");
    assert_eq!(listed["maps"][0]["rows"], 60);
    let info = served.json("/maps/m").await;
    assert_eq!(info["rows"], 60);
    assert_eq!(info["select_by"], "id");
    assert_eq!(info["texts"], json!(["name"]));
    assert_eq!(info["embedding"], Value::Null);
    let whole = served.json("/maps/m/points?columns=id,x,y,topic_id").await;
    assert_eq!(whole.as_array().unwrap().len(), 60);
    let mut parts = Vec::new();
    for from in [0, 25, 50] {
        let path = format!("/maps/m/points?columns=id,x,y,topic_id&from={from}&rows=25");
        parts.extend(served.json(&path).await.as_array().unwrap().clone());
    }
    assert_eq!(Value::Array(parts), whole);
    // What the rows say comes in the same order, under the names that they have beside the points'.
    let said = served.json("/maps/m/points?columns=t_id,name,t_x,id").await;
    for (row, point) in said.as_array().unwrap().iter().zip(whole.as_array().unwrap()) {
        assert_eq!(row["id"], point["id"]);
        assert_eq!(row["t_id"], point["id"]);
        assert_eq!(row["t_x"], format!("x{}", point["id"]));
        assert!(row["name"].as_str().unwrap().starts_with(&format!("row {}", point["id"])));
    }
    let part = served.json("/maps/m/points?columns=name&from=10&rows=5&cut=3").await;
    assert_eq!(texts(&part, "name"), ["row"; 5]);
    let bounds = &info["bounds"];
    for point in whole.as_array().unwrap() {
        assert!(point["x"].as_f64() >= bounds["min_x"].as_f64());
        assert!(point["y"].as_f64() <= bounds["max_y"].as_f64());
    }
    let topics = served.json("/maps/m/topics").await;
    let depths: Vec<_> = topics.as_array().unwrap().iter().map(|t| t["depth"].as_i64()).collect();
    assert!(depths.is_sorted(), "{depths:?}");
}

/// The bytes of a BMP of one colour.
fn bmp_bytes(width: u32, height: u32, [r, g, b]: [u8; 3]) -> Vec<u8> {
    let line = (width as usize * 3).next_multiple_of(4);
    let mut bytes = b"BM".to_vec();
    let size = u32::try_from(54 + line * height as usize).unwrap();
    for part in [size, 0, 54, 40, width, height, 1 | 24 << 16, 0, 0, 0, 0, 0, 0] {
        bytes.extend(part.to_le_bytes());
    }
    for _ in 0..height {
        let mut row = [b, g, r].repeat(width as usize);
        row.resize(line, 0);
        bytes.extend(row);
    }
    bytes
}

/// The same as SQL writes them.
pub fn bmp(width: u32, height: u32, colour: [u8; 3]) -> String {
    let bytes = bmp_bytes(width, height, colour);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("X'{hex}'")
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_made_small() {
    let statements = format!(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, x INT, image BYTEA, other BYTEA, v VECTOR(3));
        INSERT INTO t SELECT i, 0, {}, X'00', CAST([sin(i), cos(i), i % 7] AS VECTOR(3))
            FROM generate_series(1, 30) AS s(i);
        UPDATE t SET image = NULL WHERE id = 2;
        UPDATE t SET image = X'{}' WHERE id = 3;
        CREATE MAP m ON t (v) WITH (n_epochs = 20);
        CREATE TABLE keyless AS SELECT 'k' || id AS id, image, v FROM t WHERE id > 3;
        CREATE MAP k ON keyless (v) WITH (n_epochs = 20);",
        bmp(120, 60, [220, 30, 40]),
        // A PNG that says it has 100000 times 100000 pixels.
        "89504e470d0a1a0a0000000d49484452000186a0000186a0080200000027309c9f0000000849444154789c030000000001480689d20000000049454e44ae426082",
    );
    let served = Served::database(&statements, &[]).await;
    let info = served.json("/maps/m").await;
    assert_eq!((&info["images"], &info["statements"]), (&json!(["image"]), &json!("read")));
    let named = |name: &str| {
        let columns = info["columns"].as_array().unwrap();
        let column = columns.iter().find(|column| column["name"] == name).unwrap();
        (column["own_name"].clone(), column["selected"].clone())
    };
    assert_eq!(named("id"), (json!("id"), Value::Null));
    assert_eq!(named("t_id"), (json!("id"), json!("id")));
    assert_eq!(named("t_x"), (json!("x"), json!("t_x")));
    assert_eq!(named("row_id"), (json!("row_id"), Value::Null));
    let version = info["version"].as_str().unwrap();
    let picture = async |path: &str| {
        let answer = served.get(path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        let kept = answer.headers()["cache-control"].to_str().unwrap().to_string();
        assert_eq!(answer.headers()["content-type"], "image/jpeg");
        let bytes = answer.bytes().await.unwrap();
        // The frame header of a JPEG has its height and width.
        let frame = bytes.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
        let number = |at: usize| usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1]);
        (number(frame + 7), number(frame + 5), kept)
    };
    let small = picture("/maps/m/thumbnail/1?column=image&size=40").await;
    assert_eq!(small, (40, 20, "no-store".to_string()));
    let whole = picture(&format!("/maps/m/thumbnail/1?column=image&version={version}")).await;
    assert_eq!(whole, (120, 60, "private, max-age=3600".to_string()));
    // Without a key, ids are numbers of rows.
    let id = served.json("/maps/k/points?columns=id&rows=1").await[0]["id"].to_string();
    assert_eq!(picture(&format!("/maps/k/thumbnail/{id}")).await.0, 120);
    for (path, status, part) in [
        ("/maps/m/thumbnail/2?column=image", 404, "has no picture"),
        ("/maps/m/thumbnail/99?column=image", 404, "has no picture"),
        ("/maps/m/thumbnail/x?column=image", 404, "has no picture"),
        ("/maps/m/thumbnail/3?column=image", 422, "pixels"),
        ("/maps/m/thumbnail/1?column=other", 422, "no picture that can be read"),
        ("/maps/m/thumbnail/1?column=v", 400, "no column of bytes"),
        ("/maps/m/thumbnail/1", 400, "column="),
        ("/maps/m/thumbnail/1?column=image&size=5000", 400, "16 to 1024"),
        ("/maps/m/thumbnail/1?column=image&size=x", 400, "size"),
        ("/maps/m/thumbnail/1?column=image&version=0", 409, "changed"),
        ("/maps/n/thumbnail/1", 404, "'n'"),
    ] {
        let (got, answer) = told(served.get(path).send().await.unwrap()).await;
        assert_eq!(got, status, "{path}: {answer}");
        assert!(message(&answer).contains(part), "{path}: {answer}");
    }
}

/// Pictures in files that rows name: only those of folders that the server was told of.
#[tokio::test(flavor = "multi_thread")]
async fn pictures_in_files_are_shown_where_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for name in ["in", "out"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    let picture = bmp_bytes(120, 60, [20, 120, 220]);
    for name in ["in/1.bmp", "in/2.bmp", "out/4.bmp"] {
        std::fs::write(at(name), &picture).unwrap();
    }
    std::fs::write(at("in/5.bmp"), "no picture").unwrap();
    let statements = format!(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, path TEXT, v VECTOR(3));
        INSERT INTO t SELECT i, 'A row. ' || i, CASE i WHEN 4 THEN '{}' WHEN 6 THEN NULL ELSE '{}/' || i || '.bmp' END,
            CAST([sin(i), cos(i), i % 7] AS VECTOR(3)) FROM generate_series(1, 30) AS s(i);
        CREATE MAP m ON t (v) WITH (n_epochs = 20);",
        at("out/4.bmp"),
        at("in"),
    );
    let served = Served::database(&statements, &["--pictures", &at("in")]).await;
    let answer = async |path: &str| told(served.get(path).send().await.unwrap()).await;
    let small = served.get("/maps/m/thumbnail/1?column=path&size=40").send().await.unwrap();
    assert_eq!(small.headers()["content-type"], "image/jpeg");
    for (path, status, part) in [
        ("/maps/m/thumbnail/3?column=path", 404, "there is no file"),
        ("/maps/m/thumbnail/4?column=path", 403, "start the server with --pictures"),
        ("/maps/m/thumbnail/5?column=path", 422, "no picture that can be read"),
        ("/maps/m/thumbnail/6?column=path", 404, "has no picture"),
        ("/maps/m/thumbnail/7?column=name", 403, "is in no folder"),
        ("/maps/m/thumbnail/7?column=id", 400, "or of files' names"),
    ] {
        let (got, answer) = answer(path).await;
        assert_eq!(got, status, "{path}: {answer}");
        assert!(message(&answer).contains(part), "{path}: {answer}");
    }
    // Without a folder none is opened.
    let closed = Served::start(&[&served.location()]);
    assert_eq!(closed.json("/maps/m").await["images"], json!([]));
    let refused = closed.get("/maps/m/thumbnail/1?column=path").send().await.unwrap();
    assert_eq!(refused.status(), 400);
    // Statements open no file either way.
    let read = served.post("/sql").body(format!("SELECT * FROM read_text('{}')", at("in/1.bmp")));
    assert_eq!(read.send().await.unwrap().status(), 400);

    // Rows that all name files that are there: the page shows them without being asked for a column.
    for i in 1..=30 {
        std::fs::write(at(&format!("in/{i}.bmp")), &picture).unwrap();
    }
    assert_eq!(served.json("/maps/m").await["images"], json!(["path"]));
    assert_eq!(served.get("/maps/m/thumbnail/8").send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn points_come_as_arrow() {
    let served = Served::database(KEYED, &[]).await;
    let answer = served.get("/maps/m/points?columns=x,name").header("accept", ARROW);
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], ARROW);
    let bytes = answer.bytes().await.unwrap();
    let reader = StreamReader::try_new(bytes.as_ref(), None).unwrap();
    let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 60);
    assert!(batches[0].column(0).as_primitive_opt::<Float32Type>().is_some());
    assert!(batches[0].column(1).as_string_opt::<i32>().is_some());
    // An answer without rows has columns all the same.
    let none = served.get("/maps/m/points?columns=x&from=60").header("accept", ARROW);
    let bytes = none.send().await.unwrap().bytes().await.unwrap();
    let reader = StreamReader::try_new(bytes.as_ref(), None).unwrap();
    assert_eq!(reader.schema().field(0).name(), "x");
    assert_eq!(reader.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_for_is_found_where_the_points_are() {
    for (statements, map) in [(KEYED, "m"), (KEYLESS, "My%20Map")] {
        let served = Served::database(statements, &[]).await;
        let names = served.json(&format!("/maps/{map}/points?columns=name")).await;
        let names = texts(&names, "name");
        let found = async |by: &str, q: &str| -> Vec<String> {
            let q: String = url::form_urlencoded::byte_serialize(q.as_bytes()).collect();
            let scores = served.json(&format!("/maps/{map}/search?by={by}&q={q}")).await;
            let scores = scores.as_array().unwrap();
            assert_eq!(scores.len(), names.len());
            let hits = names.iter().zip(scores).filter(|(_, score)| !score["score"].is_null());
            let mut hits: Vec<String> = hits.map(|(name, _)| name.to_string()).collect();
            hits.sort();
            hits
        };
        let of = |test: &dyn Fn(&str) -> bool| -> Vec<String> {
            let mut rows: Vec<String> =
                names.iter().filter(|name| test(name)).map(|name| name.to_string()).collect();
            rows.sort();
            rows
        };
        let number = |name: &str| name.split(' ').nth(1).map(str::to_string).unwrap();
        assert_eq!(found("words", "ROW 1").await, of(&|name| number(name).starts_with('1')));
        assert_eq!(found("exact", "row 1").await, of(&|name| name.starts_with("row 1")));
        assert_eq!(found("exact", "ROW").await, of(&|_| false));
        assert_eq!(found("regex", "w [12]$").await, of(&|n| n == "row 1" || n == "row 2"));
        if map == "m" {
            assert_eq!(found("words", "tens").await.len(), 6);
            assert_eq!(found("exact", "(a.b)").await.len(), 6);
            assert_eq!(found("exact", "(axb)").await.len(), 0);
        }
        // A row is most like itself.
        let ids = served.json(&format!("/maps/{map}/points?columns=id")).await;
        let id = &ids[17]["id"];
        let like = served.json(&format!("/maps/{map}/search?by=like&q={id}")).await;
        let scores: Vec<f64> =
            like.as_array().unwrap().iter().map(|row| row["score"].as_f64().unwrap()).collect();
        assert!((scores[17] - 1.0).abs() < 1e-6, "{}", scores[17]);
        assert!(scores.iter().all(|score| *score <= scores[17] + 1e-6));
    }
}

/// Scores are SQL's, whatever became of the rows since the map was made.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_compared_wherever_they_lie_by_now() {
    for (made, map) in [(KEYED, "m"), (KEYLESS, "My%20Map")] {
        let served = Served::database(made, &["--read-write"]).await;
        for change in [
            "SELECT 1",
            "DELETE FROM t WHERE name IN ('row 3', 'row 4')",
            "UPDATE t SET v = [0, 0, 0] WHERE name = 'row 6'",
            "UPDATE t SET v = CASE WHEN name = 'row 7' THEN NULL ELSE v + v * 0.5 + [1, 0, 0]::VECTOR(3) END WHERE name IN ('row 5', 'row 7', 'row 8')",
            "INSERT INTO t (id, name, v) VALUES ('99', 'row 99', [1, 2, 3])",
            "OPTIMIZE TABLE t",
        ] {
            let (status, answer) = served.sql(change).await;
            assert_eq!(status, 200, "{change}: {answer}");
            let names = served.json(&format!("/maps/{map}/points?columns=id,name")).await;
            let names = names.as_array().unwrap();
            for asked in ["row 11", "row 5"] {
                let id = &names.iter().find(|row| row["name"] == asked).unwrap()["id"];
                let like = served.json(&format!("/maps/{map}/search?by=like&q={id}")).await;
                let query = format!(
                    "SELECT name, cosine(v, (SELECT v FROM t WHERE name = '{asked}')) AS score FROM t"
                );
                let (status, answer) = served.sql(&query).await;
                assert_eq!(status, 200, "{answer}");
                let expected = answer.as_array().unwrap();
                let mut there = 0;
                for (point, score) in names.iter().zip(like.as_array().unwrap()) {
                    let row = expected.iter().find(|row| row["name"] == point["name"]);
                    let expected = row.and_then(|row| row["score"].as_f64());
                    there += usize::from(expected.is_some());
                    match (expected, score["score"].as_f64()) {
                        (Some(expected), Some(score)) => assert!((expected - score).abs() < 1e-6),
                        (expected, score) => assert_eq!(expected, score, "{change}: {point}"),
                    }
                }
                assert!(there >= 56, "{there}");
            }
        }
    }
}

/// Vectors of doubles, as other programs write them.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_doubles_are_compared_too() {
    let made = "CREATE TABLE t AS SELECT i AS id, 'row ' || i AS name,
            arrow_cast([sin(i), cos(i), i % 7], 'FixedSizeList(3, Float64)') AS v FROM generate_series(1, 60) AS s(i);
        CREATE MAP m ON t (v) WITH (n_epochs = 20);";
    let served = Served::database(made, &[]).await;
    let points = served.json("/maps/m/points?columns=id,t_id").await;
    let points = points.as_array().unwrap();
    let asked = &points[17];
    let like = served.json(&format!("/maps/m/search?by=like&q={}", asked["id"])).await;
    let cosine = format!(
        "SELECT id, cosine(v, (SELECT v FROM t WHERE id = {})) AS c FROM t ORDER BY id",
        asked["t_id"]
    );
    let (status, expected) = served.sql(&cosine).await;
    assert_eq!(status, 200, "{expected}");
    for (point, score) in points.iter().zip(like.as_array().unwrap()) {
        let row = point["t_id"].as_u64().unwrap() as usize - 1;
        let expected = expected[row]["c"].as_f64().unwrap();
        assert!((score["score"].as_f64().unwrap() - expected).abs() < 1e-6, "{point} {score}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_is_told_in_full() {
    let served = Served::database(KEYED, &[]).await;
    let row = served.json("/maps/m/row/20").await;
    assert_eq!(row["id"], "20");
    assert_eq!(row["row"]["name"], "row 20 of TENS (a.b)");
    assert_eq!(row["row"]["x"], "x20");
    assert!(row["row"].get("v").is_none() && row["point"]["x"].is_f64());
    let rows = served.post("/maps/m/rows").json(&json!({"ids": [3, "1", 99, "x"]}));
    let (status, rows) = told(rows.send().await.unwrap()).await;
    assert_eq!(status, 200, "{rows}");
    let ids: Vec<_> = rows["rows"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, ["3", "1"]);

    let served = Served::database(KEYLESS, &[]).await;
    let info = served.json("/maps/My%20Map").await;
    assert_eq!(info["select_by"], Value::Null);
    let said = served.json("/maps/My%20Map/points?columns=id,t_id,name&rows=5").await;
    for said in said.as_array().unwrap() {
        let row = served.json(&format!("/maps/My%20Map/row/{}", said["id"])).await;
        assert_eq!(row["row"]["name"], said["name"]);
        assert_eq!(row["row"]["id"], said["t_id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_makes_no_sense_is_refused() {
    let served = Served::database(KEYED, &[]).await;
    for (path, status, part) in [
        ("/maps/n", 404, "did you mean 'm'"),
        ("/maps/n/points", 404, "map 'n' does not exist"),
        ("/maps/m/row/99", 404, "row '99' is not on map 'm'"),
        ("/maps/m/row/x'%20OR%20'1'='1", 404, "is not on map"),
        ("/maps/m/nothing", 404, "there is nothing here"),
        ("/nothing", 404, "there is nothing here"),
        ("/maps/m/points?columns=nope", 400, "has no column 'nope', only id, x, y"),
        ("/maps/m/points?columns=", 400, "has no column ''"),
        ("/maps/m/points?from=-1", 400, "from"),
        ("/maps/m/points?rows=many", 400, "rows"),
        ("/maps/m/search", 400, "q"),
        ("/maps/m/search?q=", 400, "nothing to look for"),
        ("/maps/m/search?q=a&by=magic", 400, "not 'magic'"),
        ("/maps/m/search?q=a%28&by=regex", 400, "unclosed group"),
        ("/maps/m/search?q=a&by=meaning", 400, "search by words"),
        ("/maps/m/search?q=99&by=like", 400, "row '99'"),
        ("/maps/m/points?version=other", 409, "has changed since it was looked at"),
        ("/maps/%FF", 400, "UTF-8"),
        ("/maps/..%2F..%2Fetc%2Fpasswd", 404, "does not exist"),
        ("/..%2F..%2Fetc%2Fpasswd", 404, "there is nothing here"),
        ("/%2e%2e/Cargo.toml", 404, "there is nothing here"),
        ("/maps/m/row/..%2F..%2F..%2Fetc%2Fpasswd", 404, "is not on map"),
    ] {
        let (got, answer) = told(served.get(path).send().await.unwrap()).await;
        assert_eq!(got, status, "{path}: {answer}");
        assert!(message(&answer).contains(part), "{path}: {answer}");
    }
    let many: Vec<u32> = (0..501).collect();
    for (body, part) in [(json!({"ids": many}), "501 ids"), (json!({"ids": 1}), "not JSON as")] {
        let (got, answer) =
            told(served.post("/maps/m/rows").json(&body).send().await.unwrap()).await;
        assert_eq!(got, 400);
        assert!(message(&answer).contains(part), "{answer}");
    }
    let (got, answer) = told(served.post("/maps").send().await.unwrap()).await;
    assert_eq!(got, 405);
    assert!(message(&answer).contains("not by this method"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_changed_is_not_mixed_with_what_was_read_before() {
    let served = Served::database(KEYED, &[]).await;
    let version = served.json("/maps/m").await["version"].as_str().unwrap().to_string();
    let path = format!("/maps/m/points?columns=name&version={version}");
    served.json(&path).await;
    let db = Database::open(&served.location()).await.unwrap();
    db.sql("DELETE FROM t WHERE id = 5; REFRESH MAP m").await.unwrap().collect().await.unwrap();
    let (status, answer) = told(served.get(&path).send().await.unwrap()).await;
    assert_eq!(status, 409, "{answer}");
    let names = served.json("/maps/m/points?columns=name").await;
    assert!(!texts(&names, "name").contains(&"row 5"), "{names}");
    assert_eq!(names.as_array().unwrap().len(), 59);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_may_see_maps() {
    let open = Served::database(KEYED, &[]).await;
    for (name, value, status) in [
        ("host", "example.org", 403),
        ("host", "localhost:1", 200),
        ("origin", "https://example.org", 403),
        ("origin", "null", 403),
        ("origin", "http://127.0.0.1:5173", 200),
    ] {
        for path in ["/", "/maps", "/maps/m", "/maps/m/points", "/maps/m/search?q=1&by=words"] {
            let answer = open.get(path).header(name, value).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{path}: {name}: {value}");
        }
        // Another page of this machine may look, and send no statement.
        let status = if name == "origin" { 403 } else { status };
        let sql = open.post("/sql").header(name, value).body("SELECT 1").send().await.unwrap();
        assert_eq!(sql.status().as_u16(), status, "{name}: {value}");
    }
    let closed = Served::database(KEYED, &["--token", "sesame"]).await;
    for (token, status) in
        [(None, 401), (Some("seshat"), 401), (Some(""), 401), (Some("sesame"), 200)]
    {
        for path in ["/maps", "/maps/m", "/maps/m/points", "/maps/m/topics", "/maps/m/row/1"] {
            let mut request = closed.get(path);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            assert_eq!(
                request.send().await.unwrap().status().as_u16(),
                status,
                "{path}: {token:?}"
            );
        }
        let mut request = closed.post("/sql").body("SELECT 1");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{token:?}");
    }
    // The page holds no data, and asks for the token itself.
    assert_eq!(closed.get("/").send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_in_the_binary_and_browsers_are_told_to_be_careful() {
    let served = Served::database(KEYED, &[]).await;
    let page = served.get("/").send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let tag = page.headers()["etag"].to_str().unwrap().to_string();
    let html = page.text().await.unwrap();
    let script = served.get("/page.js").send().await.unwrap().text().await.unwrap();
    for file in ["/page.js", "/app.js", "/page.css", "/icon.svg"] {
        // What is not seen first is asked for by what is.
        let asking = if file == "/app.js" { &script } else { &html };
        assert!(asking.contains(&format!(".{file}")), "{file}");
        assert_eq!(served.get(file).send().await.unwrap().status().as_u16(), 200);
    }
    let licences = served.get("/licences.txt").send().await.unwrap().text().await.unwrap();
    for name in ["apache-arrow", "regl-scatterplot", "kdbush", "gl-matrix"] {
        assert!(licences.contains(name), "{name}");
    }
    let again = served.get("/").header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status().as_u16(), 304);
    for path in ["/", "/maps", "/maps/none", "/nothing"] {
        let answer = served.get(path).send().await.unwrap();
        let headers = answer.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("http"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        assert!(headers.get("access-control-allow-origin").is_none());
    }
    assert_eq!(served.get("/maps").send().await.unwrap().headers()["cache-control"], "no-store");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_serves_maps_to_those_it_tells() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("db").display().to_string();
    let db = Database::open(&location).await.unwrap();
    db.sql(KEYLESS).await.unwrap().collect().await.unwrap();
    let mut child =
        cli::command().arg(&location).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let script = "\\map \"My Map\"\n\\! sleep 60\n";
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().starts_with("http")).unwrap().unwrap();
    let url = reqwest::Url::parse(&line).unwrap();
    assert_eq!(url.query(), Some("map=My+Map"));
    let token = url.fragment().unwrap().strip_prefix("token=").unwrap();
    let client = reqwest::Client::new();
    let maps = url.join("/maps/My%20Map").unwrap();
    let answer = client.get(maps.clone()).bearer_auth(token).send().await.unwrap();
    assert_eq!(told(answer).await.1["rows"], 60);
    assert_eq!(client.get(maps).send().await.unwrap().status().as_u16(), 401);
    let sql = client.post(url.join("/sql").unwrap()).bearer_auth(token).body("SELECT 1");
    assert_eq!(sql.send().await.unwrap().status().as_u16(), 404);
    child.kill().unwrap();
    child.wait().unwrap();

    let run = cli::run_with_input(&[&location], "\\map nope\n");
    assert!(run.code == Some(1) && run.err.contains("nope"), "{}", run.err);
}
