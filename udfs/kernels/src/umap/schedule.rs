//! In which epochs which edges pull.

use super::fuzzy::FuzzySet;

/// Bits of a rate's fraction.
const BITS: u32 = 31;

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
        let rates = set.weights.iter().map(|&weight| rate(weight / heaviest)).collect();
        Self { starts: set.starts, tails: set.tails, rates }
    }

    /// One row's edges: the other ends and their rates.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> (&[u32], &[u32]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.tails[range.clone()], &self.rates[range])
    }
}

/// A share from 0 to 1 as a fraction.
pub(super) fn rate(share: f32) -> u32 {
    // Shares are not negative, and 1 fits.
    (f64::from(share.min(1.0)) * f64::from(1u32 << BITS)) as u32
}

/// Whether an edge takes part in an epoch, counted from 1: when epochs times the rate passes a whole
/// number.
#[inline(always)]
fn due(rate: u32, epoch: u32) -> bool {
    const FRACTION: u32 = (1 << BITS) - 1;
    rate.wrapping_mul(epoch) & FRACTION < rate
}

/// Those of a row's edges that take part in an epoch: their number, and they themselves at the
/// beginning of the buffer.
#[inline(always)]
pub(super) fn select<'b>(
    (tails, rates): (&[u32], &[u32]),
    epoch: u32,
    buffer: &'b mut Vec<u32>,
) -> &'b [u32] {
    if buffer.len() < tails.len() {
        buffer.resize(tails.len(), 0);
    }
    let mut count = 0;
    for (&tail, &rate) in tails.iter().zip(rates) {
        // Written in any case, kept if due: no branch that cannot be foreseen.
        buffer[count] = tail;
        count += usize::from(due(rate, epoch));
    }
    &buffer[..count]
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
    }

    #[test]
    fn edges_that_never_take_part_are_left_out() {
        let set = FuzzySet {
            starts: vec![0, 2, 4, 4],
            tails: vec![1, 2, 0, 2],
            weights: vec![0.5, 0.001, 0.5, 0.25],
            lengths: Vec::new(),
        };
        let schedule = Schedule::new(set, 100);
        assert_eq!(schedule.row(0).0, [1]);
        assert_eq!(schedule.row(1), ([0, 2].as_slice(), [1 << 31, 1 << 30].as_slice()));
        assert!(schedule.row(2).0.is_empty());
        let mut buffer = Vec::new();
        assert_eq!(select(schedule.row(1), 1, &mut buffer), [0]);
        assert_eq!(select(schedule.row(1), 2, &mut buffer), [0, 2]);
    }
}
