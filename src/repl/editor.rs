//! The line editor, told about SQL: where a statement ends, what may come next, how it looks.

use std::borrow::Cow;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::{FileHistory, SearchDirection};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::repl::complete::complete;
use crate::repl::highlight::highlighted;
use crate::repl::hint::hint;
use crate::repl::history;
use crate::repl::input;
use crate::repl::names::SharedNames;
use crate::repl::terminal::{self, BOLD, painted};

/// What stands before the first line.
const PROMPT: &str = "portolan> ";
/// Former lines that are looked through for a hint.
const HINT_DEPTH: usize = 1000;

/// The editor with its history.
pub struct LineEditor {
    editor: Editor<SqlHelper, FileHistory>,
    file: Option<std::path::PathBuf>,
    prompt: (String, String),
}

/// What was typed.
pub enum Typed {
    /// A text that is complete.
    Text(String),
    /// Ctrl-C: the line is thrown away.
    Cleared,
    /// Ctrl-D, or a terminal that is gone.
    End,
}

impl LineEditor {
    /// The editor on this terminal.
    pub fn new(names: SharedNames) -> Result<Self, ReadlineError> {
        let config = Config::builder()
            .max_history_size(history::LENGTH)?
            .history_ignore_dups(true)?
            .completion_type(CompletionType::List)
            .auto_add_history(false)
            .build();
        let mut editor = Editor::with_config(config)?;
        let colours = terminal::colours();
        editor.set_helper(Some(SqlHelper { names, colours }));
        let file = history::file();
        if let Some(file) = &file {
            // The first session has no file yet.
            let _ = editor.load_history(file);
        }
        let styled = painted(PROMPT, BOLD, colours);
        Ok(Self { editor, file, prompt: (PROMPT.to_string(), styled) })
    }

    /// Reads a text that begins with `initial`.
    pub fn read(&mut self, initial: &str) -> Result<Typed, ReadlineError> {
        match self.editor.readline_with_initial(&self.prompt, (initial, "")) {
            Ok(text) => {
                self.remember(&text);
                Ok(Typed::Text(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Typed::Cleared),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(error),
        }
    }

    fn remember(&mut self, text: &str) {
        if !history::is_kept(text) {
            return;
        }
        // At once, so that a session that ends badly is remembered. A history that cannot be
        // written is no reason to stop working.
        let added = self.editor.add_history_entry(text.trim_end());
        if let (Ok(true), Some(file)) = (added, &self.file) {
            let _ = self.editor.append_history(file);
        }
    }
}

struct SqlHelper {
    names: SharedNames,
    colours: bool,
}

impl Helper for SqlHelper {}

impl Validator for SqlHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let complete = input::is_complete(context.input());
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Completer for SqlHelper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, candidates) = complete(&self.names.latest(), line, cursor);
        let pairs = candidates
            .into_iter()
            .map(|candidate| Pair { display: candidate.shown, replacement: candidate.inserted });
        Ok((start, pairs.collect()))
    }
}

impl Hinter for SqlHelper {
    type Hint = String;

    fn hint(&self, line: &str, cursor: usize, context: &Context<'_>) -> Option<String> {
        if cursor < line.len() {
            return None;
        }
        let history = context.history();
        let newest_first = (0..history.len()).rev().take(HINT_DEPTH);
        let entries: Vec<Cow<'_, str>> = newest_first
            .filter_map(|at| history.get(at, SearchDirection::Reverse).ok().flatten())
            .map(|found| found.entry)
            .collect();
        // One line of it: a hint must not move what stands below.
        let hint = hint(line, &self.names.latest(), entries.iter().map(AsRef::as_ref))?;
        let first_line = hint.lines().next().unwrap_or_default();
        (!first_line.is_empty()).then(|| first_line.to_string())
    }
}

impl Highlighter for SqlHelper {
    fn highlight<'l>(&self, line: &'l str, _cursor: usize) -> Cow<'l, str> {
        if self.colours { Cow::Owned(highlighted(line)) } else { Cow::Borrowed(line) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(painted(hint, terminal::DIM, self.colours))
    }

    fn highlight_char(&self, _line: &str, _cursor: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}
