//! What models do for one statement: whether it is still wanted, how far it has come, and the rows
//! that failed. It travels to the functions as an extension of the session's options.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use datafusion_common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion_common::{Result, config_err};
use parking_lot::Mutex;
use portolan_models::Watch;
use portolan_models::remote::Place;

/// Rows that are remembered one by one; of more, only the number.
const MOST_FAILURES: usize = 10_000;

/// The work of one statement. Clones share it.
#[derive(Clone, Default)]
pub struct Work {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    place: OnceLock<Place>,
    cached: AtomicU64,
    inputs: AtomicU64,
    tokens: AtomicU64,
    timing: Mutex<Timing>,
    failures: Mutex<Failures>,
}

#[derive(Default)]
struct Timing {
    running: usize,
    since: Option<Instant>,
    spent: Duration,
}

#[derive(Default)]
struct Failures {
    count: u64,
    rows: Vec<RowFailure>,
}

/// A row that became NULL, because the session said that failures should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFailure {
    /// The function.
    pub function: &'static str,
    /// Its input, shortened.
    pub input: String,
    /// Why it failed.
    pub reason: String,
}

/// What models have done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Rows whose vectors were in the cache.
    pub cached: u64,
    /// Texts and images that went through a model.
    pub inputs: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Rows that failed and became NULL.
    pub failed: u64,
    /// Time in which at least one model ran.
    pub elapsed: Duration,
}

impl Work {
    /// Nobody wants the result any more: models stop soon.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether both are the work of one statement.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// What has been done.
    pub fn usage(&self) -> Usage {
        let timing = self.shared.timing.lock();
        let now = timing.since.map_or(Duration::ZERO, |since| since.elapsed());
        Usage {
            cached: self.shared.cached.load(Ordering::Relaxed),
            inputs: self.shared.inputs.load(Ordering::Relaxed),
            tokens: self.shared.tokens.load(Ordering::Relaxed),
            failed: self.shared.failures.lock().count,
            elapsed: timing.spent + now,
        }
    }

    /// The rows that failed since the last call.
    pub fn take_failures(&self) -> Vec<RowFailure> {
        std::mem::take(&mut self.shared.failures.lock().rows)
    }

    /// Remembers a row that failed.
    pub(crate) fn failed(&self, row: RowFailure) {
        let mut failures = self.shared.failures.lock();
        failures.count += 1;
        if failures.rows.len() < MOST_FAILURES {
            failures.rows.push(row);
        }
    }

    /// Does something that counts as time in which models run.
    pub(crate) fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        {
            let mut timing = self.shared.timing.lock();
            timing.running += 1;
            timing.since.get_or_insert_with(Instant::now);
        }
        let done = work();
        let mut timing = self.shared.timing.lock();
        timing.running -= 1;
        if timing.running == 0
            && let Some(since) = timing.since.take()
        {
            timing.spent += since.elapsed();
        }
        done
    }
}

impl Watch for Work {
    fn stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Relaxed)
    }

    /// The first rows decide; a lone one, such as a constant, says nothing of the others.
    fn place(&self, decided: Place, rows: usize) -> Place {
        if rows == 1 {
            return self.shared.place.get().copied().unwrap_or(decided);
        }
        *self.shared.place.get_or_init(|| decided)
    }

    fn cached(&self, rows: u64) {
        self.shared.cached.fetch_add(rows, Ordering::Relaxed);
    }

    fn ran(&self, inputs: u64, tokens: u64) {
        self.shared.inputs.fetch_add(inputs, Ordering::Relaxed);
        self.shared.tokens.fetch_add(tokens, Ordering::Relaxed);
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("usage", &self.usage()).finish()
    }
}

impl ConfigExtension for Work {
    const PREFIX: &'static str = "portolan_work";
}

/// Carried by the options, but none of them.
impl ExtensionOptions for Work {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> Result<()> {
        config_err!("'portolan_work.{key}' is no setting")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_work() {
        let work = Work::default();
        let other = work.clone();
        work.ran(3, 40);
        other.cached(2);
        assert!(!other.stopped());
        work.stop();
        assert!(other.stopped());
        let usage = other.usage();
        assert_eq!((usage.inputs, usage.tokens, usage.cached), (3, 40, 2));
    }

    #[test]
    fn a_statement_stays_where_its_first_rows_ran() {
        let work = Work::default();
        assert_eq!(work.place(Place::Local, 1), Place::Local);
        assert_eq!(work.place(Place::Remote, 8192), Place::Remote);
        assert_eq!(work.clone().place(Place::Local, 3), Place::Remote);
        assert_eq!(work.place(Place::Local, 1), Place::Remote);
    }

    #[test]
    fn time_is_counted_once_however_many_run() {
        let work = Work::default();
        let pause = Duration::from_millis(20);
        work.timed(|| work.timed(|| std::thread::sleep(pause)));
        let spent = work.usage().elapsed;
        assert!(spent >= pause && spent < pause * 2, "{spent:?}");
    }
}
