//! What the shell does for each backslash command.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::error::Error;
use crate::repl::commands::{COMMANDS, Command, Relations, Target};
use crate::repl::format::Format;
use crate::repl::output::Output;
use crate::repl::running::{Running, ctrl_c};
use crate::repl::shell::{Shell, Stop};
use crate::repl::{describe, pager};

impl Shell {
    /// Does what a command says.
    pub(super) async fn obey(&mut self, command: Command) -> Result<(), Stop> {
        match command {
            Command::Relations { kind, pattern, detailed } => {
                let sql = describe::relations(kind, pattern.as_deref(), detailed);
                self.query(&sql, None).await
            }
            Command::Describe { name, detailed } => self.describe(&name, detailed).await,
            Command::Listing(sql) => self.query(sql, None).await,
            Command::Schemas => self.query(describe::SCHEMAS, None).await,
            Command::Databases => self.query(describe::DATABASES, None).await,
            Command::Map(name) => self.map_page(name).await,
            Command::Functions { pattern, detailed } => {
                self.functions(pattern.as_deref(), detailed).await
            }
            Command::Connect(None) => self.print(&format!("The database is {}.", self.location())),
            Command::Connect(Some(location)) => match self.connect(&location).await {
                Ok(()) => {
                    self.say(&format!("The database is now {}.", self.location()));
                    Ok(())
                }
                Err(error) => Err(self.fail(&error)),
            },
            Command::Go { target, expanded } => self.go(target, expanded).await,
            Command::Watch(pause) => self.watch(pause).await,
            Command::Edit(path) => self.edit(path.as_deref()),
            Command::Include(path) => self.include(&path).await,
            Command::Output(target) => {
                let output = match target {
                    Some(target) => self.target(&target, Output::file)?,
                    None => Output::stdout(),
                };
                let previous = std::mem::replace(&mut self.output, output);
                previous.close().map_err(|error| self.fail(&error))
            }
            Command::Expanded(on) => {
                self.expanded = on.unwrap_or(!self.expanded);
                self.say_switch("Expanded display", self.expanded)
            }
            Command::Timing(on) => {
                self.timing = on.unwrap_or(!self.timing);
                self.say_switch("Timing", self.timing)
            }
            Command::Pager(on) => {
                self.pager = on.unwrap_or(!self.pager);
                self.say_switch("The pager", self.pager)
            }
            Command::Null(text) => {
                self.null = text;
                Ok(())
            }
            Command::Format(name) => match Format::of_name(&name) {
                Some(format) => {
                    self.format = format;
                    self.say(&format!("The format is {}.", format.name()));
                    Ok(())
                }
                None => {
                    let names = Format::names().join(", ");
                    self.complain(&format!("there is no format '{name}', only {names}"));
                    Err(Stop::Failed)
                }
            },
            Command::Variables => {
                let lines =
                    self.variables.iter().map(|(name, value)| format!("{name} = '{value}'"));
                self.print(&lines.collect::<Vec<_>>().join("\n"))
            }
            Command::Set(name, value) => {
                self.variables.set(&name, value);
                Ok(())
            }
            Command::Unset(name) => {
                self.variables.unset(&name);
                Ok(())
            }
            Command::Echo(text) => self.print(&text),
            Command::Shell(line) => match pager::shell(&line).status() {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => self.shell_failed(&line, status),
                Err(error) => {
                    self.complain(&format!("'{line}' cannot be started: {error}"));
                    Err(Stop::Failed)
                }
            },
            Command::Help => self.print(&help()),
            Command::Quit => Err(Stop::Quit),
        }
    }

    async fn describe(&mut self, name: &str, detailed: bool) -> Result<(), Stop> {
        self.query(&format!("DESCRIBE {name}"), Some(format!("Columns of {name}"))).await?;
        if detailed {
            let sql = describe::relations(Relations::All, Some(name), true);
            self.query(&sql, None).await?;
        }
        Ok(())
    }

    async fn functions(&mut self, pattern: Option<&str>, detailed: bool) -> Result<(), Stop> {
        let rows = describe::functions(self.db.context(), pattern, detailed)
            .map_err(|error| self.fail(&error.into()))?;
        let shown = self.show(Running::rows(rows), self.style_of_listings()).await;
        shown.map(|_| ()).or_else(|stopped| self.explain(stopped, "", 1))
    }

