//! A server that embeds or writes, of one's own: HTTP/1.1 on a free port of loopback, OpenAI's API, each
//! answer made by a closure.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// What the server does with a request.
pub struct Reply {
    pub status: u16,
    pub body: Value,
    /// How long it thinks before it answers.
    pub delay: Duration,
}

/// A server that runs until the tests end.
pub struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Value>>>,
}

type Answer = dyn Fn(usize, &Value) -> Reply + Send + Sync;

impl Server {
    /// `answer` is given the number of the request, from 0, and its texts.
    pub fn start(answer: impl Fn(usize, &[String]) -> Reply + Send + Sync + 'static) -> Self {
        Self::answering(move |number, request| answer(number, &texts(request)))
    }

    /// `answer` is given the number of the request, from 0, and its body.
    pub fn answering(answer: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (seen, answer): (_, Arc<Answer>) = (requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (seen.clone(), answer.clone());
                // A client that is gone is no concern of the server's.
                std::thread::spawn(move || serve(stream, &seen, answer.as_ref()));
            }
        });
        Self { port, requests }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1/embeddings", self.port)
    }

    /// Its address before the part that belongs to an API.
    pub fn root(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The bodies of all requests so far.
    pub fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }

    /// The texts of all requests so far.
    pub fn texts(&self) -> Vec<String> {
        self.texts_from(0)
    }

    /// The texts of all requests so far but the first ones.
    pub fn texts_from(&self, first: usize) -> Vec<String> {
        self.requests().iter().skip(first).flat_map(texts).collect()
    }
}

/// A right answer: a vector for each text.
pub fn right(texts: &[String], vector: impl Fn(&str) -> Vec<f32>) -> Reply {
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"index": index, "embedding": vector(text)}))
        .collect();
    let body = json!({"object": "list", "data": data, "usage": {"total_tokens": texts.len()}});
    Reply { status: 200, body, delay: Duration::ZERO }
}

fn texts(request: &Value) -> Vec<String> {
    let texts = request["input"].as_array().unwrap().iter();
    texts.map(|text| text.as_str().unwrap().to_string()).collect()
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Value>>, answer: &Answer) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let request: Value = serde_json::from_slice(&body).unwrap();
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let reply = answer(number, &request);
        std::thread::sleep(reply.delay);
        let body = reply.body.to_string();
        let status = reply.status;
        write!(
            writer,
            "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
    }
}
