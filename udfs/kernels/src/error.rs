//! The one error type of the kernels.

/// What every fallible kernel returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a kernel gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number that is NaN or infinite.
    #[error("row {row} has a value that is not a finite number; leave such rows out")]
    NotFinite {
        /// The first such row.
        row: usize,
    },
    /// An option has a value that means nothing.
    #[error("{0}")]
    Option(String),
    /// Inputs that do not belong together.
    #[error("{0}")]
    Shape(String),
    /// The caller wanted no more of it.
    #[error("stopped before it was done")]
    Stopped,
    /// A row of zeros where directions are compared.
    #[error("row {row} is zero and has no direction; leave such rows out, or take l2")]
    Zero {
        /// The first such row.
        row: usize,
    },
}
