//! Aligned columns. The first rows decide how wide they are; later rows follow, so that only the
//! first ones are ever held in memory.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::Result;
use crate::repl::render::{Renderer, Sink, Style, row_count, write_error};
use crate::repl::terminal::{BOLD, DIM, PLAIN};
use crate::repl::text::{cut, escaped, width};
use crate::repl::value::ColumnText;

/// Rows that are looked at to find the widths.
const SIZING_ROWS: usize = 1000;
/// Bytes of text that are held while looking.
const SIZING_BYTES: usize = 1 << 20;
/// Columns are not made narrower than this to fit the terminal: it can be scrolled.
const NARROWEST: usize = 12;
/// Between columns: ` │ `
const SEPARATOR: usize = 3;

/// A table being written.
pub struct Table<'a> {
    sink: Sink<'a>,
    columns: Vec<Column>,
    null: String,
    colours: bool,
    /// The terminal's width.
    fit: Option<usize>,
    title: Option<String>,
    /// Rows that wait for the widths; `None` once they are known.
    waiting: Option<Waiting>,
    rows: usize,
}

struct Column {
    name: String,
    is_number: bool,
    width: usize,
}

#[derive(Default)]
struct Waiting {
    rows: Vec<Row>,
    bytes: usize,
}

/// One cell a column; `None` is NULL.
type Row = Vec<Option<String>>;

impl<'a> Table<'a> {
    pub fn new(style: &Style, schema: SchemaRef, sink: Sink<'a>) -> Self {
        let columns = schema.fields().iter().map(|field| {
            let name = escaped(field.name());
            let width = width(&name);
            Column { name, is_number: field.data_type().is_numeric(), width }
        });
        Self {
            sink,
            columns: columns.collect(),
            null: style.null.clone(),
            colours: style.colours,
            fit: style.columns,
            title: style.title.clone(),
            waiting: Some(Waiting::default()),
            rows: 0,
        }
    }

    /// Decides the widths and writes what has waited for them.
    fn begin(&mut self) -> Result<()> {
        let Some(waiting) = self.waiting.take() else { return Ok(()) };
        for row in &waiting.rows {
            for (column, cell) in self.columns.iter_mut().zip(row) {
                column.width = column.width.max(width(cell.as_deref().unwrap_or(&self.null)));
            }
        }
        if let Some(fit) = self.fit {
            let natural: Vec<usize> = self.columns.iter().map(|column| column.width).collect();
            for (column, width) in self.columns.iter_mut().zip(fit_into(&natural, fit)) {
                column.width = width;
            }
        }
        if let Some(title) = &self.title {
            writeln!(self.sink, "{}", escaped(title)).map_err(write_error)?;
        }
        if !self.columns.is_empty() {
            let header = self.header();
            self.sink.write_all(header.as_bytes()).map_err(write_error)?;
        }
        for row in &waiting.rows {
            self.write_row(row)?;
        }
        Ok(())
    }

    fn header(&self) -> String {
        let mut names = String::from(" ");
        let mut rule = String::from("─");
        let (bold, dim, plain) = if self.colours { (BOLD, DIM, PLAIN) } else { ("", "", "") };
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                names += &format!(" {dim}│{plain} ");
                rule += "─┼─";
            }
            let name = cut(&column.name, column.width);
            let is_last = at + 1 == self.columns.len();
            names += &self.aligned(column, &name, bold, is_last);
            rule += &"─".repeat(column.width);
        }
        format!("{names}\n{dim}{rule}─{plain}\n")
    }

    fn write_row(&mut self, row: &Row) -> Result<()> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let (dim, plain) = if self.colours { (DIM, PLAIN) } else { ("", "") };
        let mut line = String::from(" ");
        for (at, (column, cell)) in self.columns.iter().zip(row).enumerate() {
            if at > 0 {
                line += &format!(" {dim}│{plain} ");
            }
            let (text, paint) = match cell {
                Some(text) => (text, ""),
                None => (&self.null, dim),
            };
            let is_last = at + 1 == self.columns.len();
            // A later row may be wider than all that were looked at: on a terminal the columns
            // stay, elsewhere nothing is lost.
            match self.fit {
                Some(_) => {
                    line += &self.aligned(column, &cut(text, column.width), paint, is_last);
                }
                None => line += &self.aligned(column, text, paint, is_last),
            }
        }
        line.push('\n');
        self.sink.write_all(line.as_bytes()).map_err(write_error)
    }

    fn aligned(&self, column: &Column, text: &str, paint: &str, is_last: bool) -> String {
        let missing = column.width.saturating_sub(width(text));
        let plain = if paint.is_empty() { "" } else { PLAIN };
        match (column.is_number, is_last) {
            (true, _) => format!("{:missing$}{paint}{text}{plain}", ""),
            (false, true) => format!("{paint}{text}{plain}"),
            (false, false) => format!("{paint}{text}{plain}{:missing$}", ""),
        }
    }
}

