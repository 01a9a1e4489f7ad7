//! Classifiers that are kept under a name: how they are trained, how they lie in a file, and what they
//! say of a row.

mod facts;
mod file;
mod train;
#[cfg(test)]
mod train_tests;

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::{Result, exec_datafusion_err, plan_err};
use portolan_kernels::judge::Judge;
use portolan_kernels::rows::Rows;

pub use facts::{Facts, Held, Method};
pub use file::{Head, Weights, decode, encode, head};
pub use train::{Aim, MOST_CLASSES, Training, train};

/// Where the classifiers of a session are.
pub trait Classifiers: Debug + Send + Sync {
    /// The classifier of that name, as it is now.
    fn classifier(&self, name: &str) -> Result<Arc<Classifier>>;
}

/// Of a session without a database.
#[derive(Debug, Clone, Copy)]
pub struct NoClassifiers;

impl Classifiers for NoClassifiers {
    fn classifier(&self, name: &str) -> Result<Arc<Classifier>> {
        plan_err!(
            "classify: there is no classifier '{name}'; they are kept in a database, and this session has none: open one with portolan::Database"
        )
    }
}

/// A classifier that is ready.
pub struct Classifier {
    name: String,
    facts: Facts,
    judge: Judge,
}

/// What is said of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Which of the classes; none where it is one of two and there is no threshold.
    pub class: Option<u32>,
    /// With two classes how much the row is of the positive one, with more how much of the class that
    /// is said.
    pub score: f32,
    /// With two classes the score less the threshold, with more the score less the second best.
    pub margin: Option<f32>,
}

impl Debug for Classifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Classifier").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Classifier {
    /// Of what is known of it, and its numbers.
    pub fn new(name: &str, facts: Facts, weights: &Weights) -> Result<Self> {
        let judge = facts.judge(weights).map_err(|error| {
            exec_datafusion_err!(
                "classifier '{name}' is damaged ({error}); CREATE OR REPLACE CLASSIFIER makes it anew"
            )
        })?;
        Ok(Self { name: name.to_string(), facts, judge })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is known of it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The type of the labels that it gives.
    pub fn label_type(&self) -> DataType {
        self.facts.classes.first().map_or(DataType::Utf8, |label| label.data_type())
    }

    /// What it says of every row; nothing of rows that have no direction or are not finite.
    pub fn judge(
        &self,
        rows: Rows,
        watch: &dyn portolan_kernels::watch::Watch,
    ) -> portolan_kernels::Result<Vec<Option<Verdict>>> {
        self.judge.each(rows, watch, |scores| self.facts.verdict(scores))
    }
}
