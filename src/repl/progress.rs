//! The line on standard error that says how far a statement has come: only on a terminal, only for
//! what takes over a second, erased when it is done.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::progress::ProgressSnapshot;
use crate::repl::terminal;
use crate::repl::text::{cut, grouped};

/// Statements faster than this are not worth a line.
const PATIENCE: Duration = Duration::from_secs(1);

/// The line of one statement.
pub struct ProgressLine {
    enabled: bool,
    started: Instant,
    drawn: bool,
}

impl ProgressLine {
    /// For a statement that starts now.
    pub fn new(enabled: bool) -> Self {
        let enabled = enabled && io::stderr().is_terminal();
        Self { enabled, started: Instant::now(), drawn: false }
    }

    /// Draws the line anew.
    pub fn draw(&mut self, snapshot: Option<&ProgressSnapshot>) {
        let elapsed = self.started.elapsed();
        if !self.enabled || elapsed < PATIENCE {
            return;
        }
        let (columns, _) = terminal::size().unwrap_or((80, 24));
        let line = cut(&describe(snapshot, elapsed), columns.saturating_sub(1));
        self.drawn = true;
        // A terminal that cannot be written to has nobody to tell.
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush());
    }

    /// Draws no more: something else has the screen.
    pub fn stop(&mut self) {
        self.erase();
        self.enabled = false;
    }

    /// Erases the line, before anything else is printed.
    pub fn erase(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let mut stderr = io::stderr().lock();
            let _ = write!(stderr, "\r\x1b[K").and_then(|()| stderr.flush());
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.erase();
    }
}

/// `embedding: 12,000 of 100,000 rows (12%), 1,200 rows/s, 0:10, 1:13 left`
fn describe(snapshot: Option<&ProgressSnapshot>, elapsed: Duration) -> String {
    let Some(snapshot) = snapshot else {
        return format!("running, {}", clock(elapsed));
    };
    let ProgressSnapshot { stage, unit, done, total, elapsed: in_stage, tokens } = snapshot;
    let mut line = match total {
        Some(total) if *total > 0 => {
            let percent = done.saturating_mul(100) / total;
            format!(
                "{stage}: {} of {} {unit} ({}%)",
                grouped(*done),
                grouped(*total),
                percent.min(100)
            )
        }
        _ if *done > 0 => format!("{stage}: {} {unit}", grouped(*done)),
        _ => stage.clone(),
    };
    let seconds = in_stage.as_secs_f64();
    if *done > 0 && seconds > 0.0 {
        let rate = *done as f64 / seconds;
        line += &match rate {
            rate if rate >= 10.0 => format!(", {} {unit}/s", grouped(rate as u64)),
            rate => format!(", {rate:.1} {unit}/s"),
        };
        if let Some(tokens) = tokens {
            line += &format!(", {} tokens/s", grouped((*tokens as f64 / seconds) as u64));
        }
        line += &format!(", {}", clock(elapsed));
        if let Some(left) = total.and_then(|total| total.checked_sub(*done)) {
            let left = Duration::try_from_secs_f64(left as f64 / rate).unwrap_or(Duration::MAX);
            line += &format!(", {} left", clock(left));
        }
    } else {
        line += &format!(", {}", clock(elapsed));
    }
    line
}

/// `0:07`, `12:34`, `1:02:03`
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        1..100 => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => "days".to_string(),
    }
}

/// How long a statement took, after `Time: `.
pub fn timing(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds < 0.1 => format!("{:.1} ms", seconds * 1e3),
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 60.0 => format!("{seconds:.2} s"),
        _ => format!("{seconds:.1} s ({})", clock(time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(done: u64, total: Option<u64>) -> ProgressSnapshot {
        let elapsed = Duration::from_secs(10);
        ProgressSnapshot {
            stage: "embedding".to_string(),
            unit: "rows",
            done,
            total,
            elapsed,
            tokens: None,
        }
    }

    #[test]
    fn the_line_says_what_is_known() {
        let eleven = Duration::from_secs(11);
        assert_eq!(
            describe(Some(&snapshot(12_000, Some(100_000))), eleven),
            "embedding: 12,000 of 100,000 rows (12%), 1,200 rows/s, 0:11, 1:13 left"
        );
        assert_eq!(
            describe(Some(&snapshot(15, None)), eleven),
            "embedding: 15 rows, 1.5 rows/s, 0:11"
        );
        assert_eq!(describe(Some(&snapshot(0, None)), eleven), "embedding, 0:11");
        assert_eq!(
            describe(Some(&snapshot(0, Some(5))), eleven),
            "embedding: 0 of 5 rows (0%), 0:11"
        );
        let tokens = ProgressSnapshot { tokens: Some(17_000), ..snapshot(1000, None) };
        assert_eq!(
            describe(Some(&tokens), eleven),
            "embedding: 1,000 rows, 100 rows/s, 1,700 tokens/s, 0:11"
        );
        assert_eq!(describe(None, eleven), "running, 0:11");
    }

    #[test]
    fn times() {
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
        assert_eq!(timing(Duration::from_micros(12_340)), "12.3 ms");
        assert_eq!(timing(Duration::from_millis(456)), "456 ms");
        assert_eq!(timing(Duration::from_millis(1234)), "1.23 s");
        assert_eq!(timing(Duration::from_secs(83)), "83.0 s (1:23)");
    }
}
