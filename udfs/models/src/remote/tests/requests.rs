//! What is sent: where to, by which header, in which pieces, how many at once.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::error::Error;
use crate::manifest::LongText;
use crate::remote::{Api, block_on};

#[tokio::test]
async fn every_api_gets_its_own_request() {
    for (path, body) in [
        (
            NOMIC,
            json!({
                "texts": ["cat 0", " "],
                "model": "some-model",
                "task_type": "search_query",
                "long_text_mode": "truncate",
            }),
        ),
        (
            OPENAI,
            json!({
                "model": "some-model",
                "input": ["query: cat 0", "query: "],
                "encoding_format": "float",
            }),
        ),
        (TEI, json!({"inputs": ["query: cat 0", "query: "], "truncate": true, "normalize": true})),
        (
            OLLAMA,
            json!({
                "model": "some-model",
                "input": ["query: cat 0", "query: "],
                "truncate": true,
            }),
        ),
    ] {
        let server = Server::start(|_, request| right(request, |_| json!([3.0, 4.0]))).await;
        let recipe = recipe(false);
        let request = TextRequest { recipe: Some(&recipe), ..TextRequest::new(Task::SearchQuery) };
        let embedder = embedder(options(&server, path));
        let embedded = embedder.embed_texts(&["cat 0", ""], &request).await.unwrap();
        assert_eq!((embedded.dims, &embedded.values[..]), (2, &[0.6, 0.8, 0.6, 0.8][..]));
        assert_eq!(embedded.tokens, (path != TEI).then_some(6));

        let sent = server.requests();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].line, format!("POST {path} HTTP/1.1"));
        assert_eq!(sent[0].headers["authorization"], format!("Bearer {KEY}"));
        assert_eq!(sent[0].headers["content-type"], "application/json");
        assert_eq!(sent[0].json(), body);
    }
}

#[tokio::test]
async fn an_empty_text_without_a_prefix_is_a_space() {
    for path in ALL {
        let server = Server::start(|_, request| right(request, |_| json!([1.0]))).await;
        embed(&server, path, &["", "x"]).await.unwrap();
        assert_eq!(server.requests()[0].texts(), [" ", "x"]);
    }
}

#[tokio::test]
async fn without_a_variable_no_key_is_sent() {
    let server = Server::start(|_, request| right(request, |_| json!([1.0]))).await;
    let options = RemoteOptions { key_env: None, ..options(&server, TEI) };
    let request = TextRequest::new(Task::Clustering);
    let embedder = RemoteEmbedder::new(options, |_| panic!("no variable is asked for")).unwrap();
    embedder.embed_texts(&["x"], &request).await.unwrap();
    assert!(!server.requests()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_server_that_cuts_is_told_the_length() {
    for (path, model, field) in [
        (NOMIC, "nomic-embed-text-v1.5", "dimensionality"),
        (OPENAI, "text-embedding-3-small", "dimensions"),
        (OPENAI, "openai/text-embedding-3-large", "dimensions"),
    ] {
        let server = Server::start(|_, request| right(request, |_| json!([3.0, 4.0]))).await;
        let recipe = recipe(true);
        let request = TextRequest {
            dims: Some(2),
            full_dims: Some(4),
            recipe: Some(&recipe),
            ..TextRequest::new(Task::SearchDocument)
        };
        let options = RemoteOptions { model: model.into(), ..options(&server, path) };
        let embedded = embedder(options).embed_texts(&["x"], &request).await.unwrap();
        assert_eq!(server.requests()[0].json()[field], 2);
        // No layer norm here: the server did what the model wants before it cut.
        assert_eq!(embedded.values, [0.6, 0.8]);
    }
}

#[tokio::test]
async fn for_others_the_vectors_are_made_here() {
    for path in [OPENAI, TEI, OLLAMA] {
        let server =
            Server::start(|_, request| right(request, |_| json!([1.0, 2.0, 3.0, 10.0]))).await;
        let (plain, normed) = (recipe(false), recipe(true));
        let request = TextRequest {
            dims: Some(2),
            full_dims: Some(4),
            recipe: Some(&plain),
            ..TextRequest::new(Task::SearchDocument)
        };
        let embedder = embedder(options(&server, path));
        let embedded = embedder.embed_texts(&["x"], &request).await.unwrap();
        close(&embedded.values, &[1.0 / 5f32.sqrt(), 2.0 / 5f32.sqrt()]);

        // The mean of all four, 4, is taken off before the cut.
        let request = TextRequest { recipe: Some(&normed), ..request };
        let embedded = embedder.embed_texts(&["x"], &request).await.unwrap();
        close(&embedded.values, &[-3.0 / 13f32.sqrt(), -2.0 / 13f32.sqrt()]);
        for sent in server.requests() {
            assert!(sent.json().get("dimensions").is_none());
        }
    }
}

fn close(found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len());
    for (a, b) in found.iter().zip(wanted) {
        assert!((a - b).abs() < 1e-6, "{found:?} {wanted:?}");
    }
}

#[tokio::test]
async fn only_nomic_averages_long_texts() {
    for path in ALL {
        let server = Server::start(|_, request| right(request, |_| json!([1.0]))).await;
        let request =
            TextRequest { long_text: LongText::Mean, ..TextRequest::new(Task::Clustering) };
        let result = embedder(options(&server, path)).embed_texts(&["x"], &request).await;
        if path == NOMIC {
            result.unwrap();
            assert_eq!(server.requests()[0].json()["long_text_mode"], "mean");
        } else {
            let said = result.unwrap_err().to_string();
            assert!(said.contains("'truncate'"), "{said}");
            assert!(server.requests().is_empty());
        }
    }
}

#[tokio::test]
async fn lengths_that_cannot_be_are_not_asked_for() {
    let server = Server::start(|_, _| panic!("nothing is to be sent")).await;
    let request = TextRequest { full_dims: Some(768), ..TextRequest::new(Task::Clustering) };
    let embedder = embedder(options(&server, NOMIC));
    for dims in [0, 769] {
        let request = TextRequest { dims: Some(dims), ..request };
        let error = embedder.embed_texts(&["x"], &request).await.unwrap_err();
        assert!(matches!(error, Error::Argument(_)));
        let said = error.to_string();
        assert!(said.contains("1 to 768 numbers") && said.contains(&dims.to_string()), "{said}");
    }
}

#[tokio::test]
async fn nothing_is_asked_for_no_texts() {
    let server = Server::start(|_, _| panic!("nothing is to be sent")).await;
    let request = TextRequest { dims: Some(64), ..TextRequest::new(Task::Clustering) };
    let embedded = embedder(options(&server, NOMIC)).embed_texts(&[], &request).await.unwrap();
    assert_eq!((embedded.dims, embedded.values.len(), embedded.failures.len()), (64, 0, 0));
}

#[tokio::test]
async fn order_and_limits_are_kept() {
    for (path, rows, most_texts, most_at_once) in
        [(NOMIC, 203, 10, 10), (OPENAI, 5000, 2048, 4), (TEI, 700, 32, 8), (OLLAMA, 200, 32, 2)]
    {
        // The earlier the request, the later its answer.
        let server = Server::start(|number, request| {
            let delay = Duration::from_millis(30u64.saturating_sub(3 * number as u64));
            right(request, numbered).after(delay)
        })
        .await;
        let all = texts(rows);
        let embedded = embed(&server, path, &borrowed(&all)).await.unwrap();
        for row in 0..rows {
            assert_eq!(told(&embedded, row), row as f32);
        }
        let sizes: Vec<usize> = server.requests().iter().map(|r| r.texts().len()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), rows);
        assert_eq!(sizes.iter().max(), Some(&most_texts));
        assert_eq!(sizes.len(), rows.div_ceil(most_texts));
        assert!((2..=most_at_once).contains(&server.most_at_once()), "{}", server.most_at_once());
    }
}

