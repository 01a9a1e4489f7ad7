//! How well rows lie within their own class and apart from the others.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::lanes::vectorised;
use crate::metrics::packed::{self, Packed};
use crate::metrics::{Options, anchors, as_many};
use crate::neighbours::{Left, Metric};
use crate::rows::Rows;
use crate::tile::{self, COLUMNS, ROWS};
use crate::watch::Watch;

/// Sums that one thread holds at a time.
const SUMS: usize = 1 << 20;

/// The mean of (b - a) / max(a, b) over rows, where a is a row's mean distance from the others of its
/// label and b that from the rows of the nearest other label; 0 for a row that is alone. From -1 to 1.
pub fn silhouette(rows: Rows, labels: &[u32], options: &Options, watch: &dyn Watch) -> Result<f64> {
    as_many(rows.len(), labels.len(), "labels")?;
    if options.metric == Metric::Dot {
        return Err(Error::Option("silhouettes need distances: take cosine or l2".into()));
    }
    let mut names = labels.to_vec();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 || names.len() >= rows.len() {
        return Err(Error::Shape(format!(
            "silhouettes need 2 labels at least and fewer than rows; there are {} of {} rows",
            names.len(),
            rows.len()
        )));
    }
    // Rows of a label lie together.
    let order = packed::places(rows.len(), |i| [u64::from(labels[i]), packed::hash(rows, i), 0])?;
    let class =
        |place: u32| names.binary_search(&labels[order[place as usize] as usize]).unwrap_or(0);
    let mut sizes = vec![0usize; names.len()];
    for place in 0..order.len() as u32 {
        sizes[class(place)] += 1;
    }
    let runs = runs(&sizes);
    let all = Packed::new(rows, options.metric, &order)?;
    let (form, depth) = (all.form(), all.depth());
    let anchors = anchors(rows.len(), options)?;
    let fit = (SUMS / names.len()).next_multiple_of(ROWS);
    let block = tile::left_rows(anchors.len(), depth).min(fit);
    watch.stage("silhouettes", 1);
    let mut values = vec![0f64; anchors.len()];
    let blocks = values.par_chunks_mut(block).zip(anchors.par_chunks(block));
    blocks.try_for_each_init(Left::default, |left, (values, anchors)| {
        let mut sums = vec![0f64; anchors.len() * names.len()];
        all.pack(left, anchors);
        for (i, (panel, runs)) in all.panels().chunks_exact(depth).zip(&runs).enumerate() {
            if i % 1024 == 0 && watch.stopped() {
                return Err(Error::Stopped);
            }
            add_up(left.score(form, panel), options.metric == Metric::L2, runs, &mut sums);
        }
        for ((value, &anchor), sums) in
            values.iter_mut().zip(anchors).zip(sums.chunks_exact(names.len()))
        {
            let own = class(anchor);
            if sizes[own] < 2 {
                continue;
            }
            let mut itself = [[0.0; COLUMNS]];
            itself[0][0] = tile::score(form, all.row(anchor), all.row(anchor));
            let mut far = [0f64];
            add_up(&itself, options.metric == Metric::L2, &[(0, 0, 1)], &mut far);
            // Sizes are exact in f64.
            let within = (sums[own] - far[0]) / (sizes[own] - 1) as f64;
            let others = sums.iter().zip(&sizes).enumerate().filter(|(i, _)| *i != own);
            let apart =
                others.map(|(_, (sum, &size))| sum / size as f64).fold(f64::INFINITY, f64::min);
            let most = within.max(apart);
            *value = if most > 0.0 { (apart - within) / most } else { 0.0 };
        }
        Ok(())
    })?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

/// For every panel which of its columns are of which class: class, first, end.
fn runs(sizes: &[usize]) -> Vec<Vec<(usize, usize, usize)>> {
    let count: usize = sizes.iter().sum();
    let mut runs = vec![Vec::new(); count.div_ceil(COLUMNS)];
    let mut place = 0;
    for (class, &size) in sizes.iter().enumerate() {
        let end = place + size;
        while place < end {
            let panel = place / COLUMNS;
            let stop = end.min((panel + 1) * COLUMNS);
            runs[panel].push((class, place - panel * COLUMNS, stop - panel * COLUMNS));
            place = stop;
        }
    }
    runs
}

vectorised! {
    /// Adds the distances that scores stand for to the sums of each row's classes.
    fn add_up(scores: &[[f32; COLUMNS]], lengths: bool, runs: &[(usize, usize, usize)], sums: &mut [f64]) {
        let classes = sums.len() / scores.len();
        for (scores, sums) in scores.iter().zip(sums.chunks_exact_mut(classes)) {
            let mut far = [0f32; COLUMNS];
            for (far, &score) in far.iter_mut().zip(scores) {
                let squared_or_cosine = if lengths { -score } else { 1.0 - score };
                let positive = if squared_or_cosine > 0.0 { squared_or_cosine } else { 0.0 };
                *far = if lengths { positive.sqrt() } else { positive };
            }
            if let [(class, 0, COLUMNS)] = runs {
                let mut quarters = [0f64; 4];
                for four in far.as_chunks::<4>().0 {
                    for (sum, &far) in quarters.iter_mut().zip(four) {
                        *sum += f64::from(far);
                    }
                }
                sums[*class] += (quarters[0] + quarters[2]) + (quarters[1] + quarters[3]);
                continue;
            }
            for &(class, first, end) in runs {
                for &far in &far[first..end] {
                    sums[class] += f64::from(far);
                }
            }
        }
    }
}
