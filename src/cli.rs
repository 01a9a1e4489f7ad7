//! The command: argument parsing, then the REPL or statements from the command line, files or
//! standard input.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::repl::{self, Format, Shell, ShellOptions, Stop};
use crate::serve::{Offer, Pictures, ServeOptions, Server};
use crate::{Database, OpenOptions, parse_bytes};

/// DataFusion plans recursively, and unoptimised builds need several times the usual stack for it.
const WORKER_STACK: usize = 16 << 20;

/// What `main` gives back when Ctrl-C stopped a statement: 128 and the signal's number, as shells do.
const INTERRUPTED: u8 = 130;

/// An embedded vector database whose interface is SQL.
///
/// Without -c, -f or a script on standard input it starts an interactive session.
#[derive(Debug, Parser)]
#[command(name = "portolan", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    /// Folder or object-store URL of the database; without one it lives in memory
    #[arg(value_name = "DB")]
    database: Option<String>,

    /// Run these statements and exit; may be repeated
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    commands: Vec<String>,

    /// Run the statements of this file and exit; '-' is standard input; may be repeated
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How results are written; without it by the ending of -o FILE, or as a table
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,

    /// Write results to this file; it appears when all statements have succeeded
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    output: Option<PathBuf>,

    /// Most memory that queries may hold, as 8GB or 512MB; beyond it they spill to disk or fail
    #[arg(long, value_name = "SIZE", value_parser = memory_limit)]
    memory_limit: Option<usize>,

    /// Refuse every statement that would change the database
    #[arg(long)]
    read_only: bool,
}

/// What the command does besides running SQL on a database.
#[derive(Debug, Subcommand)]
enum Action {
    /// The models that embed texts and images: which there are, fetching them, checking their files
    Models {
        #[command(subcommand)]
        action: ModelAction,
    },
    /// Answer over HTTP until Ctrl-C
    Serve(ServeArgs),
}

#[derive(Debug, clap::Args)]
struct ServeArgs {
    /// Folder or object-store URL of the database whose maps are shown
    #[arg(value_name = "DB", required_unless_present = "embeddings")]
    database: Option<String>,

    /// Instead of maps, answer OpenAI's /v1/embeddings with the models of this machine
    #[arg(long)]
    embeddings: bool,

    /// The address to listen on; one that other machines can reach needs a token
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,

    /// The port to listen on; 0 is any that is free
    #[arg(long, default_value_t = 8470)]
    port: u16,

    /// What clients must send as 'Authorization: Bearer …'; better kept in PORTOLAN_TOKEN
    #[arg(long)]
    token: Option<String>,

    /// A folder or URL with pictures that the page may show where rows name its files; may be given several times
    #[arg(long, value_name = "PLACE", conflicts_with = "embeddings")]
    pictures: Vec<String>,

    /// Open the page in the browser
    #[arg(long, conflicts_with = "embeddings")]
    open: bool,

    /// Refuse statements that change the database; so it is unless --read-write is given
    #[arg(long, conflicts_with_all = ["read_write", "embeddings"])]
    read_only: bool,

    /// Run statements that change the database
    #[arg(long, conflicts_with = "embeddings")]
    read_write: bool,

    /// How long a statement may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,

    /// How many statements run at once; others wait
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    at_once: u16,

    /// Most memory that statements may hold together
    #[arg(long, value_name = "SIZE", default_value = "4GB", value_parser = memory_limit)]
    memory_limit: usize,
}

impl ServeArgs {
    fn offer(&self) -> Offer {
        match self.embeddings {
            true => Offer::Embeddings,
            false => Offer::Database { writable: self.read_write },
        }
    }

    /// How the database is opened. Statements that come over HTTP read no files.
    fn open_options(&self) -> OpenOptions {
        match self.embeddings {
            true => OpenOptions::default(),
            false => OpenOptions {
                read_only: !self.read_write,
                tables_only: true,
                memory_limit: Some(self.memory_limit),
                ..OpenOptions::default()
            },
        }
    }
}

/// The environment variable of the server's token.
const TOKEN: &str = "PORTOLAN_TOKEN";

