//! What models do for one statement: whether it is still wanted, how far it has come, and the rows
//! that failed. It travels to the functions as an extension of the session's options.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use datafusion_common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion_common::{Result, config_err};
use parking_lot::Mutex;
use portolan_models::Watch;
use portolan_models::remote::Place;

use crate::once::{Key, Once};
use crate::scalar::Keys;

/// Rows that are remembered one by one; of more, only the number.
const MOST_FAILURES: usize = 10_000;

/// The work of one statement. Clones share it.
#[derive(Clone, Default)]
pub struct Work {
    shared: Arc<Shared>,
    /// Of the rows of one call, where they have some.
    keys: Option<Arc<Keys>>,
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
    stage: Mutex<Option<(&'static str, u64, Instant)>>,
    steps: AtomicU64,
    left_out: Mutex<BTreeMap<&'static str, LeftOut>>,
    notices: Mutex<Vec<String>>,
    unanswered: OnceLock<String>,
    memory: OnceLock<Arc<dyn Memory>>,
    once: Once,
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
    /// Its key, where it is a row of a table that has one.
    pub key: Option<String>,
    /// Its input, shortened.
    pub input: String,
    /// Why it failed.
    pub reason: String,
}

/// Rows that a function of many rows could not use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Without a vector.
    pub missing: u64,
    /// With NaN or infinity.
    pub not_finite: u64,
    /// With zeros only, where directions are compared.
    pub zero: u64,
}

impl LeftOut {
    /// Of all kinds.
    pub fn count(&self) -> u64 {
        self.missing + self.not_finite + self.zero
    }
}

/// `umap_xy left out 3 rows: 2 without a vector, 1 of zeros`
fn sentence(function: &str, left_out: &LeftOut) -> String {
    let LeftOut { missing, not_finite, zero } = *left_out;
    let kinds = [
        (missing, "without a vector or another argument that it needs"),
        (not_finite, "with NaN or infinity"),
        (zero, "with zeros only, which have no direction"),
    ];
    let kinds: Vec<String> =
        kinds.iter().filter(|(n, _)| *n > 0).map(|(n, kind)| format!("{n} {kind}")).collect();
    let count = left_out.count();
    let rows = if count == 1 { "row" } else { "rows" };
    format!("{function} left out {count} {rows}: {}", kinds.join(", "))
}

/// Where memory that is counted comes from.
pub trait Memory: Send + Sync {
    /// So many bytes for someone, until what is returned is dropped; an error if there are not as many.
    fn reserve(&self, whom: &str, bytes: usize) -> Result<Box<dyn Any + Send>>;
}

