//! A table for documents. Markdown needs no aligned columns, so every row goes out at once.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::Result;
use crate::repl::render::{Renderer, Sink, write_error};
use crate::repl::text::escaped;
use crate::repl::value::ColumnText;

/// A Markdown table being written.
pub struct Markdown<'a> {
    sink: Sink<'a>,
    schema: SchemaRef,
    begun: bool,
}

impl<'a> Markdown<'a> {
    pub fn new(schema: SchemaRef, sink: Sink<'a>) -> Self {
        Self { sink, schema, begun: false }
    }

    fn begin(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.begun, true) || self.schema.fields().is_empty() {
            return Ok(());
        }
        let mut names = String::from("|");
        let mut rule = String::from("|");
        for field in self.schema.fields() {
            names += &format!(" {} |", in_cell(&escaped(field.name())));
            rule += if field.data_type().is_numeric() { " ---: |" } else { " --- |" };
        }
        writeln!(self.sink, "{names}\n{rule}").map_err(write_error)
    }
}

/// Bars would end the cell.
fn in_cell(text: &str) -> String {
    text.replace('|', "\\|")
}

impl Renderer for Markdown<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.begin()?;
        let columns =
            batch.columns().iter().map(ColumnText::try_new).collect::<Result<Vec<_>, _>>()?;
        if columns.is_empty() {
            return Ok(());
        }
        for row in 0..batch.num_rows() {
            let mut line = String::from("|");
            for column in &columns {
                let text = column.cell(row)?.unwrap_or_else(|| "NULL".to_string());
                line += &format!(" {} |", in_cell(&text));
            }
            writeln!(self.sink, "{line}").map_err(write_error)?;
        }
        self.sink.flush().map_err(write_error)
    }

    fn finish(&mut self) -> Result<()> {
        self.begin()?;
        self.sink.flush().map_err(write_error)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::repl::format::Format;
    use crate::repl::render::testing::{sample, style, text};
    use arrow::array::*;
    use std::sync::Arc;

    #[test]
    fn a_table() {
        assert_eq!(
            text(&style(Format::Markdown), &[sample()]),
            "| id | name | v |
| ---: | --- | --- |
| 1 | Genoa, \"old\" | [0.5, -0.25] |
| 20 | NULL | NULL |
"
        );
        let bars: ArrayRef = Arc::new(StringArray::from(vec!["a|b\nc"]));
        let batch = RecordBatch::try_from_iter([("x|y", bars)]).unwrap();
        assert_eq!(text(&style(Format::Markdown), &[batch]), "| x\\|y |\n| --- |\n| a\\|b\\nc |\n");
    }
}
