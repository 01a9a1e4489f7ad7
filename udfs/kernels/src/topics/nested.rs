//! Topics within topics.

use rayon::prelude::*;

use super::Options;
use super::assign::Targets;
use super::centres::{Cells, Centre, Points, Sum, cells, sums, targets};
use crate::error::Result;
use crate::graph::Graph;
use crate::order::Order;
use crate::prepare::Prepared;
use crate::random;
use crate::steps::Steps;
use crate::watch::Watch;

/// How much the centre of the first depth counts beside that of the second.
/// With less the second depth is a little better and the first worse, with more the other way.
const ABOVE: f32 = 0.8;
/// How much larger topics are preferred: what is added to a row's nearness for every factor of e, as a
/// share of half the mean squared distance from the centres. That is how clouds of unequal size
/// divide their rows; without it large topics are cut up. With half as much again the mutual
/// information with given classes is higher still, but one topic swallows two fifths of the rows and
/// says nothing.
const LARGER: f32 = 0.09;
/// How much the middle of a row's neighbours counts beside the row when it gets its topic in the end: what lies around
/// a short text tells what it is about. With .5 the mutual information of all rows with given classes is .001 to .004
/// higher at all depths and both sizes, and that of the rows that are not noise .003 to .008 lower at the first two; with
/// 2 the former is no higher than without.
const AROUND: f32 = 0.5;
/// How often the first two depths move together.
const MOVES: usize = 10;
/// How often centres are sought from the beginning; the best are taken.
const TRIES: u64 = 4;
/// Rows that look around at once.
const BLOCK: usize = 16_384;

/// The topic of every rank at each of so many depths.
pub fn levels(
    prepared: &Prepared,
    order: &Order,
    graph: &Graph,
    counts: &[usize],
    options: &Options,
    watch: &dyn Watch,
) -> Result<Vec<Vec<u32>>> {
    let points = Points { prepared, order };
    // Ranks are no more than rows: they fit.
    let ranks: Vec<u32> = (0..order.different() as u32).collect();
    let steps = Steps::new("topics", 2 * counts.len(), watch);
    let mut tree = Tree { points, ranks: &ranks, depths: Vec::new(), of: Vec::new(), apart: 0.0 };
    for (depth, &count) in (1u64..).zip(counts) {
        let seed = random::number(options.seed, depth, 0);
        if depth <= 2 {
            let centres = best_cells(points, &ranks, count, seed, &steps)?;
            tree.of = tree.best(&targets(points, &centres), &steps)?;
            tree.depths.push(Level { parents: vec![0; centres.len()], centres });
        } else {
            tree.divide(count, seed, &steps)?;
        }
        steps.take(1)?;
        if depth == 2 {
            tree.settle(&steps)?;
        }
        if depth == counts.len().min(2) as u64 {
            tree.look_around(graph, &steps)?;
        }
        steps.take(1)?;
    }
    Ok(tree.topics())
}

/// The best of several tries.
fn best_cells(
    points: Points,
    ranks: &[u32],
    count: usize,
    seed: u64,
    steps: &Steps,
) -> Result<Vec<Centre>> {
    let mut best: Option<Cells> = None;
    for attempt in 0..TRIES {
        let found = cells(points, ranks, count, random::number(seed, 0, attempt), steps)?;
        if best.as_ref().is_none_or(|best| found.fit > best.fit) {
            best = Some(found);
        }
    }
    Ok(best.map(|best| best.centres).unwrap_or_default())
}

/// Adds a row and the middle of its neighbours to zeros, in their shares.
fn blur(points: Points, graph: &Graph, rank: u32, to: &mut [f32]) {
    let row = points.order.first(rank as usize);
    let near: Vec<u32> = graph.near(row).map(|(id, _)| id).collect();
    let share = 1.0 / (1.0 + AROUND);
    let mut add = |row: usize, share: f32| {
        let (row, factor) = points.prepared.row(row);
        to.iter_mut().zip(row).for_each(|(sum, x)| *sum += share * factor * x);
    };
    add(row, share);
    // A few neighbours: exact.
    let each = share * AROUND / near.len().max(1) as f32;
    near.into_iter().for_each(|row| add(row as usize, each));
}

