//! Where an error is: the line of the statement, and a caret under the place.

use crate::error::Location;
use crate::repl::text::{cut, width};

/// What is shown of a line where there is no terminal: a vector within it would fill pages.
const COLUMNS: usize = 240;

/// Two lines: `LINE 3: select …` and `^` under the place. `first_line` is the line of the input
/// that the statement begins in; `columns` is the width of the terminal, if it is one.
pub fn point_at(
    statement: &str,
    location: Location,
    first_line: u64,
    columns: Option<usize>,
) -> Option<String> {
    let index = usize::try_from(location.line.checked_sub(1)?).ok()?;
    let line: String = statement
        .lines()
        .nth(index)?
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let before = usize::try_from(location.column.saturating_sub(1)).ok()?;
    let place = line.char_indices().nth(before).map_or(line.len(), |(at, _)| at);
    let label = format!("LINE {}: ", first_line + location.line - 1);
    let room = columns.unwrap_or(COLUMNS).saturating_sub(width(&label)).max(20);

    let shown = Window::around(&line, place, room);
    let indent = width(&label) + shown.caret;
    Some(format!("{label}{}\n{:indent$}^", shown.text, ""))
}

/// The part of a line that is shown.
struct Window {
    text: String,
    /// The column of the place in it.
    caret: usize,
}

impl Window {
    /// As much of the line as fits, with the place in it.
    fn around(line: &str, place: usize, room: usize) -> Self {
        let (before, after) = line.split_at(place);
        if width(line) <= room || width(before) + 10 <= room {
            return Self { text: cut(line, room), caret: width(before) };
        }
        // Leave the beginning out, so that the place is in the middle.
        let kept: usize = before
            .char_indices()
            .rev()
            .map(|(at, _)| at)
            .take_while(|&at| width(&before[at..]) < room / 2)
            .last()
            .unwrap_or(place);
        let before = &before[kept..];
        let text = cut(&format!("…{before}{after}"), room);
        Self { text, caret: 1 + width(before) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn point(statement: &str, line: u64, column: u64) -> String {
        point_at(statement, Location { line, column }, 1, Some(40)).unwrap()
    }

    #[test]
    fn the_caret_is_under_the_place() {
        assert_eq!(point("select foo from t", 1, 8), "LINE 1: select foo from t\n               ^");
        assert_eq!(point("select\n\tfoo", 2, 2), "LINE 2:  foo\n         ^");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(point("select '日本', x", 1, 14), {
            let indent = "LINE 1: select '日本', ".chars().count() + 2;
            format!("LINE 1: select '日本', x\n{:indent$}^", "")
        });
    }

    #[test]
    fn a_place_after_the_end_is_the_end() {
        assert_eq!(point("select", 1, 100), "LINE 1: select\n              ^");
        assert_eq!(point_at("select", Location { line: 7, column: 1 }, 1, None), None);
    }

    #[test]
    fn lines_are_counted_from_where_the_statement_stands() {
        let text = point_at("a\nb", Location { line: 2, column: 1 }, 10, None).unwrap();
        assert_eq!(text, "LINE 11: b\n         ^");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let statement = format!("select {}, wrong, {}", "a + ".repeat(30), "b + ".repeat(30));
        let column = statement.find("wrong").unwrap() as u64 + 1;
        let text = point(&statement, 1, column);
        let (line, caret) = text.split_once('\n').unwrap();
        assert!(width(line) <= 40, "{line}");
        let under = line.chars().nth(width(caret) - 1).unwrap();
        assert_eq!(under, 'w', "{text}");
    }
}
