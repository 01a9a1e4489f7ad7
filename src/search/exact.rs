//! The nearest rows, by comparing all that may be among them.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryPool;
use futures::FutureExt;
use lance::dataset::fragment::FileFragment;
use lance::dataset::{ProjectionRequest, TakeBuilder};
use portolan_kernels::nearest::{Many, Nearest};
use portolan_kernels::rows::Rows;
use roaring::{RoaringBitmap, RoaringTreemap};

use super::column::each_vector;
use super::decoded::{Columns, Target, Values};
use super::request::Request;
use crate::error::{Error, Result};

/// Rows that are read at a time where they cannot be kept.
pub const TAKEN: usize = 4096;
/// From so many vectors on, a product of matrices compares them all at once.
const WORTH_A_PRODUCT: usize = 4;
/// Rows that such a product finds beyond those that are wanted.
const SPARE: usize = 8;
/// Fewer candidates than this share of a fragment are looked up one by one.
const SPARSE: u64 = 8;

/// Where rows are compared.
pub struct Exact<'a> {
    /// What is searched.
    pub target: &'a Target,
    /// What is searched for.
    pub request: &'a Request,
    /// Decoded columns.
    pub columns: &'a Columns,
    /// Where their memory is accounted for.
    pub pool: &'a Arc<dyn MemoryPool>,
}

/// An address: the fragment and the row's place in it.
fn address(fragment: u32, row: u32) -> u64 {
    (u64::from(fragment) << 32) | u64::from(row)
}

impl Exact<'_> {
    /// The nearest rows of some fragments, by their addresses; only of `candidates`, if given.
    pub async fn nearest(
        &self,
        fragments: &[FileFragment],
        candidates: Option<&RoaringTreemap>,
    ) -> Result<Nearest> {
        let mut best = Nearest::new(self.request.k, self.request.ties);
        if let Some(most) = self.request.within {
            best = best.within(most);
        }
        let rows: usize = fragments.iter().filter_map(|f| f.metadata().physical_rows).sum();
        let keep = self.columns.fits(self.target, rows);
        for fragment in fragments {
            let Ok(id) = u32::try_from(fragment.id()) else { continue };
            let among = candidates.map(|all| {
                let found = all.bitmaps().find(|(high, _)| *high == id);
                found.map(|(_, rows)| rows.clone()).unwrap_or_default()
            });
            if among.as_ref().is_some_and(RoaringBitmap::is_empty) {
                continue;
            }
            self.of_fragment(fragment, id, among.as_ref(), keep, &mut best).await?;
            // Comparing takes long where there are many rows: whoever waits may have gone.
            tokio::task::yield_now().await;
        }
        Ok(best)
    }

    /// For each of many vectors rows of the whole table among which the nearest are; `None` where they
    /// are better asked for one by one. Products of many vectors round a little differently, so there
    /// are a few more rows than asked for.
    pub async fn nearest_of_many(
        &self,
        queries: &[&[f32]],
        candidates: Option<&RoaringTreemap>,
    ) -> Result<Option<Vec<Nearest>>> {
        let fragments = self.target.dataset.get_fragments();
        let rows = self.target.rows();
        let few = candidates.is_some_and(|among| among.len() * SPARSE < rows as u64);
        if queries.len() < WORTH_A_PRODUCT || few || !self.columns.fits(self.target, rows) {
            return Ok(None);
        }
        let Request { measure, k, .. } = self.request;
        let numbers: Vec<f32> = queries.concat();
        let many = Rows::new(&numbers, self.target.width)
            .and_then(|rows| Many::new(*measure, rows, k.saturating_add(SPARE)));
        let Some(mut many) = many else { return Ok(None) };
        for fragment in &fragments {
            let Ok(id) = u32::try_from(fragment.id()) else { continue };
            let block = self.columns.block(self.target, fragment, self.pool).await?;
            let Some(Values::Full(values)) = block.as_ref().map(|block| &block.values) else {
                return Ok(None);
            };
            let deleted = fragment.get_deletion_vector().boxed().await?;
            many.offer_block(values, &|row| {
                let row = u32::try_from(row).ok()?;
                let there = deleted.as_ref().is_none_or(|deleted| !deleted.contains(row));
                let address = address(id, row);
                let among = candidates.is_none_or(|among| among.contains(address));
                (there && among).then_some(address)
            });
            tokio::task::yield_now().await;
        }
        Ok(Some(many.into_nearest()))
    }

    /// The nearest of a few rows, if their vectors are in memory.
    pub async fn nearest_of(&self, addresses: &[u64]) -> Result<Option<Nearest>> {
        let Some(values) = known(self.columns, self.target, addresses).await else {
            return Ok(None);
        };
        let mut best = Nearest::new(self.request.k, self.request.ties);
        self.all(&values, &|row| addresses.get(row).copied(), &mut best)?;
        Ok(Some(best))
    }

    async fn of_fragment(
        &self,
        fragment: &FileFragment,
        id: u32,
        among: Option<&RoaringBitmap>,
        keep: bool,
        best: &mut Nearest,
    ) -> Result<()> {
        let rows = fragment.metadata().physical_rows.unwrap_or_default() as u64;
        let few = among.filter(|among| among.len() * SPARSE < rows);
        let block = match self.columns.known(self.target, fragment).await {
            Some(block) => Some(block),
            None => {
                let look_up = match few {
                    Some(few) => self.columns.look_up(self.target, fragment, few.len()).await,
                    None => false,
                };
                match keep && !look_up {
                    true => self.columns.block(self.target, fragment, self.pool).await?,
                    false => None,
                }
            }
        };
        match (block, few) {
            (Some(block), Some(few)) => self.some(&block.values, few, id, best),
            (Some(block), None) => {
                let deleted = match among {
                    Some(_) => None,
                    None => fragment.get_deletion_vector().boxed().await?,
                };
                let number = |row: usize| {
                    let row = u32::try_from(row).ok()?;
                    let there = match among {
                        Some(among) => among.contains(row),
                        None => deleted.as_ref().is_none_or(|deleted| !deleted.contains(row)),
                    };
                    there.then(|| address(id, row))
                };
                self.all(&block.values, &number, best)
            }
            (None, Some(few)) => self.taken(few, id, best).await,
            (None, None) => self.streamed(fragment, among, best).await,
        }
    }

    /// Few rows, of vectors that are at hand.
    fn some(
        &self,
        values: &Values,
        few: &RoaringBitmap,
        id: u32,
        best: &mut Nearest,
    ) -> Result<()> {
        let Request { query, measure, .. } = self.request;
        let rows: Vec<u32> = few.iter().collect();
        let number = |row: u32| address(id, row);
        match values {
            Values::Full(all) => best.offer_some(*measure, query, all, &rows, &number),
            Values::Half(all) => best.offer_some(*measure, query, all, &rows, &number),
        }
        .map_err(kernel)
    }

    fn all(
        &self,
        values: &Values,
        number: &(dyn Fn(usize) -> Option<u64> + Sync),
        best: &mut Nearest,
    ) -> Result<()> {
        let Request { query, measure, .. } = self.request;
        match values {
            Values::Full(values) => best.offer_block(*measure, query, values, number),
            Values::Half(values) => best.offer_block(*measure, query, values, number),
        }
        .map_err(kernel)
    }

    /// Few rows of a column that is not at hand.
    async fn taken(&self, few: &RoaringBitmap, id: u32, best: &mut Nearest) -> Result<()> {
        let addresses: Vec<u64> = few.iter().map(|row| address(id, row)).collect();
        for addresses in addresses.chunks(TAKEN) {
            let values = taken(self.target, addresses).await?;
            self.all(&values, &|row| addresses.get(row).copied(), best)?;
        }
        Ok(())
    }

    /// All rows of a column that cannot be kept.
    async fn streamed(
        &self,
        fragment: &FileFragment,
        among: Option<&RoaringBitmap>,
        best: &mut Nearest,
    ) -> Result<()> {
        each_vector(self.target, fragment, |values, addresses| {
            let number = |row: usize| {
                let address = *addresses.get(row)?;
                // The low half of an address is the row's place in its fragment.
                among.is_none_or(|among| among.contains(address as u32)).then_some(address)
            };
            self.all(values, &number, best)
        })
        .await
    }
}

