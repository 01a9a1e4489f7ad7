//! What a server sends that is right in another way, or wrong.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;
use crate::error::Error;

#[tokio::test]
async fn openai_models_answer_in_base64() {
    let server = Server::start(|_, request| {
        right(request, |text| {
            let numbers = [number(text) + 1.0, 1.0, 0.0];
            let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
            json!(STANDARD.encode(bytes))
        })
    })
    .await;
    let model = "text-embedding-ada-002".into();
    let embedder = embedder(RemoteOptions { model, ..options(&server, OPENAI) });
    let request = TextRequest::new(Task::SearchDocument);
    let embedded = embedder.embed_texts(&["text 7", "text 8"], &request).await.unwrap();
    assert_eq!((told(&embedded, 0), told(&embedded, 1)), (7.0, 8.0));
    let sent = server.requests()[0].json();
    assert_eq!(sent["encoding_format"], "base64");
    assert!(sent.get("dimensions").is_none(), "only the third generation can be cut");
}

/// One answer to a request for two texts, and what the error says of it.
async fn wrong(path: &str, answer: Value, says: &str) {
    let body = answer.to_string();
    let server = Server::start(move |_, _| Reply::new(200, body.clone())).await;
    let said = refusal(&server, path, &["a", "b"]).await;
    assert!(said.contains(says), "{said}");
    assert_eq!(server.requests().len(), 1, "a wrong answer is not asked for again");
}

#[tokio::test]
async fn the_number_of_vectors_must_be_right() {
    let (one, three) = (json!([[1.0]]), json!([[1.0], [1.0], [1.0]]));
    for path in [TEI, OLLAMA, NOMIC] {
        let wrap = |vectors: &Value| match path {
            TEI => vectors.clone(),
            _ => json!({"embeddings": vectors}),
        };
        wrong(path, wrap(&one), "sent 1 vectors where 2 were asked for").await;
        wrong(path, wrap(&three), "sent 3 vectors where 2 were asked for").await;
    }
    let item = |index: usize| json!({"index": index, "embedding": [1.0]});
    wrong(OPENAI, json!({"data": [item(0)]}), "sent 1 vectors where 2 were asked for").await;
    wrong(OPENAI, json!({"data": [item(1), item(1)]}), "sent two vectors of index 1").await;
    wrong(OPENAI, json!({"data": [item(0), item(2)]}), "index 2 of 2 texts").await;
    wrong(OPENAI, json!({"data": [item(0), {"embedding": [1.0]}]}), "missing field `index`").await;
}

