//! What a classifier's probabilities say of rows and of their labels, by FiftyOne's formulas.

use rayon::prelude::*;

use crate::boundary::check_labels;
use crate::error::{Error, Result};
use crate::graph::NONE;

/// Rows that a thread works on at once.
const GRAIN: usize = 1024;

/// What is said of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Doubt {
    /// The most likely class, the lowest of several.
    pub predicted: u32,
    /// The probability of the row's own label; NaN if it has none.
    pub own: f32,
    /// The entropy of the classes, in nats: how hard the row is to classify.
    pub hardness: f32,
    /// (m exp(-hardness) + 1) / 2, where m is -1 if label and most likely class are the same, else 1:
    /// near 1 where the classifier is sure of another class, near 0 where it is sure of this one. NaN if
    /// the row has no label.
    pub mistakenness: f32,
}

/// What probabilities, `classes` a row, say of rows and their labels; a label of `NONE` is none.
pub fn doubts(probabilities: &[f32], classes: usize, labels: &[u32]) -> Result<Vec<Doubt>> {
    check(probabilities, classes, labels)?;
    let rows = probabilities.par_chunks_exact(classes.max(1)).with_min_len(GRAIN);
    Ok(rows.zip(labels).map(|(row, &label)| doubt(row, label)).collect())
}

fn doubt(row: &[f32], label: u32) -> Doubt {
    let all: f64 = row.iter().map(|&p| f64::from(p)).sum();
    let (mut predicted, mut most, mut entropy) = (NONE, -1.0, 0f64);
    for (class, &p) in (0u32..).zip(row) {
        if p > most {
            (predicted, most) = (class, p);
        }
        let share = f64::from(p) / all;
        if share > 0.0 {
            entropy -= share * share.ln();
        }
    }
    let entropy = f64::max(entropy, 0.0);
    let sign = if label == predicted { -1.0 } else { 1.0 };
    let known = label != NONE;
    // All of these are small numbers.
    Doubt {
        predicted,
        own: row.get(label as usize).map_or(f32::NAN, |&p| (f64::from(p) / all) as f32),
        hardness: entropy as f32,
        mistakenness: if known { ((sign * (-entropy).exp() + 1.0) / 2.0) as f32 } else { f32::NAN },
    }
}

/// An error unless these are probabilities of the classes of as many rows as there are labels.
pub(crate) fn check(probabilities: &[f32], classes: usize, labels: &[u32]) -> Result<()> {
    if labels.len().checked_mul(classes) != Some(probabilities.len()) || classes == 0 {
        return Err(Error::Shape(format!(
            "{} probabilities are not those of {classes} classes for {} rows",
            probabilities.len(),
            labels.len()
        )));
    }
    check_labels(labels, classes)?;
    let sound = |row: &[f32]| row.iter().all(|&p| p >= 0.0) && row.iter().sum::<f32>() > 0.0;
    match probabilities.chunks_exact(classes).position(|row| !sound(row)) {
        Some(row) => Err(Error::NotFinite { row }),
        None => Ok(()),
    }
}
