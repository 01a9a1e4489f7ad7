//! The formats for programs: Arrow's own writers, with nothing shortened.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use arrow::json;
use arrow::json::writer::{JsonArray, LineDelimited};
use datafusion::common::DataFusionError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::nested::nested_as_json;
use crate::repl::render::{Renderer, Sink, write_error};

/// Bytes of a Parquet row group: what is held in memory while it grows.
const ROW_GROUP: usize = 64 << 20;

/// CSV and TSV. What these cannot hold, lists and structs, is written as JSON.
pub struct Separated<'a> {
    writer: csv::Writer<Sink<'a>>,
    schema: SchemaRef,
    begun: bool,
}

impl<'a> Separated<'a> {
    pub fn new(delimiter: u8, schema: SchemaRef, sink: Sink<'a>) -> Self {
        let writer = csv::WriterBuilder::new().with_delimiter(delimiter).build(sink);
        Self { writer, schema, begun: false }
    }
}

impl Renderer for Separated<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.begun = true;
        if batch.num_columns() == 0 {
            return Ok(());
        }
        Ok(self.writer.write(&nested_as_json(batch)?)?)
    }

    fn finish(&mut self) -> Result<()> {
        // The header is written with the first batch, so there must be one.
        if self.begun { Ok(()) } else { self.batch(&RecordBatch::new_empty(self.schema.clone())) }
    }
}

/// One JSON array.
pub struct Json<'a> {
    writer: json::Writer<Sink<'a>, JsonArray>,
}

impl<'a> Json<'a> {
    pub fn new(sink: Sink<'a>) -> Self {
        Self { writer: json::WriterBuilder::new().with_explicit_nulls(true).build(sink) }
    }
}

impl Renderer for Json<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.writer.write(batch)?)
    }

    fn finish(&mut self) -> Result<()> {
        self.writer.finish()?;
        let sink = self.writer.get_mut();
        sink.write_all(b"\n").and_then(|()| sink.flush()).map_err(write_error)
    }
}

/// One JSON object a line.
pub struct JsonLines<'a> {
    writer: json::Writer<Sink<'a>, LineDelimited>,
}

impl<'a> JsonLines<'a> {
    pub fn new(sink: Sink<'a>) -> Self {
        Self { writer: json::WriterBuilder::new().with_explicit_nulls(true).build(sink) }
    }
}

impl Renderer for JsonLines<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch)?;
        self.writer.get_mut().flush().map_err(write_error)
    }

    fn finish(&mut self) -> Result<()> {
        self.writer.finish()?;
        self.writer.get_mut().flush().map_err(write_error)
    }
}

/// Arrow's stream format, which needs no end to be read.
pub struct ArrowStream<'a> {
    writer: StreamWriter<Sink<'a>>,
}

impl<'a> ArrowStream<'a> {
    pub fn new(schema: SchemaRef, sink: Sink<'a>) -> Result<Self> {
        Ok(Self { writer: StreamWriter::try_new(sink, &schema)? })
    }
}

impl Renderer for ArrowStream<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.writer.write(batch)?)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(self.writer.finish()?)
    }
}

/// Arrow's file format, which can be mapped into memory.
pub struct ArrowFile<'a> {
    writer: FileWriter<Sink<'a>>,
}

impl<'a> ArrowFile<'a> {
    pub fn new(schema: SchemaRef, sink: Sink<'a>) -> Result<Self> {
        Ok(Self { writer: FileWriter::try_new(sink, &schema)? })
    }
}

impl Renderer for ArrowFile<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.writer.write(batch)?)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(self.writer.finish()?)
    }
}

/// Parquet, compressed with zstd.
pub struct Parquet<'a> {
    writer: ArrowWriter<Sink<'a>>,
}

impl<'a> Parquet<'a> {
    pub fn new(schema: SchemaRef, sink: Sink<'a>) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer = ArrowWriter::try_new(sink, schema, Some(properties)).map_err(parquet_error)?;
        Ok(Self { writer })
    }
}

impl Renderer for Parquet<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(parquet_error)?;
        if self.writer.memory_size() > ROW_GROUP {
            self.writer.flush().map_err(parquet_error)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.writer.finish().map(|_| ()).map_err(parquet_error)
    }
}

fn parquet_error(error: ParquetError) -> Error {
    DataFusionError::from(error).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::repl::format::Format;
    use crate::repl::render::Style;
    use crate::repl::render::testing::{bytes, sample, style, text};
    use arrow::array::RecordBatch;
    use arrow::ipc::reader::{FileReader, StreamReader};
    use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use std::io::Cursor;

    #[test]
    fn separated_values() {
        assert_eq!(
            text(&style(Format::Csv), &[sample()]),
            "id,name,v\n1,\"Genoa, \"\"old\"\"\",\"[0.5,-0.25]\"\n20,,\n"
        );
        assert_eq!(
            text(&style(Format::Tsv), &[sample()]),
            "id\tname\tv\n1\t\"Genoa, \"\"old\"\"\"\t[0.5,-0.25]\n20\t\t\n"
        );
        assert_eq!(text(&style(Format::Csv), &[sample().slice(0, 0)]), "id,name,v\n");
    }

    #[test]
    fn json_values() {
        let rows = [
            r#"{"id":1,"name":"Genoa, \"old\"","v":[0.5,-0.25]}"#,
            r#"{"id":20,"name":null,"v":null}"#,
        ];
        assert_eq!(text(&style(Format::Json), &[sample()]), format!("[{}]\n", rows.join(",")));
        assert_eq!(text(&style(Format::Json), &[sample().slice(0, 0)]), "[]\n");
        assert_eq!(text(&style(Format::Ndjson), &[sample()]), rows.join("\n") + "\n");
    }

    #[test]
    fn binary_formats_are_read_back() {
        let stream = bytes(&style(Format::Arrow), &[sample(), sample()]);
        let read: Vec<RecordBatch> =
            StreamReader::try_new(Cursor::new(stream), None).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, [sample(), sample()]);

        let own_file = Style { own_file: true, ..style(Format::Arrow) };
        let file = bytes(&own_file, &[sample()]);
        let read: Vec<RecordBatch> =
            FileReader::try_new(Cursor::new(file), None).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, [sample()]);

        let file = bytes::Bytes::from(bytes(&style(Format::Parquet), &[sample(), sample()]));
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(rows, 4);
    }
}
