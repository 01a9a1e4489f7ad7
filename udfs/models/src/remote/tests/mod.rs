//! The clients against a server of our own on this machine.

mod answers;
mod failures;
mod images;
mod requests;
mod server;

use std::time::Duration;

use serde_json::{Value, json};

use super::{RemoteEmbedder, RemoteOptions, TextRequest};
use crate::embedded::Embedded;
use crate::error::Result;
use crate::manifest::{Pooling, Prefixes, Task, TextRecipe};
use server::{Reply, Request, Server};

const KEY: &str = "nk-Very/Secret+Key==";

const NOMIC: &str = "/v1/embedding/text";
const OPENAI: &str = "/v1/embeddings";
const TEI: &str = "/embed";
const OLLAMA: &str = "/api/embed";
const ALL: [&str; 4] = [NOMIC, OPENAI, TEI, OLLAMA];

/// Options whose pauses and time-outs suit a test.
fn options(server: &Server, path: &str) -> RemoteOptions {
    RemoteOptions {
        key_env: Some("TEST_KEY".into()),
        timeout: Duration::from_secs(20),
        first_pause: Duration::from_millis(1),
        ..RemoteOptions::new(server.url(path), "some-model")
    }
}

fn embedder(options: RemoteOptions) -> RemoteEmbedder {
    RemoteEmbedder::new(options, |name| (name == "TEST_KEY").then(|| KEY.into())).unwrap()
}

/// Whole vectors of documents, by a server at a path.
async fn embed(server: &Server, path: &str, texts: &[&str]) -> Result<Embedded> {
    let request = TextRequest::new(Task::SearchDocument);
    embedder(options(server, path)).embed_texts(texts, &request).await
}

/// The message of the error that a call ends with.
async fn refusal(server: &Server, path: &str, texts: &[&str]) -> String {
    let said = embed(server, path, texts).await.unwrap_err().to_string();
    assert!(said.starts_with(&format!("the server {} ", server.address)), "{said}");
    said
}

/// A right answer in the dialect of the request's path, OpenAI's with the last vector first.
fn right(request: &Request, vector: impl Fn(&str) -> Value) -> Reply {
    let vectors: Vec<Value> = request.texts().iter().map(|text| vector(text)).collect();
    let tokens = 3 * vectors.len();
    Reply::json(match request.path() {
        NOMIC => json!({
            "embeddings": vectors,
            "model": request.json()["model"],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }),
        OPENAI => {
            let data: Vec<Value> = vectors
                .into_iter()
                .enumerate()
                .rev()
                .map(|(index, vector)| json!({"index": index, "embedding": vector}))
                .collect();
            json!({"object": "list", "data": data, "usage": {"total_tokens": tokens}})
        }
        TEI => json!(vectors),
        OLLAMA => json!({"embeddings": vectors, "prompt_eval_count": tokens}),
        path => panic!("{path}"),
    })
}

/// A vector that tells the number at the end of its text, whatever its length.
fn numbered(text: &str) -> Value {
    json!([number(text) + 1.0, 1.0, 0.0])
}

fn number(text: &str) -> f32 {
    text.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The number that a [`numbered`] vector tells.
fn told(embedded: &Embedded, row: usize) -> f32 {
    let vector = embedded.vector(row).unwrap();
    (vector[0] / vector[1] - 1.0).round()
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("text {number}")).collect()
}

fn borrowed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn recipe(layer_norm: bool) -> TextRecipe {
    TextRecipe {
        prefixes: Prefixes {
            search_query: "query: ".into(),
            search_document: "document: ".into(),
            ..Prefixes::default()
        },
        pooling: Pooling::Mean,
        layer_norm,
        max_tokens: 512,
    }
}
