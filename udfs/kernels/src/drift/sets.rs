//! How much two sets of rows differ, as wholes.

use rayon::prelude::*;

use crate::distance::{Measure, one_to_many};
use crate::error::{Error, Result};
use crate::logistic::{Options, out_of_fold};
use crate::order::Order;
use crate::rows::Rows;
use crate::steps::Steps;
use crate::verdicts::roc_auc;
use crate::watch::Watch;

/// Rows of a set that are looked at: more would say the same.
const JUDGED: usize = 10_000;
/// Rows of a set of which all pairs are looked at.
const PAIRED: usize = 2_000;
/// Rows of a set whose distances tell how wide the kernel is.
const WIDE: usize = 200;
const FOLDS: usize = 5;

/// What lies between two sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Between {
    /// How well a classifier tells rows of the one from those of the other that it has not seen: the
    /// chance that it finds the right one of two, 0.5 where the sets are alike.
    pub auc: f64,
    /// The maximum mean discrepancy (Gretton and others, 2012): how far apart the means of the sets are
    /// where a Gaussian kernel puts them, its width the median distance from set to set; 0 where they
    /// are alike, at most the root of 2.
    pub mmd: f64,
}

/// What lies between the rows of one set and those of another (`true`). `None` where either has fewer
/// than two different rows for each fold.
pub fn between(rows: Rows, other: &[bool], watch: &dyn Watch) -> Result<Option<Between>> {
    if rows.len() != other.len() {
        let (rows, sides) = (rows.len(), other.len());
        return Err(Error::Shape(format!("{rows} rows cannot be of {sides} sets")));
    }
    // Rows in the order of a hash: the first of a set are a sample of it.
    let order = Order::of(rows);
    let of = |side: bool, most: usize| {
        let rows = order.rows().iter().map(|row| *row as usize);
        rows.filter(|row| other[*row] == side).take(most).collect::<Vec<usize>>()
    };
    let (first, second) = (of(false, JUDGED), of(true, JUDGED));
    if first.len().min(second.len()) < 2 * FOLDS {
        return Ok(None);
    }
    let auc = told_apart(rows, &first, &second, watch)?;
    let paired = |of: &[usize]| of.iter().take(PAIRED).copied().collect::<Vec<usize>>();
    let mmd = discrepancy(rows, &paired(&first), &paired(&second), watch)?;
    Ok(Some(Between { auc, mmd }))
}

fn taken(rows: Rows, which: &[usize]) -> Vec<f32> {
    which.iter().flat_map(|row| rows.row(*row)).copied().collect()
}

fn told_apart(rows: Rows, first: &[usize], second: &[usize], watch: &dyn Watch) -> Result<f64> {
    let mut values = taken(rows, first);
    values.extend(taken(rows, second));
    let labels: Vec<u32> =
        (0..first.len() + second.len()).map(|at| u32::from(at >= first.len())).collect();
    let some = whole(&values, rows.width())?;
    let judged = out_of_fold(some, &labels, 2, FOLDS, &Options::default(), watch)?;
    let scores: Vec<f32> = judged.chunks_exact(2).map(|both| both[1]).collect();
    let truth: Vec<bool> = labels.iter().map(|label| *label == 1).collect();
    roc_auc(&truth, &scores)
}

fn discrepancy(rows: Rows, first: &[usize], second: &[usize], watch: &dyn Watch) -> Result<f64> {
    let (a, b) = (taken(rows, first), taken(rows, second));
    let (a, b) = (whole(&a, rows.width())?, whole(&b, rows.width())?);
    let steps = Steps::new("pairs", 2 * a.len() + b.len(), watch);
    let width = median(a, b)?;
    let alike = |squared: f32| (-f64::from(squared) / (2.0 * width)).exp();
    let sum = |of: Rows, with: Rows| -> Result<f64> {
        let sums: Vec<f64> = (0..of.len())
            .into_par_iter()
            .map(|row| {
                steps.take(1)?;
                let mut squared = vec![0f32; with.len()];
                one_to_many(Measure::SquaredL2, of.row(row), with.values(), &mut squared)?;
                Ok(squared.into_iter().map(alike).sum())
            })
            .collect::<Result<_>>()?;
        Ok(sums.iter().sum())
    };
    // Without the pairs of a row and itself, which are alike whatever the sets are.
    let within = |of: Rows, all: f64| {
        let n = of.len() as f64;
        (all - n) / (n * (n - 1.0))
    };
    let across = sum(a, b)? / (a.len() as f64 * b.len() as f64);
    let squared = within(a, sum(a, a)?) + within(b, sum(b, b)?) - 2.0 * across;
    // Of sets that are alike it falls on either side of 0 by chance.
    Ok(squared.max(0.0).sqrt())
}

