//! An input, as typed or read from a file, as the steps it asks for: SQL statements and backslash
//! commands.

use crate::repl::lexer::{self, Kind};
use crate::statements::split;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Run SQL.
    Statement(Statement),
    /// Do what a backslash command says; the text is without the backslash.
    Command(String),
    /// `\g`, `\gx`, `\watch`: run the statement before it, or the last one again, in a special way.
    Send(Option<Statement>, String),
}

/// A statement and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub text: String,
    /// The line of the input that it begins in, from 1.
    pub line: u64,
    /// Whether a semicolon ended it.
    pub terminated: bool,
}

/// A backslash command in a text: from its backslash to where the next one begins or the line ends.
struct Command<'a> {
    start: usize,
    end: usize,
    text: &'a str,
}

impl Command<'_> {
    /// Whether it ends and runs the statement before it.
    fn sends(&self) -> bool {
        let name = self.text.split(char::is_whitespace).next().unwrap_or_default();
        matches!(name, "g" | "gx" | "watch")
    }
}

/// The steps of `text`, in their order.
pub fn steps(text: &str) -> Vec<Step> {
    let commands = commands(text);
    let sql = without(text, &commands);
    let mut commands = commands.into_iter().peekable();
    let mut steps = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for piece in split::split(&sql) {
        let end = piece.offset + piece.text.len();
        while let Some(command) = commands.next_if(|command| command.start < end) {
            steps.push(lone(&command));
        }
        line += sql[counted..piece.offset].matches('\n').count() as u64;
        counted = piece.offset;
        let statement =
            Statement { text: piece.text.to_string(), line, terminated: piece.terminated };
        let sent_by = commands.next_if(|command| {
            command.sends() && sql[end..command.start].chars().all(char::is_whitespace)
        });
        steps.push(match sent_by {
            Some(command) => Step::Send(Some(statement), command.text.to_string()),
            None => Step::Statement(statement),
        });
    }
    steps.extend(commands.map(|command| lone(&command)));
    steps
}

fn lone(command: &Command<'_>) -> Step {
    let text = command.text.to_string();
    if command.sends() { Step::Send(None, text) } else { Step::Command(text) }
}

/// Whether Enter should run `text` rather than begin another line.
pub fn is_complete(text: &str) -> bool {
    let commands = commands(text);
    if let Some(last) = commands.last()
        && text[last.end..].trim().is_empty()
    {
        return true;
    }
    is_bare_word(text) || split::open_at_end(&without(text, &commands)) == split::Open::Nothing
}

/// The words that people type when they do not know the commands: `exit`, `quit`, `help`.
pub fn is_bare_word(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "exit" | "quit" | "help")
}

fn commands(text: &str) -> Vec<Command<'_>> {
    let mut commands = Vec::new();
    let mut at = 0;
    while let Some(backslash) = lexer::tokens_from(text, at).find(|token| token.is_symbol("\\")) {
        let start = backslash.offset;
        let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let end = next_command(&text[..line_end], start + 1).unwrap_or(line_end);
        commands.push(Command { start, end, text: text[start + 1..end].trim() });
        at = end;
    }
    commands
}

/// Where, after `at`, a blank and a backslash begin another command on the same line. The rest of
/// the line belongs to commands that hand it to a shell.
fn next_command(line: &str, at: usize) -> Option<usize> {
    if line[at..].starts_with('!') {
        return None;
    }
    let mut after_blank = false;
    for token in lexer::tokens_from(line, at) {
        if after_blank && token.is_symbol("\\") {
            return Some(token.offset);
        }
        if after_blank && token.is_symbol("|") {
            return None;
        }
        after_blank = token.kind == Kind::Blank;
    }
    None
}

/// The text with its commands blanked out, so that every place in it stays the same. A command
/// that sends a statement leaves a semicolon.
fn without(text: &str, commands: &[Command<'_>]) -> String {
    let mut sql = String::with_capacity(text.len());
    for command in commands {
        sql.push_str(&text[sql.len()..command.start]);
        sql.push(if command.sends() { ';' } else { ' ' });
        sql.extend(std::iter::repeat_n(' ', command.end - command.start - 1));
    }
    sql.push_str(&text[sql.len()..]);
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps in short: statements with their line, commands with a backslash.
    fn short(text: &str) -> Vec<String> {
        steps(text)
            .into_iter()
            .map(|step| match step {
                Step::Statement(s) => {
                    format!("{}:{}{}", s.line, s.text, if s.terminated { ";" } else { "" })
                }
                Step::Command(text) => format!("\\{text}"),
                Step::Send(Some(s), text) => format!("{}:{}->\\{text}", s.line, s.text),
                Step::Send(None, text) => format!("->\\{text}"),
            })
            .collect()
    }

    #[test]
    fn statements_and_commands_in_their_order() {
        assert_eq!(
            short("\\x\nselect 1;\n\\timing on\n select 2; select\n3"),
            ["\\x", "2:select 1;", "\\timing on", "4:select 2;", "4:select\n3"]
        );
        assert_eq!(short("\\x \\dt a*"), ["\\x", "\\dt a*"]);
        assert_eq!(short("\\set a 'b \\c; d'"), ["\\set a 'b \\c; d'"]);
        assert_eq!(short("select '\\x', \"\\d\" -- \\q\n;"), ["1:select '\\x', \"\\d\" -- \\q;"]);
    }

    #[test]
    fn a_command_may_send_the_statement_before_it() {
        assert_eq!(short("select 1 \\g"), ["1:select 1->\\g"]);
        assert_eq!(short("select 1; select 2\n\\gx"), ["1:select 1;", "1:select 2->\\gx"]);
        assert_eq!(short("select 1; \\watch 2"), ["1:select 1;", "->\\watch 2"]);
        assert_eq!(short("select 1 \\g |sort \\x"), ["1:select 1->\\g |sort \\x"]);
    }

    #[test]
    fn a_command_inside_a_statement_runs_first_and_leaves_it_whole() {
        assert_eq!(short("select 1 \\x\n, 2;"), ["\\x", "1:select 1   \n, 2;"]);
    }

    #[test]
    fn enter_runs_what_is_complete() {
        for text in ["select 1;", "\\d", "", "  ", "-- a", "select 1 \\g", "exit", "sel \\timing"] {
            assert!(is_complete(text), "{text}");
        }
        for text in ["select 1", "select ';", "select $$ \\d", "\\x\nselect 1"] {
            assert!(!is_complete(text), "{text}");
        }
    }
}
