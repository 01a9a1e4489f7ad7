//! The state of a session and what it does with an input: runs its statements, obeys its commands.
//! The line editor stands on it, and so do scripts.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::database::{Database, OpenOptions};
use crate::error::Error;
use crate::repl::commands::Command;
use crate::repl::format::Format;
use crate::repl::input::{Statement, Step, is_bare_word, steps};
use crate::repl::map_page::MapPage;
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
    /// The threads that statements run on.
    pub(super) engine: Handle,
    pub(super) db: Database,
    location: Option<String>,
    open: OpenOptions,
    pub(super) interactive: bool,
    pub(super) format: Format,
    pub(super) expanded: bool,
    pub(super) null: String,
    pub(super) timing: bool,
    pub(super) pager: bool,
    pub(super) output: Output,
    pub(super) variables: Variables,
    /// Where the maps are to be seen, once that was asked for.
    pub(super) map_page: Option<MapPage>,
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
    pub async fn open(engine: &Handle, options: ShellOptions) -> Result<Self, String> {
        let output = match &options.output {
            Some(path) => Output::whole_file(path).map_err(|error| error.to_string())?,
            None => Output::stdout(),
        };
        let format = options.format.or(output.format()).unwrap_or(Format::Table);
        let db = open(engine, options.database.clone(), options.open.clone())
            .await
            .map_err(|error| error.to_string())?;
        let names = SharedNames::default();
        if options.interactive {
            names.reload(engine, &db);
        }
        Ok(Self {
            engine: engine.clone(),
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
            map_page: None,
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
        self.db = open(&self.engine, Some(location.to_string()), self.open.clone()).await?;
        self.location = Some(location.to_string());
        // It shows the other database.
        self.map_page = None;
        self.names.reload(&self.engine, &self.db);
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
        let running = Running::start(&self.engine, &self.db, &sql);
        let outcome = self.show(running, self.style()).await.map(|time| {
            if self.timing {
                self.say(&format!("Time: {}", timing(time)));
            }
        });
        // A statement that may have made or dropped something; SELECT, the common one, cannot.
        if self.interactive && !sql.trim_start().to_ascii_lowercase().starts_with("select") {
            self.names.reload(&self.engine, &self.db);
        }
        outcome.or_else(|stopped| self.explain(stopped, &sql, statement.line))
    }

    /// Runs a query of our own and shows its result under a title.
    pub(super) async fn query(&mut self, sql: &str, title: Option<String>) -> Result<(), Stop> {
        let running = Running::start(&self.engine, &self.db, sql);
        let style = Style { title, ..self.style_of_listings() };
        let outcome = self.show(running, style).await;
        outcome.map(|_| ()).or_else(|stopped| match stopped {
            // The text is not the user's: a place in it would only puzzle.
            Stopped::Failed(error) if error.location().is_some() => {
                self.complain(&without_place(&error));
                Err(Stop::Failed)
            }
            stopped => self.explain(stopped, sql, 1),
        })
    }

    /// Shows rows, or what else a statement answers, and everything beside it. Gives how long the
    /// statement took.
    pub(super) async fn show(
        &mut self,
        running: Running,
        style: Style,
    ) -> Result<Duration, Stopped> {
        let mut show = Show {
            running,
            output: &mut self.output,
            style: &style,
            with_pager: self.pager,
            time: Duration::ZERO,
        };
        let outcome = show.run_to_end().await;
        let time = show.time;
        drop(show);
        for notice in self.db.take_notices() {
            let notice = text::escaped(&notice);
            let label = terminal::painted("NOTICE: ", terminal::YELLOW, terminal::error_colours());
            terminal::tell(&format!("{label}{notice}"));
        }
        outcome.map(|()| time)
    }

    fn style(&self) -> Style {
        let on_terminal = self.output.is_terminal();
        Style {
            format: self.output.format().unwrap_or(self.format),
            expanded: self.expanded,
            null: text::escaped(&self.null),
            colours: on_terminal && terminal::colours(),
            columns: if on_terminal { terminal::size().map(|(columns, _)| columns) } else { None },
            own_file: self.output.is_file(),
            title: None,
        }
    }

    /// In lists of our own, nothing is shown where there is nothing.
    pub(super) fn style_of_listings(&self) -> Style {
        Style { null: String::new(), ..self.style() }
    }

    /// Tells why a statement stopped, if that is bad news.
    pub(super) fn explain(&self, stopped: Stopped, sql: &str, first_line: u64) -> Result<(), Stop> {
        let error = match stopped {
            Stopped::Interrupted => {
                terminal::tell("Stopped: the statement was interrupted.");
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
        match (error.location(), pointed) {
            (Some(location), Some(pointed)) => {
                self.complain_at(&without_place(&error), Some(first_line + location.line - 1));
                terminal::tell(&pointed);
            }
            _ => self.complain_at(&error.to_string(), Some(first_line)),
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
        terminal::tell(&format!("{place}{label}{}", lines.join("\n")));
    }

    /// Tells a person something that is not a result.
    pub(super) fn say(&self, message: &str) {
        if self.interactive {
            // A terminal that is gone has nobody to tell.
            use std::io::Write;
            let _ = writeln!(std::io::stdout(), "{message}");
        }
    }

    /// Prints an error and stops.
    pub(super) fn fail(&self, error: &Error) -> Stop {
        self.complain(&error.to_string());
        Stop::Failed
    }
}

/// Opens a database on the engine's threads, where its connections will live.
async fn open(
    engine: &Handle,
    location: Option<String>,
    options: OpenOptions,
) -> Result<Database, Error> {
    let opening = engine.spawn(async move {
        match location {
            Some(location) => Database::open_with(&location, options).await,
            None => Database::in_memory_with(options).await,
        }
    });
    opening.await.unwrap_or_else(|error| {
        Err(Error::Invalid(format!("a bug in portolan kept the database from opening: {error}")))
    })
}

/// The sentence of an error whose place is shown beneath it.
fn without_place(error: &Error) -> String {
    let message = error.to_string();
    let place = error.location().map(|place| format!(" (at {place})")).unwrap_or_default();
    message.strip_suffix(&place).unwrap_or(&message).to_string()
}