#[derive(Debug, Subcommand)]
enum ModelAction {
    /// Every model that is known, and whether it is on this machine
    List,
    /// Fetch a model's files
    Pull {
        /// The model, as all-MiniLM-L6-v2
        name: String,
    },
    /// Compare a model's files with their checksums
    Verify {
        /// The model, as all-MiniLM-L6-v2
        name: String,
    },
}

impl ModelAction {
    /// The statement that does it.
    fn statement(&self) -> String {
        let quoted = |name: &str| format!("'{}'", name.replace('\'', "''"));
        match self {
            Self::List => "SHOW MODELS".to_string(),
            Self::Pull { name } => format!("PULL MODEL {}", quoted(name)),
            Self::Verify { name } => format!("VERIFY MODEL {}", quoted(name)),
        }
    }
}

fn memory_limit(text: &str) -> Result<usize, String> {
    parse_bytes(text).ok_or_else(|| "a size is written like 512MB or 8GB".to_string())
}

/// One -c or -f.
#[derive(Debug)]
enum Source {
    Text(String),
    File(PathBuf),
    StandardInput,
}

/// The whole command, from its arguments to its exit code.
pub fn run() -> ExitCode {
    let matches = Args::command().get_matches();
    let args = match Args::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let sources = sources(&args, &matches);
    quiet_panics();
    let (engine, watcher) = match runtimes() {
        Ok(runtimes) => runtimes,
        Err(error) => return failed(&format!("the engine's threads cannot be started: {error}")),
    };
    if let Some(Action::Serve(args)) = args.action {
        let code = serve(&engine, &watcher, args);
        engine.shutdown_background();
        return code;
    }
    let options = shell_options(&args, sources.is_none());
    let code = match watcher.block_on(Shell::open(engine.handle(), options)) {
        Ok(shell) => match sources {
            Some(sources) => run_sources(&watcher, shell, sources),
            None => repl::interact(&watcher, shell),
        },
        Err(message) => failed(&message),
    };
    // A statement that was stopped may still hold a thread: do not wait for it.
    engine.shutdown_background();
    code
}

/// The threads that statements run on, and the one that watches them. They are apart because a
/// statement that computes without a pause would keep the others' clocks and signals waiting.
fn runtimes() -> io::Result<(Runtime, Runtime)> {
    let engine =
        Builder::new_multi_thread().enable_all().thread_stack_size(WORKER_STACK).build()?;
    let watcher = Builder::new_current_thread().enable_all().build()?;
    Ok((engine, watcher))
}

/// What to run, in the order of the command line; `None` is an interactive session.
fn sources(args: &Args, matches: &ArgMatches) -> Option<Vec<Source>> {
    if let Some(Action::Models { action }) = &args.action {
        return Some(vec![Source::Text(action.statement())]);
    }
    let places = |id| matches.indices_of(id).into_iter().flatten();
    let texts = places("commands").zip(args.commands.iter().cloned().map(Source::Text));
    let files = places("files").zip(args.files.iter().map(|path| match path.to_str() {
        Some("-") => Source::StandardInput,
        _ => Source::File(path.clone()),
    }));
    let mut placed: Vec<_> = texts.chain(files).collect();
    placed.sort_by_key(|(place, _)| *place);
    if placed.is_empty() {
        return (!io::stdin().is_terminal()).then(|| vec![Source::StandardInput]);
    }
    Some(placed.into_iter().map(|(_, source)| source).collect())
}

fn shell_options(args: &Args, interactive: bool) -> ShellOptions {
    let open = OpenOptions {
        read_only: args.read_only,
        memory_limit: args.memory_limit,
        ..OpenOptions::default()
    };
    ShellOptions {
        database: args.database.clone(),
        open,
        format: args.format,
        output: args.output.clone(),
        interactive,
    }
}

