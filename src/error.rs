//! The one error type of the database: a variant per cause, each message with the value, the
//! place and the remedy.

use std::fmt;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A place in a statement, counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Line, from 1.
    pub line: u64,
    /// Column in that line, from 1.
    pub column: u64,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a statement, or opening a database, failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not SQL that we know, or names something that is not there.
    #[error("{message}{}", at(location))]
    Sql {
        /// One sentence: what, and what to do.
        message: String,
        /// Where in the text that was run, if the parser or planner knows.
        location: Option<Location>,
    },
    /// A table, view, schema, index, version, … that does not exist.
    #[error("{kind} '{name}' does not exist{hint}{}", at(location))]
    NotFound {
        /// "table", "view", …
        kind: &'static str,
        /// Its name as it was written.
        name: String,
        /// What else there is, starting with "; ", or nothing.
        hint: String,
        /// Where in the text.
        location: Option<Location>,
    },
    /// Something of that name is already there.
    #[error("{kind} '{name}' already exists; {remedy}")]
    AlreadyExists {
        /// "table", "view", …
        kind: &'static str,
        /// Its name.
        name: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The rows break a promise of the table: NOT NULL, the primary key, a finite vector.
    #[error("{0}")]
    Constraint(String),
    /// The statement is understood, but this thing of it cannot be done here.
    #[error("{0}")]
    Unsupported(String),
    /// A setting, an option or an argument has a value that it cannot have.
    #[error("{0}")]
    Invalid(String),
    /// The database was opened with `read_only`.
    #[error("{0} changes the database, which was opened read-only; open it without --read-only")]
    ReadOnly(String),
    /// Another process changed the table again and again while this statement ran.
    #[error(
        "table '{table}' was changed by another process while the statement ran ({attempts} attempts); run it again"
    )]
    Conflict {
        /// The table.
        table: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The folder was written by a release that knows more than this one.
    #[error(
        "the database at '{location}' has format {found}, this release reads up to {known}; upgrade portolan"
    )]
    NewerFormat {
        /// Where.
        location: String,
        /// The format found there.
        found: u64,
        /// The newest that this release knows.
        known: u64,
    },
    /// From the query engine.
    #[error("{}{}", sentence(source), at(location))]
    DataFusion {
        /// The engine's own error.
        source: Box<DataFusionError>,
        /// Where in the text, if the planner knows.
        location: Option<Location>,
    },
    /// From the table format.
    #[error("{0}")]
    Lance(Box<lance::Error>),
    /// From an object store.
    #[error("{0}")]
    Store(#[from] object_store::Error),
    /// From a model.
    #[error("{0}")]
    Model(#[from] portolan_models::Error),
    /// From the operating system.
    #[error("{context}: {source}")]
    Io {
        /// What was being done, and to which file.
        context: String,
        /// The cause.
        source: std::io::Error,
    },
}

fn at(location: &Option<Location>) -> String {
    location.map(|l| format!(" (at {l})")).unwrap_or_default()
}

impl Error {
    /// An error of the SQL text, without a place.
    pub(crate) fn sql(message: impl Into<String>) -> Self {
        Self::Sql { message: message.into(), location: None }
    }

    /// An error of the operating system, with what was being done.
    pub(crate) fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { context: context.into(), source }
    }

    /// The place in the text, where known.
    pub fn location(&self) -> Option<Location> {
        match self {
            Self::Sql { location, .. }
            | Self::DataFusion { location, .. }
            | Self::NotFound { location, .. } => *location,
            _ => None,
        }
    }

    /// The same error at a place.
    pub(crate) fn moved_to(mut self, place: Location) -> Self {
        if let Self::Sql { location, .. }
        | Self::DataFusion { location, .. }
        | Self::NotFound { location, .. } = &mut self
        {
            *location = Some(place);
        }
        self
    }

    /// The same error without a place: where it was is not what the user wrote.
    pub(crate) fn without_place(mut self) -> Self {
        if let Self::Sql { location, .. }
        | Self::DataFusion { location, .. }
        | Self::NotFound { location, .. } = &mut self
        {
            *location = None;
        }
        self
    }

    /// A thing that is not there, with what else there is ("; did you mean …").
    pub(crate) fn not_found(
        kind: &'static str,
        name: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::NotFound { kind, name: name.into(), hint: hint.into(), location: None }
    }

    fn engine(source: DataFusionError) -> Self {
        Self::DataFusion { source: Box::new(source), location: None }
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        // Our own errors travel through DataFusion's streams as External: give them back whole.
        match error {
            DataFusionError::External(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(inner) => match inner.downcast::<lance::Error>() {
                    Ok(lance) => Self::from(*lance),
                    Err(inner) => match inner.downcast::<portolan_models::Error>() {
                        Ok(model) => Self::Model(*model),
                        Err(inner) => Self::engine(DataFusionError::External(inner)),
                    },
                },
            },
            // Where it was seen first, not what it is.
            DataFusionError::Context(_, inner) if is_foreign(&inner) => Self::from(*inner),
            other => Self::engine(other),
        }
    }
}

/// Whether an error, under its wrappings, is not the query engine's own.
fn is_foreign(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::External(inner) => {
            inner.is::<Error>()
                || inner.is::<lance::Error>()
                || inner.is::<portolan_models::Error>()
        }
        _ => false,
    }
}

/// DataFusion's error as one sentence: without the names of its layers, and of a sentence that
/// goes on, the first line.
fn sentence(error: &DataFusionError) -> String {
    let text = error.find_root().strip_backtrace();
    let mut text = text.trim();
    let layers = [
        "Error during planning: ",
        "Execution error: ",
        "Schema error: ",
        "SQL error: ",
        "Arrow error: ",
        "Invalid argument error: ",
        "Cast error: ",
        "Parser error: ",
        "Compute error: ",
        "Invalid or Unsupported Configuration: ",
        "This feature is not implemented: ",
        "External error: ",
        "Object Store error: ",
    ];
    while let Some(rest) = layers.iter().find_map(|layer| text.strip_prefix(layer)) {
        text = rest;
    }
    // What a function says of its arguments, without what the planner says around it.
    if let Some((_, inner)) = text.split_once("user-defined coercion failed with: ") {
        text = inner.strip_prefix("Error during planning: ").unwrap_or(inner);
        text = text.split(" No function matches the given name").next().unwrap_or(text);
        text = text.strip_suffix('.').unwrap_or(text);
    }
    if let Some(inner) = text.strip_prefix("ParserError(\"").and_then(|t| t.strip_suffix("\")")) {
        text = inner;
    }
    if let Some(inner) = text.strip_prefix("TokenizerError(\"").and_then(|t| t.strip_suffix("\")"))
    {
        text = inner;
    }
    let text = text.split(" at Line: ").next().unwrap_or(text);
    text.replace('\n', " ").replace("\\\"", "\"").trim_end().to_string()
}

impl Error {
    /// The error on its way through a stream that Lance reads, which makes its own of all others.
    pub(crate) fn through_lance(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::DataFusion { source, .. } => *source,
            other => Self::External(Box::new(other)),
        }
    }
}

impl From<lance::Error> for Error {
    fn from(error: lance::Error) -> Self {
        // What came out of a stream that Lance read is not Lance's.
        match error.into_external() {
            Ok(inner) => Self::from(DataFusionError::External(inner)),
            Err(error) => Self::Lance(Box::new(error)),
        }
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        Self::from(DataFusionError::from(error))
    }
}
