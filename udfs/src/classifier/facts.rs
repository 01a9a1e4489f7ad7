//! What is known of a classifier beside its numbers.

use portolan_kernels::judge::Judge;
use portolan_kernels::rows::Rows;
use portolan_kernels::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Verdict, Weights};
use crate::fingerprint::Fingerprint;
use crate::labels::Label;

/// How it comes to its verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Regression on the classes.
    Logistic,
    /// The labels of the nearest rows.
    Knn,
    /// How like a text a row is.
    Text,
}

impl Method {
    /// As SQL writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::Knn => "knn",
            Self::Text => "text",
        }
    }
}

/// How good it was on rows that it had not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// How many rows it was tried on.
    pub rows: u64,
    /// The share that got their own label.
    pub accuracy: f64,
    /// The mean F1 of the classes.
    pub f1: f64,
    /// The mean loss of its probabilities, if they are some.
    pub log_loss: Option<f64>,
    /// Of two classes the area under the ROC curve.
    pub roc_auc: Option<f64>,
    /// True class, given class, and the number of such rows.
    pub confusion: Vec<(u32, u32, u64)>,
}

/// What is known of a classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// How it comes to its verdicts.
    pub method: Method,
    /// Length of its vectors.
    pub dims: usize,
    /// The labels that it gives.
    pub classes: Vec<Label>,
    /// Of two classes the one that scores are for.
    pub positive: Option<u32>,
    /// The score from which on a row is of that class.
    pub threshold: Option<f64>,
    /// Whether vectors are brought to length 1.
    pub unit: bool,
    /// How many of the nearest vote.
    pub k: Option<usize>,
    /// The texts that rows are held against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    /// How many rows it was trained on, if it was.
    pub rows: Option<u64>,
    /// What it was made from.
    pub source: String,
    /// What made its vectors, if that is known.
    pub fingerprint: Option<Fingerprint>,
    /// How good it was.
    pub held: Option<Held>,
    /// When it was made, in microseconds since 1970.
    pub created: i64,
}

impl Facts {
    /// What judges rows.
    pub fn judge(&self, weights: &Weights) -> Result<Judge> {
        let lines = Rows::new(&weights.lines, self.dims)
            .ok_or_else(|| Error::Shape("its vectors are not whole".to_string()))?;
        match self.method {
            Method::Logistic => Judge::likely(lines, &weights.offsets, self.unit),
            Method::Knn => {
                Judge::votes(lines, &weights.labels, self.classes.len(), self.k.unwrap_or(1))
            }
            Method::Text => Judge::alike(lines),
        }
    }

    /// What the scores of a row say.
    pub fn verdict(&self, scores: &[f32]) -> Verdict {
        if let Some(positive) = self.positive {
            // A single text has the score of the positive class alone.
            let score = match scores {
                [one] => *one,
                all => all.get(positive as usize).copied().unwrap_or(f32::NAN),
            };
            let Some(threshold) = self.threshold else {
                return Verdict { class: None, score, margin: None };
            };
            let apart = f64::from(score) - threshold;
            let other = u32::from(positive == 0);
            let class = if apart >= 0.0 { positive } else { other };
            // A difference of scores is one of f32.
            return Verdict { class: Some(class), score, margin: Some(apart as f32) };
        }
        let (mut best, mut second) = ((0, f32::NEG_INFINITY), f32::NEG_INFINITY);
        for (class, &score) in (0u32..).zip(scores) {
            if score > best.1 {
                (best, second) = ((class, score), best.1);
            } else if score > second {
                second = score;
            }
        }
        Verdict { class: Some(best.0), score: best.1, margin: Some(best.1 - second) }
    }
}
