//! Lays a map out, cell by cell.

// Axes and lanes are counted through several arrays at once.
#![allow(clippy::needless_range_loop)]

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::cells::Cells;
use super::edges::Edges;
use super::far::{Far, Means};
use crate::error::{Error, Result};
use crate::graph::NONE;
use crate::random::{Lanes, number};
use crate::watch::Watch;

/// Numbers that are added up side by side.
const LANES: usize = 8;
/// Rows that are looked up before forces are worked out.
const AHEAD: usize = 64;
/// Rows of the own cell that a row is pushed from, by chance.
const NEGATIVES: usize = 16;
/// Rows that a thread works on at once.
const GRAIN: usize = 512;
/// Every so many-th row moves together: neighbours see each other's moves, though they lie in one cell.
const TURNS: usize = 4;
/// How often all rows move in an epoch.
const SWEEPS: usize = 2;
/// How far rows move at first, in units of the forces on them. It is far too far for near neighbours,
/// which is what lets them find their way at all: they settle as it falls to nothing.
const RATE: f32 = 8.0;
/// No step is longer along an axis.
const FURTHEST: f32 = 20.0;

/// How a map is laid out.
pub(super) struct Layout<'a> {
    pub(super) cells: &'a Cells,
    pub(super) edges: &'a Edges,
    /// How much each neighbour weighs, by rank.
    pub(super) weights: &'a [f32],
    pub(super) epochs: usize,
    /// How much a row weighs that others are pushed from.
    pub(super) weight: f64,
    pub(super) seed: u64,
}

/// How far the work has come.
#[derive(Clone, Copy)]
struct Moment {
    /// Counts how often all rows moved.
    sweep: usize,
    /// Which rows' turn it is.
    turn: usize,
    /// How far rows move.
    rate: f32,
}

impl Layout<'_> {
    /// Moves the places from where they are to where they belong.
    pub(super) fn run<const D: usize>(
        &self,
        places: &mut [[f32; D]],
        watch: &dyn Watch,
    ) -> Result<()> {
        // On one of the pool's own threads, which then need not be called for every turn.
        rayon::scope(|_| self.run_here(places, watch))
    }

    fn run_here<const D: usize>(&self, places: &mut [[f32; D]], watch: &dyn Watch) -> Result<()> {
        watch.stage("layout", self.epochs);
        // One over what pushes a row in all.
        let mut crowding = vec![0f32; places.len()];
        let chunks = self.chunks();
        for epoch in 0..self.epochs {
            let means = Means::new(self.cells, places);
            let far: Vec<Far<D>> = (0..self.cells.len())
                .into_par_iter()
                .map(|cell| means.seen_from(cell, self.weight))
                .collect();
            let rate = RATE * (1.0 - epoch as f32 / self.epochs as f32);
            for step in 0..SWEEPS * TURNS {
                if watch.stopped() {
                    return Err(Error::Stopped);
                }
                let sweep = epoch * SWEEPS + step / TURNS;
                let moment = Moment { sweep, turn: step % TURNS, rate };
                self.turn(&chunks, &far, moment, places, &mut crowding);
            }
            watch.done(epoch + 1);
        }
        Ok(())
    }

    /// Moves the rows whose turn it is, all at once.
    fn turn<const D: usize>(
        &self,
        chunks: &[Chunk],
        far: &[Far<D>],
        moment: Moment,
        places: &mut [[f32; D]],
        crowding: &mut [f32],
    ) {
        let (seen, before) = (&*places, &*crowding);
        let moved: Vec<Vec<([f32; D], f32)>> = chunks
            .par_iter()
            .map(|chunk| {
                let far = &far[chunk.cell];
                let step =
                    Step { layout: self, places: seen, crowding: before, far, chunk, moment };
                Arch::new().dispatch(step)
            })
            .collect();
        for (chunk, moved) in chunks.iter().zip(moved) {
            for (place, (at, pushed)) in chunk.rows(moment.turn).zip(moved) {
                places[place] = at;
                crowding[place] = pushed;
            }
        }
    }

    fn chunks(&self) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        for (cell, pair) in self.cells.starts.windows(2).enumerate() {
            for first in (pair[0]..pair[1]).step_by(GRAIN) {
                chunks.push(Chunk { cell, first, end: pair[1].min(first + GRAIN) });
            }
        }
        chunks
    }
}

/// Some rows of a cell.
struct Chunk {
    cell: usize,
    first: usize,
    end: usize,
}

