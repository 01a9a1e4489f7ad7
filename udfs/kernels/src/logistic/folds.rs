//! Probabilities of rows from classifiers that have not seen them.

use super::{Logistic, Options, check};
use crate::error::{Error, Result};
use crate::graph::NONE;
use crate::order::Order;
use crate::rows::Rows;
use crate::steps::Steps;
use crate::watch::Watch;

/// The probabilities of all classes for every row: rows are divided into so many folds, in each of
/// which all classes are as frequent as in the others, and each fold is judged by a classifier of the
/// rest. Equal rows are in one fold, so that none is judged by its copy. Rows without a label are
/// judged by the first fold's classifier.
pub fn out_of_fold(
    rows: Rows,
    labels: &[u32],
    classes: usize,
    folds: usize,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Vec<f32>> {
    check(rows, labels, classes, options)?;
    if folds < 2 {
        return Err(Error::Option("rows need two folds at least".into()));
    }
    let order = Order::of(rows);
    let ranks = order.ranks();
    let fold = dealt(&order, labels, folds);
    let mut all = vec![0f32; rows.len() * classes];
    let steps = Steps::new("folds", folds * options.steps, watch);
    for own in 0..folds {
        let mut chosen: Vec<u32> = order.rows().to_vec();
        chosen.retain(|&row| {
            labels[row as usize] != NONE && fold[ranks[row as usize] as usize] != own
        });
        chosen.sort_by_key(|&row| (ranks[row as usize], labels[row as usize]));
        let model = Logistic::of(rows, labels, classes, &chosen, options, &steps)?;
        let mut judged: Vec<usize> = Vec::new();
        let mut values = Vec::new();
        for row in 0..rows.len() {
            if fold[ranks[row] as usize] == own {
                judged.push(row);
                values.extend_from_slice(rows.row(row));
            }
        }
        let Some(some) = Rows::new(&values, rows.width()) else { continue };
        let found = model.probabilities(some, watch)?;
        for (row, found) in judged.into_iter().zip(found.chunks_exact(classes)) {
            all[row * classes..][..classes].copy_from_slice(found);
        }
    }
    Ok(all)
}

/// The fold of every row, as [`out_of_fold`] deals them out, for other classifiers to be judged by.
pub fn folds(rows: Rows, labels: &[u32], folds: usize) -> Result<Vec<usize>> {
    if folds < 2 {
        return Err(Error::Option("rows need two folds at least".into()));
    }
    if rows.len() != labels.len() {
        let (rows, labels) = (rows.len(), labels.len());
        return Err(Error::Shape(format!("{rows} rows cannot have {labels} labels")));
    }
    let order = Order::of(rows);
    let fold = dealt(&order, labels, folds);
    Ok(order.ranks().into_iter().map(|rank| fold[rank as usize]).collect())
}

/// The fold of every rank: ranks are dealt out class by class. A rank's class is the lowest that its
/// rows have.
fn dealt(order: &Order, labels: &[u32], folds: usize) -> Vec<usize> {
    let class = |rank: usize| order.group(rank).iter().map(|&row| labels[row as usize]).min();
    let mut all: Vec<(Option<u32>, usize)> =
        (0..order.different()).map(|rank| (class(rank), rank)).collect();
    all.sort_unstable();
    let mut fold = vec![0; all.len()];
    for (place, (class, rank)) in all.into_iter().enumerate() {
        fold[rank] = if class == Some(NONE) { 0 } else { place % folds };
    }
    fold
}
