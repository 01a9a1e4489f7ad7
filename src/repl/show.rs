//! A running statement, shown: its rows, or its name when it has none.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, UInt64Type};

use crate::error::Result;
use crate::repl::format::Format;
use crate::repl::output::Output;
use crate::repl::progress::ProgressLine;
use crate::repl::render::{Style, renderer};
use crate::repl::running::{Running, Stopped};
use crate::result::Tag;

/// A statement being shown.
pub struct Show<'a> {
    pub running: Running,
    pub output: &'a mut Output,
    pub style: &'a Style,
    pub with_pager: bool,
    /// How long the statement has taken, without the time that writing took.
    pub time: Duration,
}

impl Show<'_> {
    /// Shows what the statement gives, until its end.
    pub async fn run_to_end(&mut self) -> Result<(), Stopped> {
        let mut line = ProgressLine::new(true);
        let waiting = Instant::now();
        let started = self.running.started(&mut line).await;
        self.time += waiting.elapsed();
        line.erase();
        match started? {
            None => Ok(()),
            Some((Tag::Rows, schema)) => self.rows(schema, &mut line).await,
            Some((Tag::Count(name), _)) => {
                let mut count = 0;
                while let Some(batch) = self.batch(&mut line).await? {
                    count += counted(&batch);
                }
                self.say(&format!("{name} {count}"))
            }
            Some((Tag::Done(name), _)) => {
                while self.batch(&mut line).await?.is_some() {}
                self.say(name)
            }
        }
    }

    async fn rows(&mut self, schema: SchemaRef, line: &mut ProgressLine) -> Result<(), Stopped> {
        let pager_opened = self.output.pager_opened();
        // JSON leaves the cursor in the middle of a line, where progress would overwrite it.
        let shares_lines = self.output.is_terminal() && self.style.format == Format::Json;
        let sink = self.output.sink(self.style.format, self.with_pager)?;
        let mut renderer = renderer(self.style, schema, sink)?;
        loop {
            let waiting = Instant::now();
            let batch = self.running.batch(line).await;
            self.time += waiting.elapsed();
            line.erase();
            match batch? {
                Some(batch) => renderer.batch(&batch)?,
                None => break,
            }
            if shares_lines || pager_opened.load(Ordering::Relaxed) {
                line.stop();
            }
        }
        Ok(renderer.finish()?)
    }

    /// The next rows, when nothing is written in between.
    async fn batch(&mut self, line: &mut ProgressLine) -> Result<Option<RecordBatch>, Stopped> {
        let waiting = Instant::now();
        let batch = self.running.batch(line).await;
        self.time += waiting.elapsed();
        line.erase();
        batch
    }

    /// Tells a person what a statement without rows has done.
    fn say(&mut self, text: &str) -> Result<(), Stopped> {
        if self.style.format.is_for_people() && !text.is_empty() {
            self.output.print(text, false)?;
        }
        Ok(())
    }
}

/// The sum of a batch's counts.
fn counted(batch: &RecordBatch) -> u64 {
    let counts = batch.columns().first().and_then(|column| column.as_primitive_opt::<UInt64Type>());
    counts.map_or(0, |counts| (0..counts.len()).map(|row| counts.value(row)).sum())
}