impl Chunk {
    fn rows(&self, turn: usize) -> impl ExactSizeIterator<Item = usize> + use<> {
        (self.first + turn..self.end).step_by(TURNS)
    }
}

/// A turn of some rows, to be compiled for each vector unit.
struct Step<'a, const D: usize> {
    layout: &'a Layout<'a>,
    places: &'a [[f32; D]],
    crowding: &'a [f32],
    far: &'a Far<D>,
    chunk: &'a Chunk,
    moment: Moment,
}

impl<const D: usize> WithSimd for Step<'_, D> {
    type Output = Vec<([f32; D], f32)>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let mut buffer = Buffer::<D>::new();
        let rows = self.chunk.rows(self.moment.turn);
        let mut moved = Vec::with_capacity(rows.len());
        for place in rows {
            moved.push(self.go(place, &mut buffer));
        }
        moved
    }
}

/// Rows looked up, and what is known of them.
struct Buffer<const D: usize> {
    there: [[f32; AHEAD]; D],
    /// Weights.
    weights: [f32; AHEAD],
    /// One over what pushes them in all.
    crowding: [f32; AHEAD],
}

impl<const D: usize> Buffer<D> {
    fn new() -> Self {
        Self { there: [[0.0; AHEAD]; D], weights: [0.0; AHEAD], crowding: [0.0; AHEAD] }
    }
}

/// What pushes a row: the sum of nearness, and that of nearness squared times the way from there.
struct Push<const D: usize> {
    near: f32,
    away: [f32; D],
}

/// What pulls a row: the sum of weights, and that of weights and forces times the way there.
struct Pull<const D: usize> {
    all: f32,
    there: [f32; D],
}

impl<const D: usize> Step<'_, D> {
    /// Where a row goes, and one over what pushes it there.
    #[inline(always)]
    fn go(&self, place: usize, buffer: &mut Buffer<D>) -> ([f32; D], f32) {
        let at = self.places[place];
        let mut push = Push { near: 0.0, away: [0.0; D] };
        let far: [&[f32]; D] = std::array::from_fn(|d| self.far.axes[d].as_slice());
        add_push(&at, far, &self.far.masses, &mut push);
        self.draw(place, buffer);
        let there: [&[f32]; D] = std::array::from_fn(|d| &buffer.there[d][..NEGATIVES]);
        add_push(&at, there, &buffer.weights[..NEGATIVES], &mut push);
        let crowding = 1.0 / f32::max(push.near, 1e-6);

        let mut pull = Pull { all: 0.0, there: [0.0; D] };
        let mut share = 0f32;
        for (ranks, tails) in self.layout.edges.knows(place).chunks(AHEAD).enumerate() {
            let weights = &self.layout.weights[ranks * AHEAD..];
            for (lane, &tail) in tails.iter().enumerate() {
                let known = tail != NONE;
                let there = if known { self.places[tail as usize] } else { at };
                for d in 0..D {
                    buffer.there[d][lane] = there[d];
                }
                buffer.weights[lane] = if known { weights[lane] } else { 0.0 };
                buffer.crowding[lane] = crowding;
            }
            share += add_pull(&at, buffer, tails.len(), &mut pull);
        }
        let (heads, ranks) = self.layout.edges.known_by(place);
        for (heads, ranks) in heads.chunks(AHEAD).zip(ranks.chunks(AHEAD)) {
            for (lane, (&head, &rank)) in heads.iter().zip(ranks).enumerate() {
                let there = &self.places[head as usize];
                for d in 0..D {
                    buffer.there[d][lane] = there[d];
                }
                buffer.weights[lane] = self.layout.weights[rank as usize];
                buffer.crowding[lane] = self.crowding[head as usize];
            }
            add_pull(&at, buffer, heads.len(), &mut pull);
        }
        // A row that is many others' neighbour is pulled by all of them: it moves the more carefully.
        let rate = self.moment.rate / f32::max(pull.all / 2.0, 1.0);
        let mut to = at;
        for d in 0..D {
            let step = rate * share.mul_add(push.away[d], pull.there[d]);
            to[d] += step.clamp(-FURTHEST, FURTHEST);
        }
        (to, crowding)
    }

    /// Draws rows of the cell, and weighs them so that they stand for all others in it.
    #[inline(always)]
    fn draw(&self, place: usize, buffer: &mut Buffer<D>) {
        let (start, end) = (
            self.layout.cells.starts[self.chunk.cell],
            self.layout.cells.starts[self.chunk.cell + 1],
        );
        let lanes = Lanes::new(number(self.layout.seed, self.moment.sweep as u64, place as u64));
        // Cells are counted in 32 bits, as rows are.
        let (others, own) = ((end - start).saturating_sub(1) as u32, (place - start) as u32);
        let mut ids = [0u32; NEGATIVES];
        for (lane, id) in ids.iter_mut().enumerate() {
            let drawn = lanes.below(lane as u32, others);
            *id = drawn + u32::from(drawn >= own);
        }
        let weight = if others == 0 {
            0.0
        } else {
            (self.layout.weight * f64::from(others) / NEGATIVES as f64) as f32
        };
        let cell = &self.places[start..end];
        for (lane, &id) in ids.iter().enumerate() {
            let there = cell.get(id as usize).unwrap_or(&cell[own as usize]);
            for d in 0..D {
                buffer.there[d][lane] = there[d];
            }
            buffer.weights[lane] = weight;
        }
    }
}

