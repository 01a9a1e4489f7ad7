//! Rows as an answer: Arrow's stream or JSON, sent while they are made.

use std::sync::Arc;

use arrow::ipc::writer::StreamWriter;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonArray, Writer as JsonWriter};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::refusal::Refusal;
use super::turns::{Turns, broken};
use crate::{Error, Result};

/// Arrow's own name of its stream.
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// Pieces of an answer that wait for a client who reads slowly.
const AHEAD: usize = 2;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Arrow's IPC stream.
    Arrow,
    /// A JSON array with an object for each row.
    Json,
}

impl Form {
    /// What a client asks for: JSON, unless Accept names Arrow's stream.
    pub fn asked(headers: &HeaderMap) -> Self {
        let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        match accepts.is_some_and(|accepts| accepts.contains(ARROW)) {
            true => Self::Arrow,
            false => Self::Json,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Arrow => ARROW,
            Self::Json => "application/json",
        })
    }
}

/// What is sent from where rows are made to where they are asked for.
enum Piece {
    Bytes(Bytes),
    Failed(Refusal),
    /// Without this an answer is not whole.
    End,
}

/// Answers with rows. What fails before the first rows are there is refused; later, the connection breaks off,
/// so that half an answer is not taken for a whole one.
pub async fn rows(
    turns: &Turns,
    form: Form,
    rows: impl Future<Output = Result<SendableRecordBatchStream, Refusal>> + Send + 'static,
) -> Result<Response, Refusal> {
    let turn = turns.take().await?;
    let (until, too_long) = (turn.until, turns.too_long());
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let too_slow = too_long.clone();
    turns.spawn(async move {
        let end = tokio::select! {
            () = sender.closed() => return,
            ended = timeout_at(until, write(rows, form, &sender)) => match ended {
                Ok(Ok(())) => Piece::End,
                Ok(Err(refusal)) => Piece::Failed(refusal),
                // The client reads too slowly.
                Err(_) => Piece::Failed(too_slow),
            },
        };
        // Others may run while the rest is read.
        drop(turn);
        _ = sender.send(end).await;
    });
    let first = match timeout_at(until, receiver.recv()).await {
        Ok(Some(Piece::Bytes(bytes))) => bytes,
        Ok(Some(Piece::End)) => Bytes::new(),
        Ok(Some(Piece::Failed(refusal))) => return Err(refusal),
        Ok(None) => return Err(broken()),
        Err(_) => return Err(too_long),
    };
    let rest = futures::stream::unfold(Some(receiver), move |receiver| {
        let too_long = too_long.clone();
        async move {
            let mut receiver = receiver?;
            let refusal = match timeout_at(until, receiver.recv()).await {
                Ok(Some(Piece::Bytes(bytes))) => return Some((Ok(bytes), Some(receiver))),
                Ok(Some(Piece::End)) => return None,
                Ok(Some(Piece::Failed(refusal))) => refusal,
                Ok(None) => broken(),
                Err(_) => too_long,
            };
            Some((Err(std::io::Error::other(refusal.message)), None))
        }
    });
    let body = futures::stream::once(async move { Ok(first) }).chain(rest);
    let mut response = Body::from_stream(body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, form.content_type());
    Ok(response)
}

async fn write(
    rows: impl Future<Output = Result<SendableRecordBatchStream, Refusal>>,
    form: Form,
    sender: &mpsc::Sender<Piece>,
) -> Result<(), Refusal> {
    let mut rows = rows.await?;
    let mut writer: Option<Writer> = None;
    while let Some(batch) = rows.next().await {
        let batch = plain(batch.map_err(Error::from)?)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(Writer::new(form, &batch.schema())?),
        };
        writer.write(&batch)?;
        if sender.send(Piece::Bytes(writer.take())).await.is_err() {
            return Ok(());
        }
    }
    let mut writer = match writer {
        Some(writer) => writer,
        None => Writer::new(form, plain(RecordBatch::new_empty(rows.schema()))?.schema_ref())?,
    };
    writer.finish()?;
    // Whoever does not listen any more needs no end.
    _ = sender.send(Piece::Bytes(writer.take())).await;
    Ok(())
}

enum Writer {
    Arrow(StreamWriter<Vec<u8>>),
    Json(JsonWriter<Vec<u8>, JsonArray>),
}

impl Writer {
    fn new(form: Form, schema: &SchemaRef) -> Result<Self> {
        Ok(match form {
            Form::Arrow => Self::Arrow(StreamWriter::try_new(Vec::new(), schema)?),
            Form::Json => {
                Self::Json(WriterBuilder::new().with_explicit_nulls(true).build(Vec::new()))
            }
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Arrow(writer) => writer.write(batch)?,
            Self::Json(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        match self {
            Self::Arrow(writer) => writer.finish()?,
            Self::Json(writer) => writer.finish()?,
        }
        Ok(())
    }

    /// What was written since the last time.
    fn take(&mut self) -> Bytes {
        let written = match self {
            Self::Arrow(writer) => writer.get_mut(),
            Self::Json(writer) => writer.get_mut(),
        };
        Bytes::from(std::mem::take(written))
    }
}

/// The same rows without views, which not every reader of Arrow knows.
fn plain(batch: RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let wanted = |data_type: &DataType| match data_type {
        DataType::Utf8View => Some(DataType::Utf8),
        DataType::BinaryView => Some(DataType::Binary),
        _ => None,
    };
    if schema.fields().iter().all(|field| wanted(field.data_type()).is_none()) {
        return Ok(batch);
    }
    let mut fields: Vec<Field> = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let (field, column) = match wanted(field.data_type()) {
            Some(to) => (field.as_ref().clone().with_data_type(to.clone()), cast(column, &to)?),
            None => (field.as_ref().clone(), column.clone()),
        };
        fields.push(field);
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Few rows as JSON objects.
pub fn objects(batches: &[RecordBatch]) -> Result<Vec<Map<String, Value>>> {
    let mut writer: JsonWriter<Vec<u8>, JsonArray> =
        WriterBuilder::new().with_explicit_nulls(true).build(Vec::new());
    for batch in batches {
        writer.write(&plain(batch.clone())?)?;
    }
    writer.finish()?;
    serde_json::from_slice(&writer.into_inner())
        .map_err(|error| Error::Invalid(format!("the rows are no JSON: {error}")))
}