#[tokio::test]
async fn limits_can_be_set_and_hold_for_all_calls_together() {
    let server =
        Server::start(|_, request| right(request, numbered).after(Duration::from_millis(5))).await;
    let options = RemoteOptions { batch: Some(3), concurrency: Some(2), ..options(&server, NOMIC) };
    let embedder = embedder(options);
    let request = TextRequest::new(Task::SearchQuery);
    let all = texts(20);
    let all = borrowed(&all);
    let (one, other) =
        tokio::join!(embedder.embed_texts(&all, &request), embedder.embed_texts(&all, &request));
    assert_eq!(told(&one.unwrap(), 19), 19.0);
    assert_eq!(told(&other.unwrap(), 7), 7.0);
    assert_eq!(server.most_at_once(), 2);
    let sizes: Vec<usize> = server.requests().iter().map(|r| r.texts().len()).collect();
    assert_eq!((sizes.len(), sizes.iter().max()), (14, Some(&3)));
}

#[tokio::test]
async fn a_request_holds_no_more_than_fits() {
    let server = Server::start(|_, request| right(request, |_| json!([1.0]))).await;
    let (long, longest) = ("x".repeat(140_000), "y".repeat(310_000));
    let all = [&*long, "a", &*long, &*long, "b", &*longest, "c"];
    embed(&server, OPENAI, &all).await.unwrap();
    let mut sent: Vec<Vec<usize>> =
        server.requests().iter().map(|r| r.texts().iter().map(String::len).collect()).collect();
    sent.sort();
    assert_eq!(sent, [vec![1], vec![140_000, 1], vec![140_000, 1, 140_000], vec![310_000]]);
}

#[tokio::test]
async fn requests_a_minute_are_limited() {
    let server =
        Server::start(
            |number, request| {
                if number == 0 { Reply::new(500, "") } else { right(request, numbered) }
            },
        )
        .await;
    // One every 20 ms: five requests and one more attempt take 100 ms.
    let options = RemoteOptions {
        requests_per_minute: Some(3000),
        batch: Some(1),
        ..options(&server, NOMIC)
    };
    let start = std::time::Instant::now();
    let all = texts(5);
    let request = TextRequest::new(Task::SearchQuery);
    embedder(options).embed_texts(&borrowed(&all), &request).await.unwrap();
    assert_eq!(server.requests().len(), 6);
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_dropped_call_hangs_up() {
    let server =
        Server::start(|_, request| right(request, numbered).after(Duration::from_secs(600))).await;
    let all = texts(50);
    let all = borrowed(&all);
    tokio::select! {
        _ = embed(&server, NOMIC, &all) => panic!("nothing was answered"),
        () = until(|| server.requests().len() == 5) => {}
    }
    until(|| server.hung_up() == 5).await;
    assert_eq!(server.requests().len(), 5);
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn works_from_code_that_cannot_await() {
    let server = Server::start_apart(|_, request| right(request, numbered));
    let embedder = embedder(options(&server, NOMIC));
    assert_eq!((embedder.api(), embedder.host()), (Api::Nomic, &*server.address.to_string()));
    let embedded = block_on(
        async move {
            let all = texts(25);
            embedder.embed_texts(&borrowed(&all), &TextRequest::new(Task::SearchQuery)).await
        },
        &|| false,
    )
    .unwrap();
    assert_eq!(told(&embedded, 24), 24.0);
}