/// The median squared distance from set to set; 1 where all are 0.
fn median(a: Rows, b: Rows) -> Result<f64> {
    let some = b.len().min(WIDE);
    let values = &b.values()[..some * b.width()];
    let mut all = Vec::with_capacity(some * a.len().min(WIDE));
    for row in 0..a.len().min(WIDE) {
        let mut squared = vec![0f32; some];
        one_to_many(Measure::SquaredL2, a.row(row), values, &mut squared)?;
        all.extend(squared);
    }
    let middle = all.len() / 2;
    let (_, median, _) = all.select_nth_unstable_by(middle, f32::total_cmp);
    Ok(if *median > 0.0 { f64::from(*median) } else { 1.0 })
}

fn whole(values: &[f32], width: usize) -> Result<Rows<'_>> {
    Rows::new(values, width).ok_or_else(|| Error::Shape("rows are not whole".to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use crate::watch::Unwatched;

    /// Two sets of rows of three numbers; those of the second are moved.
    fn sets(each: usize, moved: f32) -> (Vec<f32>, Vec<bool>) {
        let number = |at: usize| (0..6).map(|i| random::signed(7, i, at as u64)).sum::<f32>();
        let other: Vec<bool> = (0..2 * each).map(|row| row % 2 == 1).collect();
        let values =
            (0..6 * each).map(|at| number(at) + if other[at / 3] { moved } else { 0.0 }).collect();
        (values, other)
    }

    fn found(values: &[f32], other: &[bool]) -> Between {
        between(Rows::new(values, 3).unwrap(), other, &Unwatched).unwrap().unwrap()
    }

    /// The same in plain words, with all pairs.
    fn plainly(values: &[f32], other: &[bool]) -> f64 {
        let rows: Vec<(&[f32], bool)> = values.chunks(3).zip(other.iter().copied()).collect();
        let squared = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
        };
        let pairs = |s: bool, t: bool| {
            let mut all = Vec::new();
            for (i, a) in rows.iter().enumerate().filter(|(_, row)| row.1 == s) {
                for (j, b) in rows.iter().enumerate().filter(|(_, row)| row.1 == t) {
                    if i != j {
                        all.push(squared(a.0, b.0));
                    }
                }
            }
            all
        };
        let mut across = pairs(false, true);
        across.sort_by(f64::total_cmp);
        let width = across[across.len() / 2];
        let mean = |all: Vec<f64>| {
            let n = all.len() as f64;
            all.iter().map(|d| (-d / (2.0 * width)).exp()).sum::<f64>() / n
        };
        let within = mean(pairs(false, false)) + mean(pairs(true, true));
        (within - 2.0 * mean(across)).max(0.0).sqrt()
    }

    #[test]
    fn sets_that_are_alike_and_sets_that_are_not() {
        let (values, other) = sets(150, 0.0);
        let alike = found(&values, &other);
        assert!((alike.auc - 0.5).abs() < 0.1 && alike.mmd < 0.1, "{alike:?}");
        let mut before = alike;
        for moved in [0.7, 2.0, 8.0] {
            let (values, other) = sets(150, moved);
            let apart = found(&values, &other);
            assert!(apart.auc > before.auc && apart.mmd > before.mmd, "{moved}: {apart:?}");
            before = apart;
        }
        assert!(before.auc > 0.999 && before.mmd > 0.5, "{before:?}");
    }

    #[test]
    fn the_discrepancy_is_what_its_definition_says() {
        for moved in [0.5, 2.0] {
            let (values, other) = sets(150, moved);
            let (ours, plain) = (found(&values, &other).mmd, plainly(&values, &other));
            assert!((ours - plain).abs() < 1e-5, "{ours} {plain}");
        }
    }

    #[test]
    fn in_whichever_order_rows_come() {
        let (values, other) = sets(100, 1.0);
        let turned: Vec<usize> = (0..200).map(|row| row * 67 % 200).collect();
        let values_turned: Vec<f32> =
            turned.iter().flat_map(|row| &values[row * 3..][..3]).copied().collect();
        let other_turned: Vec<bool> = turned.iter().map(|row| other[*row]).collect();
        assert_eq!(found(&values, &other), found(&values_turned, &other_turned));
    }

    #[test]
    fn too_few_rows_say_nothing() {
        let (values, other) = sets(9, 1.0);
        let rows = Rows::new(&values, 3).unwrap();
        assert_eq!(between(rows, &other, &Unwatched).unwrap(), None);
        assert!(between(rows, &other[1..], &Unwatched).is_err());
    }
}