#[tokio::test]
async fn the_length_of_vectors_must_be_right() {
    wrong(TEI, json!([[1.0, 2.0], [1.0]]), "sent a vector of 1 numbers where 2 were").await;
    wrong(TEI, json!([[], []]), "sent an empty vector").await;
    wrong(TEI, json!([[1.0], 3]), "cannot be read").await;
    wrong(
        OPENAI,
        json!({"data": [
            {"index": 0, "embedding": "AAAAAAA="},
            {"index": 1, "embedding": "AAAAAA=="},
        ]}),
        "base64 that is not of whole numbers",
    )
    .await;

    for (path, dims, full, sent, says) in [
        (TEI, None, Some(4), 3, "sent a vector of 3 numbers where 4 were due"),
        (TEI, Some(2), Some(4), 2, "sent a vector of 2 numbers where 4 were due"),
        (TEI, Some(4), None, 3, "sent a vector of fewer than 4 numbers"),
        (NOMIC, Some(2), Some(4), 4, "sent a vector of 4 numbers where 2 were due"),
        (NOMIC, Some(2), None, 3, "sent a vector of 3 numbers where 2 were due"),
    ] {
        let server =
            Server::start(move |_, request| right(request, |_| json!(vec![1.0; sent]))).await;
        let request =
            TextRequest { dims, full_dims: full, ..TextRequest::new(Task::SearchDocument) };
        let result = embedder(options(&server, path)).embed_texts(&["a"], &request).await;
        let said = result.unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
}

#[tokio::test]
async fn lengths_must_agree_between_requests() {
    let server =
        Server::start(|number, request| right(request, |_| json!(vec![1.0; number + 1]))).await;
    let options = RemoteOptions { batch: Some(1), concurrency: Some(1), ..options(&server, TEI) };
    let request = TextRequest::new(Task::SearchDocument);
    let result = embedder(options).embed_texts(&["a", "b"], &request).await;
    let said = result.unwrap_err().to_string();
    assert!(said.contains("sent vectors of 1 and of 2 numbers"), "{said}");
}

#[tokio::test]
async fn a_vector_that_is_not_finite_is_its_row_s_failure() {
    for path in ALL {
        let server = Server::start(|_, request| {
            right(request, |text| match number(text) {
                1.0 => json!([1.0, null, 0.0]),
                3.0 => json!([1.0, 2.0, 1e300]),
                _ => numbered(text),
            })
        })
        .await;
        let all = texts(5);
        let embedded = embed(&server, path, &borrowed(&all)).await.unwrap();
        let failures: Vec<(usize, String)> =
            embedded.failures.iter().map(|(row, error)| (*row, error.to_string())).collect();
        assert_eq!(failures.len(), 2);
        assert_eq!((failures[0].0, failures[1].0), (1, 3));
        assert!(failures[0].1.contains("number 2 is not finite"), "{failures:?}");
        assert!(failures[1].1.contains("number 3 is not finite"), "{failures:?}");
        for row in [0, 2, 4] {
            assert_eq!(told(&embedded, row), row as f32);
        }
        assert!(embedded.vector(1).is_none() && embedded.vector(5).is_none());
        assert_eq!(embedded.values[3..6], [0.0; 3]);
    }
}

#[tokio::test]
async fn what_is_not_json_is_an_error() {
    for (body, says) in [
        ("<!DOCTYPE html><html>Sign in</html>", "sent a page instead of JSON"),
        ("[[NaN, 1.0], [1.0, 2.0]]", "sent an answer that cannot be read"),
        ("[[1.0, 2.0], [1.0", "sent an answer that cannot be read"),
        ("", "sent an answer that cannot be read"),
        ("{\"vectors\": []}", "sent an answer that cannot be read"),
    ] {
        let server = Server::start(move |_, _| Reply::new(200, body)).await;
        let said = refusal(&server, TEI, &["a", "b"]).await;
        assert!(said.contains(says), "{said}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_on() {
    let server = Server::start(|_, _| Reply::new(200, vec![b' '; 2 << 20])).await;
    let request = TextRequest { full_dims: Some(8), ..TextRequest::new(Task::SearchDocument) };
    let result = embedder(options(&server, TEI)).embed_texts(&["a"], &request).await;
    let said = result.unwrap_err().to_string();
    assert!(said.contains("sent more than the 1048832 bytes"), "{said}");
}

#[tokio::test]
async fn another_model_s_vectors_are_not_taken() {
    wrong(
        NOMIC,
        json!({"embeddings": [[1.0], [1.0]], "model": "other"}),
        "used the model 'other' where 'some-model' was asked for",
    )
    .await;
}

#[tokio::test]
async fn a_refused_text_is_found_and_the_others_are_embedded() {
    for (path, status) in [(NOMIC, 400), (OPENAI, 400), (TEI, 413), (TEI, 422), (OLLAMA, 400)] {
        let server = Server::start(move |_, request| {
            if request.texts().iter().any(|text| text.starts_with("bad")) {
                Reply::new(status, r#"{"error": {"message": "too many tokens"}}"#)
            } else {
                right(
                    request,
                    |text| if text == "test" { json!([1.0, 1.0, 0.0]) } else { numbered(text) },
                )
            }
        })
        .await;
        let mut all = texts(25);
        for bad in [0, 13, 14] {
            all[bad] = format!("bad {bad}");
        }
        let embedded = embed(&server, path, &borrowed(&all)).await.unwrap();
        let failed: Vec<usize> = embedded.failures.iter().map(|(row, _)| *row).collect();
        assert_eq!(failed, [0, 13, 14]);
        for (_, error) in &embedded.failures {
            assert!(matches!(error, Error::Input(_)));
            let said = error.to_string();
            assert!(said.contains("does not take this text"), "{said}");
            assert!(said.contains(&format!("{status} (too many tokens)")), "{said}");
        }
        for row in (0..25).filter(|row| !failed.contains(row)) {
            assert_eq!(told(&embedded, row), row as f32);
        }
        assert!(server.requests().len() < 35, "{}", server.requests().len());
    }
}

#[tokio::test]
async fn ollama_s_500_for_one_text_is_the_text_s() {
    let server = Server::start(|_, request| {
        if request.texts().iter().any(|text| text == "text 3") {
            Reply::new(500, r#"{"error": "failed to encode response: unsupported value: NaN"}"#)
        } else {
            right(
                request,
                |text| if text == "test" { json!([1.0, 1.0, 0.0]) } else { numbered(text) },
            )
        }
    })
    .await;
    let all = texts(8);
    let embedded = embed(&server, OLLAMA, &borrowed(&all)).await.unwrap();
    assert_eq!(embedded.failures.len(), 1);
    assert_eq!(embedded.failures[0].0, 3);
    assert_eq!(told(&embedded, 7), 7.0);
}

#[tokio::test]
async fn a_server_that_refuses_everything_is_not_asked_row_by_row() {
    let server = Server::start(|_, _| {
        Reply::new(400, r#"{"error": {"message": "this model does not support dimensions"}}"#)
    })
    .await;
    let all = texts(2000);
    let said = refusal(&server, OPENAI, &borrowed(&all)).await;
    assert!(said.contains("answered 400 (this model does not support dimensions)"), "{said}");
    assert_eq!(server.requests().len(), 2);
    assert_eq!(server.requests()[1].texts(), ["test"]);
}

#[tokio::test]
async fn a_call_all_of_whose_texts_are_refused_has_vectors_of_zeros() {
    let server = Server::start(|_, request| {
        if request.texts() == ["test"] {
            right(request, |_| json!([1.0, 1.0]))
        } else {
            Reply::new(422, r#"{"detail": [{"msg": "no"}]}"#)
        }
    })
    .await;
    let request = TextRequest { dims: Some(2), ..TextRequest::new(Task::SearchDocument) };
    let embedder = embedder(options(&server, TEI));
    let embedded = embedder.embed_texts(&["a", "b"], &request).await.unwrap();
    assert_eq!((embedded.dims, &embedded.values[..]), (2, &[0.0; 4][..]));
    assert_eq!(embedded.failures.len(), 2);
}
