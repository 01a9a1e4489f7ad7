//! Requests that make no sense, by the thousand: each is refused, and the server goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::{Client, Method};

use super::served::Served;

const REQUESTS: usize = 4000;
const RAW: usize = 200;

const DATABASE: &str = "
    CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, v VECTOR(3));
    INSERT INTO t SELECT i, 'row ' || i, CAST([sin(i), cos(i), i % 7] AS VECTOR(3)) FROM generate_series(1, 40) AS s(i);
    CREATE MAP m ON t (v) WITH (text = 'name', n_epochs = 5);";

/// The same numbers every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn word(&mut self) -> String {
        const BITS: [&str; 36] = [
            "m",
            "id",
            "x",
            "'",
            "\"",
            "%00",
            "%FF",
            "..",
            "%2F",
            "\\",
            "(",
            ")",
            "*",
            "-1",
            "9999999999999999999999",
            "1e999",
            "NaN",
            ",",
            "=",
            "&",
            "é",
            "%F0%9F%A6%89",
            " OR 1=1",
            ";",
            "--",
            "/*",
            "null",
            "[",
            "{",
            "$1",
            "name",
            "topic_id",
            "v",
            "_rowid",
            "+",
            "%",
        ];
        let parts = 1 + self.below(4);
        (0..parts).map(|_| self.of(&BITS)).collect()
    }

    fn path(&mut self) -> String {
        let map = if self.below(3) > 0 { "m".to_string() } else { self.word() };
        let end =
            self.of(&["", "/points", "/topics", "/search", "/row/1", "/row/", "/rows", "/nothing"]);
        let mut path = match self.below(6) {
            0 => format!("/{}", self.word()),
            1 => self.of(&["/sql", "/", "/page.js", "/maps", "//maps", "/maps/"]).to_string(),
            2 => format!("/maps/{map}/row/{}", self.word()),
            _ => format!("/maps/{map}{end}"),
        };
        let names = ["columns", "from", "rows", "cut", "q", "by", "version", "nothing"];
        for at in 0..self.below(4) {
            let value = if self.below(2) == 0 {
                self.word()
            } else {
                self.of(&["id,x", "meaning", "words", "regex", "like", "0", "5"]).to_string()
            };
            path += &format!("{}{}={value}", if at == 0 { "?" } else { "&" }, self.of(&names));
        }
        path.replace(' ', "%20").replace('"', "%22")
    }

    fn statement(&mut self) -> String {
        const BITS: [&str; 42] = [
            "SELECT",
            "FROM",
            "WHERE",
            "m",
            "t",
            "m.points",
            "*",
            "id",
            "name",
            "v",
            "1",
            "0",
            "/",
            "'a'",
            "'",
            "\"",
            "(",
            ")",
            ",",
            "cosine(v, v)",
            "cosine(v, [1])",
            "ORDER BY",
            "LIMIT",
            "-1",
            "GROUP BY",
            "count(*)",
            "JOIN",
            "ON",
            "AND",
            "NULL",
            "CAST(",
            "AS INT",
            "AS VECTOR(3))",
            "[1, 2]",
            "embed_text(1)",
            "umap_xy(v) OVER ()",
            "VALUES",
            "INSERT INTO t",
            "DROP TABLE t",
            ";",
            "SHOW",
            "EXPLAIN",
        ];
        let parts = 1 + self.below(12);
        let parts: Vec<&str> = (0..parts).map(|_| self.of(&BITS)).collect();
        parts.join(" ")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_asked_breaks_the_server() {
    let served = Served::database(DATABASE, &[]).await;
    let client = Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut refused = 0;
    for turn in 0..REQUESTS {
        let statement = turn % 3 == 0;
        let path = if statement { "/sql".to_string() } else { chance.path() };
        let method =
            chance.of(&["GET", "GET", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]);
        let method = if statement { Method::POST } else { method.parse().unwrap() };
        let Ok(url) = reqwest::Url::parse(&format!("{}{path}", served.url())) else { continue };
        let mut request = client.request(method.clone(), url);
        let body = if statement { chance.statement() } else { chance.word() };
        if method == Method::POST || chance.below(4) == 0 {
            request = request.body(body.clone());
        }
        if chance.below(5) == 0 {
            let kind =
                chance.of(&["application/json", "text/plain", "image/png", ";", "application/sql"]);
            request = request.header("content-type", kind);
        }
        if chance.below(5) == 0 {
            request = request.header(
                "accept",
                chance
                    .of(&["application/vnd.apache.arrow.stream", "*/*", "\u{1}"])
                    .trim_matches('\u{1}'),
            );
        }
        let answer = request.send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"));
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_default();
        assert!(status < 500, "{method} {path} {body}: {status}: {text}");
        refused += usize::from(status >= 400);
    }
    assert!(refused > REQUESTS / 2, "only {refused} of {REQUESTS} were refused");

    // What is no HTTP at all.
    let address = served.url().trim_start_matches("http://").to_string();
    for _ in 0..RAW {
        let mut bytes: Vec<u8> = match chance.below(3) {
            0 => b"GET / HTTP/1.1\r\nHost: localhost\r\n".to_vec(),
            1 => {
                b"POST /sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n".to_vec()
            }
            _ => Vec::new(),
        };
        bytes.extend((0..chance.below(80)).map(|_| u8::try_from(chance.below(256)).unwrap()));
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let _ = stream.write_all(&bytes);
        let mut said = [0; 64];
        let length = stream.read(&mut said).unwrap_or(0);
        let said = String::from_utf8_lossy(&said[..length]).into_owned();
        assert!(!said.starts_with("HTTP/1.1 5"), "{bytes:?}: {said}");
    }
    assert_eq!(served.sql("SELECT count(*) AS n FROM m").await.1[0]["n"], 40);
}