#[inline(always)]
fn add_push<const D: usize>(at: &[f32; D], there: [&[f32]; D], masses: &[f32], push: &mut Push<D>) {
    let mut near = [0f32; LANES];
    let mut away = [[0f32; LANES]; D];
    let chunks = masses.as_chunks::<LANES>().0;
    let axes: [&[[f32; LANES]]; D] = std::array::from_fn(|d| there[d].as_chunks::<LANES>().0);
    for (i, masses) in chunks.iter().enumerate() {
        let mut squares = [1f32; LANES];
        for d in 0..D {
            for lane in 0..LANES {
                let apart = at[d] - axes[d][i][lane];
                squares[lane] = apart.mul_add(apart, squares[lane]);
            }
        }
        let mut forces = [0f32; LANES];
        for lane in 0..LANES {
            let q = 1.0 / squares[lane];
            near[lane] = masses[lane].mul_add(q, near[lane]);
            forces[lane] = masses[lane] * q * q;
        }
        for d in 0..D {
            for lane in 0..LANES {
                away[d][lane] = forces[lane].mul_add(at[d] - axes[d][i][lane], away[d][lane]);
            }
        }
    }
    for i in chunks.len() * LANES..masses.len() {
        let mut square = 1f32;
        for d in 0..D {
            let apart = at[d] - there[d][i];
            square = apart.mul_add(apart, square);
        }
        let q = 1.0 / square;
        push.near += masses[i] * q;
        for d in 0..D {
            push.away[d] += masses[i] * q * q * (at[d] - there[d][i]);
        }
    }
    push.near += near.iter().sum::<f32>();
    for d in 0..D {
        push.away[d] += away[d].iter().sum::<f32>();
    }
}

/// Adds the pulls of the first so many looked up; gives the sum of their p / (q + Z).
#[inline(always)]
fn add_pull<const D: usize>(
    at: &[f32; D],
    buffer: &mut Buffer<D>,
    count: usize,
    pull: &mut Pull<D>,
) -> f32 {
    let filled = count.next_multiple_of(LANES).min(AHEAD);
    buffer.weights[count..filled].fill(0.0);
    buffer.crowding[count..filled].fill(0.0);
    let mut factors = [0f32; AHEAD];
    let mut shares = [0f32; AHEAD];
    for lane in 0..filled {
        let mut square = 1f32;
        for d in 0..D {
            let apart = at[d] - buffer.there[d][lane];
            square = apart.mul_add(apart, square);
        }
        let q = 1.0 / square;
        // Z / (q + Z), from one over Z.
        let crowded = 1.0 / q.mul_add(buffer.crowding[lane], 1.0);
        factors[lane] = buffer.weights[lane] * q * crowded;
        shares[lane] = buffer.weights[lane] * buffer.crowding[lane] * crowded;
    }
    let (factors, shares) = (factors.as_chunks::<LANES>().0, shares.as_chunks::<LANES>().0);
    let weights = buffer.weights.as_chunks::<LANES>().0;
    let (mut all, mut share) = ([0f32; LANES], [0f32; LANES]);
    for i in 0..filled / LANES {
        for lane in 0..LANES {
            all[lane] += weights[i][lane];
            share[lane] += shares[i][lane];
        }
    }
    pull.all += all.iter().sum::<f32>();
    for d in 0..D {
        let mut lanes = [0f32; LANES];
        let there = buffer.there[d].as_chunks::<LANES>().0;
        for i in 0..filled / LANES {
            for lane in 0..LANES {
                lanes[lane] = factors[i][lane].mul_add(there[i][lane] - at[d], lanes[lane]);
            }
        }
        pull.there[d] += lanes.iter().sum::<f32>();
    }
    share.iter().sum()
}
