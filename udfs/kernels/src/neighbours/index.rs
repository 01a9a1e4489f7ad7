//! Rows made ready for their neighbours to be found.

use std::sync::OnceLock;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::{Graph, NONE};
use crate::neighbours::cells::Centres;
use crate::neighbours::join::{Join, Scratch, Side};
use crate::neighbours::lists::Lists;
use crate::neighbours::sample::Sample;
use crate::neighbours::space::Space;
use crate::neighbours::{EXACT, Method, Options};
use crate::order::Order;
use crate::prepare::Prepared;
use crate::rows::Rows;
use crate::steps::Steps;
use crate::watch::Watch;

/// Rows of a block where all are compared with all.
const BLOCK: usize = 512;
/// Nearest cells that are written down of each row; more are found again if they are needed.
const KNOWN: usize = 24;
/// More right ones than are asked for in the sample, so that they are there in all.
const MARGIN: f32 = 0.005;

/// Rows among which neighbours are found: of each other, or of rows that come later.
pub struct Index<'a> {
    pub(super) space: Space<'a>,
    pub(super) centres: Option<Centres>,
    /// For every rank the cells that it is nearest to, a few of them.
    nearest: Vec<u32>,
    pub(super) options: Options,
    /// Cells that a new row looks into and what it finds there, once that is known.
    pub(super) probes: OnceLock<(usize, f32)>,
}

impl<'a> Index<'a> {
    /// Sorts, packs and, where there are many, partitions the rows.
    pub fn build(rows: Rows<'a>, options: &Options, watch: &dyn Watch) -> Result<Self> {
        Self::made(rows, options, true, watch)
    }

    /// The same; rows that each new one is compared with are packed only if they are looked at again.
    pub(super) fn made(
        rows: Rows<'a>,
        options: &Options,
        again: bool,
        watch: &dyn Watch,
    ) -> Result<Self> {
        options.check()?;
        // The last number stands for "none".
        if rows.len() >= NONE as usize {
            return Err(Error::Shape(format!("{} rows are more than can be numbered", rows.len())));
        }
        watch.stage("rows", 1);
        let prepared = Prepared::new(rows, options.metric)?;
        if watch.stopped() {
            return Err(Error::Stopped);
        }
        let order = Order::by(prepared.len(), |i| prepared.row(i));
        watch.done(1);
        if watch.stopped() {
            return Err(Error::Stopped);
        }
        let different = order.different();
        let exact = match options.method {
            Method::Auto => different <= EXACT,
            Method::Exact => true,
            _ => false,
        };
        let (centres, nearest, ranks, lengths) = if exact {
            // Ranks fit u32, as rows do.
            let ranks = (0..different as u32).collect();
            let lengths = (0..different).step_by(BLOCK).map(|i| BLOCK.min(different - i)).collect();
            (None, Vec::new(), ranks, lengths)
        } else {
            let row = |rank: usize| prepared.row(order.first(rank));
            let unit = options.metric == super::Metric::Cosine;
            let depth = prepared.width().max(1);
            let count = cells_for(different);
            let centres = Centres::learn(count, different, depth, unit, row, options.seed, watch)?;
            let finished = Steps::new("assignment", different, watch);
            let known = KNOWN.min(count).max(1);
            let nearest = centres.nearest(different, known, row, &finished)?;
            let (ranks, lengths) = by_cell(nearest.iter().step_by(known).copied(), centres.len());
            (Some(centres), nearest, ranks, lengths)
        };
        if watch.stopped() {
            return Err(Error::Stopped);
        }
        let space = match exact && !again {
            true => Space::unpacked(prepared, order, ranks, lengths.into_iter()),
            false => Space::new(prepared, order, ranks, lengths.into_iter(), watch)?,
        };
        Ok(Self { space, centres, nearest, options: options.clone(), probes: OnceLock::new() })
    }

    /// Every row's nearest other rows.
    pub fn graph(&self, watch: &dyn Watch) -> Result<Graph> {
        let k = self.options.k;
        let keep = self.keep();
        let Some(centres) = &self.centres else {
            let mut lists = self.compared(keep, watch)?;
            let unsure = lists.blurred(&self.space, k);
            if !unsure.is_empty() {
                lists.sharpen(&self.space, &unsure, None, watch)?;
            }
            return Ok(lists.graph(&self.space, k, 1.0));
        };
        let sample = Sample::of(&self.space, k.min(keep), self.options.seed, watch)?;
        let (probes, _) = self.enough(centres, &sample, self.wanted(), true, watch)?;
        // Where rows would look into so many cells, all with all is no more work.
        let all = probes * 4 >= centres.len();
        let mut lists = if all {
            self.compared(keep, watch)?
        } else {
            self.probed(centres, probes, keep, watch)?
        };
        let unsure = lists.blurred(&self.space, k);
        if !unsure.is_empty() {
            // Here only the row itself looks, so that it looks into more.
            let (probes, _) = self.enough(centres, &sample, self.wanted(), false, watch)?;
            let row = |i: usize| self.space.row(self.space.ranks[unsure[i]]);
            let cells = if all {
                None
            } else {
                Some(centres.nearest(unsure.len(), probes, row, &Steps::within(watch))?)
            };
            lists.sharpen(&self.space, &unsure, cells.as_deref(), watch)?;
        }
        let recall = sample.recall(&self.space, &lists);
        Ok(lists.graph(&self.space, k, recall))
    }

