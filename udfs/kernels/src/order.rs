//! An order of rows that depends on what they hold alone, and which of them are the same.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::lanes::vectorised;
use crate::random;
use crate::rows::Rows;
use crate::tile::Scaled;

/// Rows sorted by a hash of their content, equal ones together.
///
/// The place of a row among the different ones (its rank) is the same in whichever order the rows
/// come: what is computed in the order of ranks, and draws its chances by them, is too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Row numbers; within a group of equal rows ascending.
    rows: Vec<u32>,
    /// Where in `rows` the group of each rank begins; the last number is where all end.
    starts: Vec<u32>,
}

impl Order {
    /// The order of rows as they are. Zeros of either sign are equal.
    pub fn of(rows: Rows) -> Self {
        Self::by(rows.len(), |i| (rows.row(i), 1.0))
    }

    /// The order of rows each multiplied by a factor.
    pub(crate) fn by<'a>(count: usize, row: impl Fn(usize) -> Scaled<'a> + Sync) -> Self {
        // Callers hold fewer rows than u32 counts: the numbers fit.
        let mut hashes: Vec<(u64, u32)> = (0..count)
            .into_par_iter()
            .map(|i| {
                let (values, factor) = row(i);
                (hash(values, factor), i as u32)
            })
            .collect();
        hashes.par_sort_unstable();
        Self::grouped(&hashes, |a, b| content(row(a as usize), row(b as usize)))
    }

    /// Groups rows that are sorted by their hashes.
    fn grouped(hashes: &[(u64, u32)], compare: impl Fn(u32, u32) -> Ordering) -> Self {
        let mut starts = Vec::with_capacity(hashes.len() + 1);
        let mut rows: Vec<u32> = Vec::with_capacity(hashes.len());
        for same in hashes.chunk_by(|a, b| a.0 == b.0) {
            let first = rows.len();
            rows.extend(same.iter().map(|(_, row)| row));
            let group = &mut rows[first..];
            if group.iter().any(|&row| compare(group[0], row).is_ne()) {
                // Different rows of one hash.
                group.sort_by(|&a, &b| compare(a, b).then(a.cmp(&b)));
            }
            starts.push(first as u32);
            for i in 1..group.len() {
                if compare(group[i - 1], group[i]).is_ne() {
                    starts.push((first + i) as u32);
                }
            }
        }
        starts.push(hashes.len() as u32);
        Self { rows, starts }
    }

    /// How many different rows there are.
    pub fn different(&self) -> usize {
        self.starts.len() - 1
    }

    /// The rows of a rank, which are all the same.
    pub fn group(&self, rank: usize) -> &[u32] {
        &self.rows[self.starts[rank] as usize..self.starts[rank + 1] as usize]
    }

    /// The first of the rows of a rank.
    pub fn first(&self, rank: usize) -> usize {
        self.rows[self.starts[rank] as usize] as usize
    }

    /// All rows, in order of rank.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The rank of every row.
    pub fn ranks(&self) -> Vec<u32> {
        let mut ranks = vec![0; self.rows.len()];
        // Ranks are no more than rows: they fit.
        for rank in 0..self.different() {
            for &row in self.group(rank) {
                ranks[row as usize] = rank as u32;
            }
        }
        ranks
    }
}

/// Which of two rows comes first by their numbers.
fn content((a, by_a): Scaled, (b, by_b): Scaled) -> Ordering {
    // Adding zero makes a zero of either sign positive.
    let mut pairs = a.iter().zip(b).map(|(&x, &y)| (x * by_a + 0.0).total_cmp(&(y * by_b + 0.0)));
    pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// A hash of every row; zeros of either sign are equal.
pub fn hashes(rows: Rows) -> Vec<u64> {
    (0..rows.len()).into_par_iter().map(|row| hash(rows.row(row), 1.0)).collect()
}

/// A hash of a row multiplied by a factor; zeros of either sign are equal.
pub fn hash(row: &[f32], factor: f32) -> u64 {
    let mut state = [0u64; 4];
    stir(row, factor, &mut state);
    state.iter().fold(row.len() as u64, |hash, &part| random::mix(hash ^ part))
}

vectorised! {
    fn stir(row: &[f32], factor: f32, state: &mut [u64; 4]) {
        /// An odd number without a pattern.
        const ODD: u64 = 0x9fb2_1c65_1e98_df25;
        let mut lanes = [1u64, 2, 3, 4];
        let (chunks, rest) = row.as_chunks::<8>();
        let mut last = [0f32; 8];
        last[..rest.len()].copy_from_slice(rest);
        for chunk in chunks.iter().chain(std::iter::once(&last)) {
            for (i, lane) in lanes.iter_mut().enumerate() {
                let low = u64::from((chunk[2 * i] * factor + 0.0).to_bits());
                let high = u64::from((chunk[2 * i + 1] * factor + 0.0).to_bits());
                *lane = ((*lane ^ (low | high << 32)).wrapping_mul(ODD)).rotate_left(29);
            }
        }
        *state = lanes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_share_a_rank_and_zeros_of_either_sign_are_equal() {
        let values = [1.0, 0.0, 2.0, 3.0, 1.0, -0.0, 2.0, 3.0, 0.0, 1.0];
        let order = Order::of(Rows::new(&values, 2).unwrap());
        assert_eq!(order.different(), 3);
        let ranks = order.ranks();
        assert_eq!((ranks[0], ranks[1]), (ranks[2], ranks[3]));
        assert_eq!(order.group(ranks[0] as usize), [0, 2]);
        assert_eq!(order.first(ranks[4] as usize), 4);
    }

    #[test]
    fn ranks_follow_the_rows_wherever_they_are() {
        for width in [1, 3, 8, 20] {
            let values: Vec<f32> =
                (0..200 * width as u64).map(|i| (random::number(3, 0, i) % 4) as f32).collect();
            let rows = Rows::new(&values, width).unwrap();
            let ranks = Order::of(rows).ranks();
            let turned: Vec<f32> = (0..200).rev().flat_map(|i| rows.row(i).to_vec()).collect();
            let mut other = Order::of(Rows::new(&turned, width).unwrap()).ranks();
            other.reverse();
            assert_eq!(ranks, other);
        }
    }

    #[test]
    fn rows_of_one_hash_are_told_apart_by_their_numbers() {
        let rows = [[3.0f32, 1.0], [2.0, 5.0], [3.0, 1.0], [2.0, 4.0]];
        let compare = |a: u32, b: u32| content((&rows[a as usize], 1.0), (&rows[b as usize], 1.0));
        let order = Order::grouped(&[(7, 0), (7, 1), (7, 2), (7, 3)], compare);
        assert_eq!(order, Order { rows: vec![3, 1, 0, 2], starts: vec![0, 1, 2, 4] });
        let none = Order::of(Rows::new(&[], 2).unwrap());
        assert_eq!((none.different(), none.ranks().len()), (0, 0));
    }
}
