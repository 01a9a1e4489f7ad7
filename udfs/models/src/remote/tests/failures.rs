//! Servers that are busy, broken, slow or closed to us, and keys that stay secret.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::error::Error;

/// Passes only if a failure is followed by a right answer after `failures` of them.
async fn passes(reply: impl Fn() -> Reply + Send + Sync + 'static, failures: usize) -> Server {
    let server = Server::start(
        move |number, request| {
            if number < failures { reply() } else { right(request, numbered) }
        },
    )
    .await;
    let embedded = embed(&server, NOMIC, &["text 4"]).await.unwrap();
    assert_eq!(told(&embedded, 0), 4.0);
    assert_eq!(server.requests().len(), failures + 1);
    server
}

#[tokio::test]
async fn a_failure_that_passes_is_waited_for() {
    passes(|| Reply::new(429, "slow down"), 1).await;
    passes(|| Reply::new(500, ""), 5).await;
    passes(|| Reply::new(503, "<html>"), 2).await;
    passes(|| Reply::json(json!({"embeddings": [[1.0, 2.0]]})).cut(10), 2).await;
    passes(|| Reply::new(500, "").cut(0), 1).await;
}

#[tokio::test]
async fn a_server_may_say_how_long_to_wait() {
    // Without its word the first pause is at least two seconds; chance adds half a second at most.
    let server = Server::start(|number, request| match number {
        0 => Reply::new(429, "").header("Retry-After", "0"),
        _ => right(request, numbered),
    })
    .await;
    let first_pause = Duration::from_secs(2);
    let request = TextRequest::new(Task::SearchQuery);
    let start = Instant::now();
    let patient = RemoteOptions { first_pause, ..options(&server, NOMIC) };
    embedder(patient).embed_texts(&["text 1"], &request).await.unwrap();
    assert!(start.elapsed() < first_pause, "{:?}", start.elapsed());

    // Its word has a limit: the longest pause.
    let server = Server::start(|number, request| match number {
        0 => Reply::new(429, "").header("Retry-After", "86400"),
        _ => right(request, numbered),
    })
    .await;
    let longest_pause = Duration::from_millis(60);
    let start = Instant::now();
    let hurried = RemoteOptions { longest_pause, ..options(&server, NOMIC) };
    embedder(hurried).embed_texts(&["text 1"], &request).await.unwrap();
    assert!(start.elapsed() >= longest_pause, "{:?}", start.elapsed());
}

