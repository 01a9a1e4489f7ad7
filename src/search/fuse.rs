//! Several rankings made one, and one made more various.

use std::collections::HashMap;

/// How the ranks by words and by vectors are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fusion {
    /// Each list gives a row `1 / (60 + rank)`.
    Ranks,
    /// Each list gives a row its score, from 0 for the list's last to 1 for its first.
    Scores,
}

/// What takes the edge off the first ranks, as it is usually chosen.
const RANK_OFFSET: f32 = 60.0;

/// Puts two rankings together, best first; `alpha` is the share of the first. Scores are larger for
/// better rows.
pub fn fuse(
    fusion: Fusion,
    alpha: f32,
    first: &[(u64, f32)],
    second: &[(u64, f32)],
    k: usize,
) -> Vec<(u64, f32)> {
    let mut scores: HashMap<u64, f32> = HashMap::new();
    for (list, share) in [(first, alpha), (second, 1.0 - alpha)] {
        let worst = list.iter().map(|(_, score)| *score).fold(f32::INFINITY, f32::min);
        let best = list.iter().map(|(_, score)| *score).fold(f32::NEG_INFINITY, f32::max);
        for (rank, (row, score)) in list.iter().enumerate() {
            let points = match fusion {
                // Ranks are few.
                Fusion::Ranks => 1.0 / (RANK_OFFSET + 1.0 + rank as f32),
                Fusion::Scores if best > worst => (score - worst) / (best - worst),
                Fusion::Scores => 1.0,
            };
            *scores.entry(*row).or_default() += share * points;
        }
    }
    let mut fused: Vec<(u64, f32)> = scores.into_iter().collect();
    fused.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    fused.truncate(k);
    fused
}

/// Picks `k` rows that are near the query and not too near each other: each time the one with the
/// most `(1 - diversity) · nearness − diversity · nearness to what is picked already`. Gives their
/// places in the list; `nearness` says it of two rows.
pub fn diverse(
    to_query: &[f32],
    k: usize,
    diversity: f32,
    nearness: impl Fn(usize, usize) -> f32,
) -> Vec<usize> {
    let mut left: Vec<usize> = (0..to_query.len()).collect();
    let mut nearest_picked = vec![f32::NEG_INFINITY; to_query.len()];
    let mut picked = Vec::new();
    while picked.len() < k && !left.is_empty() {
        let value = |row: usize| {
            let repeated = nearest_picked[row];
            let repeated = if repeated.is_finite() { repeated } else { 0.0 };
            (1.0 - diversity) * to_query[row] - diversity * repeated
        };
        let best = (0..left.len())
            .max_by(|a, b| value(left[*a]).total_cmp(&value(left[*b])).then(b.cmp(a)))
            .unwrap_or_default();
        let row = left.remove(best);
        for other in &left {
            nearest_picked[*other] = nearest_picked[*other].max(nearness(row, *other));
        }
        picked.push(row);
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_both_lists_know_comes_first() {
        let (vectors, words) = ([(1, 0.9), (2, 0.8), (3, 0.1)], [(4, 7.0), (2, 5.0)]);
        let fused = fuse(Fusion::Ranks, 0.5, &vectors, &words, 10);
        assert_eq!(fused.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [2, 1, 4, 3]);
        assert!((fused[0].1 - (0.5 / 62.0 + 0.5 / 62.0)).abs() < 1e-7);
        let only_words = fuse(Fusion::Ranks, 0.0, &vectors, &words, 2);
        assert_eq!(only_words.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [4, 2]);
        let scores = fuse(Fusion::Scores, 0.5, &vectors, &words, 2);
        assert_eq!(scores[0], (1, 0.5));
        assert_eq!(scores[1], (4, 0.5));
        assert_eq!(fuse(Fusion::Scores, 1.0, &[], &[(9, 1.0)], 5), [(9, 0.0)]);
    }

    #[test]
    fn what_was_picked_pushes_its_like_away() {
        // 0 and 1 are the same; 2 lies elsewhere, and a little farther.
        let near = |a: usize, b: usize| if a + b == 1 { 1.0 } else { 0.0 };
        assert_eq!(diverse(&[1.0, 0.99, 0.7], 2, 0.5, near), [0, 2]);
        assert_eq!(diverse(&[1.0, 0.99, 0.7], 3, 0.0, near), [0, 1, 2]);
        assert_eq!(diverse(&[], 3, 0.5, near), Vec::<usize>::new());
    }
}
