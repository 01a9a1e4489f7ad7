//! Multinomial logistic regression: a linear classifier whose answers are probabilities.
//!
//! What is made small is scikit-learn's measure: the mean loss over the rows, each with its class's
//! weight, and half the squares of the weights over `c` times all rows' weights; offsets are free. It
//! is made so by L-BFGS. Rows are added up in an order that depends on what they hold alone, in
//! pieces of a fixed size: same rows, same bits.

mod folds;
mod issues;
mod loss;
mod minimise;

pub use folds::{folds, out_of_fold};
pub use issues::{LabelIssues, label_issues};

use rayon::prelude::*;

use crate::boundary::check_labels;
use crate::error::{Error, Result};
use crate::graph::NONE;
use crate::lanes;
use crate::order::Order;
use crate::rows::Rows;
use crate::steps::Steps;
use crate::watch::Watch;
use loss::{Examples, Loss};

/// How much each class counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ClassWeights {
    /// As much as it has rows.
    #[default]
    Plain,
    /// All as much.
    Balanced,
    /// Every row of a class as much as this says.
    Given(Vec<f32>),
}

/// How a classifier is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How little the weights are held small: above 0.
    pub c: f64,
    /// How much each class counts.
    pub weights: ClassWeights,
    /// Steps, at most.
    pub steps: usize,
    /// It has arrived where no part of the gradient is larger.
    pub tolerance: f64,
    /// Whether rows are brought to length 1 first: embeddings that are compared by cosine.
    pub unit: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { c: 1.0, weights: ClassWeights::Plain, steps: 100, tolerance: 1e-4, unit: false }
    }
}

/// A trained classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    /// Length of a row.
    pub width: usize,
    /// How many classes it knows; those without rows are never likely.
    pub classes: usize,
    /// `width` numbers a class.
    pub weights: Vec<f32>,
    /// One a class; minus infinity where it had no rows.
    pub offsets: Vec<f32>,
    /// Whether rows are brought to length 1 first.
    pub unit: bool,
    /// Whether it arrived before its steps were used up.
    pub arrived: bool,
}

/// Rows that a thread works on at once.
const BLOCK: usize = 256;

impl Logistic {
    /// Trains a classifier on the rows that have a label (not `NONE`).
    pub fn fit(
        rows: Rows,
        labels: &[u32],
        classes: usize,
        options: &Options,
        watch: &dyn Watch,
    ) -> Result<Self> {
        check(rows, labels, classes, options)?;
        let order = Order::of(rows);
        let labelled = order.rows().iter().copied().filter(|&row| labels[row as usize] != NONE);
        let mut chosen: Vec<u32> = labelled.collect();
        // Equal rows by their labels: which came first is not seen.
        let ranks = order.ranks();
        chosen.sort_by_key(|&row| (ranks[row as usize], labels[row as usize]));
        let steps = Steps::new("training", options.steps, watch);
        Self::of(rows, labels, classes, &chosen, options, &steps)
    }

    /// Trains on some rows, in their order.
    fn of(
        rows: Rows,
        labels: &[u32],
        classes: usize,
        chosen: &[u32],
        options: &Options,
        steps: &Steps,
    ) -> Result<Self> {
        let mut counts = vec![0usize; classes];
        chosen.iter().for_each(|&row| counts[labels[row as usize] as usize] += 1);
        let there: Vec<u32> = (0u32..)
            .zip(&counts)
            .filter(|(_, count)| **count > 0)
            .map(|(class, _)| class)
            .collect();
        if there.len() < 2 {
            return Err(Error::Shape(format!(
                "a classifier needs rows of two classes at least; there are {}",
                there.len()
            )));
        }
        let mut place = vec![NONE; classes];
        for (i, &class) in (0u32..).zip(&there) {
            place[class as usize] = i;
        }
        // Numbers of rows are exact in f64.
        let weight = |class: u32| match &options.weights {
            ClassWeights::Plain => 1.0,
            ClassWeights::Balanced => {
                chosen.len() as f64 / (there.len() * counts[class as usize]) as f64
            }
            ClassWeights::Given(weights) => f64::from(weights[class as usize]),
        };
        let weights: Vec<f64> = there.iter().map(|&class| weight(class)).collect();
        let of = |&row: &u32| place[labels[row as usize] as usize];
        let examples = Examples {
            rows,
            chosen,
            classes: chosen.iter().map(of).collect(),
            factors: if options.unit { unit_factors(rows, chosen)? } else { Vec::new() },
            weights,
        };
        let loss = Loss::new(&examples, options.c)?;
        let found = minimise::minimise(&loss, options.steps, options.tolerance, steps)?;
        let width = rows.width();
        let mut model = Self {
            width,
            classes,
            weights: vec![0.0; classes * width],
            offsets: vec![f32::NEG_INFINITY; classes],
            unit: options.unit,
            arrived: found.arrived,
        };
        // What is trained in f64 is used in f32.
        for (&class, line) in there.iter().zip(found.at.chunks_exact(width + 1)) {
            let to = &mut model.weights[class as usize * width..][..width];
            to.iter_mut().zip(line).for_each(|(to, &x)| *to = x as f32);
            model.offsets[class as usize] = line[width] as f32;
        }
        Ok(model)
    }

