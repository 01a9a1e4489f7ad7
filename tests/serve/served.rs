//! A running `portolan serve`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use portolan::Database;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;

use crate::cli;

/// The server, stopped when this is dropped.
pub struct Served {
    child: Child,
    url: String,
    /// The database's folder, where it is the test's own.
    folder: Option<TempDir>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = cli::command()
            .args(["serve", "--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("it said {line:?}"));
        let url = url.trim_end_matches(';').trim_end_matches('/').to_string();
        Self { url, child, folder: None }
    }

    /// Serves a database that these statements make.
    pub async fn database(statements: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("db").display().to_string();
        let db = Database::open(&location).await.unwrap();
        db.sql(statements).await.unwrap().collect().await.unwrap();
        let mut served = Self::start(&[&[location.as_str()], arguments].concat());
        served.folder = Some(folder);
        served
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database's folder.
    pub fn location(&self) -> String {
        self.folder.as_ref().unwrap().path().join("db").display().to_string()
    }

    /// A folder beside the database.
    pub fn beside(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        Client::new().get(format!("{}{path}", self.url))
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        Client::new().post(format!("{}{path}", self.url))
    }

    /// What a path gives as JSON.
    pub async fn json(&self, path: &str) -> Value {
        let (status, answer) = told(self.get(path).send().await.unwrap()).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// What a statement gives.
    pub async fn sql(&self, statement: &str) -> (u16, Value) {
        told(self.post("/sql").body(statement.to_string()).send().await.unwrap()).await
    }
}

/// A status and an answer in JSON.
pub async fn told(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let answer = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}"));
    (status, answer)
}

/// The sentence of a refusal.
pub fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}"))
}
