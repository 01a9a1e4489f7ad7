//! How near every row of a table is to one vector.

use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryPool;
use lance::Dataset;
use lance::dataset::fragment::FileFragment;
use portolan_kernels::distance::{Measure, one_to_many};

use super::column::each_vector;
use super::decoded::{Columns, Target, Values};
use super::exact;
use crate::error::{Error, Result};

/// The rows of a version of a table, numbered as they lie in its files, deleted ones too.
#[derive(Debug)]
pub struct Positions {
    /// Where each fragment begins, by its number.
    starts: Vec<(u32, usize)>,
    rows: usize,
}

impl Positions {
    /// Those of a version.
    pub fn of(dataset: &Dataset) -> Self {
        let mut fragments: Vec<(u32, usize)> = Vec::new();
        for fragment in dataset.fragments().iter() {
            if let Ok(id) = u32::try_from(fragment.id) {
                fragments.push((id, fragment.physical_rows.unwrap_or_default()));
            }
        }
        // A version lists them in an order of its own.
        fragments.sort_unstable();
        let mut rows = 0;
        let starts = fragments.into_iter().map(|(id, more)| {
            rows += more;
            (id, rows - more)
        });
        let starts = starts.collect();
        Self { starts, rows }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// That of a row by its address.
    pub fn of_address(&self, address: u64) -> Option<usize> {
        // The two halves of an address.
        let (fragment, row) = ((address >> 32) as u32, address as u32 as usize);
        let at = self.starts.binary_search_by_key(&fragment, |(id, _)| *id).ok()?;
        Some(self.starts.get(at)?.1 + row)
    }

    /// The address of a row by its position.
    pub fn address(&self, position: usize) -> Option<u64> {
        let (id, start) = self
            .starts
            .iter()
            .rev()
            .find(|(_, start)| *start <= position)
            .filter(|_| position < self.rows)?;
        let row = u32::try_from(position - start).ok()?;
        Some((u64::from(*id) << 32) | u64::from(row))
    }
}

/// What all rows are compared with, and where.
pub struct Scored<'a> {
    /// What is compared.
    pub target: &'a Target,
    /// Decoded columns.
    pub columns: &'a Columns,
    /// Where their memory is accounted for.
    pub pool: Arc<dyn MemoryPool>,
}

impl Scored<'_> {
    /// The vector of a row, by its address.
    pub async fn vector(&self, address: u64) -> Result<Option<Vec<f32>>> {
        let found = exact::vectors(self.columns, self.target, &[address]).await?;
        Ok(found.into_iter().next())
    }

    /// What is measured between a vector and every row, by the rows' positions; NaN where a row has none.
    pub async fn by_position(&self, measure: Measure, query: &[f32]) -> Result<Vec<f32>> {
        if query.len() != self.target.width {
            return Err(Error::Invalid(format!(
                "column '{}' has vectors of {} dimensions, not {}",
                self.target.column,
                self.target.width,
                query.len()
            )));
        }
        let positions = Positions::of(&self.target.dataset);
        let keep = self.columns.fits(self.target, positions.len());
        let mut scores = vec![f32::NAN; positions.len()];
        for fragment in self.target.dataset.get_fragments() {
            let rows = fragment.metadata().physical_rows.unwrap_or_default();
            let start = positions.of_address((fragment.id() as u64) << 32);
            let of_fragment = start.and_then(|start| scores.get_mut(start..start + rows));
            let Some(of_fragment) = of_fragment else { continue };
            let block = match keep {
                true => self.columns.block(self.target, &fragment, &self.pool).await?,
                false => None,
            };
            match block {
                Some(block) => measured(measure, query, &block.values, of_fragment)?,
                None => self.streamed(&fragment, measure, query, of_fragment).await?,
            }
            // Comparing takes long where there are many rows: whoever waits may have gone.
            tokio::task::yield_now().await;
        }
        Ok(scores)
    }

    /// The same of a fragment whose vectors cannot be kept.
    async fn streamed(
        &self,
        fragment: &FileFragment,
        measure: Measure,
        query: &[f32],
        scores: &mut [f32],
    ) -> Result<()> {
        each_vector(self.target, fragment, |values, addresses| {
            let mut found = vec![f32::NAN; addresses.len()];
            measured(measure, query, values, &mut found)?;
            for (score, address) in found.into_iter().zip(addresses) {
                // The low half of an address is the row's place in its fragment.
                if let Some(place) = scores.get_mut(*address as u32 as usize) {
                    *place = score;
                }
            }
            Ok(())
        })
        .await
    }
}

fn measured(measure: Measure, query: &[f32], values: &Values, scores: &mut [f32]) -> Result<()> {
    match values {
        Values::Full(rows) => one_to_many(measure, query, rows, scores),
        Values::Half(rows) => one_to_many(measure, query, rows, scores),
    }
    .map_err(|error| Error::Invalid(error.to_string()))
}
