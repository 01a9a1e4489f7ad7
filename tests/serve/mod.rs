//! The server, as its clients see it.

mod exported;
mod generated;
mod maps;
mod page;
mod served;
mod sql;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use self::served::Served;
use crate::skipped::skip;
use crate::{cli, models, python};

const OPENAI: &str = "openai==3.54.0";

const ASK: &str = r#"
import json, sys
from openai import OpenAI, NotFoundError, BadRequestError
client = OpenAI(base_url=sys.argv[1], api_key="sesame", max_retries=0)
texts = ["a cat on a mat", "a kitten on a rug", "the price of crude oil"] * 40
answer = client.embeddings.create(model="all-MiniLM-L6-v2", input=texts)
a, b, c = (answer.data[i].embedding for i in range(3))
dot = lambda x, y: sum(p * q for p, q in zip(x, y))
floats = client.embeddings.create(model="all-MiniLM-L6-v2", input=texts[0], encoding_format="float")
errors = []
for model, extra in [("no-such-model", {}), ("all-MiniLM-L6-v2", {"dimensions": 1000})]:
    try:
        client.embeddings.create(model=model, input="x", **extra)
    except (NotFoundError, BadRequestError) as error:
        errors.append([error.status_code, error.code, error.body["message"]])
print(json.dumps({
    "count": len(answer.data),
    "indexes": [e.index for e in answer.data] == list(range(120)),
    "near": dot(a, b), "far": dot(a, c), "norm": dot(a, a),
    "same": a == answer.data[117].embedding and max(abs(x - y) for x, y in zip(a, floats.data[0].embedding)) < 1e-6,
    "tokens": floats.usage.prompt_tokens,
    "models": "all-MiniLM-L6-v2" in [m.id for m in client.models.list()],
    "errors": errors,
}))
"#;

/// A running `portolan serve --embeddings`.
struct Embeddings(Served);

impl Embeddings {
    fn start(arguments: &[&str]) -> Self {
        Self(Served::start(&[&["--embeddings"], arguments].concat()))
    }

    fn url(&self) -> &str {
        self.0.url()
    }

    fn post(&self, body: &Value) -> RequestBuilder {
        Client::new().post(format!("{}/embeddings", self.url())).json(body)
    }

