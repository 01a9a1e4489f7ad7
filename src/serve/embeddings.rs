//! OpenAI's `/v1/embeddings` and `/v1/models`, answered by `embed_text` and `SHOW MODELS`: programs
//! written for that service run on the models of this machine.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use datafusion::arrow::array::{Array, AsArray, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Float32Type, Int32Type};
use datafusion::error::DataFusionError;
use portolan_models::Error as ModelError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{Database, Error};

/// Requests that are worked on at once; others wait. Each is spread over all cores by itself.
const AT_ONCE: usize = 16;

/// The two paths.
pub fn router(db: Database) -> Router {
    Router::new()
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models))
        .route("/v1/models/{name}", get(model))
        .with_state(Served { db, turns: Arc::new(Semaphore::new(AT_ONCE)) })
}

#[derive(Clone)]
struct Served {
    db: Database,
    turns: Arc<Semaphore>,
}

/// What is asked. Fields that OpenAI knows and that change nothing here are passed over.
#[derive(Deserialize)]
struct Request {
    input: Value,
    model: String,
    dimensions: Option<u32>,
    #[serde(default)]
    encoding_format: Encoding,
    /// Ours: what the vectors are for, as in `embed_text`.
    #[serde(alias = "task_type")]
    task: Option<String>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Float,
    Base64,
}

#[derive(Serialize)]
struct Answer {
    object: &'static str,
    data: Vec<Embedding>,
    model: String,
    usage: Usage,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    /// Little-endian f32s.
    Base64(String),
}

#[derive(Serialize, Default)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

async fn embeddings(
    State(served): State<Served>,
    request: Result<Json<Request>, JsonRejection>,
) -> Result<Json<Answer>, Refusal> {
    let Json(request) = request?;
    let texts = texts(&request.input)?;
    let _turn = served.turns.acquire().await.map_err(|_| Refusal::bad("the server is stopping"))?;
    Ok(Json(embed(&served.db, request, texts).await?))
}

/// The texts of `input`, which is one or a list of them.
fn texts(input: &Value) -> Result<Vec<String>, Refusal> {
    let wrong = |message: &str| Refusal { param: Some("input"), ..Refusal::bad(message) };
    let inputs = match input {
        Value::String(text) => return Ok(vec![text.clone()]),
        Value::Array(inputs) if inputs.is_empty() => return Err(wrong("'input' is an empty list")),
        Value::Array(inputs) => inputs,
        _ => return Err(wrong("'input' must be a text or a list of texts")),
    };
    let texts = inputs.iter().enumerate().map(|(place, input)| match input {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Array(_) => Err(wrong(
            "'input' holds numbers of tokens, which are those of another model's tokenizer; send texts (in LangChain: check_embedding_ctx_length=False)",
        )),
        _ => Err(wrong(&format!("'input' must be a list of texts; number {place} is none"))),
    });
    texts.collect()
}

async fn embed(db: &Database, request: Request, texts: Vec<String>) -> Result<Answer, Refusal> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let model = quoted(&request.model);
    let task = quoted(request.task.as_deref().unwrap_or("search_document"));
    let dims = request.dimensions.map_or("NULL".to_string(), |dims| dims.to_string());
    let count = texts.len();
    let places = Int32Array::from_iter_values(0..i32::try_from(count).unwrap_or(i32::MAX));
    let texts = RecordBatch::try_from_iter([
        ("place", Arc::new(places) as Arc<dyn Array>),
        ("input", Arc::new(StringArray::from(texts))),
    ])
    .map_err(Error::from)?;
    let frame = db.context().read_batch(texts).map_err(Error::from)?;
    let vector = format!("embed_text(input, {task}, {dims}, {model})");
    let tokens = format!("count_tokens(input, {model})");
    let frame = frame.select_exprs(&["place", &vector, &tokens]).map_err(Error::from)?;
    let batches = db.run_frame(frame).await?.collect().await?;

    let mut data: Vec<Option<Embedding>> = (0..count).map(|_| None).collect();
    let mut usage = Usage::default();
    for batch in &batches {
        let places = batch.column(0).as_primitive::<Int32Type>();
        let vectors = batch.column(1).as_fixed_size_list();
        let tokens = batch.column(2).as_primitive::<Int32Type>();
        for row in 0..batch.num_rows() {
            let index = usize::try_from(places.value(row)).unwrap_or_default();
            if vectors.is_null(row) {
                return Err(Refusal::bad(&format!("input {index} could not be embedded")));
            }
            let vector = vectors.value(row);
            let numbers = vector.as_primitive::<Float32Type>().values();
            let embedding = request.encoding_format.encode(numbers);
            data[index] = Some(Embedding { object: "embedding", index, embedding });
            usage.prompt_tokens += u64::try_from(tokens.value(row)).unwrap_or_default();
        }
    }
    usage.total_tokens = usage.prompt_tokens;
    let data = data.into_iter().flatten().collect();
    Ok(Answer { object: "list", data, model: request.model, usage })
}

