//! The forms in which rows are answered.

use arrow::csv;
use arrow::ipc::writer::StreamWriter;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonArray, Writer as JsonWriter};
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use crate::nested::nested_as_json;
use crate::{Error, Result};

const JSON: &str = "application/json";
const ARROW: &str = "application/vnd.apache.arrow.stream";
const PARQUET: &str = "application/vnd.apache.parquet";
const CSV: &str = "text/csv";

/// Bytes of a Parquet row group: what an answer holds in memory while the group grows.
const ROW_GROUP: usize = 16 << 20;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Arrow's IPC stream.
    Arrow,
    /// Lines with commas; lists and structs as JSON.
    Csv,
    /// A JSON array with an object for each row.
    Json,
    /// A Parquet file.
    Parquet,
}

impl Form {
    /// What a client asks for: JSON, unless Accept names another.
    pub fn asked(headers: &HeaderMap) -> Self {
        let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let accepts = |kind: &str| accepts.is_some_and(|accepts| accepts.contains(kind));
        let known = [(ARROW, Self::Arrow), (PARQUET, Self::Parquet), (CSV, Self::Csv)];
        known.into_iter().find(|(kind, _)| accepts(kind)).map_or(Self::Json, |(_, form)| form)
    }

    /// As a header says it.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Arrow => ARROW,
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => JSON,
            Self::Parquet => PARQUET,
        })
    }
}

/// Writes rows in a form.
pub enum Writer {
    Arrow(StreamWriter<Vec<u8>>),
    Csv { written: Vec<u8>, begun: bool, schema: SchemaRef },
    Json(JsonWriter<Vec<u8>, JsonArray>),
    Parquet(Box<ArrowWriter<Vec<u8>>>),
}

impl Writer {
    pub fn new(form: Form, schema: &SchemaRef) -> Result<Self> {
        Ok(match form {
            Form::Arrow => Self::Arrow(StreamWriter::try_new(Vec::new(), schema)?),
            Form::Csv => Self::Csv { written: Vec::new(), begun: false, schema: schema.clone() },
            Form::Json => {
                Self::Json(WriterBuilder::new().with_explicit_nulls(true).build(Vec::new()))
            }
            Form::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .build();
                let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties));
                Self::Parquet(Box::new(writer.map_err(of_parquet)?))
            }
        })
    }

    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Arrow(writer) => writer.write(batch)?,
            Self::Json(writer) => writer.write(batch)?,
            // A statement that has nothing to show has no columns.
            Self::Csv { .. } if batch.num_columns() == 0 => {}
            Self::Csv { written, begun, .. } => {
                let mut writer = csv::WriterBuilder::new().with_header(!*begun).build(written);
                writer.write(&nested_as_json(batch)?)?;
                *begun = true;
            }
            Self::Parquet(writer) => {
                writer.write(batch).map_err(of_parquet)?;
                if writer.memory_size() > ROW_GROUP {
                    writer.flush().map_err(of_parquet)?;
                }
            }
        }
        Ok(())
    }

    pub fn finish(&mut self) -> Result<()> {
        match self {
            Self::Arrow(writer) => writer.finish()?,
            Self::Json(writer) => writer.finish()?,
            Self::Csv { begun: true, .. } => {}
            // The names of the columns are written with the first rows, so there must be some.
            Self::Csv { schema, .. } => {
                let none = RecordBatch::new_empty(schema.clone());
                self.write(&none)?;
            }
            Self::Parquet(writer) => {
                writer.finish().map_err(of_parquet)?;
            }
        }
        Ok(())
    }

    /// What was written since the last time.
    pub fn take(&mut self) -> Bytes {
        let written = match self {
            Self::Arrow(writer) => writer.get_mut(),
            Self::Csv { written, .. } => written,
            Self::Json(writer) => writer.get_mut(),
            Self::Parquet(writer) => writer.inner_mut(),
        };
        Bytes::from(std::mem::take(written))
    }
}

fn of_parquet(error: ParquetError) -> Error {
    DataFusionError::from(error).into()
}