    async fn embed(&self, body: Value) -> (StatusCode, Value) {
        let answer = self.post(&body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }
}

fn numbers(vector: &Value) -> Vec<f32> {
    vector.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_come_in_the_order_of_the_texts_in_both_forms() {
    if let Err(reason) = models::fetched() {
        return skip(&reason);
    }
    let served = Embeddings::start(&[]);
    let texts: Vec<String> =
        (0..300).map(|i| format!("text {} {}", i % 7, "word ".repeat(i % 50))).collect();
    let ask = json!({"model": "all-MiniLM-L6-v2", "input": texts});
    let (status, answer) = served.embed(ask.clone()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["data"].as_array().unwrap().len(), 300);
    let mut coded = ask;
    coded["encoding_format"] = json!("base64");
    let (_, coded) = served.embed(coded).await;
    for place in [0, 1, 7, 150, 299] {
        let vector = numbers(&answer["data"][place]["embedding"]);
        assert_eq!(answer["data"][place]["index"], place);
        let (_, alone) =
            served.embed(json!({"model": "all-MiniLM-L6-v2", "input": texts[place]})).await;
        let alone = numbers(&alone["data"][0]["embedding"]);
        let cosine: f32 = vector.iter().zip(&alone).map(|(x, y)| x * y).sum();
        assert!((cosine - 1.0).abs() < 1e-5, "{place}: {cosine}");
        let bytes = coded["data"][place]["embedding"].as_str().unwrap();
        let bytes = BASE64_STANDARD.decode(bytes).unwrap();
        let floats: Vec<f32> =
            bytes.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
        assert_eq!(floats, vector);
    }
    let (_, task) = served
        .embed(json!({"model": "all-MiniLM-L6-v2", "input": "a b c", "task": "search_query"}))
        .await;
    assert_eq!(task["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_request_gets_one_sentence_in_the_form_that_clients_know() {
    if let Err(reason) = models::fetched() {
        return skip(&reason);
    }
    let served = Embeddings::start(&[]);
    let model = "all-MiniLM-L6-v2";
    for (body, status, part) in [
        (json!({"model": model, "input": []}), 400, "'input' is an empty list"),
        (json!({"model": model, "input": 5}), 400, "must be a text or a list of texts"),
        (json!({"model": model, "input": ["a", null]}), 400, "number 1 is none"),
        (json!({"model": model, "input": [[1, 2]]}), 400, "numbers of tokens"),
        (json!({"model": model, "input": "a", "dimensions": 1000}), 400, "384"),
        (json!({"model": model, "input": "a", "dimensions": -1}), 422, "dimensions"),
        (json!({"model": model, "input": "a", "task": "poetry"}), 400, "search_document"),
        (json!({"model": model, "input": "a", "encoding_format": "hex"}), 422, "base64"),
        (json!({"model": "all-MiniLM", "input": "a"}), 404, "did you mean 'all-MiniLM-L6-v2'"),
        (json!({"model": "it's", "input": "a"}), 404, "it's"),
        (json!({"input": "a"}), 422, "model"),
    ] {
        let (got, answer) = served.embed(body.clone()).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(got.as_u16(), status, "{body}: {answer}");
        assert!(message.contains(part), "{body}: {message}");
    }
    let client = Client::new();
    for (request, status) in [
        (client.post(format!("{}/embeddings", served.url())).body("{"), 415),
        (
            client
                .post(format!("{}/embeddings", served.url()))
                .header("content-type", "application/json")
                .body("{"),
            400,
        ),
        (client.get(format!("{}/embeddings", served.url())), 405),
        (client.get(format!("{}/nothing", served.url())), 404),
        (client.get(format!("{}/models/nothing", served.url())), 404),
        (client.get(format!("{}/models/{model}", served.url())), 200),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{}", answer.url());
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error"]["message"].is_string(), status != 200, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_may_are_answered() {
    let open = Embeddings::start(&[]);
    let models = |served: &Embeddings| Client::new().get(format!("{}/models", served.url()));
    for (name, value, status) in [
        ("host", "example.org", 403),
        ("host", "localhost:1", 200),
        ("origin", "https://example.org", 403),
        ("origin", "http://127.0.0.1:5173", 200),
    ] {
        let answer = models(&open).header(name, value).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{name}: {value}");
    }
    let closed = Embeddings::start(&["--token", "sesame"]);
    for (token, status) in [(None, 401), (Some("seshat"), 401), (Some("sesame"), 200)] {
        let mut request = models(&closed);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{token:?}");
    }
}

#[test]
fn nobody_else_can_reach_it_without_a_token() {
    let run = cli::run(&["serve", "--embeddings", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("set PORTOLAN_TOKEN or --token"), "{}", run.err);
}

#[test]
fn the_openai_package_is_served() {
    if let Err(reason) = models::fetched() {
        return skip(&reason);
    }
    let python = match python::with(OPENAI) {
        Ok(python) => python,
        Err(reason) => return skip(&reason),
    };
    let served = Embeddings::start(&["--token", "sesame"]);
    let told: Value = serde_json::from_str(&python.run(ASK, served.url())).unwrap();
    let number = |name: &str| told[name].as_f64().unwrap();
    assert_eq!(told["count"], 120);
    assert!(told["indexes"] == true && told["same"] == true && told["models"] == true, "{told}");
    assert!((number("norm") - 1.0).abs() < 1e-5 && number("near") > 0.5, "{told}");
    assert!(number("far") < 0.2 && number("tokens") == 5.0, "{told}");
    assert_eq!(told["errors"][0][0], 404);
    assert_eq!(told["errors"][0][1], "model_not_found");
    assert_eq!(told["errors"][1][0], 400);
}