/// Topics of one depth.
struct Level {
    centres: Vec<Centre>,
    /// The topic above each; without meaning at the first depth.
    parents: Vec<u32>,
}

/// Topics at several depths that move together.
struct Tree<'a> {
    points: Points<'a>,
    ranks: &'a [u32],
    depths: Vec<Level>,
    /// The deepest topic of every rank.
    of: Vec<u32>,
    /// Half the mean squared distance of the rows from the centres of these.
    apart: f32,
}

impl Tree<'_> {
    /// How much the centre of a depth counts.
    fn weight(&self, depth: usize) -> f32 {
        if depth == 0 && self.depths.len() > 1 { ABOVE } else { 1.0 }
    }

    /// Every rank's nearest of some targets.
    fn best(&self, targets: &Targets, steps: &Steps) -> Result<Vec<u32>> {
        let best = targets.best(self.ranks.len(), |i| self.points.row(self.ranks[i]), steps)?;
        Ok(best.into_iter().map(|best| best.0).collect())
    }

    /// Moves rows, topics and centres until hardly a row goes to another topic.
    fn settle(&mut self, steps: &Steps) -> Result<()> {
        for _ in 0..MOVES {
            self.go();
            let of = self.best(&self.targets(), steps)?;
            let moved = self.of.iter().zip(&of).filter(|(old, new)| old != new).count();
            self.of = of;
            if moved * 1000 < self.ranks.len() {
                break;
            }
        }
        Ok(())
    }

    /// Gives every row the topic that is best for it and the middle of its neighbours together.
    fn look_around(&mut self, graph: &Graph, steps: &Steps) -> Result<()> {
        let (targets, width) = (self.targets(), self.points.width());
        let mut of = Vec::with_capacity(self.ranks.len());
        for ranks in self.ranks.chunks(BLOCK) {
            let mut blurred = vec![0f32; ranks.len() * width];
            let rows = blurred.par_chunks_exact_mut(width).zip(ranks).with_min_len(64);
            rows.for_each(|(to, &rank)| blur(self.points, graph, rank, to));
            let row = |i: usize| (&blurred[i * width..(i + 1) * width], 1.0);
            let best = targets.best(ranks.len(), row, steps)?;
            of.extend(best.into_iter().map(|(topic, _)| topic));
        }
        self.of = of;
        Ok(())
    }

    /// From the deepest up: topics go under the one above whose rows and whose own topics above lie
    /// around theirs best, and centres go where their rows are.
    fn go(&mut self) {
        let unit = self.points.unit();
        let deepest = self.depths.last().map_or(0, |last| last.centres.len());
        let mut below = sums(self.points, self.ranks, &self.of, deepest);
        self.apart = self.points.apart(&below);
        for depth in (0..self.depths.len()).rev() {
            let mut above = Vec::new();
            if depth > 0 {
                let parents: Vec<u32> =
                    below.par_iter().map(|sum| self.parent(depth - 1, sum)).collect();
                above = vec![Sum::default(); self.depths[depth - 1].centres.len()];
                for (sum, &parent) in below.iter().zip(&parents) {
                    above[parent as usize].add(sum);
                }
                self.depths[depth].parents = parents;
            }
            for (sum, centre) in below.iter().zip(&mut self.depths[depth].centres) {
                // Where nothing is left it stays.
                if let Some(moved) = Centre::of(sum, unit) {
                    *centre = moved;
                }
            }
            below = above;
        }
    }

    /// Which topic of a depth rows belong under.
    fn parent(&self, depth: usize, sum: &Sum) -> u32 {
        let mut best = (0, f64::NEG_INFINITY);
        // Topics are fewer than rows.
        for topic in 0..self.depths[depth].centres.len() as u32 {
            let fit: f64 = self
                .line(depth, topic)
                .map(|(weight, centre)| f64::from(weight) * centre.fits(sum))
                .sum();
            if fit > best.1 {
                best = (topic, fit);
            }
        }
        best.0
    }

    /// The centres of a topic and of all above it, each with its weight.
    fn line(&self, depth: usize, topic: u32) -> impl Iterator<Item = (f32, &Centre)> {
        let mut at = topic as usize;
        (0..=depth).rev().map(move |depth| {
            let level = &self.depths[depth];
            let centre = &level.centres[at];
            at = level.parents[at] as usize;
            (self.weight(depth), centre)
        })
    }

    /// What rows are near to that are near the centre of a deepest topic and all above it.
    fn targets(&self) -> Targets {
        let width = self.points.width();
        let last = self.depths.len().saturating_sub(1);
        let count = self.depths.last().map_or(0, |last| last.centres.len());
        let mut added = vec![0f32; count];
        let mut all = vec![0f32; count * width];
        for ((topic, at), added) in (0u32..).zip(all.chunks_exact_mut(width)).zip(&mut added) {
            for (weight, centre) in self.line(last, topic) {
                at.iter_mut().zip(&centre.at).for_each(|(sum, x)| *sum += weight * x);
                *added += weight * centre.added;
            }
        }
        if last > 0 {
            // One more of each, so that empty ones have a logarithm.
            let mut sizes = vec![1u32; count];
            self.of.iter().for_each(|&topic| sizes[topic as usize] += 1);
            let by = LARGER * self.apart * std::f32::consts::LN_2;
            for (added, &size) in added.iter_mut().zip(&sizes) {
                *added += by * crate::math::log2(size as f32);
            }
        }
        Targets::new(width, all.chunks_exact(width), added)
    }

    /// Divides the deepest topics into about so many, each into the more the further its rows lie from
    /// its centre. (Moving all three depths together is .008 better at the third and .005 worse at the
    /// second, and takes longer than everything else.)
    fn divide(&mut self, count: usize, seed: u64, steps: &Steps) -> Result<()> {
        let points = self.points;
        let topics = self.depths.last().map_or(0, |last| last.centres.len());
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); topics];
        for (&rank, &topic) in self.ranks.iter().zip(&self.of) {
            members[topic as usize].push(rank);
        }
        let sums = sums(points, self.ranks, &self.of, topics);
        let beside: Vec<f64> = sums.iter().map(|sum| points.beside(sum)).collect();
        let all: f64 = beside.iter().sum();
        let parts = members.par_iter().zip(beside).enumerate().map(|(topic, (members, beside))| {
            // A share of a count.
            let share = if all > 0.0 { (beside / all * count as f64).round() as usize } else { 1 };
            let share = share.clamp(1, members.len().max(1));
            let seed = random::number(seed, 0, topic as u64);
            let centres = cells(points, members, share, seed, steps)?.centres;
            let best = targets(points, &centres);
            let best = best.best(members.len(), |i| points.row(members[i]), steps)?;
            Ok((centres, best))
        });
        let parts: Vec<_> = parts.collect::<Result<_>>()?;
        let (mut centres, mut parents) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for ((topic, members), (some, best)) in (0u32..).zip(&members).zip(parts) {
            // Topics are fewer than rows.
            let first = centres.len() as u32;
            for (&rank, (part, _)) in members.iter().zip(best) {
                self.of[rank as usize] = first + part;
            }
            parents.extend(std::iter::repeat_n(topic, some.len()));
            centres.extend(some);
        }
        self.depths.push(Level { centres, parents });
        Ok(())
    }

    /// The topic of every rank at each depth.
    fn topics(self) -> Vec<Vec<u32>> {
        let mut all = vec![self.of];
        for level in self.depths.iter().skip(1).rev() {
            let Some(below) = all.last() else { break };
            let above = below.iter().map(|&topic| level.parents[topic as usize]).collect();
            all.push(above);
        }
        all.reverse();
        all
    }
}