    /// Neighbours of each row that are measured exactly.
    pub(super) fn keep(&self) -> usize {
        keep_for(self.options.k, self.space.ranks.len().saturating_sub(1))
    }

    /// The share of the sample's neighbours that must be found.
    pub(super) fn wanted(&self) -> f32 {
        (self.options.recall + MARGIN).min(1.0)
    }

    /// Everyone with everyone.
    fn compared(&self, keep: usize, watch: &dyn Watch) -> Result<Lists> {
        let join = Join::new(&self.space, keep);
        let count = self.space.cells.len();
        let finished = Steps::new("comparing", count * (count + 1) / 2, watch);
        // Blocks by themselves come first: what they find keeps most of the rest out.
        (0..count).into_par_iter().try_for_each_init(Scratch::default, |scratch, cell| {
            join.within(cell, scratch);
            finished.take(1)
        })?;
        let all: Vec<Vec<u32>> = (0..count).map(|cell| join.all(cell)).collect();
        let pairs: Vec<(usize, usize)> =
            (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).collect();
        pairs.into_par_iter().try_for_each_init(Scratch::default, |scratch, (a, b)| {
            let (left, right) = (Side { cell: a, rows: &all[a] }, Side { cell: b, rows: &all[b] });
            join.between(left, right, scratch);
            finished.take(1)
        })?;
        Lists::measured(&self.space, join.into_best().collect(), keep, watch)
    }

    /// Every row with those of the cells that it is nearest to, and with those that look into its.
    fn probed(
        &self,
        centres: &Centres,
        probes: usize,
        keep: usize,
        watch: &dyn Watch,
    ) -> Result<Lists> {
        let space = &self.space;
        let asking = self.asking(centres, probes, watch)?;
        let join = Join::new(space, keep);
        let count = space.cells.len();
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for (a, asking) in asking.iter().enumerate() {
            pairs.extend(asking.cells.iter().map(|&(b, _)| (a.min(b as usize), a.max(b as usize))));
        }
        pairs.sort_unstable();
        pairs.dedup();
        let finished = Steps::new("comparing", count + pairs.len(), watch);
        (0..count).into_par_iter().try_for_each_init(Scratch::default, |scratch, cell| {
            join.within(cell, scratch);
            finished.take(1)
        })?;
        pairs.into_par_iter().try_for_each_init(Scratch::default, |scratch, (a, b)| {
            let (from_a, from_b) = (asking[a].looking_into(b), asking[b].looking_into(a));
            let others = |cell: usize, but: &[u32]| {
                let mut but = but.iter().peekable();
                let mut rows = join.all(cell);
                rows.retain(|row| but.next_if_eq(&row).is_none());
                rows
            };
            // Those of a that look into b meet all of it; those of b that look into a the rest.
            let (all_b, rest_a) = (join.all(b), others(a, from_a));
            let side = |cell, rows| Side { cell, rows };
            join.between(side(a, from_a), side(b, &all_b), scratch);
            join.between(side(a, &rest_a), side(b, from_b), scratch);
            finished.take(1)
        })?;
        Lists::measured(space, join.into_best().collect(), keep, watch)
    }

    /// For every cell which of its rows look into which other cells.
    fn asking(&self, centres: &Centres, probes: usize, watch: &dyn Watch) -> Result<Vec<Asking>> {
        let space = &self.space;
        let finished = Steps::new("assignment", space.cells.len(), watch);
        let known = self.nearest.len() / space.ranks.len().max(1);
        let asking = space.cells.par_iter().enumerate().map(|(own, cell)| {
            let ranks = &space.ranks[cell.places.clone()];
            let again = if probes > known {
                centres.nearest(
                    ranks.len(),
                    probes,
                    |i| space.row(ranks[i]),
                    &Steps::within(watch),
                )?
            } else {
                Vec::new()
            };
            let mut asking: Vec<(u32, u32)> = Vec::with_capacity(ranks.len() * probes);
            for (i, &rank) in (0u32..).zip(ranks) {
                let cells = if probes > known {
                    &again[i as usize * probes..][..probes]
                } else {
                    &self.nearest[rank as usize * known..][..probes]
                };
                let others = cells.iter().filter(|&&other| other != NONE && other as usize != own);
                asking.extend(others.map(|&other| (other, i)));
            }
            asking.sort_unstable();
            finished.take(1)?;
            Ok(Asking::new(&asking))
        });
        asking.collect()
    }