/// The vectors at some addresses, not many at a time.
pub async fn taken(target: &Target, addresses: &[u64]) -> Result<Values> {
    let dataset = &target.dataset;
    let column = ProjectionRequest::from_columns([&target.column], dataset.schema());
    let plan = Arc::new(column.into_projection_plan(dataset.clone())?);
    let addresses = addresses.to_vec();
    let builder = TakeBuilder::try_new_from_addresses(dataset.clone(), addresses, plan)?;
    Values::of_batch(target, &builder.execute().boxed().await?)
}

/// Vectors at some addresses, from memory where they are there.
pub async fn vectors(
    columns: &Columns,
    target: &Target,
    addresses: &[u64],
) -> Result<Vec<Vec<f32>>> {
    if let Some(known) = known(columns, target, addresses).await {
        return Ok(known.rows(target.width).collect());
    }
    let mut read = Vec::with_capacity(addresses.len());
    for addresses in addresses.chunks(TAKEN) {
        read.extend(taken(target, addresses).await?.rows(target.width));
    }
    Ok(read)
}

/// Vectors at some addresses, if all of them are in memory.
pub async fn known(columns: &Columns, target: &Target, addresses: &[u64]) -> Option<Values> {
    let mut blocks = HashMap::new();
    for fragment in target.dataset.get_fragments() {
        if let (Ok(id), Some(block)) =
            (u32::try_from(fragment.id()), columns.known(target, &fragment).await)
        {
            blocks.insert(id, block);
        }
    }
    let mut gathered = Values::new(target.half, addresses.len() * target.width);
    for address in addresses {
        // The two halves of an address.
        let (fragment, row) = ((address >> 32) as u32, *address as u32 as usize);
        let at = row * target.width..(row + 1) * target.width;
        match (&mut gathered, &blocks.get(&fragment)?.values) {
            (Values::Full(some), Values::Full(all)) => some.extend_from_slice(all.get(at)?),
            (Values::Half(some), Values::Half(all)) => some.extend_from_slice(all.get(at)?),
            _ => return None,
        }
    }
    Some(gathered)
}

fn kernel(error: portolan_kernels::Error) -> Error {
    Error::Invalid(error.to_string())
}
