//! What embedding gives back, whether this machine or a server did it.

use crate::error::Error;

/// Vectors of equal length, row after row, and what became of the rows that have none.
#[derive(Debug, Default)]
pub struct Embedded {
    /// Length of each vector; 0 where there is none and no length was asked for.
    pub dims: usize,
    /// `dims` numbers a row; zeros where the row failed.
    pub values: Vec<f32>,
    /// Rows that have no vector, in order, and why.
    pub failures: Vec<(usize, Error)>,
    /// Tokens that went through the model, where that is known of all of them.
    pub tokens: Option<u64>,
}

impl Embedded {
    /// The vector of a row, unless it failed or is not there.
    ///
    /// ```
    /// use portolan_models::{Embedded, Error};
    ///
    /// let embedded = Embedded {
    ///     dims: 2,
    ///     values: vec![0.6, 0.8, 0.0, 0.0],
    ///     failures: vec![(1, Error::Input("too long".into()))],
    ///     tokens: None,
    /// };
    /// assert_eq!(embedded.vector(0), Some(&[0.6, 0.8][..]));
    /// assert_eq!(embedded.vector(1), None);
    /// ```
    pub fn vector(&self, row: usize) -> Option<&[f32]> {
        if self.failures.binary_search_by_key(&row, |(failed, _)| *failed).is_ok() {
            return None;
        }
        let start = row.checked_mul(self.dims)?;
        self.values.get(start..start.checked_add(self.dims)?)
    }
}