    /// The probabilities of all classes for every row.
    pub fn probabilities(&self, rows: Rows, watch: &dyn Watch) -> Result<Vec<f32>> {
        if rows.width() != self.width && !rows.is_empty() {
            return Err(Error::Shape(format!(
                "vectors of length {} cannot be classified by what was trained on vectors of length {}",
                rows.width(),
                self.width
            )));
        }
        let mut all = vec![0f32; rows.len() * self.classes];
        all.par_chunks_mut(BLOCK * self.classes).enumerate().try_for_each(|(block, all)| {
            if watch.stopped() {
                return Err(Error::Stopped);
            }
            for (i, to) in all.chunks_exact_mut(self.classes).enumerate() {
                let row = block * BLOCK + i;
                self.likely(rows.row(row), to).ok_or(Error::NotFinite { row })?;
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// The probabilities for a row; nothing if it is not finite.
    fn likely(&self, row: &[f32], to: &mut [f32]) -> Option<()> {
        let squares = lanes::squares(row);
        if !squares.is_finite() {
            return None;
        }
        // A row of zeros has no direction: only the offsets are left. The length's inverse fits.
        let factor = if !self.unit || squares.sqrt() < SHORTEST {
            1.0
        } else {
            (1.0 / squares.sqrt()) as f32
        };
        let lines = self.weights.chunks_exact(self.width.max(1)).zip(&self.offsets);
        for (to, (weights, offset)) in to.iter_mut().zip(lines) {
            *to = lanes::scaled_products(row, factor, weights, 1.0) + offset;
        }
        let most = to.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut all = 0.0;
        for to in to.iter_mut() {
            *to = (*to - most).exp();
            all += *to;
        }
        to.iter_mut().for_each(|to| *to /= all);
        Some(())
    }
}

/// The shortest row that has a direction.
const SHORTEST: f64 = 1e-37;

/// What brings rows to length 1.
fn unit_factors(rows: Rows, chosen: &[u32]) -> Result<Vec<f32>> {
    let of = |&row: &u32| {
        let length = lanes::squares(rows.row(row as usize)).sqrt();
        if length < SHORTEST {
            return Err(Error::Zero { row: row as usize });
        }
        Ok((1.0 / length) as f32)
    };
    chosen.iter().map(of).collect()
}

fn check(rows: Rows, labels: &[u32], classes: usize, options: &Options) -> Result<()> {
    let wrong = |what: String| Err(Error::Option(what));
    if rows.len() != labels.len() {
        let (rows, labels) = (rows.len(), labels.len());
        return Err(Error::Shape(format!("{rows} rows cannot have {labels} labels")));
    }
    check_labels(labels, classes)?;
    if rows.len() >= NONE as usize {
        return Err(Error::Shape(format!("{} rows are more than can be numbered", rows.len())));
    }
    if !(options.c > 0.0 && options.c.is_finite()) {
        return wrong(format!("c must be above 0, not {}", options.c));
    }
    if options.tolerance.is_nan() || options.tolerance < 0.0 {
        return wrong("the tolerance must not be below 0".into());
    }
    if let ClassWeights::Given(weights) = &options.weights {
        if weights.len() != classes {
            return wrong(format!("{classes} classes cannot have {} weights", weights.len()));
        }
        if weights.iter().any(|&x| !(x > 0.0 && x.is_finite())) {
            return wrong("weights of classes must be above 0".into());
        }
    }
    let sound = |row: &usize| lanes::squares(rows.row(*row)).is_finite();
    match (0..rows.len()).into_par_iter().position_first(|row| !sound(&row)) {
        Some(row) => Err(Error::NotFinite { row }),
        None => Ok(()),
    }
}
