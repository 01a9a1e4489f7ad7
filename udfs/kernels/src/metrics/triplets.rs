//! Whether a map keeps which of two rows is the nearer one.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::metrics::packed;
use crate::metrics::{Options, anchors, as_many};
use crate::neighbours::Metric;
use crate::order;
use crate::prepare::Prepared;
use crate::random;
use crate::rows::Rows;
use crate::watch::Watch;

/// The stream of random numbers that says which rows are compared.
const TRIPLETS: u64 = 0x7472_6970;

/// The share of triplets (a row and two others that chance picks) of which the same one of the two is
/// nearer to the row on the map as truly; `each` triplets for every row that is asked.
pub fn triplet_accuracy(
    high: Rows,
    low: Rows,
    each: usize,
    options: &Options,
    watch: &dyn Watch,
) -> Result<f64> {
    as_many(high.len(), low.len(), "places on a map")?;
    let count = high.len();
    if count < 3 {
        return Err(Error::Shape(format!("triplets need at least 3 rows, not {count}")));
    }
    if each == 0 {
        return Err(Error::Option("at least one triplet of each row must be asked".into()));
    }
    watch.stage("triplets", 1);
    let order = packed::places(count, |i| {
        [order::hash(high.row(i), 1.0), order::hash(low.row(i), 1.0), 0]
    })?;
    let (high, low) = (Prepared::new(high, options.metric)?, Prepared::new(low, Metric::L2)?);
    let anchors = anchors(count, options)?;
    let kept = anchors.par_iter().map(|&anchor| {
        if watch.stopped() {
            return Err(Error::Stopped);
        }
        let kept = (0..each as u64).filter(|&i| {
            // Below `count`, so that it fits; taken from those other than what is before it.
            let draw = |j: u64, of: usize| {
                let index = (u64::from(anchor) * each as u64 + i) * 2 + j;
                random::number(options.seed, TRIPLETS, index) as usize % of
            };
            let anchor = anchor as usize;
            let mut one = draw(0, count - 1);
            one += usize::from(one >= anchor);
            let mut other = draw(1, count - 2);
            for taken in [anchor.min(one), anchor.max(one)] {
                other += usize::from(other >= taken);
            }
            let [anchor, one, other] = [anchor, one, other].map(|place| order[place] as usize);
            let nearer = |rows: &Prepared| {
                let far = |to: usize| rows.apart(rows.row(anchor), rows.row(to));
                far(one).total_cmp(&far(other))
            };
            nearer(&high) == nearer(&low)
        });
        Ok(kept.count())
    });
    let kept: Vec<usize> = kept.collect::<Result<_>>()?;
    // Counts: exact in f64.
    Ok(kept.iter().sum::<usize>() as f64 / (anchors.len() * each) as f64)
}
