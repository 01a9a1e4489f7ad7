//! Steps that many threads take together.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::watch::Watch;

/// A stage, and how far it is.
pub struct Steps<'a> {
    finished: AtomicUsize,
    /// None where a stage is part of another.
    told: Option<&'a dyn Watch>,
    watch: &'a dyn Watch,
}

impl<'a> Steps<'a> {
    /// Begins a stage.
    pub fn new(name: &'static str, steps: usize, watch: &'a dyn Watch) -> Self {
        watch.stage(name, steps);
        Self { finished: AtomicUsize::new(0), told: Some(watch), watch }
    }

    /// Part of a stage that counts by itself.
    pub fn within(watch: &'a dyn Watch) -> Self {
        Self { finished: AtomicUsize::new(0), told: None, watch }
    }

    /// A part of this stage that counts by itself.
    pub fn part(&self) -> Self {
        Self::within(self.watch)
    }

    /// So many more are done; an error if no more are wanted.
    pub fn take(&self, steps: usize) -> Result<()> {
        if let Some(told) = self.told {
            told.done(self.finished.fetch_add(steps, Ordering::Relaxed) + steps);
        }
        self.go_on()
    }

    /// An error if no more are wanted.
    pub fn go_on(&self) -> Result<()> {
        if self.watch.stopped() { Err(Error::Stopped) } else { Ok(()) }
    }
}