impl Encoding {
    fn encode(self, numbers: &[f32]) -> Vector {
        match self {
            Self::Float => Vector::Numbers(numbers.to_vec()),
            Self::Base64 => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
                Vector::Base64(BASE64_STANDARD.encode(bytes))
            }
        }
    }
}

async fn models(State(served): State<Served>) -> Result<Json<Value>, Refusal> {
    let data: Vec<Value> = names(&served.db).await?.iter().map(|name| described(name)).collect();
    Ok(Json(json!({"object": "list", "data": data})))
}

async fn model(
    State(served): State<Served>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    if names(&served.db).await?.contains(&name) {
        return Ok(Json(described(&name)));
    }
    Err(Refusal::no_model(&format!("model '{name}' is not on this machine")))
}

fn described(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "portolan"})
}

/// The models that take texts and are on this machine.
async fn names(db: &Database) -> Result<Vec<String>, Refusal> {
    let mut names = Vec::new();
    for batch in db.sql("SHOW MODELS").await?.collect().await? {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| Refusal::bad("SHOW MODELS has changed"))
        };
        let (model, takes, here) = (column("model")?, column("takes")?, column("here")?);
        for row in 0..batch.num_rows() {
            if here.as_boolean().value(row) && takes.as_string::<i32>().value(row).contains("text")
            {
                names.push(model.as_string::<i32>().value(row).to_string());
            }
        }
    }
    Ok(names)
}

/// An error, in OpenAI's form.
struct Refusal {
    status: StatusCode,
    message: String,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

impl Refusal {
    fn bad(message: &str) -> Self {
        let message = message.to_string();
        Self { status: StatusCode::BAD_REQUEST, message, param: None, code: None }
    }

    fn no_model(message: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            param: Some("model"),
            code: Some("model_not_found"),
            ..Self::bad(message)
        }
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self { status: rejection.status(), ..Self::bad(&rejection.body_text()) }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let asked_wrongly = match &error {
            Error::Model(ModelError::UnknownModel { .. } | ModelError::NotHere { .. }) => {
                return Self::no_model(&message);
            }
            Error::Model(ModelError::Argument(_) | ModelError::Input(_)) => true,
            // The expression is ours: what the planner finds wrong with it are its arguments.
            Error::DataFusion { source, .. } => matches!(
                source.find_root(),
                DataFusionError::Plan(_)
                    | DataFusionError::Execution(_)
                    | DataFusionError::NotImplemented(_)
            ),
            _ => false,
        };
        let status = match asked_wrongly {
            true => StatusCode::BAD_REQUEST,
            false => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, ..Self::bad(&message) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = match self.status.is_server_error() {
            true => "server_error",
            false => "invalid_request_error",
        };
        let error = json!({
            "message": self.message, "type": kind, "param": self.param, "code": self.code,
        });
        (self.status, Json(json!({"error": error}))).into_response()
    }
}
