//! Results taller or wider than the terminal go through `$PAGER`, or `less -SRFX`.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::repl::terminal;
use crate::repl::text::width;

/// Lines of the screen that stay free for the prompt.
const PROMPT_LINES: usize = 2;

/// Holds back what fits on one screen; from the first line that does not, everything goes to the
/// pager. Dropping it prints what was held back, or waits until the pager is closed.
pub struct Paged {
    held: Vec<u8>,
    /// Where in `held` the line begins that has no end yet.
    line_start: usize,
    lines: usize,
    screen: (usize, usize),
    pager: Option<(Child, Option<ChildStdin>)>,
    opened: Arc<AtomicBool>,
}

impl Paged {
    /// For the terminal as it is now; `opened` becomes true once the pager has the screen.
    pub fn new(opened: Arc<AtomicBool>) -> Self {
        // Without a size there is nothing that a result could exceed.
        let screen = terminal::size().unwrap_or((usize::MAX, usize::MAX));
        Self { held: Vec::new(), line_start: 0, lines: 0, screen, pager: None, opened }
    }

    /// Whether what is held no longer fits on the screen.
    fn overflows(&mut self) -> bool {
        let (columns, rows) = self.screen;
        while let Some(rest) = self.held.get(self.line_start..)
            && let Some(length) = rest.iter().position(|&byte| byte == b'\n')
        {
            self.lines += 1;
            let line = String::from_utf8_lossy(&rest[..length]);
            if width(&without_colours(&line)) > columns {
                return true;
            }
            self.line_start += length + 1;
        }
        self.lines > rows.saturating_sub(PROMPT_LINES)
    }

    fn open(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        match pager_command().stdin(Stdio::piped()).spawn() {
            Ok(mut child) => {
                self.opened.store(true, Ordering::Relaxed);
                let mut input = child.stdin.take();
                let written = input.as_mut().map_or(Ok(()), |input| input.write_all(&held));
                self.pager = Some((child, input));
                written
            }
            // A machine without less: the terminal's own scrolling must do.
            Err(_) => {
                self.screen = (usize::MAX, usize::MAX);
                io::stdout().write_all(&held)
            }
        }
    }
}

impl Write for Paged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some((_, Some(input))) = &mut self.pager {
            return input.write(bytes);
        }
        self.held.extend_from_slice(bytes);
        if self.screen == (usize::MAX, usize::MAX) {
            io::stdout().write_all(&std::mem::take(&mut self.held))?;
        } else if self.overflows() {
            self.open()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.pager {
            Some((_, Some(input))) => input.flush(),
            _ => Ok(()),
        }
    }
}

impl Drop for Paged {
    fn drop(&mut self) {
        // Nobody is left to tell when the terminal itself is gone.
        match self.pager.take() {
            Some((mut child, input)) => {
                drop(input);
                let _ = child.wait();
            }
            None => {
                let mut stdout = io::stdout().lock();
                let _ = stdout.write_all(&self.held).and_then(|()| stdout.flush());
            }
        }
    }
}

fn pager_command() -> Command {
    let mut command = match std::env::var("PAGER") {
        Ok(pager) if !pager.trim().is_empty() => shell(&pager),
        _ => {
            let mut less = Command::new("less");
            less.arg("-SRFX");
            less
        }
    };
    // Results are UTF-8 whatever the locale says.
    if std::env::var_os("LESSCHARSET").is_none() {
        command.env("LESSCHARSET", "utf-8");
    }
    command
}

/// A command line, run by the user's shell.
pub fn shell(line: &str) -> Command {
    #[cfg(windows)]
    let (program, option) = ("cmd", "/C");
    #[cfg(not(windows))]
    let (program, option) = ("sh", "-c");
    let mut command = Command::new(program);
    command.arg(option).arg(line);
    command
}

/// The line as it looks, without the escape sequences that paint it.
fn without_colours(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut parts = line.split("\x1b[");
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        text.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paged(columns: usize, rows: usize, text: &str) -> bool {
        let mut paged = Paged::new(Arc::default());
        paged.screen = (columns, rows);
        paged.held = text.as_bytes().to_vec();
        let overflows = paged.overflows();
        paged.held.clear();
        overflows
    }

    #[test]
    fn only_what_does_not_fit_is_paged() {
        assert!(!paged(10, 5, "1\n2\n3\n"));
        assert!(paged(10, 5, "1\n2\n3\n4\n"));
        assert!(paged(10, 5, "12345678901\n"));
        assert!(!paged(10, 5, "\x1b[1m1234567890\x1b[0m\n"));
        assert!(paged(10, 5, "日本日本日本\n"));
    }
}
