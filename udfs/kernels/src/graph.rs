//! Who is near whom.

/// For every row its nearest other rows, the nearest first, all rows the same number of them (fewer only where `NONE` fills up).
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Neighbours of a row.
    pub k: usize,
    /// `k` a row; the row itself is not among them. `NONE` where there are no more.
    pub neighbours: Vec<u32>,
    /// Their distances, ascending; 0 where there is no neighbour.
    pub distances: Vec<f32>,
    /// The share of the true neighbours that are in it, measured on a sample; 1 where all were compared.
    pub recall: f32,
}

/// No neighbour.
pub const NONE: u32 = u32::MAX;
