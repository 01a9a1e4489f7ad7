//! A statement that runs on the engine's threads while this one watches: Ctrl-C is heard whatever
//! the statement does, and progress is shown.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::repl::progress::ProgressLine;
use crate::result::Tag;

/// How often the progress line is drawn.
const TICK: Duration = Duration::from_millis(200);

/// What a statement says while it runs: first how it answers, then its rows.
enum Event {
    Started(Tag, SchemaRef),
    Batch(RecordBatch),
}

/// Why a statement did not come to its end.
pub enum Stopped {
    /// It failed.
    Failed(Error),
    /// It broke something of ours.
    Panicked(String),
    /// Ctrl-C.
    Interrupted,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A running statement. Dropping it stops the statement.
pub struct Running {
    events: mpsc::Receiver<Event>,
    task: JoinHandle<Result<()>>,
    interrupt: Pin<Box<dyn Future<Output = ()> + Send>>,
    ticks: Interval,
    progress: Progress,
}

impl Running {
    /// Runs the statements of a text.
    pub fn start(db: &Database, sql: &str) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let (db, sql) = (db.clone(), sql.to_string());
        let progress = db.progress().clone();
        Self::watch(receiver, tokio::spawn(run(db, sql, sender)), progress)
    }

    /// Rows that are already there, as if a statement had given them.
    pub fn rows(batch: RecordBatch) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            if sender.send(Event::Started(Tag::Rows, batch.schema())).await.is_ok() {
                // Sending fails when nobody watches any more.
                let _ = sender.send(Event::Batch(batch)).await;
            }
            Ok(())
        });
        Self::watch(receiver, task, Progress::default())
    }

    fn watch(
        events: mpsc::Receiver<Event>,
        task: JoinHandle<Result<()>>,
        progress: Progress,
    ) -> Self {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { events, task, interrupt: Box::pin(ctrl_c()), ticks, progress }
    }

    /// What kind of answer the statement gives, and its columns; `None` if there is no statement.
    pub async fn started(
        &mut self,
        line: &mut ProgressLine,
    ) -> Result<Option<(Tag, SchemaRef)>, Stopped> {
        match self.next(line).await? {
            Some(Event::Started(tag, schema)) => Ok(Some((tag, schema))),
            _ => Ok(None),
        }
    }

    /// The next rows; `None` at the end.
    pub async fn batch(&mut self, line: &mut ProgressLine) -> Result<Option<RecordBatch>, Stopped> {
        match self.next(line).await? {
            Some(Event::Batch(batch)) => Ok(Some(batch)),
            _ => Ok(None),
        }
    }

    async fn next(&mut self, line: &mut ProgressLine) -> Result<Option<Event>, Stopped> {
        loop {
            tokio::select! {
                biased;
                () = &mut self.interrupt => return Err(Stopped::Interrupted),
                event = self.events.recv() => match event {
                    Some(event) => return Ok(Some(event)),
                    None => break,
                },
                _ = self.ticks.tick() => line.draw(self.progress.snapshot().as_ref()),
            }
        }
        match (&mut self.task).await {
            Ok(outcome) => outcome.map(|()| None).map_err(Stopped::Failed),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => Err(Stopped::Panicked(panic_message(panic.as_ref()))),
                Err(_) => Err(Stopped::Interrupted),
            },
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
        self.progress.finish();
    }
}

async fn run(db: Database, sql: String, sender: mpsc::Sender<Event>) -> Result<()> {
    let mut result = db.sql(&sql).await?;
    // Sending fails when nobody watches any more: the statement is to stop.
    if sender.send(Event::Started(result.tag(), result.schema())).await.is_err() {
        return Ok(());
    }
    while let Some(batch) = result.try_next().await? {
        if sender.send(Event::Batch(batch)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Waits for Ctrl-C; for ever where signals cannot be received.
pub async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_string()
}
