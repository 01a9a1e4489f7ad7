//! How long work says how far it is, and learns that nobody wants it any more.

/// Whoever waits for a kernel.
pub trait Watch: Sync {
    /// A stage has begun: its name and how many steps it has.
    fn stage(&self, name: &'static str, steps: usize);
    /// So many steps of the stage are done, in all.
    fn done(&self, steps: usize);
    /// Whether the work is to stop.
    fn stopped(&self) -> bool;
}

/// Nobody waits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn stage(&self, _: &'static str, _: usize) {}
    fn done(&self, _: usize) {}
    fn stopped(&self) -> bool {
        false
    }
}
