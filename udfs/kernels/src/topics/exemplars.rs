//! Rows that stand for topics.

use rayon::prelude::*;

use super::Depth;
use super::centres::{Centre, Points, sums};
use crate::graph::NONE;

/// How many of a topic.
const SHOWN: usize = 3;

/// The rows of every topic nearest to its middle, of those that are sure, or of all if none is.
pub fn exemplars(points: Points, depth: &Depth) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); depth.count];
    // Of rows that are the same the first is enough. Ranks are no more than rows: they fit.
    for rank in 0..points.order.different() as u32 {
        let row = points.order.first(rank as usize);
        let topic = depth.nearest[row] as usize;
        members[topic].push((depth.topics[row] == NONE, rank));
    }
    members
        .par_iter()
        .map(|members| {
            let sure = members.iter().filter(|member| !member.0);
            let mut ranks: Vec<u32> = sure.map(|member| member.1).collect();
            if ranks.is_empty() {
                ranks = members.iter().map(|member| member.1).collect();
            }
            let topics = vec![0; ranks.len()];
            let middle = sums(points, &ranks, &topics, 1);
            let Some(middle) = middle.first().and_then(|sum| Centre::of(sum, points.unit())) else {
                return Vec::new();
            };
            let far = |&rank: &u32| {
                let (row, factor) = points.row(rank);
                crate::lanes::scaled_squares(row, factor, &middle.at, 1.0)
            };
            let mut near: Vec<(f32, u32)> = ranks.iter().map(|rank| (far(rank), *rank)).collect();
            near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let first = near.iter().take(SHOWN);
            // Rows are counted in u32.
            first.map(|near| points.order.first(near.1 as usize) as u32).collect()
        })
        .collect()
}
