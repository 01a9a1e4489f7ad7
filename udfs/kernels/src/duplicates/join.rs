//! Every pair of rows within a distance of each other.
//!
//! All rows are looked at with all, but not all of them: a few directions in which rows differ most
//! tell of nearly all pairs that they are too far apart. What is missing of a distance there can only
//! add to it, so no pair is lost; those that are let through are measured whole.

use rayon::prelude::*;

use super::sets::Sets;
use crate::error::Result;
use crate::graph::{Graph, NONE};
use crate::order::Order;
use crate::pca::{self, Pca};
use crate::prepare::Prepared;
use crate::rows::Rows;
use crate::steps::Steps;
use crate::tile::{self, COLUMNS, Line, ROWS};
use crate::watch::Watch;

/// Directions that are looked at.
const DIRECTIONS: usize = 64;
/// Rows that say which directions those are.
const LESSONS: usize = 4096;
/// Rows up to which looking at them whole takes less time than finding directions.
const FEW: usize = 2048;
/// Rows of a block: what they are packed into fits the second cache.
const BLOCK: usize = 512;
/// How far rounding may move a product of unit vectors.
const SLACK: f32 = 2e-5;

/// Ranks that hang together by pairs within the cutoff.
pub fn components(
    prepared: &Prepared,
    order: &Order,
    cutoff: f32,
    watch: &dyn Watch,
) -> Result<Vec<Vec<u32>>> {
    let count = order.different();
    let sets = Sets::new(count);
    let look = Look::new(prepared, order, watch)?;
    let blocks = count.div_ceil(BLOCK);
    let finished = Steps::new("comparing", blocks * (blocks + 1) / 2, watch);
    let wanted = -cutoff - SLACK;
    (0..blocks).into_par_iter().with_max_len(1).try_for_each_init(
        Scratch::default,
        |scratch, block| {
            let first = block * BLOCK;
            look.pack(first..count.min(first + BLOCK), &mut scratch.left);
            let left = BLOCK.min(count - first);
            scratch.scores.resize(left.next_multiple_of(ROWS), [0.0; COLUMNS]);
            scratch.least.clear();
            scratch.least.resize(left, wanted);
            for other in block..blocks {
                let panels =
                    other * BLOCK / COLUMNS..count.min((other + 1) * BLOCK).div_ceil(COLUMNS);
                for panel in panels {
                    look.near(panel, left, scratch);
                    for &(row, mut bits) in &scratch.found {
                        // Ranks are counted in u32.
                        let a = first as u32 + row;
                        while bits != 0 {
                            let b = (panel * COLUMNS) as u32 + bits.trailing_zeros();
                            bits &= bits - 1;
                            if a < b && (b as usize) < count && !sets.same(a, b) {
                                let row = |rank: u32| prepared.row(order.first(rank as usize));
                                if prepared.distance(prepared.apart(row(a), row(b))) <= cutoff {
                                    sets.unite(a, b);
                                }
                            }
                        }
                    }
                }
                finished.take(1)?;
            }
            Ok(())
        },
    )?;
    Ok(sets.into_sets())
}

/// The same by pairs of neighbours alone.
pub fn along(
    prepared: &Prepared,
    order: &Order,
    graph: &Graph,
    cutoff: f32,
    watch: &dyn Watch,
) -> Result<Vec<Vec<u32>>> {
    let sets = Sets::new(order.different());
    let ranks = order.ranks();
    let finished = Steps::new("comparing", ranks.len(), watch);
    ranks.par_chunks(BLOCK).enumerate().try_for_each(|(block, some)| {
        for (row, &a) in (block * BLOCK..).zip(some) {
            for (near, _) in graph.near(row) {
                let b = ranks[near as usize];
                // Measured as everywhere here, whatever the graph's distances were rounded to.
                if a != b && !sets.same(a, b) {
                    let row = |rank: u32| prepared.row(order.first(rank as usize));
                    if prepared.distance(prepared.apart(row(a), row(b))) <= cutoff {
                        sets.unite(a, b);
                    }
                }
            }
        }
        finished.take(some.len())
    })?;
    Ok(sets.into_sets())
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    left: Vec<f32>,
    scores: Vec<[f32; COLUMNS]>,
    least: Vec<f32>,
    found: Vec<(u32, u16)>,
}

