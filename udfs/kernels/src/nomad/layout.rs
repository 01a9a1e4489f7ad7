//! Lays a map out, cell by cell.

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

/// How a map is laid out.
pub(super) struct Layout<'a> {
    pub(super) cells: &'a Cells,
    pub(super) edges: &'a Edges,
    /// How much each neighbour weighs, by rank.
    pub(super) weights: &'a [f32],
    pub(super) epochs: usize,
    pub(super) rho: f64,
    pub(super) seed: u64,
}

/// How far an epoch has come.
#[derive(Clone, Copy)]
struct Moment {
    epoch: usize,
    /// How far rows move towards where forces balance.
    rate: f32,
    /// How much a row weighs that others are pushed from.
    weight: f64, gamma: f32,
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
        let k = |name: &str, d: f64| {
            std::env::var(name).ok().and_then(|x| x.parse::<f64>().ok()).unwrap_or(d)
        };
        let (m0, m1, r0, r1, w) =
            (k("M0", 1.0), k("M1", 1.0), k("R0", 1.0), k("R1", 0.0), k("WARM", 0.5));
        let n = places.len() as f64;
        for epoch in 0..self.epochs {
            let t = epoch as f64 / self.epochs as f64;
            let e = m0 + (m1 - m0) * (t / w).min(1.0);
            let moment = Moment { epoch, rate: (r0 + (r1 - r0) * t) as f32, weight: n.powf(e) / n, gamma: (k("G0",1.0).ln()+(k("G1",1.0).ln()-k("G0",1.0).ln())*(t/k("GW",0.5)).min(1.0)).exp() as f32 };
            let means = Means::new(self.cells, places);
            let far: Vec<Far<D>> = (0..self.cells.len())
                .into_par_iter()
                .map(|cell| means.seen_from(cell, moment.weight))
                .collect();
            for turn in 0..TURNS*k("SWEEPS",1.0) as usize {let sweep=turn/TURNS; let turn=turn%TURNS; let moment=Moment{epoch: epoch+1000*sweep,..moment};
                if watch.stopped() {
                    return Err(Error::Stopped);
                }
                let seen = &*places;
                let before = &*crowding;
                let moved: Vec<Vec<([f32; D], f32)>> = chunks
                    .par_iter()
                    .map(|chunk| {
                        let step = Step {
                            layout: self,
                            places: seen,
                            crowding: before,
                            far: &far[chunk.cell],
                            chunk,
                            turn,
                            moment,
                        };
                        Arch::new().dispatch(step)
                    })
                    .collect();
                for (chunk, moved) in chunks.iter().zip(moved) {
                    let rows = (chunk.first + turn..chunk.end).step_by(TURNS);
                    for (place, (at, pushed)) in rows.zip(moved) {
                        places[place] = at;
                        crowding[place] = pushed;
                    }
                }
            }
            watch.done(epoch + 1);
        }
        Ok(())
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

/// A turn of some rows, to be compiled for each vector unit.
struct Step<'a, const D: usize> {
    layout: &'a Layout<'a>,
    places: &'a [[f32; D]],
    crowding: &'a [f32],
    far: &'a Far<D>,
    chunk: &'a Chunk,
    turn: usize,
    moment: Moment,
}

impl<const D: usize> WithSimd for Step<'_, D> {
    type Output = Vec<([f32; D], f32)>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let mut buffer = Buffer::<D>::new();
        let rows = (self.chunk.first + self.turn..self.chunk.end).step_by(TURNS);
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

/// What pulls a row: the sum of weights, and that of weights times the way there.
struct Pull<const D: usize> {
    weight: f32,
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

        let mut pull = Pull { weight: 0.0, there: [0.0; D] };
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
        // share is the sum of p / (q + Z), pushes are as strong as their part in it.
        let mut to = at;
        let k = |name: &str, d: f32| {
            std::env::var(name).ok().and_then(|x| x.parse::<f32>().ok()).unwrap_or(d)
        };
        let gamma = self.gamma(&k);
        let norm = self.norm(&k);
        let rate = self.moment.rate / if norm > 0.0 { pull.weight + norm } else { 1.0 };
        for d in 0..D {
            to[d] += (rate * (pull.there[d] + gamma * share * push.away[d]))
                .clamp(-self.clip(), self.clip());
        }
        (to, crowding)
    }
    fn gamma(&self, _k: &impl Fn(&str, f32) -> f32) -> f32 {
        self.moment.gamma
    }
    fn norm(&self, _k: &impl Fn(&str, f32) -> f32) -> f32 {
        KNOB.with(|x| x[1])
    }
    fn clip(&self) -> f32 {
        KNOB.with(|x| x[2])
    }

    /// Draws rows of the cell, and weighs them so that they stand for all others in it.
    #[inline(always)]
    fn draw(&self, place: usize, buffer: &mut Buffer<D>) {
        let (start, end) = (
            self.layout.cells.starts[self.chunk.cell],
            self.layout.cells.starts[self.chunk.cell + 1],
        );
        let lanes = Lanes::new(number(self.layout.seed, self.moment.epoch as u64, place as u64));
        // Cells are counted in 32 bits, as rows are.
        let (others, own) = ((end - start - 1) as u32, (place - start) as u32);
        let mut ids = [0u32; NEGATIVES];
        for (lane, id) in ids.iter_mut().enumerate() {
            let drawn = lanes.below(lane as u32, others);
            *id = drawn + u32::from(drawn >= own);
        }
        let weight = if others == 0 {
            0.0
        } else {
            (self.moment.weight * f64::from(others) / NEGATIVES as f64) as f32
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

thread_local! { static KNOB: [f32;3] = {
    let k = |name: &str, d: f32| std::env::var(name).ok().and_then(|x| x.parse::<f32>().ok()).unwrap_or(d);
    [k("GAMMA", 1.0), k("NORM", 0.0), k("CLIP", 4.0)]
}}

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
    let (mut weight, mut share) = ([0f32; LANES], [0f32; LANES]);
    for i in 0..filled / LANES {
        for lane in 0..LANES {
            weight[lane] += factors[i][lane];
            share[lane] += shares[i][lane];
        }
    }
    pull.weight += weight.iter().sum::<f32>();
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
