//! EXPLAIN's answer: a plan is a text of many lines, which a cell would press into one.

use std::io::Write;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Schema;

use crate::error::Result;
use crate::repl::render::{Renderer, Sink, Style, write_error};
use crate::repl::terminal::{BOLD, PLAIN};
use crate::repl::text::escaped;

/// Plans being written, each under its name.
pub struct Plans<'a> {
    sink: Sink<'a>,
    colours: bool,
}

impl<'a> Plans<'a> {
    /// Whether these are the columns of EXPLAIN.
    pub fn are_in(schema: &Schema) -> bool {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        names == ["plan_type", "plan"]
            && schema.fields().iter().all(|field| field.data_type().is_string())
    }

    pub fn new(style: &Style, sink: Sink<'a>) -> Self {
        Self { sink, colours: style.colours }
    }
}

impl Renderer for Plans<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let (bold, plain) = if self.colours { (BOLD, PLAIN) } else { ("", "") };
        let names = batch.column(0).as_string_opt::<i32>();
        let plans = batch.column(1).as_string_opt::<i32>();
        let (Some(names), Some(plans)) = (names, plans) else { return Ok(()) };
        for row in 0..batch.num_rows() {
            if !names.is_null(row) {
                writeln!(self.sink, "{bold}{}{plain}", escaped(names.value(row)))
                    .map_err(write_error)?;
            }
            for line in plans.value(row).lines() {
                writeln!(self.sink, "  {}", escaped(line)).map_err(write_error)?;
            }
        }
        self.sink.flush().map_err(write_error)
    }

    fn finish(&mut self) -> Result<()> {
        self.sink.flush().map_err(write_error)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;
    use crate::repl::format::Format;
    use crate::repl::render::testing::{style, text};

    #[test]
    fn a_plan_keeps_its_lines() {
        let batch = RecordBatch::try_from_iter([
            ("plan_type", Arc::new(StringArray::from(vec!["logical_plan"])) as ArrayRef),
            ("plan", Arc::new(StringArray::from(vec!["Filter: a\n  TableScan: t\u{1b}"]))),
        ])
        .unwrap();
        let shown = text(&style(Format::Table), &[batch]);
        assert_eq!(shown, "logical_plan\n  Filter: a\n    TableScan: t\\u{1b}\n");
    }
}
