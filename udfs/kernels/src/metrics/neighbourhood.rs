//! Whether rows that are neighbours on a map are neighbours.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::NONE;
use crate::metrics::packed::{self, Packed};
use crate::metrics::{Options, anchors, as_many};
use crate::neighbours::{Left, Metric, key, score_of};
use crate::rows::Rows;
use crate::tile::{self, COLUMNS};
use crate::watch::Watch;

/// What a map keeps of the neighbourhoods of its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbourhood {
    /// The number of neighbours that are looked at.
    pub k: usize,
    /// 1 if all neighbours on the map are true ones; less, the further away the wrong ones truly are
    /// (Venna and Kaski). NaN where half of the rows or more are neighbours: it has no meaning there.
    pub trustworthiness: f64,
    /// The share of the neighbours on the map that are true ones.
    pub preservation: f64,
}

/// Trustworthiness at `k` neighbours: see [`Neighbourhood`].
pub fn trustworthiness(
    high: Rows,
    low: Rows,
    k: usize,
    options: &Options,
    watch: &dyn Watch,
) -> Result<f64> {
    let found = one(high, low, k, options, watch)?.trustworthiness;
    if found.is_nan() {
        let rows = high.len();
        return Err(Error::Option(format!(
            "trustworthiness with k = {k} needs more than {} rows, not {rows}",
            2 * k
        )));
    }
    Ok(found)
}

/// Preservation of `k` neighbours: see [`Neighbourhood`].
pub fn preservation(
    high: Rows,
    low: Rows,
    k: usize,
    options: &Options,
    watch: &dyn Watch,
) -> Result<f64> {
    Ok(one(high, low, k, options, watch)?.preservation)
}

fn one(
    high: Rows,
    low: Rows,
    k: usize,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Neighbourhood> {
    let all = neighbourhoods(high, low, &[k], options, watch)?;
    all.into_iter().next().ok_or_else(|| Error::Option("k must be at least 1".into()))
}

/// Both for several numbers of neighbours, by one comparison of all rows.
pub fn neighbourhoods(
    high: Rows,
    low: Rows,
    ks: &[usize],
    options: &Options,
    watch: &dyn Watch,
) -> Result<Vec<Neighbourhood>> {
    as_many(high.len(), low.len(), "places on a map")?;
    let count = high.len();
    let most = ks.iter().copied().max().unwrap_or(0);
    if ks.contains(&0) {
        return Err(Error::Option("k must be at least 1".into()));
    }
    if most >= count {
        return Err(Error::Option(format!("{count} rows do not have {most} neighbours each")));
    }
    let order = packed::places(count, |i| [packed::hash(high, i), packed::hash(low, i), 0])?;
    let anchors = anchors(count, options)?;
    watch.stage("neighbours on the map", 1);
    let near = Packed::new(low, Metric::L2, &order)?.nearest(&anchors, most, watch)?;
    watch.stage("true neighbours", 1);
    let ranks = ranks(&Packed::new(high, options.metric, &order)?, &anchors, &near, watch)?;
    Ok(ks.iter().map(|&k| judge(&ranks, most, k, count)).collect())
}

/// How far up among a row's true neighbours those on the map stand, from 1.
fn ranks(high: &Packed, anchors: &[u32], near: &[u32], watch: &dyn Watch) -> Result<Vec<u32>> {
    let most = near.len() / anchors.len().max(1);
    let (form, depth) = (high.form(), high.depth());
    let block = tile::left_rows(anchors.len(), depth);
    let mut ranks = vec![0u32; near.len()];
    let blocks = ranks.par_chunks_mut(block * most).zip(near.par_chunks(block * most));
    blocks.zip(anchors.par_chunks(block)).try_for_each_init(
        Left::default,
        |left, ((ranks, near), anchors)| {
            // What each anchor's neighbours score, the best first, and how many others come between.
            let mut targets: Vec<(u64, usize)> = Vec::with_capacity(near.len());
            let mut least = Vec::with_capacity(anchors.len());
            for (&anchor, near) in anchors.iter().zip(near.chunks_exact(most)) {
                let first = targets.len();
                targets.extend(near.iter().enumerate().map(|(i, &place)| {
                    let score = tile::score(form, high.row(anchor), high.row(place));
                    (key(score, place), i)
                }));
                targets[first..].sort_unstable();
                least.push(targets.last().map_or(f32::INFINITY, |target| score_of(target.0)));
            }
            let mut between = vec![0u32; near.len()];
            high.pack(left, anchors);
            let mut found = Vec::new();
            for (first, panel) in (0u32..).step_by(COLUMNS).zip(high.panels().chunks_exact(depth)) {
                if first % (1 << 14) == 0 && watch.stopped() {
                    return Err(Error::Stopped);
                }
                let scores = left.score(form, panel);
                found.clear();
                tile::reaching(scores, &least, &[f32::INFINITY; COLUMNS], &mut found);
                for &(row, mut bits) in &found {
                    let row = row as usize;
                    let (targets, between) =
                        (&targets[row * most..][..most], &mut between[row * most..]);
                    while bits != 0 {
                        let column = bits.trailing_zeros();
                        bits &= bits - 1;
                        let place = first + column;
                        if place as usize >= high.len() || place == anchors[row] {
                            continue;
                        }
                        let other = key(scores[row][column as usize], place);
                        let after = targets.partition_point(|target| target.0 <= other);
                        if after < most {
                            between[after] += 1;
                        }
                    }
                }
            }
            for (row, ranks) in ranks.chunks_exact_mut(most).enumerate() {
                let mut before = 1;
                for (target, between) in
                    targets[row * most..][..most].iter().zip(&between[row * most..])
                {
                    before += between;
                    ranks[target.1] = before;
                }
            }
            Ok(())
        },
    )?;
    debug_assert!(!near.contains(&NONE));
    Ok(ranks)
}

fn judge(ranks: &[u32], most: usize, k: usize, count: usize) -> Neighbourhood {
    let first = || ranks.chunks_exact(most).flat_map(|ranks| &ranks[..k]);
    // Numbers of rows: exact in f64.
    let (all, rows, near) = ((ranks.len() / most * k) as f64, count as f64, k as f64);
    let too_far: u64 = first().map(|&rank| u64::from(rank).saturating_sub(k as u64)).sum();
    let kept = first().filter(|&&rank| rank as usize <= k).count();
    let worst = 2.0 * rows - 3.0 * near - 1.0;
    let trustworthiness =
        if 2 * k < count { 1.0 - 2.0 / (all * worst) * too_far as f64 } else { f64::NAN };
    Neighbourhood { k, trustworthiness, preservation: kept as f64 / all }
}
