//! Rows as an answer, sent while they are made.

use std::sync::Arc;

use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonArray, Writer as JsonWriter};
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::form::{Form, Writer};
use super::refusal::Refusal;
use super::turns::{Turns, broken};
use crate::{Error, Result};

/// Pieces of an answer that wait for a client who reads slowly.
const AHEAD: usize = 2;

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
        let written = writer.take();
        // Some forms keep rows until there are many.
        if !written.is_empty() && sender.send(Piece::Bytes(written)).await.is_err() {
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
