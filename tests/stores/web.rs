//! A web server of a few lines: files with ranges, or one fixed answer to everything.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use portolan::Database;

use super::{error, rows};

/// What the server says to a request.
pub struct Answer {
    pub status: &'static str,
    pub headers: String,
    pub body: Vec<u8>,
}

/// A request: the first line and the headers, in lower case.
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
}

pub struct WebServer {
    pub url: String,
    port: u16,
    stopped: Arc<AtomicBool>,
}

impl WebServer {
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = stopped.clone();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if flag.load(Ordering::Relaxed) {
                    return;
                }
                let answer = answer.clone();
                std::thread::spawn(move || serve(stream, answer.as_ref()));
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), port, stopped }
    }

    /// Files by their paths, with ranges.
    pub fn files(files: Vec<(&'static str, Vec<u8>)>) -> Self {
        let files: HashMap<_, _> = files.into_iter().collect();
        Self::start(move |request| match files.get(request.path.as_str()) {
            None => Answer { status: "404 Not Found", headers: String::new(), body: vec![] },
            Some(bytes) => {
                match request.headers.get("range").and_then(|range| parse_range(range)) {
                    None => {
                        Answer { status: "200 OK", headers: String::new(), body: bytes.clone() }
                    }
                    Some((start, end)) => {
                        let end = end.min(bytes.len());
                        let headers =
                            format!("Content-Range: bytes {start}-{}/{}\r\n", end - 1, bytes.len());
                        Answer {
                            status: "206 Partial Content",
                            headers,
                            body: bytes[start..end].to_vec(),
                        }
                    }
                }
            }
        })
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener up.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn parse_range(range: &str) -> Option<(usize, usize)> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = if end.is_empty() { usize::MAX } else { end.parse::<usize>().ok()? + 1 };
    Some((start.parse().ok()?, end))
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split_whitespace();
        let method = words.next().unwrap_or_default().to_string();
        let path = words.next().unwrap_or_default().to_string();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
            }
        }
        let request = Request { method, path, headers };
        let answer = answer(&request);
        let mut response = format!(
            "HTTP/1.1 {}\r\nContent-Length: {}\r\nETag: \"e\"\r\nAccept-Ranges: bytes\r\n\
             Last-Modified: Wed, 01 May 2024 10:00:00 GMT\r\n{}\r\n",
            answer.status,
            answer.body.len(),
            answer.headers
        )
        .into_bytes();
        if request.method != "HEAD" {
            response.extend(&answer.body);
        }
        if stream.write_all(&response).is_err() {
            return;
        }
    }
}

async fn parquet(sql: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let db = Database::in_memory().await.unwrap();
    rows(&db, &format!("COPY ({sql}) TO '{}'", path.display())).await;
    std::fs::read(path).unwrap()
}

#[tokio::test]
async fn files_of_a_web_server() {
    let parquet =
        parquet("SELECT * FROM (VALUES (1, 'Genoa'), (2, 'Lisbon')) AS t(id, port)").await;
    let server = WebServer::files(vec![
        ("/data/ports.parquet", parquet),
        ("/data/ports.csv", b"id,port\n3,Venice\n".to_vec()),
    ]);
    let db = Database::in_memory().await.unwrap();
    let url = &server.url;
    assert_eq!(
        rows(&db, &format!("SELECT id, port FROM '{url}/data/ports.parquet' ORDER BY id")).await,
        ["1|Genoa", "2|Lisbon"]
    );
    assert_eq!(
        rows(
            &db,
            &format!("SELECT count(*) FROM read_csv('{url}/data/ports.csv', header => false)")
        )
        .await,
        ["2"]
    );
    let missing = error(&db, &format!("SELECT * FROM '{url}/data/none.csv'")).await;
    assert!(missing.contains(&format!("there is no file '{url}/data/none.csv'")), "{missing}");
    let glob = error(&db, &format!("SELECT * FROM '{url}/data/*.csv'")).await;
    assert!(glob.contains("a web server does not list its files"), "{glob}");
    let signed = error(&db, &format!("SELECT * FROM '{url}/data/ports.csv?sig=hunter2'")).await;
    assert!(signed.contains("without '?'") && !signed.contains("hunter2"), "{signed}");
}

#[tokio::test]
async fn the_types_of_long_json_are_found_in_its_beginning() {
    let lines =
        (0..60_000).map(|n| format!("{{\"n\": {n}, \"text\": \"a line of some length\"}}\n"));
    let whole: String = lines.collect();
    let length = whole.len();
    let server = WebServer::files(vec![("/x.jsonl", whole.into_bytes())]);
    assert!(length > 2 << 20);
    let db = Database::in_memory().await.unwrap();
    let sql = format!("SELECT count(*), max(n) FROM '{}/x.jsonl'", server.url);
    assert_eq!(rows(&db, &sql).await, ["60000|59999"]);
}

