//! What the terminal is, and how it is coloured.

use std::io::{self, IsTerminal, Write};

/// The size of the terminal that standard output is, or else standard error.
pub fn size() -> Option<(usize, usize)> {
    let (width, height) = terminal_size::terminal_size()?;
    Some((usize::from(width.0).max(1), usize::from(height.0).max(1)))
}

/// Whether colours are wanted on standard output.
pub fn colours() -> bool {
    io::stdout().is_terminal() && colours_allowed()
}

/// Whether colours are wanted on standard error.
pub fn error_colours() -> bool {
    io::stderr().is_terminal() && colours_allowed()
}

/// Says something on standard error. Where that is closed, nobody wants to know.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// <https://no-color.org>, and terminals that cannot.
fn colours_allowed() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// An escape sequence that changes how text looks until [`PLAIN`].
pub type Paint = &'static str;

pub const PLAIN: Paint = "\x1b[0m";
pub const BOLD: Paint = "\x1b[1m";
pub const DIM: Paint = "\x1b[2m";
pub const RED: Paint = "\x1b[1;31m";
pub const GREEN: Paint = "\x1b[32m";
pub const YELLOW: Paint = "\x1b[33m";
pub const BLUE: Paint = "\x1b[1;34m";
pub const MAGENTA: Paint = "\x1b[35m";
pub const CYAN: Paint = "\x1b[36m";

/// Text in a colour, if there are colours.
pub fn painted(text: &str, paint: Paint, colours: bool) -> String {
    if colours && !text.is_empty() { format!("{paint}{text}{PLAIN}") } else { text.to_string() }
}