impl Renderer for Table<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns =
            batch.columns().iter().map(ColumnText::try_new).collect::<Result<Vec<_>, _>>()?;
        self.rows += batch.num_rows();
        for index in 0..batch.num_rows() {
            let row =
                columns.iter().map(|column| column.cell(index)).collect::<Result<Row, _>>()?;
            match &mut self.waiting {
                Some(waiting) => {
                    waiting.bytes += row.iter().flatten().map(String::len).sum::<usize>();
                    waiting.rows.push(row);
                    if waiting.rows.len() >= SIZING_ROWS || waiting.bytes >= SIZING_BYTES {
                        self.begin()?;
                    }
                }
                None => self.write_row(&row)?,
            }
        }
        self.sink.flush().map_err(write_error)
    }

    fn finish(&mut self) -> Result<()> {
        self.begin()?;
        // A statement that gives no columns and no rows has nothing to show.
        if !self.columns.is_empty() || self.rows > 0 {
            writeln!(self.sink, "{}", row_count(self.rows)).map_err(write_error)?;
        }
        self.sink.flush().map_err(write_error)
    }
}

/// Widths that fit into a terminal where that is possible: the widest columns give way first.
fn fit_into(natural: &[usize], terminal: usize) -> Vec<usize> {
    let frame = 2 + SEPARATOR * natural.len().saturating_sub(1);
    let room = terminal.saturating_sub(frame);
    let total = |cap: usize| natural.iter().map(|&width| width.min(cap)).sum::<usize>();
    let widest = natural.iter().copied().max().unwrap_or(0);
    let mut cap = widest;
    while total(cap) > room && cap > NARROWEST {
        cap -= 1;
    }
    let mut spare = room.saturating_sub(total(cap));
    let widths = natural.iter().map(|&width| {
        // What the cap leaves over goes to the columns that it cuts.
        let extra = usize::from(width > cap && spare > 0);
        spare -= extra;
        width.min(cap) + extra
    });
    widths.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::repl::format::Format;
    use crate::repl::render::testing::{sample, style, text};
    use arrow::array::*;
    use arrow::datatypes::Schema;
    use std::sync::Arc;

    fn strings(columns: &[(&str, &[&str])]) -> RecordBatch {
        let columns = columns.iter().map(|(name, values)| {
            (*name, Arc::new(StringArray::from(values.to_vec())) as ArrayRef)
        });
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(
            text(&style(Format::Table), &[sample()]),
            " id │ name         │ v
────┼──────────────┼──────────────
  1 │ Genoa, \"old\" │ [0.5, -0.25]
 20 │ NULL         │ NULL
(2 rows)
"
        );
    }

    #[test]
    fn wide_and_control_characters_keep_the_columns() {
        let batch = strings(&[("都市", &["ジェノヴァ", "a\nb"]), ("x", &["1", "2"])]);
        assert_eq!(
            text(&style(Format::Table), &[batch]),
            " 都市       │ x
────────────┼───
 ジェノヴァ │ 1
 a\\nb       │ 2
(2 rows)
"
        );
    }

    #[test]
    fn cells_are_cut_to_the_terminal() {
        let long = "word ".repeat(20);
        let batch = strings(&[("a", &["short"]), ("b", &[&long]), ("c", &[&long])]);
        let style = Style { columns: Some(50), ..style(Format::Table) };
        let page = text(&style, &[batch]);
        for line in page.lines() {
            assert!(width(line) <= 50, "{line}");
        }
        assert!(page.contains(" short │ word word word wor… │ word word"), "{page}");
    }

    #[test]
    fn nothing_is_cut_without_a_terminal() {
        let first = strings(&[("a", &["x"]), ("b", &["y"])]);
        let later = strings(&[("a", &["wider than before"]), ("b", &["y"])]);
        let many = vec![first; SIZING_ROWS];
        let page = text(&style(Format::Table), &[many, vec![later]].concat());
        assert!(page.ends_with(" x │ y\n wider than before │ y\n(1001 rows)\n"), "{page}");
    }

    #[test]
    fn no_rows_and_no_columns() {
        assert_eq!(
            text(&style(Format::Table), &[sample().slice(0, 0)]),
            " id │ name │ v\n────┼──────┼───\n(0 rows)\n"
        );
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let no_columns =
            RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
        assert_eq!(text(&style(Format::Table), std::slice::from_ref(&no_columns)), "(3 rows)\n");
        assert_eq!(text(&style(Format::Table), &[no_columns.slice(0, 0)]), "");
    }

    #[test]
    fn widths_fit_where_they_can() {
        assert_eq!(fit_into(&[5, 100], 50), [5, 40]);
        assert_eq!(fit_into(&[5, 30, 100], 50), [5, 19, 18]);
        assert_eq!(fit_into(&[20; 10], 50), [NARROWEST; 10]);
        assert_eq!(fit_into(&[], 50), Vec::<usize>::new());
    }
}
