//! Results, written batch by batch: what has been written is forgotten, so that a result of any
//! size passes through.

mod expanded;
mod machine;
mod markdown;
mod plan;
mod table;

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::{Error, Result};
use crate::repl::format::Format;

/// Where rendered bytes go.
pub type Sink<'a> = Box<dyn Write + Send + 'a>;

/// Writes one result.
pub trait Renderer {
    /// Writes some rows.
    fn batch(&mut self, batch: &RecordBatch) -> Result<()>;
    /// Writes what is left and the end.
    fn finish(&mut self) -> Result<()>;
}

/// How results look.
#[derive(Debug, Clone)]
pub struct Style {
    pub format: Format,
    /// One line a column instead of one a row.
    pub expanded: bool,
    /// What stands for NULL in tables.
    pub null: String,
    pub colours: bool,
    /// The width that tables should fit into, if they are read on a terminal.
    pub columns: Option<usize>,
    /// Whether the bytes land in a file of their own.
    pub own_file: bool,
    /// A line above the table.
    pub title: Option<String>,
}

/// A renderer for a result of these columns.
pub fn renderer<'a>(
    style: &Style,
    schema: SchemaRef,
    sink: Sink<'a>,
) -> Result<Box<dyn Renderer + 'a>> {
    Ok(match style.format {
        Format::Table if style.expanded => Box::new(expanded::Expanded::new(style, schema, sink)),
        Format::Table if plan::Plans::are_in(&schema) => Box::new(plan::Plans::new(style, sink)),
        Format::Table => Box::new(table::Table::new(style, schema, sink)),
        Format::Markdown => Box::new(markdown::Markdown::new(schema, sink)),
        Format::Csv => Box::new(machine::Separated::new(b',', schema, sink)),
        Format::Tsv => Box::new(machine::Separated::new(b'\t', schema, sink)),
        Format::Json => Box::new(machine::Json::new(sink)),
        Format::Ndjson => Box::new(machine::JsonLines::new(sink)),
        Format::Arrow if style.own_file => Box::new(machine::ArrowFile::new(schema, sink)?),
        Format::Arrow => Box::new(machine::ArrowStream::new(schema, sink)?),
        Format::Parquet => Box::new(machine::Parquet::new(schema, sink)?),
    })
}

/// An output that cannot be written to.
pub fn write_error(source: io::Error) -> Error {
    Error::Io { context: "the result cannot be written".to_string(), source }
}

/// `(1 row)`
fn row_count(rows: usize) -> String {
    if rows == 1 { "(1 row)".to_string() } else { format!("({rows} rows)") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A sink whose content can be looked at afterwards.
    #[derive(Clone, Default)]
    pub struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub fn style(format: Format) -> Style {
        Style {
            format,
            expanded: false,
            null: "NULL".to_string(),
            colours: false,
            columns: None,
            own_file: false,
            title: None,
        }
    }

    /// The bytes that the batches are written as.
    pub fn bytes(style: &Style, batches: &[RecordBatch]) -> Vec<u8> {
        let page = Page::default();
        let mut renderer = renderer(style, batches[0].schema(), Box::new(page.clone())).unwrap();
        for batch in batches {
            renderer.batch(batch).unwrap();
        }
        renderer.finish().unwrap();
        drop(renderer);
        Arc::try_unwrap(page.0).unwrap().into_inner().unwrap()
    }

    /// The text that the batches are written as.
    pub fn text(style: &Style, batches: &[RecordBatch]) -> String {
        String::from_utf8(bytes(style, batches)).unwrap()
    }

    /// Three columns: a number, a text and a vector, with NULLs.
    pub fn sample() -> RecordBatch {
        use arrow::array::*;
        use arrow::datatypes::Float32Type;
        let vectors = ListArray::from_iter_primitive::<Float32Type, _, _>([
            Some(vec![Some(0.5), Some(-0.25)]),
            None,
        ]);
        RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(vec![1, 20])) as ArrayRef),
            ("name", Arc::new(StringArray::from(vec![Some("Genoa, \"old\""), None]))),
            ("v", Arc::new(vectors)),
        ])
        .unwrap()
    }
}