/// How far a stage of long work is.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    /// What is being done.
    pub name: &'static str,
    /// In how many steps.
    pub steps: u64,
    /// How many of them are done.
    pub done: u64,
    /// When it began.
    pub started: Instant,
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

    /// The stage that long work is in, if any has begun.
    pub fn stage(&self) -> Option<Stage> {
        let (name, steps, started) = (*self.shared.stage.lock())?;
        let done = self.shared.steps.load(Ordering::Relaxed).min(steps);
        Some(Stage { name, steps, done, started })
    }

    /// One sentence for each function that left rows out since the last call, and what else there is
    /// to tell.
    pub fn take_notices(&self) -> Vec<String> {
        let left_out = std::mem::take(&mut *self.shared.left_out.lock());
        let told = std::mem::take(&mut *self.shared.notices.lock());
        let sentences = left_out.iter().map(|(function, left_out)| sentence(function, left_out));
        sentences.chain(told).collect()
    }

    /// Tells whoever runs the statement something, once its rows are there.
    pub(crate) fn tell(&self, sentence: String) {
        self.shared.notices.lock().push(sentence);
    }

    /// From now on memory is asked for there.
    pub fn count_memory(&self, memory: Arc<dyn Memory>) {
        // It is said once, when the statement begins.
        let _ = self.shared.memory.set(memory);
    }

    /// Memory for someone; there is enough where nobody counts. What is kept for later calls gives way.
    pub(crate) fn reserve(&self, whom: &str, bytes: usize) -> Result<Option<Box<dyn Any + Send>>> {
        let Some(memory) = self.shared.memory.get() else { return Ok(None) };
        let reserved = memory.reserve(whom, bytes).or_else(|_| {
            self.shared.once.forget();
            memory.reserve(whom, bytes)
        });
        reserved.map(Some)
    }

    /// What is made of all that the key stands for: by an earlier call of the statement, or now.
    pub(crate) fn once<T: Any + Send + Sync, E>(
        &self,
        whom: &str,
        key: Key,
        bytes: impl FnOnce(&T) -> usize,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        if let Some(found) = self.shared.once.find(&key) {
            return Ok(found);
        }
        let made = Arc::new(make()?);
        // Where there is no memory to keep it, it is made again.
        if let Ok(memory) = self.reserve(whom, bytes(&made)) {
            self.shared.once.keep(key, made.clone(), memory);
        }
        Ok(made)
    }

    /// Remembers that a function left rows out.
    pub(crate) fn left_out(&self, function: &'static str, rows: LeftOut) {
        if rows.count() == 0 {
            return;
        }
        let mut all = self.shared.left_out.lock();
        let sum = all.entry(function).or_default();
        sum.missing += rows.missing;
        sum.not_finite += rows.not_finite;
        sum.zero += rows.zero;
    }

    /// No long work goes on any more.
    pub(crate) fn end_stage(&self) {
        *self.shared.stage.lock() = None;
    }

    /// The same work, in a call for rows with these keys.
    pub(crate) fn for_rows(&self, keys: Keys) -> Self {
        Self { shared: self.shared.clone(), keys: Some(Arc::new(keys)) }
    }

    /// The keys of the rows of this call.
    pub(crate) fn keys(&self) -> Option<&Keys> {
        self.keys.as_deref()
    }

    /// Remembers why a server did not embed a constant. The planner computes a constant that failed
    /// again and again, and each time would wait for the server as long.
    pub(crate) fn unanswered(&self, reason: &str) {
        // The first reason is the one that is told.
        let _ = self.shared.unanswered.set(reason.to_string());
    }

    /// Why a server did not embed a constant of this statement.
    pub(crate) fn why_unanswered(&self) -> Option<&str> {
        self.shared.unanswered.get().map(String::as_str)
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

    fn tell(&self, sentence: &str) {
        let mut notices = self.shared.notices.lock();
        if !notices.iter().any(|told| told == sentence) {
            notices.push(sentence.to_string());
        }
    }
}

impl portolan_kernels::watch::Watch for Work {
    fn stage(&self, name: &'static str, steps: usize) {
        let mut stage = self.shared.stage.lock();
        self.shared.steps.store(0, Ordering::Relaxed);
        *stage = Some((name, steps as u64, Instant::now()));
    }

    fn done(&self, steps: usize) {
        self.shared.steps.fetch_max(steps as u64, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Relaxed)
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
pub(crate) mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// Runs something and stops it as soon as its nth stage begins: what became of it, and how long it
    /// took from then on; no time if it was done before.
    pub fn stop_at<T: Send>(
        work: &Work,
        nth: usize,
        run: impl FnOnce() -> Result<T>,
    ) -> (Result<T>, Option<Duration>) {
        let finished = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let stopping = scope.spawn(|| {
                let (mut seen, mut last) = (0, None);
                while !finished.load(Ordering::Relaxed) {
                    let now = work.stage().map(|stage| stage.started);
                    if now.is_some() && now != last {
                        (seen, last) = (seen + 1, now);
                        if seen == nth {
                            work.stop();
                            return Some(Instant::now());
                        }
                    }
                    std::thread::yield_now();
                }
                None
            });
            let done = run();
            let ended = Instant::now();
            finished.store(true, Ordering::Relaxed);
            let stopped = stopping.join().unwrap().filter(|_| done.is_err());
            (done, stopped.map(|stopped| ended.duration_since(stopped)))
        })
    }

    #[test]
    fn clones_share_the_work() {
        let work = Work::default();
        let other = work.clone();
        work.ran(3, 40);
        other.cached(2);
        assert!(!Watch::stopped(&other));
        work.stop();
        assert!(Watch::stopped(&other));
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
    fn rows_that_are_left_out_are_told_once() {
        let work = Work::default();
        work.left_out("f", LeftOut::default());
        assert!(work.take_notices().is_empty());
        work.left_out("f", LeftOut { missing: 1, not_finite: 0, zero: 0 });
        work.left_out("f", LeftOut { missing: 1, not_finite: 1, zero: 0 });
        assert_eq!(
            work.take_notices(),
            [
                "f left out 3 rows: 2 without a vector or another argument that it needs, 1 with NaN or infinity"
            ]
        );
        assert!(work.take_notices().is_empty());
    }

    #[test]
    fn what_every_batch_has_to_tell_is_told_once() {
        let work = Work::default();
        for _ in 0..3 {
            Watch::tell(&work, "images are embedded on the processor");
        }
        assert_eq!(work.take_notices(), ["images are embedded on the processor"]);
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
