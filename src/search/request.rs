//! What is searched for.

use std::fmt;

use portolan_kernels::distance::Measure;

/// The rows whose vectors are nearest to one vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The column of vectors.
    pub column: String,
    /// The vector that they are compared with.
    pub query: Vec<f32>,
    /// What is compared.
    pub measure: Measure,
    /// How many rows are wanted.
    pub k: usize,
    /// Whether all rows are wanted that are as near as the last one.
    pub ties: bool,
    /// The largest distance that a row may have, as the kernels measure it: the negative of what is
    /// larger for nearer rows.
    pub within: Option<f32>,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.measure {
            Measure::Cosine => "cosine",
            Measure::Dot => "dot",
            Measure::L1 => "l1",
            Measure::SquaredL2 => "l2",
        };
        write!(f, "column={}, by={by}, k={}", self.column, self.k)
    }
}
