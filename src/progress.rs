//! How far a running statement has come: written by whoever does the work, read by whoever shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The progress of the statement that runs now. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stage: Mutex<Option<Stage>>,
    done: AtomicU64,
}

#[derive(Debug, Clone)]
struct Stage {
    name: String,
    unit: &'static str,
    total: Option<u64>,
    started: Instant,
}

/// One look at a [`Progress`].
#[derive(Debug, Clone)]
pub struct ProgressSnapshot {
    /// What is being done: "writing", "backfilling embedding", …
    pub stage: String,
    /// What is being counted: "rows", "files", …
    pub unit: &'static str,
    /// How many are done.
    pub done: u64,
    /// Of how many, where known.
    pub total: Option<u64>,
    /// Since the stage began.
    pub elapsed: Duration,
}

impl Progress {
    /// Begins a stage: the count starts at 0.
    pub fn begin(&self, name: impl Into<String>, unit: &'static str, total: Option<u64>) {
        self.shared.done.store(0, Ordering::Relaxed);
        *self.shared.stage.lock() =
            Some(Stage { name: name.into(), unit, total, started: Instant::now() });
    }

    /// Counts `n` more.
    pub fn advance(&self, n: u64) {
        self.shared.done.fetch_add(n, Ordering::Relaxed);
    }

    /// The statement is over: nothing to show.
    pub fn finish(&self) {
        *self.shared.stage.lock() = None;
    }

    /// How far it has come, if anything is running.
    pub fn snapshot(&self) -> Option<ProgressSnapshot> {
        let stage = self.shared.stage.lock().clone()?;
        Some(ProgressSnapshot {
            stage: stage.name,
            unit: stage.unit,
            done: self.shared.done.load(Ordering::Relaxed),
            total: stage.total,
            elapsed: stage.started.elapsed(),
        })
    }
}