    /// In how many cells each row has to look so that enough of the sample's neighbours are found.
    /// A pair is found if either looks (`both`), or if the first does. Also the share that is.
    pub(super) fn enough(
        &self,
        centres: &Centres,
        sample: &Sample,
        wanted: f32,
        both: bool,
        watch: &dyn Watch,
    ) -> Result<(usize, f32)> {
        let space = &self.space;
        let places = space.places();
        let mut cell_of = vec![0u32; space.ranks.len()];
        for (i, cell) in (0u32..).zip(&space.cells) {
            cell_of[cell.places.clone()].fill(i);
        }
        let mut ranks: Vec<u32> = sample.pairs().flat_map(|(a, b)| [a, b]).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let keep = centres.len();
        // A few thousand rows with all cells in their order are a few megabytes; they are taken in
        // turns so that it stays so.
        let mut turns = std::collections::HashMap::new();
        for some in ranks.chunks(4096) {
            let row = |i: usize| space.row(some[i]);
            let nearest = centres.nearest(some.len(), keep, row, &Steps::within(watch))?;
            for (&rank, nearest) in some.iter().zip(nearest.chunks_exact(keep)) {
                let mut turn = vec![0u32; keep];
                for (i, &cell) in (0u32..).zip(nearest) {
                    if let Some(turn) = turn.get_mut(cell as usize) {
                        *turn = i;
                    }
                }
                turns.insert(rank, turn);
            }
        }
        let turn = |rank: u32, other: u32| {
            let cell = cell_of[places[other as usize] as usize] as usize;
            turns.get(&rank).map_or(0, |turn| turn[cell])
        };
        let mut needed: Vec<u32> = sample
            .pairs()
            .map(|(a, b)| if both { turn(a, b).min(turn(b, a)) } else { turn(a, b) })
            .collect();
        needed.sort_unstable();
        // The share of pairs that must be found, of some thousands.
        let last = (needed.len() as f32 * wanted).ceil() as usize;
        let turn = needed.get(last.saturating_sub(1)).copied().unwrap_or(0);
        let found = needed.partition_point(|&needed| needed <= turn);
        let recall = if needed.is_empty() { 1.0 } else { found as f32 / needed.len() as f32 };
        Ok(((turn as usize + 1).min(keep), recall))
    }
}

/// More candidates than neighbours, so that those whose scores differ in the last digits are measured
/// before they are sorted.
pub fn keep_for(k: usize, others: usize) -> usize {
    (k + 2 + k / 4).min(others).max(1)
}

/// How many cells for so many rows.
fn cells_for(rows: usize) -> usize {
    // More cells are fewer pairs, but of rows in smaller groups, which take longer each. The root of a
    // number of rows fits.
    (rows as f64).sqrt() as usize
}

/// Ranks cell by cell, and how many each cell has.
fn by_cell(nearest: impl Iterator<Item = u32> + Clone, cells: usize) -> (Vec<u32>, Vec<usize>) {
    let mut lengths = vec![0usize; cells];
    for cell in nearest.clone() {
        lengths[cell as usize] += 1;
    }
    let mut next: Vec<usize> = lengths
        .iter()
        .scan(0, |sum, length| {
            *sum += length;
            Some(*sum - length)
        })
        .collect();
    let mut ranks = vec![0u32; lengths.iter().sum()];
    for (rank, cell) in (0u32..).zip(nearest) {
        ranks[next[cell as usize]] = rank;
        next[cell as usize] += 1;
    }
    (ranks, lengths)
}

/// The rows of a cell that look into others.
struct Asking {
    /// Which others, and where their rows end.
    cells: Vec<(u32, usize)>,
    rows: Vec<u32>,
}

impl Asking {
    /// Of pairs of cell and row in order.
    fn new(sorted: &[(u32, u32)]) -> Self {
        let mut end = 0;
        let cells = sorted.chunk_by(|a, b| a.0 == b.0).map(|same| {
            end += same.len();
            (same[0].0, end)
        });
        Self { cells: cells.collect(), rows: sorted.iter().map(|pair| pair.1).collect() }
    }

    /// Those that look into one cell.
    fn looking_into(&self, cell: usize) -> &[u32] {
        match self.cells.binary_search_by_key(&cell, |&(cell, _)| cell as usize) {
            Ok(i) => {
                let start = if i == 0 { 0 } else { self.cells[i - 1].1 };
                &self.rows[start..self.cells[i].1]
            }
            Err(_) => &[],
        }
    }
}
