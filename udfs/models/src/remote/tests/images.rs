//! Images, which Nomic's API alone takes.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::error::Error;

/// The parts of a multipart body: their header lines and their content.
fn parts(request: &Request) -> Vec<(String, Vec<u8>)> {
    let kind = &request.headers["content-type"];
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let (mut parts, mut rest) = (Vec::new(), &request.body[..]);
    let find = |bytes: &[u8], what: &str| {
        bytes.windows(what.len()).position(|window| window == what.as_bytes()).unwrap()
    };
    let opening = format!("--{boundary}\r\n");
    while rest.starts_with(opening.as_bytes()) {
        rest = &rest[opening.len()..];
        let head = find(rest, "\r\n\r\n");
        let end = find(rest, &format!("\r\n--{boundary}"));
        let header = String::from_utf8(rest[..head].to_vec()).unwrap();
        parts.push((header, rest[head + 4..end].to_vec()));
        rest = &rest[end + 2..];
    }
    assert_eq!(rest, format!("--{boundary}--\r\n").as_bytes());
    parts
}

fn images(request: &Request) -> Vec<Vec<u8>> {
    let images = parts(request).into_iter().filter(|(head, _)| head.contains("name=\"images\""));
    images.map(|(_, content)| content).collect()
}

fn seen(request: &Request, vector: impl Fn(&[u8]) -> Value) -> Reply {
    let vectors: Vec<Value> = images(request).iter().map(|image| vector(image)).collect();
    Reply::json(json!({"embeddings": vectors, "model": "eyes", "usage": {"total_tokens": 1}}))
}

fn eyes(server: &Server) -> RemoteEmbedder {
    embedder(RemoteOptions { model: "eyes".into(), ..options(server, NOMIC) })
}

#[tokio::test]
async fn images_go_as_files_of_one_form() {
    let server = Server::start(|number, request| match number {
        // The second attempt has the files again.
        0 => Reply::new(503, ""),
        _ => seen(request, |image| json!([f32::from(image[0]), 1.0])),
    })
    .await;
    let files = [Bytes::from_static(b"\x03\xff\0\r\n\r\n--"), Bytes::from_static(b"\x07")];
    let embedded = eyes(&server).embed_images(&files, Some(2)).await.unwrap();
    assert_eq!(embedded.dims, 2);
    assert_eq!(embedded.values[0] / embedded.values[1], 3.0);
    assert!((embedded.values[2] / embedded.values[3] - 7.0).abs() < 1e-5);

    let sent = server.requests();
    assert_eq!(sent.len(), 2);
    for request in &sent {
        assert_eq!(request.line, "POST /v1/embedding/image HTTP/1.1");
        assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
        let parts = parts(request);
        assert_eq!(parts.len(), 3);
        assert!(parts[0].0.contains("name=\"model\"") && parts[0].1 == b"eyes");
        assert!(parts[1].0.contains("filename=") && parts[2].0.contains("filename="));
        assert_eq!(images(request), files);
    }
}

#[tokio::test]
async fn order_and_limits_are_kept() {
    let server =
        Server::start(|_, request| seen(request, |image| json!([f32::from(image[0]) + 1.0, 1.0])))
            .await;
    let mut files: Vec<Bytes> = (0..57).map(|number| Bytes::from(vec![number])).collect();
    files[20] = Bytes::from(vec![20; 9 << 20]);
    let embedded = eyes(&server).embed_images(&files, None).await.unwrap();
    for row in 0..57 {
        assert_eq!(told(&embedded, row), row as f32);
    }
    let mut sizes: Vec<usize> = server.requests().iter().map(|r| images(r).len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 6, 10, 10, 10, 10, 10]);
}

#[tokio::test]
async fn a_file_that_is_no_image_is_its_row_s_failure() {
    let server = Server::start(|_, request| {
        if images(request).iter().any(|image| image == b"text") {
            Reply::new(400, r#"{"detail": "cannot identify image file"}"#)
        } else {
            seen(request, |image| json!([f32::from(image[0]), 1.0]))
        }
    })
    .await;
    let files = [b"a", &b"text"[..], b"b"].map(Bytes::from_static);
    let embedded = eyes(&server).embed_images(&files, None).await.unwrap();
    assert_eq!(embedded.failures.len(), 1);
    let (row, error) = &embedded.failures[0];
    assert!(*row == 1 && matches!(error, Error::Input(_)));
    let said = error.to_string();
    assert!(said.contains("does not take this image: it answered 400 (cannot identify"), "{said}");
    assert!(embedded.vector(0).is_some() && embedded.vector(2).is_some());
    // What was asked in between is a real picture.
    let probe = &images(&server.requests()[1])[0];
    assert_eq!(image::load_from_memory(probe).unwrap().width(), 32);
}

#[tokio::test]
async fn the_others_take_no_images() {
    for path in [OPENAI, TEI, OLLAMA] {
        let server = Server::start(|_, _| panic!("nothing is to be sent")).await;
        let files = [Bytes::from_static(b"x")];
        let result = embedder(options(&server, path)).embed_images(&files, None).await;
        let said = result.unwrap_err().to_string();
        assert!(said.contains("only Nomic's can"), "{said}");
    }
}
