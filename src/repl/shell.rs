//! The state of a session and what it does with an input: runs its statements, obeys its commands.
//! The line editor stands on it, and so do scripts.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use crate::database::{Database, OpenOptions};
use crate::error::Error;
use crate::repl::commands::{Command, Target};
use crate::repl::format::Format;
use crate::repl::input::{Statement, Step, is_bare_word, steps};
use crate::repl::names::SharedNames;
use crate::repl::output::Output;
use crate::repl::progress::timing;
use crate::repl::render::Style;
use crate::repl::running::{Running, Stopped};
use crate::repl::show::Show;
use crate::repl::variables::Variables;
use crate::repl::{caret, terminal, text};

/// Scripts that include themselves are stopped at this depth.
const DEEPEST_INCLUDE: usize = 50;

/// How to start a session.
#[derive(Debug, Clone)]
pub struct ShellOptions {
    /// Where the database is; in memory without.
    pub database: Option<String>,
    /// How to open it.
    pub open: OpenOptions,
    /// How results are written; by the output's name without.
    pub format: Option<Format>,
    /// The file that results are written to.
    pub output: Option<PathBuf>,
    /// Whether a person types.
    pub interactive: bool,
}

/// Why a session does not go on with its input. Whoever reads it has been told already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A statement or a command failed.
    Failed,
    /// Ctrl-C.
    Interrupted,
    /// Nobody reads standard output any more.
    PipeClosed,
    /// `\q`
    Quit,
}

/// A session.
pub struct Shell {
    pub(super) db: Database,
    location: Option<String>,
    open: OpenOptions,
    interactive: bool,
    pub(super) format: Format,
    pub(super) expanded: bool,
    pub(super) null: String,
    pub(super) timing: bool,
    pub(super) pager: bool,
    pub(super) output: Output,
    pub(super) variables: Variables,
    /// What tables there are, for completion.
    pub(super) names: SharedNames,
    /// What `\g`, `\watch` and `\e` without a statement mean.
    pub(super) last_statement: Option<Statement>,
    /// What the line editor should begin with: a statement that is not finished, or was edited.
    pub(super) unfinished: Option<String>,
    /// The file that is being run.
    script: Option<String>,
    depth: usize,
}

impl Shell {
    /// Opens the database and the output.
    pub async fn open(options: ShellOptions) -> Result<Self, String> {
        let output = match &options.output {
            Some(path) => Output::whole_file(path).map_err(|error| error.to_string())?,
            None => Output::stdout(),
        };
        let format = options.format.or(output.format()).unwrap_or(Format::Table);
        let db = open(options.database.as_deref(), &options.open)
            .await
            .map_err(|error| error.to_string())?;
        let names = SharedNames::default();
        if options.interactive {
            names.reload(&db);
        }
        Ok(Self {
            db,
            location: options.database,
            open: options.open,
            interactive: options.interactive,
            format,
            expanded: false,
            null: "NULL".to_string(),
            timing: options.interactive,
            pager: options.interactive,
            output,
            variables: Variables::default(),
            names,
            last_statement: None,
            unfinished: None,
            script: None,
            depth: 0,
        })
    }

    /// Closes the output; a file that results were written to appears.
    pub fn close_output(mut self) -> Result<(), Stop> {
        let output = std::mem::replace(&mut self.output, Output::stdout());
        let closed = output.is_closed();
        output.close().map_err(|error| {
            if closed {
                return Stop::PipeClosed;
            }
            self.complain(&error.to_string());
            Stop::Failed
        })
    }

    /// Opens another database in this session.
    pub(super) async fn connect(&mut self, location: &str) -> Result<(), Error> {
        self.db = open(Some(location), &self.open).await?;
        self.location = Some(location.to_string());
        self.names.reload(&self.db);
        Ok(())
    }

    /// Where the database is.
    pub(super) fn location(&self) -> &str {
        self.location.as_deref().unwrap_or("in memory")
    }

