//! The one error type of the models: a variant per cause, each message with the value, the place
//! and the remedy.

use std::path::{Path, PathBuf};

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a model could not be found, loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No manifest has this name.
    #[error(
        "model '{name}' is not known{hint}; SHOW MODELS lists what is, CREATE MODEL adds a folder of your own"
    )]
    UnknownModel {
        /// The name as it was given.
        name: String,
        /// The nearest name, as "; did you mean 'x'?", or nothing.
        hint: String,
    },
    /// The model is known, but its files are not on this machine.
    #[error("model '{name}' is not on this machine (searched {searched}); {remedy}")]
    NotHere {
        /// The model.
        name: String,
        /// Where, separated by commas.
        searched: String,
        /// The command that fetches it, or why none can.
        remedy: String,
    },
    /// A file of a model is missing, damaged, or not what its manifest says.
    #[error("model file '{}': {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A model's files could not be fetched.
    #[error("model '{name}' could not be fetched: {reason}")]
    Fetch {
        /// The model.
        name: String,
        /// What went wrong, and what to do.
        reason: String,
    },
    /// An argument has a value that this model cannot take.
    #[error("{0}")]
    Argument(String),
    /// An input that cannot be embedded.
    #[error("{0}")]
    Input(String),
    /// A server that runs models did not do what it was asked for.
    #[error("{0}")]
    Remote(String),
    /// The device is not there, or this build cannot use it.
    #[error("{0}")]
    Device(String),
    /// The cache of vectors could not be read or written.
    #[error("the cache of vectors in '{}': {reason}", path.display())]
    Cache {
        /// Its folder.
        path: PathBuf,
        /// What went wrong, and what to do.
        reason: String,
    },
    /// The statement was stopped.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// A file that could not be read or is not what it should be.
    pub fn file(path: impl AsRef<Path>, reason: impl ToString) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), reason: reason.to_string() }
    }
}
