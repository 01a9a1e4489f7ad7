//! When the next request may go out, and how long to wait after one that failed.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// Spreads requests evenly over a minute.
pub(super) struct Pace {
    gap: Option<Duration>,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most so many requests a minute; as many as may be where none is given.
    pub fn new(requests_per_minute: Option<u32>) -> Self {
        let gap = requests_per_minute.map(|most| Duration::from_secs(60) / most.max(1));
        Self { gap, next: Mutex::new(None) }
    }

    /// Waits for the next turn.
    pub async fn turn(&self) {
        if let Some(turn) = self.take(Instant::now()) {
            sleep_until(turn).await;
        }
    }

    /// When the turn is of somebody who asks now; `None` where nobody ever waits.
    fn take(&self, now: Instant) -> Option<Instant> {
        let gap = self.gap?;
        let mut next = self.next.lock();
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + gap);
        Some(turn)
    }
}

/// How long to wait before trying again for the `attempt`th time, from 0: as long as the server asks
/// for, else twice as long each time, but never longer than `longest`. Up to a quarter of `first` is
/// added by chance, so that requests that failed together do not come back together.
pub(super) fn pause(
    attempt: u32,
    asked: Option<Duration>,
    first: Duration,
    longest: Duration,
) -> Duration {
    let wait = asked.unwrap_or_else(|| first.saturating_mul(2u32.saturating_pow(attempt)));
    let chance = RandomState::new().hash_one(attempt) as f64 / u64::MAX as f64;
    wait.min(longest) + first.min(longest).mul_f64(chance / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_evenly_spread() {
        let (pace, start) = (Pace::new(Some(120)), Instant::now());
        for turn in 0..5 {
            let gap = Duration::from_millis(500);
            assert_eq!(pace.take(start), Some(start + gap * turn));
        }
        // A rest is not saved up.
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.take(later), Some(later));
        assert_eq!(pace.take(later), Some(later + Duration::from_millis(500)));
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        assert_eq!(Pace::new(None).take(Instant::now()), None);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(10));
        for (attempt, least) in [(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0), (4, 10.0), (40, 10.0)] {
            let seconds = pause(attempt, None, first, longest).as_secs_f64();
            assert!((least..=least + 0.25).contains(&seconds), "{attempt}: {seconds}");
        }
    }

    #[test]
    fn the_server_says_how_long_but_not_for_ever() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(10));
        for (asked, least) in [(0, 0.0), (7, 7.0), (86_400, 10.0)] {
            let asked = Some(Duration::from_secs(asked));
            let seconds = pause(4, asked, first, longest).as_secs_f64();
            assert!((least..=least + 0.25).contains(&seconds), "{seconds}");
        }
    }

    #[test]
    fn pauses_differ() {
        let first = Duration::from_secs(1);
        let pauses: std::collections::HashSet<Duration> =
            (0..20).map(|_| pause(0, None, first, first)).collect();
        assert!(pauses.len() > 1);
    }
}