    /// Runs a text that came from a file or the command line, until something fails.
    pub async fn run_script(&mut self, text: &str, name: Option<&str>) -> Result<(), Stop> {
        if self.depth >= DEEPEST_INCLUDE {
            self.complain("scripts include each other without end");
            return Err(Stop::Failed);
        }
        let outer = std::mem::replace(&mut self.script, name.map(str::to_string));
        self.depth += 1;
        let mut outcome = Ok(());
        for step in steps(text) {
            outcome = self.step(step).await;
            if outcome.is_err() {
                break;
            }
        }
        self.depth -= 1;
        self.script = outer;
        outcome
    }

    /// Runs a text that was typed. What fails does not end the session.
    pub async fn run_input(&mut self, text: &str) -> Result<(), Stop> {
        if is_bare_word(text) {
            let line = if text.trim().eq_ignore_ascii_case("help") { "?" } else { "q" };
            return self.command(line).await;
        }
        for step in steps(text) {
            match step {
                Step::Statement(statement) if !statement.terminated => {
                    self.unfinished = Some(statement.text);
                }
                step => self.step(step).await?,
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<(), Stop> {
        match step {
            Step::Statement(statement) => {
                let outcome = self.statement(&statement).await;
                self.last_statement = Some(statement);
                outcome
            }
            Step::Command(line) => self.command(&line).await,
            Step::Send(statement, line) => {
                if let Some(statement) = statement {
                    self.last_statement = Some(statement);
                }
                self.command(&line).await
            }
        }
    }

    /// A command may run a script that has commands: the future holds itself.
    fn command<'a>(
        &'a mut self,
        line: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<(), Stop>> + 'a>> {
        Box::pin(async move {
            match Command::parse(line, &self.variables) {
                Ok(command) => self.obey(command).await,
                Err(message) => {
                    self.complain(&message);
                    Err(Stop::Failed)
                }
            }
        })
    }

    /// Runs a statement and shows its result.
    pub(super) async fn statement(&mut self, statement: &Statement) -> Result<(), Stop> {
        let sql = self.variables.substitute(&statement.text).into_owned();
        let running = Running::start(&self.db, &sql);
        let outcome = self.show(running, None).await;
        // A statement that may have made or dropped something; SELECT, the common one, cannot.
        if self.interactive && !sql.trim_start().to_ascii_lowercase().starts_with("select") {
            self.names.reload(&self.db);
        }
        outcome.or_else(|stopped| self.explain(stopped, &sql, statement.line))
    }

    /// Runs a query of our own and shows its result under a title.
    pub(super) async fn query(&mut self, sql: &str, title: Option<String>) -> Result<(), Stop> {
        let running = Running::start(&self.db, sql);
        let outcome = self.show(running, title).await;
        outcome.or_else(|stopped| match stopped {
            // The text is not the user's: a place in it would only puzzle.
            Stopped::Failed(Error::Sql { message, .. }) => {
                self.complain(&message);
                Err(Stop::Failed)
            }
            stopped => self.explain(stopped, sql, 1),
        })
    }

    /// Shows rows, or what else a statement answers, and everything beside it.
    pub(super) async fn show(
        &mut self,
        running: Running,
        title: Option<String>,
    ) -> Result<(), Stopped> {
        let style = self.style(title);
        let mut show = Show {
            running,
            output: &mut self.output,
            style: &style,
            with_pager: self.pager,
            time: Duration::ZERO,
        };
        let outcome = show.to_end().await;
        let time = show.time;
        drop(show);
        for notice in self.db.take_notices() {
            let notice = text::escaped(&notice);
            eprintln!(
                "{}{notice}",
                terminal::painted("NOTICE: ", terminal::YELLOW, terminal::error_colours())
            );
        }
        if outcome.is_ok() && self.timing {
            self.say(&format!("Time: {}", timing(time)));
        }
        outcome
    }

    fn style(&self, title: Option<String>) -> Style {
        let on_terminal = self.output.is_terminal();
        Style {
            format: self.output.format().unwrap_or(self.format),
            expanded: self.expanded,
            null: text::escaped(&self.null),
            colours: on_terminal && terminal::colours(),
            columns: if on_terminal { terminal::size().map(|(columns, _)| columns) } else { None },
            own_file: self.output.is_file(),
            title,
        }
    }

    /// Tells why a statement stopped, if that is bad news.
    pub(super) fn explain(&self, stopped: Stopped, sql: &str, first_line: u64) -> Result<(), Stop> {
        let error = match stopped {
            Stopped::Interrupted => {
                eprintln!("Stopped: the statement was interrupted.");
                return Err(Stop::Interrupted);
            }
            Stopped::Failed(_) if self.output.is_closed() => return Err(Stop::PipeClosed),
            // A pager that was closed early, or a command like head: that is how they are used.
            Stopped::Failed(_) if self.output.reader_left() => return Ok(()),
            Stopped::Panicked(message) => {
                self.complain(&format!("a bug in portolan stopped the statement: {message}"));
                return Err(Stop::Failed);
            }
            Stopped::Failed(error) => error,
        };
        let columns = terminal::size().map(|(columns, _)| columns);
        let pointed = error
            .location()
            .and_then(|location| caret::point_at(sql, location, first_line, columns));
        match (error, pointed) {
            // The place is shown, so the sentence need not say it.
            (Error::Sql { message, location: Some(location) }, Some(pointed)) => {
                self.complain_at(&message, Some(first_line + location.line - 1));
                eprintln!("{pointed}");
            }
            (error, _) => self.complain_at(&error.to_string(), Some(first_line)),
        }
        Err(Stop::Failed)
    }

    /// Prints an error.
    pub(super) fn complain(&self, message: &str) {
        self.complain_at(message, None);
    }

    fn complain_at(&self, message: &str, line: Option<u64>) {
        let label = terminal::painted("ERROR: ", terminal::RED, terminal::error_colours());
        let place = match (&self.script, line) {
            (Some(script), Some(line)) => format!("{script}:{line}: "),
            (Some(script), None) => format!("{script}: "),
            (None, _) => String::new(),
        };
        let lines: Vec<String> = message.lines().map(text::escaped).collect();
        eprintln!("{place}{label}{}", lines.join("\n"));
    }

    /// Tells a person something that is not a result.
    pub(super) fn say(&self, message: &str) {
        if self.interactive {
            // A terminal that is gone has nobody to tell.
            use std::io::Write;
            let _ = writeln!(std::io::stdout(), "{message}");
        }
    }

    /// Runs a file, as `\i` does.
    pub(super) async fn include(&mut self, path: &Path) -> Result<(), Stop> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.complain(&format!("'{}' cannot be read: {error}", path.display()));
                return Err(Stop::Failed);
            }
        };
        self.run_script(&text, Some(&path.display().to_string())).await
    }

    /// Runs the last statement with its result sent elsewhere.
    pub(super) async fn go(&mut self, target: Option<Target>, expanded: bool) -> Result<(), Stop> {
        let Some(statement) = self.last_statement.clone() else {
            self.complain("there is no statement to run yet");
            return Err(Stop::Failed);
        };
        let usually_expanded = self.expanded;
        self.expanded |= expanded;
        let outcome = match target {
            None => self.statement(&statement).await,
            Some(target) => {
                let usual = match self.target(&target, Output::whole_file) {
                    Ok(output) => std::mem::replace(&mut self.output, output),
                    Err(stop) => {
                        self.expanded = usually_expanded;
                        return Err(stop);
                    }
                };
                let outcome = self.statement(&statement).await;
                let output = std::mem::replace(&mut self.output, usual);
                // A result that is not whole does not become a file.
                outcome.and_then(|()| output.close().map_err(|error| self.fail(&error)))
            }
        };
        self.expanded = usually_expanded;
        outcome
    }

    /// The output that a target means.
    pub(super) fn target(
        &self,
        target: &Target,
        file: fn(&Path) -> crate::error::Result<Output>,
    ) -> Result<Output, Stop> {
        match target {
            Target::File(path) => file(path),
            Target::Command(line) => Output::command(line),
        }
        .map_err(|error| self.fail(&error))
    }

    /// Prints an error and stops.
    pub(super) fn fail(&self, error: &Error) -> Stop {
        self.complain(&error.to_string());
        Stop::Failed
    }
}

async fn open(location: Option<&str>, options: &OpenOptions) -> Result<Database, Error> {
    match location {
        Some(location) => Database::open_with(location, options.clone()).await,
        None => Database::in_memory_with(options.clone()).await,
    }
}