#[tokio::test]
async fn patience_ends_after_five_more_attempts() {
    let server =
        Server::start(|_, _| Reply::new(500, r#"{"error": {"message": "out\n of  memory"}}"#))
            .await;
    let said = refusal(&server, NOMIC, &["a"]).await;
    assert!(said.contains("answered 500 (out of memory), at the last of 6 attempts"), "{said}");
    assert_eq!(server.requests().len(), 6);

    let server = Server::start(|_, request| right(request, |_| json!([1.0])).cut(5)).await;
    let said = refusal(&server, NOMIC, &["a"]).await;
    assert!(said.contains("broke off the connection"), "{said}");
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let server = Server::start(|_, _| Reply::new(200, "")).await;
    let mut options = options(&server, TEI);
    // A port that was free a moment ago.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    options.url = format!("http://{free}/embed?token=secret");
    let request = TextRequest::new(Task::SearchQuery);
    let said = embedder(options).embed_texts(&["a"], &request).await.unwrap_err().to_string();
    assert!(said.starts_with(&format!("the server {free} could not be reached (")), "{said}");
    assert!(said.contains("refused") && said.contains("6 attempts"), "{said}");
    assert!(!said.contains("secret") && !said.contains("/embed"), "{said}");
}

#[tokio::test]
async fn a_slow_server_is_left() {
    let server =
        Server::start(|_, request| right(request, numbered).after(Duration::from_secs(600))).await;
    let timeout = Duration::from_millis(50);
    let request = TextRequest::new(Task::SearchQuery);
    let embedder = embedder(RemoteOptions { timeout, ..options(&server, NOMIC) });
    let said = embedder.embed_texts(&["text 1"], &request).await.unwrap_err().to_string();
    assert!(said.contains("did not answer within 50ms"), "{said}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn nothing_follows_a_redirect() {
    let other = Server::start(|_, _| panic!("nothing is to be sent here")).await;
    let there = other.url(NOMIC);
    let server = Server::start(move |_, _| Reply::new(307, "").header("Location", &there)).await;
    let said = refusal(&server, NOMIC, &["a"]).await;
    assert!(said.contains("answered 307, which leads elsewhere"), "{said}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn statuses_have_messages_of_their_own() {
    for (path, status, body, says) in [
        (NOMIC, 404, r#"{"detail": "no such route"}"#, "answered 404 (no such route); check the"),
        (OLLAMA, 404, r#"{"error": "model 'x' not found"}"#, "404 (model 'x' not found)"),
        (NOMIC, 403, r#"{"message": "not from here"}"#, "answered 403 (not from here)"),
        (TEI, 424, r#"{"error": "Inference failed", "error_type": "backend"}"#, "424 (Inference"),
        (OPENAI, 402, "", "answered 402"),
        (
            OPENAI,
            429,
            r#"{"error": {"message": "You exceeded your current quota", "code": "x"}}"#,
            "answered 429 (You exceeded your current quota)",
        ),
    ] {
        let server = Server::start(move |_, _| Reply::new(status, body)).await;
        let said = refusal(&server, path, &["a"]).await;
        assert!(said.contains(says), "{said}");
        assert_eq!(server.requests().len(), 1, "{says} does not pass");
    }
}

#[tokio::test]
async fn a_long_message_is_shortened() {
    let server = Server::start(|_, _| Reply::new(404, "long ".repeat(100_000))).await;
    let said = refusal(&server, NOMIC, &["a"]).await;
    assert!(said.contains("long long") && said.contains('…') && said.len() < 700, "{said}");
}

#[tokio::test]
async fn the_key_is_never_shown() {
    let mut shown = Vec::new();
    for (status, body) in [
        (401, format!("Incorrect key: {KEY}")),
        (403, format!(r#"{{"error": {{"message": "no right for {KEY}"}}}}"#)),
        (400, format!(r#"{{"detail": "header 'Bearer {KEY}' in the body?"}}"#)),
        (404, format!("{} {KEY}", "x".repeat(290))),
        (500, KEY.to_owned()),
        (200, format!("<html>{KEY}</html>")),
        (200, format!("{{\"embeddings\": \"{KEY}\"}}")),
        (200, format!("{{\"embeddings\": [[1]], \"model\": \"{KEY}\"}}")),
    ] {
        let server = Server::start(move |_, _| Reply::new(status, body.clone())).await;
        let error = embed(&server, NOMIC, &["a"]).await.unwrap_err();
        assert_eq!(server.requests()[0].headers["authorization"], format!("Bearer {KEY}"));
        shown.extend([format!("{status}: {error}"), format!("{error:?}")]);
    }
    // A refusal of one row alone.
    let server = Server::start(|_, request| match &*request.texts()[0] {
        "test" => right(request, |_| json!([1.0])),
        _ => Reply::new(400, format!(r#"{{"error": "{KEY} sent this"}}"#)),
    })
    .await;
    let embedded = embed(&server, NOMIC, &["a"]).await.unwrap();
    assert_eq!(embedded.failures.len(), 1);
    shown.push(format!("{embedded:?}"));

    let options = options(&server, NOMIC);
    shown.extend([format!("{options:?}"), format!("{options:#?}")]);
    let embedder = embedder(options);
    shown.extend([format!("{embedder:?}"), format!("{embedder:#?}")]);

    let told = &shown[0];
    assert!(told.contains("does not accept the key in TEST_KEY (status 401)"), "{told}");
    for shown in shown {
        assert!(!shown.contains(KEY) && !shown.contains("Secret"), "{shown}");
    }
}

#[tokio::test]
async fn without_a_key_a_401_says_what_to_do() {
    let server = Server::start(|_, _| Reply::new(401, "who are you?")).await;
    let options = RemoteOptions { key_env: None, ..options(&server, NOMIC) };
    let request = TextRequest::new(Task::SearchQuery);
    let said = embedder(options).embed_texts(&["a"], &request).await.unwrap_err().to_string();
    assert!(said.contains("wants a key (status 401)"), "{said}");
}

#[test]
fn a_key_comes_from_a_variable_alone() {
    let new = |variable: &str, value: Option<&str>| {
        let mut options = RemoteOptions::new("http://api-atlas.nomic.ai/?k=hidden", "m");
        options.key_env = Some(variable.into());
        let shown = format!("{options:?}");
        assert!(shown.contains("api-atlas.nomic.ai") && !shown.contains("hidden"), "{shown}");
        assert!(!shown.contains("sk-proj"), "{shown}");
        RemoteEmbedder::new(options, |_| value.map(str::to_owned))
    };
    assert!(new("NOMIC_API_KEY", Some(" nk-1\n")).is_ok());
    for (variable, value, says) in [
        ("NOMIC_API_KEY", None, "NOMIC_API_KEY, which is to hold the key for api-atlas.nomic.ai"),
        ("NOMIC_API_KEY", Some(" \n"), "is empty or not set"),
        ("NOMIC_API_KEY", Some("two\nlines"), "characters that no key"),
        ("sk-proj-1234", Some("x"), "never by the key itself"),
        ("", Some("x"), "by the name of the environment variable"),
    ] {
        let error = new(variable, value).unwrap_err();
        assert!(matches!(error, Error::Argument(_)));
        let said = error.to_string();
        assert!(said.contains(says), "{said}");
        assert!(!said.contains("sk-proj") && !said.contains("two"), "{said}");
    }
}