    /// Runs a file, as `\i` does.
    async fn include(&mut self, path: &Path) -> Result<(), Stop> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.complain(&format!("'{}' cannot be read: {error}", path.display()));
                return Err(Stop::Failed);
            }
        };
        self.run_script(&text, Some(&path.display().to_string())).await
    }

    /// Runs the last statement with its result sent elsewhere.
    async fn go(&mut self, target: Option<Target>, expanded: bool) -> Result<(), Stop> {
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
    fn target(
        &self,
        target: &Target,
        file: fn(&Path) -> Result<Output, Error>,
    ) -> Result<Output, Stop> {
        match target {
            Target::File(path) => file(path),
            Target::Command(line) => Output::command(line),
        }
        .map_err(|error| self.fail(&error))
    }

    /// Runs the last statement again and again.
    async fn watch(&mut self, pause: Duration) -> Result<(), Stop> {
        loop {
            let now = chrono::Local::now().format("%Y-%m-%d %H:%M:%S");
            self.say(&format!("{now} (every {} s)", pause.as_secs_f64()));
            self.go(None, false).await?;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = ctrl_c() => return Err(Stop::Interrupted),
            }
        }
    }

    /// Opens the user's editor. What it leaves is put on the prompt, to be looked at and run.
    fn edit(&mut self, path: Option<&Path>) -> Result<(), Stop> {
        let edited = match path {
            Some(path) => run_editor(path),
            None => {
                let text = self.unfinished.take();
                let text =
                    text.or_else(|| self.last_statement.as_ref().map(|s| format!("{};", s.text)));
                edit_text(&text.unwrap_or_default())
            }
        };
        match edited {
            Ok(text) if text.trim().is_empty() => Ok(()),
            Ok(text) => {
                self.unfinished = Some(text.trim_end().to_string());
                Ok(())
            }
            Err(message) => {
                self.complain(&message);
                Err(Stop::Failed)
            }
        }
    }

    fn say_switch(&self, what: &str, on: bool) -> Result<(), Stop> {
        self.say(&format!("{what} is {}.", if on { "on" } else { "off" }));
        Ok(())
    }

    fn shell_failed(&self, line: &str, status: ExitStatus) -> Result<(), Stop> {
        self.complain(&format!("'{line}' failed: {status}"));
        Err(Stop::Failed)
    }

    /// Prints lines where results go.
    pub(super) fn print(&mut self, text: &str) -> Result<(), Stop> {
        if text.is_empty() {
            return Ok(());
        }
        let printed = self.output.print(text, self.pager);
        printed.or_else(|error| self.explain(error.into(), "", 1))
    }
}

fn help() -> String {
    let width = COMMANDS.iter().map(|(call, _)| call.len()).max().unwrap_or(0);
    let mut text =
        String::from("Statements end with a semicolon and may take several lines. Commands:\n");
    for (call, meaning) in COMMANDS {
        text += &format!("  {call:width$}  {meaning}\n");
    }
    text += "Tab completes, the right arrow takes the hint, Ctrl-R searches the history, Ctrl-C stops a statement.";
    text
}

fn edit_text(text: &str) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("a file to edit cannot be made: {error}");
    let mut file = tempfile::Builder::new().suffix(".sql").tempfile().map_err(cannot)?;
    writeln!(file, "{text}").map_err(cannot)?;
    run_editor(file.path())
}

fn run_editor(path: &Path) -> Result<String, String> {
    let named = ["VISUAL", "EDITOR"].into_iter().find_map(|name| std::env::var(name).ok());
    let editor = named.unwrap_or_else(|| "vi".to_string());
    // The variable may hold options, so a shell must read it; the path is handed over as it is.
    let status = std::process::Command::new("sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(path)
        .status()
        .map_err(|error| format!("the editor '{editor}' cannot be started: {error}"))?;
    if !status.success() {
        return Err(format!("the editor '{editor}' failed: {status}"));
    }
    fs::read_to_string(path)
        .map_err(|error| format!("'{}' cannot be read: {error}", path.display()))
}
