//! Sets that many threads unite at once.

use std::sync::atomic::{AtomicU32, Ordering};

/// Numbers in sets; each set is known by its lowest.
pub struct Sets(Vec<AtomicU32>);

impl Sets {
    /// Every number alone.
    pub fn new(count: usize) -> Self {
        // Callers hold fewer rows than u32 counts.
        Self((0..count as u32).map(AtomicU32::new).collect())
    }

    /// The lowest number of a set, as far as this thread knows.
    pub fn find(&self, mut of: u32) -> u32 {
        loop {
            let above = self.0[of as usize].load(Ordering::Relaxed);
            if above == of {
                return of;
            }
            let next = self.0[above as usize].load(Ordering::Relaxed);
            if next != above {
                // The way becomes shorter; if another thread was faster, it did so too.
                let _ = self.0[of as usize].compare_exchange(
                    above,
                    next,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
            of = above;
        }
    }

    /// Whether two numbers are known to be in one set.
    pub fn same(&self, a: u32, b: u32) -> bool {
        self.find(a) == self.find(b)
    }

    /// Makes one set of two. Which threads do what in which order is not seen in the end.
    pub fn unite(&self, a: u32, b: u32) {
        let (mut a, mut b) = (a, b);
        loop {
            (a, b) = (self.find(a), self.find(b));
            if a == b {
                return;
            }
            let (low, high) = (a.min(b), a.max(b));
            // Fails if `high` has come under another meanwhile.
            let slot = &self.0[high as usize];
            if slot.compare_exchange(high, low, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }

    /// All sets, in the order of their lowest numbers, each in ascending order.
    pub fn into_sets(self) -> Vec<Vec<u32>> {
        let mut sets: Vec<Vec<u32>> = Vec::new();
        let mut place = vec![0usize; self.0.len()];
        for i in 0..self.0.len() as u32 {
            let root = self.find(i);
            if root == i {
                place[i as usize] = sets.len();
                sets.push(Vec::new());
            }
            sets[place[root as usize]].push(i);
        }
        sets
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;
    use crate::random;

    #[test]
    fn many_threads_make_the_sets_that_one_makes() {
        let pairs: Vec<(u32, u32)> = (0..3000u64)
            .map(|i| [0, 1].map(|side| (random::number(1, side, i) % 5000) as u32))
            .map(|[a, b]| (a, b))
            .collect();
        // Plainly: the lowest number that each can reach.
        let mut right: Vec<u32> = (0..5000).collect();
        while pairs.iter().any(|&(a, b)| right[a as usize] != right[b as usize]) {
            for &(a, b) in &pairs {
                let least = right[a as usize].min(right[b as usize]);
                (right[a as usize], right[b as usize]) = (least, least);
            }
        }
        let sets = Sets::new(5000);
        pairs.par_iter().with_max_len(1).for_each(|&(a, b)| sets.unite(a, b));
        assert!(sets.same(pairs[0].0, pairs[0].1));
        let mut seen = 0;
        for set in sets.into_sets() {
            assert!(set.is_sorted() && set.iter().all(|&i| right[i as usize] == set[0]));
            seen += set.len();
        }
        assert_eq!(seen, 5000);
    }
}
