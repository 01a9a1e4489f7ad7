//! The best few of the scores that each of many rows is offered.
//!
//! Which are kept does not depend on the order in which they are offered: of equal scores the one
//! with the lower number is better.

/// A score and a number in one, the better the smaller.
pub type Key = u64;

/// A better score makes a smaller key, of equal scores the lower number.
#[inline]
pub fn key(score: f32, number: u32) -> Key {
    let bits = score.to_bits();
    // Negative numbers' bits run the other way.
    let rising = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(!rising) << 32 | u64::from(number)
}

/// The number of a key.
#[inline]
pub fn number_of(key: Key) -> u32 {
    // The low half.
    key as u32
}

/// The score of a key.
#[inline]
pub fn score_of(key: Key) -> f32 {
    // The high half.
    let rising = !((key >> 32) as u32);
    f32::from_bits(if rising >> 31 == 1 { rising & !(1 << 31) } else { !rising })
}

/// The best scores of a number of rows.
#[derive(Debug, Clone)]
pub struct Best {
    keep: usize,
    room: usize,
    keys: Vec<Key>,
    counts: Vec<usize>,
    worst: Vec<Key>,
}

impl Best {
    /// Room for `keep` of each row.
    pub fn new(rows: usize, keep: usize) -> Self {
        // The more room, the rarer the worst are thrown out.
        let room = 2 * keep + 8;
        Self {
            keep,
            room,
            keys: vec![0; rows * room],
            counts: vec![0; rows],
            worst: vec![Key::MAX; rows],
        }
    }

    /// Offers a score to a row.
    #[inline]
    pub fn offer(&mut self, row: usize, score: f32, number: u32) {
        let key = key(score, number);
        if key >= self.worst[row] {
            return;
        }
        let keys = &mut self.keys[row * self.room..][..self.room];
        let count = &mut self.counts[row];
        keys[*count] = key;
        *count += 1;
        if *count == self.room {
            let (_, worst, _) = keys.select_nth_unstable(self.keep - 1);
            self.worst[row] = *worst;
            *count = self.keep;
        }
    }

    /// What a score must reach to be among a row's best.
    #[inline]
    pub fn least(&self, row: usize) -> f32 {
        let worst = self.worst[row];
        if worst == Key::MAX { f32::NEG_INFINITY } else { score_of(worst) }
    }

    /// A row's best, the best first.
    pub fn take(&mut self, row: usize) -> &[Key] {
        let keys = &mut self.keys[row * self.room..][..self.counts[row]];
        keys.sort_unstable();
        let count = keys.len().min(self.keep);
        self.counts[row] = count;
        &keys[..count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn keys_sort_by_score_then_number() {
        let scores = [f32::INFINITY, 3.5, 1.0, 1e-40, 0.0, -1e-40, -2.0, f32::NEG_INFINITY];
        for pair in scores.windows(2) {
            assert!(key(pair[0], 9) < key(pair[1], 1));
        }
        assert!(key(2.0, 1) < key(2.0, 2));
        for score in scores {
            assert_eq!((score_of(key(score, 77)), number_of(key(score, 77))), (score, 77));
        }
    }

    #[test]
    fn the_best_are_kept_in_whichever_order_they_come() {
        let offers: Vec<(f32, u32)> =
            (0..500u32).map(|i| ((random::number(1, 2, u64::from(i)) % 40) as f32, i)).collect();
        let mut right: Vec<Key> = offers.iter().map(|&(s, n)| key(s, n)).collect();
        right.sort_unstable();
        for keep in [1, 2, 15, 499, 500, 600] {
            let mut best = Best::new(3, keep);
            for &(score, number) in &offers {
                best.offer(0, score, number);
            }
            for &(score, number) in offers.iter().rev() {
                best.offer(2, score, number);
            }
            assert!(best.least(0) <= score_of(right[keep.min(500) - 1]));
            assert_eq!(best.take(0), &right[..keep.min(500)]);
            assert_eq!(best.take(2), &right[..keep.min(500)]);
            assert!(best.take(1).is_empty());
        }
    }
}