/// Rows by few numbers, so that products are half of the negative squared lengths of differences:
/// on one side the place, minus half its square, and 1; on the other the place, 1, and minus half
/// its square.
struct Look {
    depth: usize,
    left: Vec<f32>,
    panels: Vec<Line>,
}

impl Look {
    fn new(prepared: &Prepared, order: &Order, watch: &dyn Watch) -> Result<Self> {
        let (count, width) = (order.different(), prepared.width());
        let row = |rank: usize| prepared.row(order.first(rank));
        let directions = if count <= FEW { width } else { DIRECTIONS.min(width) };
        let depth = directions + 2;
        let axes = if directions < width { axes(prepared, order, watch)? } else { Vec::new() };
        let mut panels = vec![Line::default(); directions.div_ceil(COLUMNS) * width];
        for (axes, panel) in
            axes.chunks(COLUMNS * width.max(1)).zip(panels.chunks_exact_mut(width.max(1)))
        {
            tile::pack_right(axes.chunks_exact(width).map(|axis| (axis, 1.0)), panel);
        }
        let mut left = vec![0f32; count * depth];
        let finished = Steps::new("places", count, watch);
        left.par_chunks_mut(BLOCK * depth).enumerate().try_for_each(|(block, to)| {
            let ranks = block * BLOCK..count.min((block + 1) * BLOCK);
            if axes.is_empty() {
                for (to, rank) in to.chunks_exact_mut(depth).zip(ranks.clone()) {
                    let (values, factor) = row(rank);
                    to.iter_mut().zip(values).for_each(|(to, x)| *to = x * factor);
                }
            } else {
                let mut packed = Vec::new();
                tile::pack_left(width, ranks.clone().map(row), &mut packed);
                let mut scores = vec![[0.0; COLUMNS]; ranks.len().next_multiple_of(ROWS)];
                for (i, panel) in panels.chunks_exact(width).enumerate() {
                    let first = i * COLUMNS;
                    let some = COLUMNS.min(directions - first);
                    tile::scores(tile::Form::Products, &packed, panel, &mut scores);
                    for (to, scores) in to.chunks_exact_mut(depth).zip(&scores) {
                        to[first..first + some].copy_from_slice(&scores[..some]);
                    }
                }
            }
            for to in to.chunks_exact_mut(depth) {
                // The square of a unit vector's part.
                to[directions] = (-0.5 * crate::lanes::squares(&to[..directions])) as f32;
                to[directions + 1] = 1.0;
            }
            finished.take(ranks.len())
        })?;
        let mut panels = vec![Line::default(); count.div_ceil(COLUMNS) * depth];
        panels.par_chunks_mut(depth).zip(left.par_chunks(COLUMNS * depth)).for_each(
            |(panel, rows)| {
                tile::pack_right(rows.chunks_exact(depth).map(|row| (row, 1.0)), panel);
                panel.swap(directions, directions + 1);
            },
        );
        Ok(Self { depth, left, panels })
    }

    fn pack(&self, ranks: std::ops::Range<usize>, to: &mut Vec<f32>) {
        let rows =
            self.left[ranks.start * self.depth..ranks.end * self.depth].chunks_exact(self.depth);
        tile::pack_left(self.depth, rows.map(|row| (row, 1.0)), to);
    }

    /// Finds which of the packed rows may be near which of a panel.
    fn near(&self, panel: usize, left: usize, scratch: &mut Scratch) {
        let Scratch { left: packed, scores, least, found } = scratch;
        let panel = &self.panels[panel * self.depth..][..self.depth];
        tile::scores(tile::Form::Products, packed, panel, scores);
        found.clear();
        tile::reaching(&scores[..left], least, &[f32::INFINITY; COLUMNS], found);
    }
}

/// Directions in which the rows differ most, unit vectors at right angles.
fn axes(prepared: &Prepared, order: &Order, watch: &dyn Watch) -> Result<Vec<f32>> {
    let count = order.different();
    let lessons = count.min(LESSONS);
    let mut values = Vec::with_capacity(lessons * prepared.width());
    for i in 0..lessons {
        let (row, factor) = prepared.row(order.first(i * count / lessons));
        values.extend(row.iter().map(|x| x * factor));
    }
    let Some(rows) = Rows::new(&values, prepared.width()) else { return Ok(Vec::new()) };
    let options = pca::Options { components: DIRECTIONS, seed: u64::from(NONE) };
    Ok(Pca::fit(rows, &options, watch)?.components)
}