/// A server of two texts and a picture that notes what it is asked for.
fn noting() -> (WebServer, Arc<Mutex<Vec<String>>>) {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let log = notes.clone();
    let mut gif = b"GIF89a\x20\0\x10\0".to_vec();
    gif.resize(1 << 20, 0);
    let server = WebServer::start(move |request| {
        let range = request.headers.get("range");
        log.lock().unwrap().push(format!(
            "{} {} {}",
            request.method,
            request.path,
            range.map_or("", String::as_str)
        ));
        let body = if request.path.ends_with(".gif") { gif.clone() } else { b"text".to_vec() };
        match range.and_then(|range| parse_range(range)) {
            None => Answer { status: "200 OK", headers: String::new(), body },
            Some((start, end)) => {
                let headers =
                    format!("Content-Range: bytes {start}-{}/{}\r\n", end - 1, body.len());
                Answer { status: "206 Partial Content", headers, body: body[start..end].to_vec() }
            }
        }
    });
    (server, notes)
}

#[tokio::test]
async fn no_more_is_read_than_is_asked_for() {
    let (server, notes) = noting();
    let db = Database::in_memory().await.unwrap();
    let url = &server.url;
    let asked = |sql: String| {
        let (db, notes) = (db.clone(), notes.clone());
        async move {
            notes.lock().unwrap().clear();
            let rows = rows(&db, &sql).await;
            (rows, std::mem::take(&mut *notes.lock().unwrap()))
        }
    };
    let (rows, asked_for) = asked(format!("SELECT path, size FROM read_text('{url}/a.md')")).await;
    assert_eq!(rows, [format!("{url}/a.md|4")]);
    assert_eq!(asked_for, ["HEAD /a.md "]);

    let two = format!("['{url}/a.md', '{url}/b.md']");
    let (rows, asked_for) = asked(format!("SELECT content FROM read_text({two}) LIMIT 1")).await;
    assert_eq!(rows, ["text"]);
    assert_eq!(asked_for, ["HEAD /a.md ", "HEAD /b.md ", "GET /a.md "]);

    let (rows, asked_for) =
        asked(format!("SELECT width, height FROM read_images('{url}/a.gif')")).await;
    assert_eq!(rows, ["32|16"]);
    assert_eq!(asked_for, ["HEAD /a.gif ", "GET /a.gif bytes=0-262143"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let db = Database::in_memory().await.unwrap();
    let said = error(&db, "SELECT * FROM 'http://127.0.0.1:1/x.csv'").await;
    assert!(said.contains("cannot read 'http://127.0.0.1:1/x.csv'"), "{said}");
}

#[tokio::test]
async fn a_bearer_token_goes_where_its_scope_is() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let server = WebServer::start(move |request| {
        log.lock().unwrap().push(request.headers.get("authorization").cloned());
        match request.headers.get("authorization").map(String::as_str) {
            Some("Bearer open-sesame") => {
                Answer { status: "200 OK", headers: String::new(), body: b"a\n1\n".to_vec() }
            }
            other => {
                let body = format!("who is {}?", other.unwrap_or("that")).into_bytes();
                Answer { status: "401 Unauthorized", headers: String::new(), body }
            }
        }
    });
    let db = Database::in_memory().await.unwrap();
    let file = format!("{}/x.csv", server.url);
    let refused = error(&db, &format!("SELECT * FROM '{file}'")).await;
    assert!(refused.contains(&file), "{refused}");
    let secret = |token: &str| {
        format!(
            "CREATE OR REPLACE SECRET door (TYPE http, BEARER_TOKEN '{token}', SCOPE '{}')",
            server.url
        )
    };
    rows(&db, &secret("hunter2-hunter2")).await;
    let refused = error(&db, &format!("SELECT * FROM '{file}'")).await;
    assert!(!refused.contains("hunter2"), "{refused}");
    rows(&db, &secret("open-sesame")).await;
    assert_eq!(rows(&db, &format!("SELECT a FROM '{file}'")).await, ["1"]);
    assert!(seen.lock().unwrap().iter().any(Option::is_none));
}

#[tokio::test]
async fn a_server_that_stumbles_is_asked_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = WebServer::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Answer { status: "503 Service Unavailable", headers: String::new(), body: vec![] },
        _ => Answer { status: "200 OK", headers: String::new(), body: b"a\n1\n".to_vec() },
    });
    let db = Database::in_memory().await.unwrap();
    assert_eq!(rows(&db, &format!("SELECT a FROM '{}/x.csv'", server.url)).await, ["1"]);
    assert!(asked.load(Ordering::Relaxed) > 2);
}
