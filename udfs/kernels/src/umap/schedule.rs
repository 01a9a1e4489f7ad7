//! In which epochs which edges pull.

use super::fuzzy::FuzzySet;
use crate::random::number;

/// Steps of an epoch. An edge takes part in both; one is its lower end's turn, one its higher end's.
pub(super) const STEPS: u32 = 2;
/// Bits of a rate's fraction.
const BITS: u32 = 28;
/// Bits below it: in which step it is whose turn.
const PHASE: u32 = 3;

/// Edges by row, and how often each takes part.
#[derive(Debug, Clone, Default)]
pub(super) struct Schedule {
    starts: Vec<usize>,
    tails: Vec<u32>,
    rates: Vec<u32>,
}

impl Schedule {
    /// An edge takes part in as large a share of the epochs as its weight is of the heaviest's; those
    /// that would not in any are left out.
    pub(super) fn new(set: FuzzySet, epochs: usize) -> Self {
        let heaviest = set.heaviest();
        let set = set.without_lighter(heaviest / epochs.max(1) as f32);
        let mut rates = Vec::with_capacity(set.weights.len());
        for row in 0..set.rows() {
            for edge in set.range(row) {
                rates.push(
                    rate(set.weights[edge] / heaviest)
                        | phase(row as u64, u64::from(set.tails[edge])),
                );
            }
        }
        Self { starts: set.starts, tails: set.tails, rates }
    }

    /// One row's edges: the other ends and their rates.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> (&[u32], &[u32]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.tails[range.clone()], &self.rates[range])
    }
}

/// A share from 0 to 1 as a fraction, above the bits of the phase.
pub(super) fn rate(share: f32) -> u32 {
    // Shares are not negative, and 1 fits.
    ((f64::from(share.min(1.0)) * f64::from(1u32 << BITS)) as u32) << PHASE
}

/// The share that a fraction stands for.
pub(super) fn share(rate: u32) -> f32 {
    (f64::from(rate >> PHASE) / f64::from(1u32 << BITS)) as f32
}

/// In which step an edge's first turn is, which is that of its lower end. Both ends agree.
fn phase(row: u64, other: u64) -> u32 {
    let first = number(row.min(other), 0, row.max(other)) as u32 % STEPS;
    // From the higher end, its own turn comes first in the count.
    if row < other { first } else { (first + STEPS / 2) % STEPS }
}

/// Whether an edge takes part in an epoch, counted from 1: when epochs times the rate passes a whole
/// number.
#[inline(always)]
fn due(rate: u32, epoch: u32) -> bool {
    const FRACTION: u32 = (1 << BITS) - 1;
    let rate = rate >> PHASE;
    rate.wrapping_mul(epoch) & FRACTION < rate
}

/// Edges that take part in a step.
#[derive(Default)]
pub(super) struct Selected {
    tails: Vec<u32>,
    rates: Vec<u32>,
    /// How many there are.
    count: usize,
    /// How many of them have the turn of this end.
    pub(super) own: usize,
}

impl Selected {
    /// The other ends.
    #[inline(always)]
    pub(super) fn tails(&self) -> &[u32] {
        &self.tails[..self.count]
    }

    /// The other ends and rates.
    pub(super) fn edges(&self) -> impl Iterator<Item = (u32, u32)> {
        self.tails[..self.count].iter().copied().zip(self.rates[..self.count].iter().copied())
    }

    /// Takes those of a row's edges that take part in an epoch, whatever the step.
    #[inline(always)]
    pub(super) fn of_epoch(&mut self, edges: (&[u32], &[u32]), epoch: u32) {
        self.select(edges, |rate| due(rate, epoch));
        self.own = self.count;
    }

    /// Takes those of a row's edges that take part in an epoch, and counts whose turn it is in a step.
    #[inline(always)]
    pub(super) fn of_step(&mut self, edges: (&[u32], &[u32]), epoch: u32, step: u32) {
        let past = |rate: u32| step.wrapping_add(epoch).wrapping_sub(rate) % STEPS;
        self.select(edges, |rate| due(rate, epoch));
        self.own = 0;
        for &rate in &self.rates[..self.count] {
            self.own += usize::from(past(rate) == 0);
        }
    }

    #[inline(always)]
    fn select(&mut self, (tails, rates): (&[u32], &[u32]), takes: impl Fn(u32) -> bool) {
        if self.tails.len() < tails.len() {
            self.tails.resize(tails.len(), 0);
            self.rates.resize(tails.len(), 0);
        }
        let mut count = 0;
        for (&tail, &rate) in tails.iter().zip(rates) {
            // Written in any case, kept if due: no branch that cannot be foreseen.
            self.tails[count] = tail;
            self.rates[count] = rate;
            count += usize::from(takes(rate));
        }
        self.count = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_takes_part_in_its_share_of_the_epochs() {
        for share in [1.0, 0.9, 0.5, 0.3, 0.01, 1.0 / 200.0] {
            let times = (1..=200).filter(|&epoch| due(rate(share), epoch)).count();
            let right = (share * 200.0f32).floor() as usize;
            assert!(times == right || times + 1 == right, "{share}: {times}");
        }
        assert!(!due(0, 1) && !due(0, 7));
        assert!((share(rate(0.3) | 3) - 0.3).abs() < 1e-7);
    }

    fn triangle() -> Schedule {
        let set = FuzzySet {
            starts: vec![0, 2, 4, 5],
            tails: vec![1, 2, 0, 2, 1],
            weights: vec![0.5, 0.001, 0.5, 0.25, 0.25],
            lengths: Vec::new(),
        };
        Schedule::new(set, 100)
    }

    #[test]
    fn edges_that_never_take_part_are_left_out() {
        let schedule = triangle();
        assert_eq!(schedule.row(0).0, [1]);
        let (tails, rates) = schedule.row(1);
        assert_eq!(tails, [0, 2]);
        assert_eq!((share(rates[0]), share(rates[1])), (1.0, 0.5));
        let mut selected = Selected::default();
        selected.of_epoch(schedule.row(1), 1);
        assert_eq!(selected.tails(), [0]);
        selected.of_epoch(schedule.row(1), 2);
        assert_eq!((selected.tails(), selected.own), ([0, 2].as_slice(), 2));
    }

    #[test]
    fn both_ends_of_an_edge_take_part_in_the_same_steps_and_each_has_its_turn() {
        let schedule = triangle();
        for epoch in 1..9 {
            for (a, b) in [(0, 1), (1, 2)] {
                let mut turns = [0, 0];
                let mut times = 0;
                for step in 0..STEPS {
                    let part = |row: usize, other: u32| {
                        let (tails, rates) = schedule.row(row);
                        let at = tails.iter().position(|&tail| tail == other).unwrap();
                        let mut selected = Selected::default();
                        selected.of_step((&tails[at..=at], &rates[at..=at]), epoch, step);
                        (selected.count, selected.own)
                    };
                    let (from_a, from_b) = (part(a, b as u32), part(b, a as u32));
                    assert_eq!(from_a.0, from_b.0);
                    assert!(from_a.1 + from_b.1 == from_a.0);
                    times += from_a.0;
                    turns[0] += from_a.1;
                    turns[1] += from_b.1;
                }
                let right = usize::from(b == 1 || epoch % 2 == 0);
                assert_eq!((times, turns), (2 * right, [right, right]), "{a} {b} {epoch}");
            }
        }
    }
}
