//! A server of one's own: HTTP/1.1 on a free port of this machine, each answer made by a closure.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone)]
pub struct Request {
    pub line: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The texts of a request, under whichever name.
    pub fn texts(&self) -> Vec<String> {
        let json = self.json();
        let texts = ["texts", "input", "inputs"].into_iter().find_map(|name| json.get(name));
        texts.unwrap().as_array().unwrap().iter().map(|t| t.as_str().unwrap().into()).collect()
    }
}

/// What the server does with a request.
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    delay: Duration,
    /// Bytes of the body after which the connection is closed.
    cut: Option<usize>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), delay: Duration::ZERO, cut: None }
    }

    pub fn json(value: Value) -> Self {
        Self::new(200, value.to_string())
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }
}

/// A server that runs until the test's runtime ends.
pub struct Server {
    pub address: SocketAddr,
    state: Arc<State>,
}

type Answer = dyn Fn(usize, &Request) -> Reply + Send + Sync;

struct State {
    answer: Box<Answer>,
    requests: Mutex<Vec<Request>>,
    now: AtomicUsize,
    most: AtomicUsize,
    hung_up: AtomicUsize,
}

impl Server {
    /// `answer` is given the number of the request, from 0, and the request.
    pub async fn start(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            answer: Box::new(answer),
            requests: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            hung_up: AtomicUsize::new(0),
        });
        let served = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, served.clone()));
            }
        });
        Self { address, state }
    }

    /// As [`Self::start`], on a thread of its own, for callers that block the test's.
    pub fn start_apart(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                sender.send(Self::start(answer).await).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receiver.recv().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().clone()
    }

    /// The most requests that were under way at once.
    pub fn most_at_once(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    /// Connections that the client closed while it was owed an answer.
    pub fn hung_up(&self) -> usize {
        self.state.hung_up.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut buffer = Vec::new();
    while let Some(request) = receive(&mut stream, &mut buffer).await {
        let number = {
            let mut requests = state.requests.lock();
            requests.push(request.clone());
            requests.len() - 1
        };
        state.most.fetch_max(state.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let reply = (state.answer)(number, &request);
        let mut byte = [0];
        let left = tokio::select! {
            () = tokio::time::sleep(reply.delay) => false,
            _ = stream.read(&mut byte) => true,
        };
        state.now.fetch_sub(1, Ordering::SeqCst);
        if left {
            state.hung_up.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let mut answer = format!("HTTP/1.1 {} Said\r\n", reply.status);
        for (name, value) in reply.headers {
            answer += &format!("{name}: {value}\r\n");
        }
        answer += &format!("content-length: {}\r\n\r\n", reply.body.len());
        let mut answer = answer.into_bytes();
        answer.extend_from_slice(&reply.body[..reply.cut.unwrap_or(reply.body.len())]);
        // The client may have heard enough.
        let _ = stream.write_all(&answer).await;
        if reply.cut.is_some() {
            return;
        }
    }
}

async fn receive(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
        }
        more(stream, buffer).await?;
    };
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").unwrap().parse().unwrap();
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    Some(Request { line, headers, body: buffer.drain(..length).collect() })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk).await {
        Ok(0) | Err(_) => None,
        Ok(count) => {
            buffer.extend_from_slice(&chunk[..count]);
            Some(())
        }
    }
}
