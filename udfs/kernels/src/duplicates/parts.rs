//! What hangs together, taken apart where it is wider than twice the cutoff.

use rayon::prelude::*;

use super::Found;
use crate::error::Result;
use crate::steps::Steps;

/// Rows whose distances are all written down.
const MEASURED: usize = 4096;

/// Takes components apart.
pub struct Parts<'a> {
    found: &'a Found<'a>,
    steps: &'a Steps<'a>,
    /// How far two rows of a cluster may be from each other.
    widest: f32,
}

impl<'a> Parts<'a> {
    pub fn new(found: &'a Found<'a>, steps: &'a Steps<'a>) -> Self {
        Self { found, steps, widest: 2.0 * found.cutoff }
    }

    /// The clusters of a component, whose ranks are in ascending order.
    pub fn of(&self, ranks: Vec<u32>) -> Result<Vec<Vec<u32>>> {
        if ranks.len() <= 2 {
            return Ok(vec![ranks]);
        }
        if ranks.len() > MEASURED {
            return self.around(ranks);
        }
        let mut far = self.distances(&ranks)?;
        if far.iter().all(|&far| far <= self.widest) {
            return Ok(vec![ranks]);
        }
        self.merged(&ranks, &mut far)
    }

    /// All distances, row by row.
    fn distances(&self, ranks: &[u32]) -> Result<Vec<f32>> {
        let count = ranks.len();
        let mut far = vec![0f32; count * count];
        far.par_chunks_mut(count).enumerate().try_for_each(|(i, far)| {
            self.steps.go_on()?;
            for (j, far) in far.iter_mut().enumerate() {
                // Either way around it is the same to the bit.
                *far = if i == j { 0.0 } else { self.found.distance(ranks[i], ranks[j]) };
            }
            Ok(())
        })?;
        Ok(far)
    }

    /// Pairs within the cutoff are joined, the nearest first, as long as no two of what they make one
    /// are too far apart.
    fn merged(&self, ranks: &[u32], far: &mut [f32]) -> Result<Vec<Vec<u32>>> {
        let count = ranks.len();
        let mut pairs: Vec<(f32, u32, u32)> = Vec::new();
        for i in 0..count {
            let near = (i + 1..count).filter(|&j| far[i * count + j] <= self.found.cutoff);
            // At most `MEASURED`.
            pairs.extend(near.map(|j| (far[i * count + j], i as u32, j as u32)));
        }
        pairs.par_sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        // From here on `far` is the most between two clusters, in the line of each one's name.
        let mut name: Vec<usize> = (0..count).collect();
        let mut members: Vec<Vec<usize>> = (0..count).map(|i| vec![i]).collect();
        for (step, &(_, i, j)) in pairs.iter().enumerate() {
            if step % 1024 == 0 {
                self.steps.go_on()?;
            }
            let (a, b) = (name[i as usize], name[j as usize]);
            if a == b || far[a * count + b] > self.widest {
                continue;
            }
            let (into, from) = if members[a].len() >= members[b].len() { (a, b) } else { (b, a) };
            for k in 0..count {
                let most = far[into * count + k].max(far[from * count + k]);
                far[into * count + k] = most;
                far[k * count + into] = most;
            }
            let moved = std::mem::take(&mut members[from]);
            moved.iter().for_each(|&k| name[k] = into);
            members[into].extend(moved);
        }
        let parts = members.into_iter().filter(|part| !part.is_empty()).map(|part| {
            let mut part: Vec<u32> = part.into_iter().map(|i| ranks[i]).collect();
            part.sort_unstable();
            part
        });
        Ok(parts.collect())
    }

    /// More rows than distances can be written down of: one after another those in the middle take
    /// all that are within half the cutoff, which keeps any two of them within twice the cutoff.
    fn around(&self, ranks: Vec<u32>) -> Result<Vec<Vec<u32>>> {
        let found = self.found;
        let row = |rank: u32| found.prepared.row(found.order.first(rank as usize));
        let mut middle = vec![0f64; found.prepared.width()];
        for &rank in &ranks {
            let (values, factor) = row(rank);
            middle.iter_mut().zip(values).for_each(|(sum, x)| *sum += f64::from(x * factor));
        }
        let mut left: Vec<(f64, u32)> = ranks
            .iter()
            .map(|&rank| {
                let (values, factor) = row(rank);
                let along = middle.iter().zip(values).map(|(m, x)| m * f64::from(x * factor));
                (along.sum(), rank)
            })
            .collect();
        left.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut left: Vec<u32> = left.into_iter().map(|(_, rank)| rank).collect();
        let mut parts = Vec::new();
        while let Some(&first) = left.first() {
            self.steps.go_on()?;
            let near: Vec<bool> = left
                .par_iter()
                .with_min_len(256)
                .map(|&rank| rank == first || found.distance(first, rank) <= found.cutoff / 2.0)
                .collect();
            let mut part: Vec<u32> = Vec::new();
            let mut near = near.into_iter();
            left.retain(|&rank| {
                let taken = near.next() == Some(true);
                if taken {
                    part.push(rank);
                }
                !taken
            });
            part.sort_unstable();
            parts.push(part);
        }
        Ok(parts)
    }
}
