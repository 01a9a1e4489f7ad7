//! Who is near whom.

use crate::error::{Error, Result};

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

impl Graph {
    /// The neighbours of a row with their distances, without those that are missing.
    pub fn near(&self, row: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let at = row * self.k..(row + 1) * self.k;
        let near = self.neighbours[at.clone()].iter().zip(&self.distances[at]);
        near.map(|(&id, &far)| (id, far)).filter(|&(id, _)| id != NONE)
    }

    /// An error unless it is one of so many rows and all of its numbers make sense.
    pub fn check(&self, rows: usize) -> Result<()> {
        self.check_into(rows, rows)
    }

    /// The same for one of rows with their neighbours among `others`.
    pub fn check_into(&self, rows: usize, others: usize) -> Result<()> {
        let entries = rows.checked_mul(self.k).filter(|_| rows < NONE as usize);
        if entries != Some(self.neighbours.len()) || entries != Some(self.distances.len()) {
            return Err(Error::Shape(format!(
                "a graph of {} neighbours and {} distances is not that of {rows} rows with {} neighbours each",
                self.neighbours.len(),
                self.distances.len(),
                self.k
            )));
        }
        if let Some(&id) = self.neighbours.iter().find(|&&id| id != NONE && id as usize >= others) {
            return Err(Error::Shape(format!("neighbour {id} is none of {others} rows")));
        }
        match self.distances.iter().position(|x| !x.is_finite()) {
            Some(place) => Err(Error::NotFinite { row: place / self.k }),
            None => Ok(()),
        }
    }
}
