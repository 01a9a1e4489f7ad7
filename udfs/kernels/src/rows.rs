//! A matrix, row by row.

/// Rows of equal length that lie one after another.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: &'a [f32],
    width: usize,
}

impl<'a> Rows<'a> {
    /// None if the values are not whole rows.
    pub fn new(values: &'a [f32], width: usize) -> Option<Self> {
        let whole = if width == 0 { values.is_empty() } else { values.len().is_multiple_of(width) };
        whole.then_some(Self { values, width })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Length of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One row.
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.width..][..self.width]
    }

    /// All values.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }
}
