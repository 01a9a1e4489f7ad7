//! How far a running statement has come: written by whoever does the work, read by whoever shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use portolan_udfs::Work;

/// The progress of the statement that runs now. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stage: Mutex<Option<Stage>>,
    done: AtomicU64,
    work: Mutex<Option<(Work, Instant)>>,
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
    /// Tokens that went through models, where any did.
    pub tokens: Option<u64>,
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

    /// So many are done in all.
    pub fn reach(&self, done: u64) {
        self.shared.done.store(done, Ordering::Relaxed);
    }

    /// The statement is over: nothing to show.
    pub fn finish(&self) {
        *self.shared.stage.lock() = None;
    }

    /// Shows what models do, until it is [`Self::unwatch`]ed.
    pub(crate) fn watch(&self, work: &Work) {
        *self.shared.work.lock() = Some((work.clone(), Instant::now()));
    }

    /// Shows it no more, unless other work is shown by now.
    pub(crate) fn unwatch(&self, work: &Work) {
        let mut shown = self.shared.work.lock();
        if shown.as_ref().is_some_and(|(shown, _)| shown.is(work)) {
            *shown = None;
        }
    }

    /// How far it has come, if anything is running.
    pub fn snapshot(&self) -> Option<ProgressSnapshot> {
        let work = self.shared.work.lock().clone();
        let usage = work.as_ref().map(|(work, _)| work.usage()).unwrap_or_default();
        let tokens = (usage.tokens > 0).then_some(usage.tokens);
        let embedded = usage.inputs + usage.cached;
        let done = self.shared.done.load(Ordering::Relaxed);
        let stage = self.shared.stage.lock().clone();
        // Rows that are embedded come in thousands: until the first do, the models say how far it is.
        if let Some(stage) = stage.filter(|_| done > 0 || embedded == 0) {
            return Some(ProgressSnapshot {
                stage: stage.name,
                unit: stage.unit,
                done,
                total: stage.total,
                elapsed: stage.started.elapsed(),
                tokens,
            });
        }
        if let Some(stage) = work.as_ref().and_then(|(work, _)| work.stage()) {
            return Some(ProgressSnapshot {
                stage: stage.name.to_string(),
                unit: "steps",
                done: stage.done,
                total: Some(stage.steps),
                elapsed: stage.started.elapsed(),
                tokens,
            });
        }
        let (_, started) = work.filter(|_| embedded > 0)?;
        Some(ProgressSnapshot {
            stage: "embedding".to_string(),
            unit: "rows",
            done: embedded,
            total: None,
            elapsed: started.elapsed(),
            tokens,
        })
    }
}