fn run_sources(watcher: &Runtime, mut shell: Shell, sources: Vec<Source>) -> ExitCode {
    for source in sources {
        let (name, text) = match read(source) {
            Ok(read) => read,
            Err(message) => return failed(&message),
        };
        match watcher.block_on(shell.run_script(&text, name.as_deref())) {
            Ok(()) => {}
            Err(Stop::Quit) => break,
            // The reader has seen enough: that is how `| head` ends every pipeline.
            Err(Stop::PipeClosed) => return ExitCode::SUCCESS,
            Err(Stop::Failed) => return ExitCode::FAILURE,
            Err(Stop::Interrupted) => return ExitCode::from(INTERRUPTED),
        }
    }
    match shell.close_output() {
        Ok(()) | Err(Stop::PipeClosed) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The name to put before errors, and the text.
fn read(source: Source) -> Result<(Option<String>, String), String> {
    let (name, bytes) = match source {
        Source::Text(text) => return Ok((None, text)),
        Source::File(path) => {
            let name = path.display().to_string();
            let bytes =
                fs::read(&path).map_err(|error| format!("{name} cannot be read: {error}"))?;
            (name, bytes)
        }
        Source::StandardInput => {
            let mut bytes = Vec::new();
            io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .map_err(|error| format!("standard input cannot be read: {error}"))?;
            ("standard input".to_string(), bytes)
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => {
            // Some editors begin a file with a mark that is no part of its text.
            let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
            Ok((Some(name), text))
        }
        Err(error) => Err(format!(
            "{name} is not UTF-8 text: the byte at position {} is not part of any character",
            error.utf8_error().valid_up_to()
        )),
    }
}

/// Answers over HTTP until Ctrl-C.
fn serve(engine: &Runtime, watcher: &Runtime, args: ServeArgs) -> ExitCode {
    let (offer, open) = (args.offer(), args.open_options());
    let token = args.token.or_else(|| std::env::var(TOKEN).ok()).filter(|token| !token.is_empty());
    let pictures = match Pictures::within(&args.pictures) {
        Ok(pictures) => pictures,
        Err(error) => return failed(&error.to_string()),
    };
    let options = ServeOptions {
        host: args.host,
        port: args.port,
        token,
        offer,
        timeout: Duration::from_secs(args.timeout),
        at_once: usize::from(args.at_once),
        pictures,
    };
    // Statements get the engine's threads, and what answers its own; embeddings are made where they are asked for.
    let answers = if offer == Offer::Embeddings { engine } else { watcher };
    let db = engine.block_on(async {
        match &args.database {
            Some(location) => Database::open_with(location, open).await,
            None => Database::in_memory_with(open).await,
        }
    });
    let served = answers.block_on(async {
        let db = db.map_err(|error| error.to_string())?;
        let place = format!("{}:{}", options.host, options.port);
        let server = Server::bind(db, &options, engine.handle())
            .await
            .map_err(|error| format!("cannot listen on {place}: {error}"))?;
        let url = format!("http://{}", server.address());
        match offer {
            Offer::Embeddings => println!("Embeddings are at {url}/v1; Ctrl-C stops."),
            _ => println!("Maps are at {url}/; Ctrl-C stops."),
        }
        if args.open && !repl::open_in_browser(&url) {
            repl::tell("No browser could be opened; open the address yourself.");
        }
        let stop = async {
            // Without the signal there is nothing to wait for.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        server.run(stop).await.map_err(|error| error.to_string())
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => failed(&message),
    }
}

fn failed(message: &str) -> ExitCode {
    repl::tell(&format!("ERROR: {message}"));
    ExitCode::FAILURE
}

/// A panic inside a statement is reported as that statement's error; its backtrace is for those
/// who asked for one.
fn quiet_panics() {
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        return;
    }
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() == Some("main") {
            default(info);
        }
    }));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_is_done_with_models_is_a_statement() {
        let statement = |line: &[&str]| {
            let matches = Args::command().get_matches_from(line);
            match Args::from_arg_matches(&matches).unwrap().action {
                Some(Action::Models { action }) => action.statement(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(statement(&["portolan", "models", "list"]), "SHOW MODELS");
        assert_eq!(statement(&["portolan", "models", "pull", "it's"]), "PULL MODEL 'it''s'");
        assert_eq!(statement(&["portolan", "models", "verify", "m"]), "VERIFY MODEL 'm'");
    }

    #[test]
    fn statements_run_in_the_order_of_the_command_line() {
        let matches =
            Args::command().get_matches_from(["portolan", "-f", "a", "-c", "b", "db", "-f", "-"]);
        let args = Args::from_arg_matches(&matches).unwrap();
        let sources = sources(&args, &matches).unwrap();
        assert!(
            matches!(&sources[..], [Source::File(a), Source::Text(b), Source::StandardInput]
                if a.to_str() == Some("a") && b == "b"),
            "{sources:?}"
        );
    }
}
