//! Which experts a token goes to.

use super::config::Experts;

/// A token that goes through an expert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visit {
    /// The token's row.
    pub row: usize,
    /// What the expert's answer counts.
    pub weight: f32,
}

/// The visits of each expert, from what the router makes of each row: numbers of `experts.count`, one row
/// after another. Those that were not chosen keep their share of the weight, which is lost.
pub fn visits(routed: &[f32], experts: &Experts) -> Vec<Vec<Visit>> {
    let mut visits = vec![Vec::new(); experts.count];
    let mut order: Vec<usize> = (0..experts.count).collect();
    for (row, scores) in routed.chunks_exact(experts.count.max(1)).enumerate() {
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = scores.iter().map(|score| (score - highest).exp()).sum();
        // The best first, and of equals the first.
        order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        for &expert in order.iter().take(experts.chosen) {
            let weight = (scores[expert] - highest).exp() / sum;
            visits[expert].push(Visit { row, weight });
        }
    }
    visits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_visited_with_their_share_of_all() {
        let experts = Experts { count: 3, chosen: 2, every: 2 };
        let ln = |shares: [f32; 3]| shares.map(f32::ln);
        let routed = [ln([0.5, 0.25, 0.25]), ln([0.125, 0.25, 0.625])].concat();
        let visits = visits(&routed, &experts);
        let found: Vec<Vec<(usize, u32)>> = visits
            .iter()
            .map(|visits| {
                visits.iter().map(|it| (it.row, (it.weight * 1000.0).round() as u32)).collect()
            })
            .collect();
        assert_eq!(found, [vec![(0, 500)], vec![(0, 250), (1, 250)], vec![(1, 625)]]);
    }
}
