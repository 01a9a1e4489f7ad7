//! A server on this machine that plays the hub, as well or as badly as a test wants.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sha1::Sha1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    /// The first byte that is asked for.
    pub(super) from: Option<usize>,
    pub(super) token: Option<String>,
    /// How many requests for the same path came before.
    pub(super) earlier: usize,
}

#[derive(Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether the length of the body is told.
    pub(super) sized: bool,
    /// After how many bytes of the body the connection is closed.
    pub(super) cut: Option<usize>,
    /// Whether the connection stays open, silent, where it would be closed.
    pub(super) stall: bool,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), sized: true, cut: None, stall: false }
    }

    pub(super) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// What the storage behind a hub answers: the content from where it is asked for, and no
    /// digest.
    pub(super) fn stored(request: &Request, content: &[u8]) -> Self {
        let size = content.len();
        let Some(from) = request.from else {
            return Self { body: content.to_vec(), ..Self::status(200) };
        };
        if from >= size {
            return Self::status(416).header("Content-Range", format!("bytes */{size}"));
        }
        let range = format!("bytes {from}-{}/{size}", size - 1);
        let body = content[from..].to_vec();
        Self { body, ..Self::status(206) }.header("Content-Range", range)
    }

    /// What a hub answers for a small file.
    pub(super) fn small(request: &Request, content: &[u8]) -> Self {
        Self::stored(request, content).header("ETag", format!("\"{}\"", git_blob(content)))
    }

    /// What a hub answers for a large file, without sending elsewhere.
    pub(super) fn large(request: &Request, content: &[u8]) -> Self {
        Self::stored(request, content).header("X-Linked-ETag", format!("\"{}\"", sha256(content)))
    }
}

fn git_blob(content: &[u8]) -> String {
    let mut blob = format!("blob {}\0", content.len()).into_bytes();
    blob.extend_from_slice(content);
    Sha1::digest(&blob).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) struct FakeHub {
    pub(super) endpoint: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl FakeHub {
    pub(super) async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), seen.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, log) = (answer.clone(), log.clone());
                tokio::spawn(async move {
                    // A client that goes away is none of a server's business.
                    let _ = serve(stream, &*answer, &log).await;
                });
            }
        });
        Self { endpoint, seen }
    }

    /// A hub as it should be, with the tiny model.
    pub(super) async fn sound() -> Self {
        Self::start(sound_answer).await
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.seen.lock().clone()
    }

    pub(super) fn requests_for(&self, file: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.path.ends_with(file)).collect()
    }
}

pub(super) fn sound_answer(request: &Request) -> Reply {
    let resolve = format!("/org/tiny/resolve/{COMMIT}/");
    match request.path.strip_prefix(&resolve) {
        Some("1_Pooling/config.json") => Reply::small(request, CONFIG),
        Some("model.safetensors") => Reply::large(request, &weights()),
        _ => Reply::status(404),
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &(impl Fn(&Request) -> Reply + ?Sized),
    log: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let header = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case(wanted).then(|| value.to_string())
        })
    };
    let path = head.split(' ').nth(1).unwrap().to_string();
    let from = header("range")
        .map(|range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap());
    let request = {
        let mut log = log.lock();
        let earlier = log.iter().filter(|request| request.path == path).count();
        let request = Request { path, from, token: header("authorization"), earlier };
        log.push(request.clone());
        request
    };
    let reply = answer(&request);
    let mut sent = format!("HTTP/1.1 {} It\r\nConnection: close\r\n", reply.status);
    if reply.sized {
        sent += &format!("Content-Length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        sent += &format!("{name}: {value}\r\n");
    }
    sent += "\r\n";
    stream.write_all(sent.as_bytes()).await?;
    let end = reply.cut.unwrap_or(reply.body.len());
    stream.write_all(&reply.body[..end]).await?;
    stream.flush().await?;
    if reply.stall {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    stream.shutdown().await
}
