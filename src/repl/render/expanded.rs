//! `\x`: one line a column, for rows that are too wide to be a table. Nothing is cut.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::Result;
use crate::repl::render::{Renderer, Sink, Style, row_count, write_error};
use crate::repl::terminal::{BOLD, DIM, PLAIN};
use crate::repl::text::{escaped, width};
use crate::repl::value::ColumnText;

/// Records being written.
pub struct Expanded<'a> {
    sink: Sink<'a>,
    names: Vec<String>,
    name_width: usize,
    null: String,
    colours: bool,
    title: Option<String>,
    rows: usize,
}

impl<'a> Expanded<'a> {
    pub fn new(style: &Style, schema: SchemaRef, sink: Sink<'a>) -> Self {
        let names: Vec<_> = schema.fields().iter().map(|field| escaped(field.name())).collect();
        let name_width = names.iter().map(|name| width(name)).max().unwrap_or(0);
        Self {
            sink,
            names,
            name_width,
            null: style.null.clone(),
            colours: style.colours,
            title: style.title.clone(),
            rows: 0,
        }
    }

    fn record(&self, number: usize, columns: &[ColumnText<'_>], row: usize) -> Result<String> {
        let (bold, dim, plain) = if self.colours { (BOLD, DIM, PLAIN) } else { ("", "", "") };
        let title = format!("─[ RECORD {number} ]");
        // The corner sits above the line between names and values.
        let mut record = match (self.name_width + 1).checked_sub(width(&title)) {
            Some(missing) => format!("{dim}{title}{}┬──────{plain}\n", "─".repeat(missing)),
            None => format!("{dim}{title}──────{plain}\n"),
        };
        for (name, column) in self.names.iter().zip(columns) {
            let missing = self.name_width - width(name);
            record += &format!("{bold}{name}{plain}{:missing$} {dim}│{plain} ", "");
            let lines: Vec<_> = column.lines(row).into_iter().flatten().map(escaped).collect();
            record += &match column.cell(row)? {
                None => format!("{dim}{}{plain}", self.null),
                Some(_) if lines.len() > 1 => {
                    let indent = format!("\n{:1$} {dim}│{plain} ", "", self.name_width);
                    lines.join(&indent)
                }
                Some(text) => text,
            };
            record.push('\n');
        }
        Ok(record)
    }
}

impl Renderer for Expanded<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns =
            batch.columns().iter().map(ColumnText::try_new).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            if self.rows == 0
                && let Some(title) = &self.title
            {
                writeln!(self.sink, "{}", escaped(title)).map_err(write_error)?;
            }
            self.rows += 1;
            let record = self.record(self.rows, &columns, row)?;
            self.sink.write_all(record.as_bytes()).map_err(write_error)?;
        }
        self.sink.flush().map_err(write_error)
    }

    fn finish(&mut self) -> Result<()> {
        if self.rows == 0 && !self.names.is_empty() {
            writeln!(self.sink, "{}", row_count(0)).map_err(write_error)?;
        }
        self.sink.flush().map_err(write_error)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::repl::format::Format;
    use crate::repl::render::testing::{sample, style, text};
    use arrow::array::*;
    use std::sync::Arc;

    fn expanded() -> Style {
        Style { expanded: true, ..style(Format::Table) }
    }

    #[test]
    fn one_line_a_column() {
        assert_eq!(
            text(&expanded(), &[sample()]),
            "─[ RECORD 1 ]──────
id   │ 1
name │ Genoa, \"old\"
v    │ [0.5, -0.25]
─[ RECORD 2 ]──────
id   │ 20
name │ NULL
v    │ NULL
"
        );
        assert_eq!(text(&expanded(), &[sample().slice(0, 0)]), "(0 rows)\n");
    }

    #[test]
    fn lines_of_a_text_stay_lines() {
        let poem: ArrayRef = Arc::new(StringArray::from(vec!["one\ntwo\t2"]));
        let batch = RecordBatch::try_from_iter([("the text of a poem", poem)]).unwrap();
        assert_eq!(
            text(&expanded(), &[batch]),
            "─[ RECORD 1 ]──────┬──────
the text of a poem │ one
                   │ two\\t2
"
        );
    }
}
