//! The rows of a partition as kernels take them: those that can be used, in an order that depends on
//! what they hold alone.

use std::cell::OnceCell;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::ToByteSlice;
use portolan_kernels::graph::Graph;
use portolan_kernels::neighbours::{self, Metric, Options};
use portolan_kernels::rows::Rows;
use portolan_kernels::{Error, Result};

use crate::once::Key;
use crate::rows::{Gathered, Vectors, arrange, canonical};
use crate::work::{LeftOut, Work};

/// Neighbours of a row that are looked for at least: so many most functions want, and those that want
/// fewer take the first of them. One graph is enough for all, and none depends on which others a
/// statement calls.
const USUAL: usize = 15;

/// The rows that can be used.
pub struct Partition<'a> {
    /// The function that wants them.
    pub function: &'static str,
    /// Whoever waits for it.
    pub work: &'a Work,
    /// What a call has beside vectors, for these rows; nothing if it has nothing.
    pub second: Option<ArrayRef>,
    /// A number for every value of that, the same for the same; `None` for NULL. None at all if there
    /// are no values.
    pub codes: Vec<Option<u32>>,
    /// Which rows of the partition these are.
    pub kept: Vec<u32>,
    /// How many could not be used.
    pub left_out: LeftOut,
    values: Vec<f32>,
    width: usize,
    content: OnceCell<Key>,
}

impl<'a> Partition<'a> {
    /// Of vectors, and what a call has beside them, with its codes.
    pub fn new(
        function: &'static str,
        vectors: &Vectors,
        by_direction: bool,
        second: Option<(&ArrayRef, &[Option<u32>])>,
        work: &'a Work,
    ) -> Result<Self> {
        let width = vectors.width();
        let Gathered { mut values, kept, left_out } = Gathered::new(&[vectors], by_direction, None);
        let mut values = values.pop().unwrap_or_default();
        // What has no value comes first.
        let ties: Option<Vec<u32>> = second.map(|(_, codes)| {
            kept.iter().map(|row| codes[*row as usize].map_or(0, |code| code + 1)).collect()
        });
        let order = canonical(whole(&values, width)?, ties.as_deref());
        arrange(&mut values, width, &order);
        let kept: Vec<u32> = order.iter().map(|row| kept[*row as usize]).collect();
        let (second, codes) = match second {
            Some((column, codes)) => {
                let taken = take(column, &UInt32Array::from(kept.clone()), None);
                let taken = taken.map_err(|error| Error::Shape(error.to_string()))?;
                (Some(taken), kept.iter().map(|row| codes[*row as usize]).collect())
            }
            None => (None, Vec::new()),
        };
        let content = OnceCell::new();
        Ok(Self { function, work, second, codes, kept, left_out, values, width, content })
    }

    /// The vectors.
    pub fn rows(&self) -> Result<Rows<'_>> {
        whole(&self.values, self.width)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// A hash of the vectors.
    pub fn content(&self) -> Result<Key> {
        if let Some(content) = self.content.get() {
            return Ok(*content);
        }
        let content = content(self.rows()?);
        Ok(*self.content.get_or_init(|| content))
    }

    /// Every row's nearest other rows: `k`, or fewer where there are no more.
    pub fn graph(&self, k: usize, metric: Metric, seed: u64) -> Result<Arc<Graph>> {
        if k == 0 || self.len() < 2 {
            return Ok(Arc::new(without_neighbours()));
        }
        let options = Options { k, metric, seed, ..Options::default() };
        graph(self.function, self.rows()?, self.content()?, &options, self.work)
    }
}

/// How many neighbours of a row are looked for, where `k` are wanted and there are so many others.
pub fn looked_for(k: usize, others: usize) -> usize {
    if k == 0 { 0 } else { k.max(USUAL).min(others) }
}

/// A graph in which nobody has neighbours.
pub fn without_neighbours() -> Graph {
    Graph { k: 0, neighbours: Vec::new(), distances: Vec::new(), recall: 1.0 }
}

fn whole(values: &[f32], width: usize) -> Result<Rows<'_>> {
    Rows::new(values, width).ok_or_else(|| Error::Shape("rows are not whole".to_string()))
}

/// A hash of rows.
pub fn content(rows: Rows) -> Key {
    let mut hash = blake3::Hasher::new();
    hash.update(&rows.width().to_le_bytes());
    hash.update(rows.values().to_byte_slice());
    hash.finalize().into()
}

/// Every row's nearest other rows, found once in a statement: at most as many as there are others.
pub fn graph(
    function: &str,
    rows: Rows,
    content: Key,
    options: &Options,
    work: &Work,
) -> Result<Arc<Graph>> {
    let others = rows.len().saturating_sub(1);
    let k = options.k.min(others);
    if k == 0 {
        return Ok(Arc::new(without_neighbours()));
    }
    let options = Options { k: looked_for(k, others), ..options.clone() };
    let mut hash = blake3::Hasher::new();
    hash.update(&content);
    hash.update(format!("graph {options:?}").as_bytes());
    let bytes = |graph: &Graph| graph.neighbours.len() * 8;
    let found = work.once(function, hash.finalize().into(), bytes, || {
        neighbours::graph(rows, &options, work)
    })?;
    Ok(if found.k == k { found } else { Arc::new(nearest(&found, k)) })
}

/// A graph with the first few neighbours of every row.
pub fn nearest(graph: &Graph, k: usize) -> Graph {
    fn first<T: Copy>(of: &[T], each: usize, k: usize) -> Vec<T> {
        of.chunks_exact(each).flat_map(|near| &near[..k]).copied().collect()
    }
    Graph {
        k,
        neighbours: first(&graph.neighbours, graph.k, k),
        distances: first(&graph.distances, graph.k, k),
        recall: graph.recall,
    }
}
