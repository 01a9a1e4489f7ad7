//! How good a classifier is: by the labels that it gives, and by its scores for one label.

use std::collections::BTreeMap;

use crate::boundary::check_labels;
use crate::error::{Error, Result};
use crate::graph::NONE;

/// How often rows of each class were given each label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    /// The true class and the given label, where there are such rows: classes may be many.
    counts: BTreeMap<(usize, usize), u64>,
    of_class: Vec<u64>,
    given: Vec<u64>,
}

impl Confusion {
    /// Counts rows; those without a true or a given label (`NONE`) are left out.
    pub fn new(truth: &[u32], given: &[u32], classes: usize) -> Result<Self> {
        if truth.len() != given.len() {
            let (rows, others) = (truth.len(), given.len());
            return Err(Error::Shape(format!("{rows} rows cannot have {others} given labels")));
        }
        let rows = truth.iter().zip(given).map(|(&class, &label)| (class, label, 1));
        Self::of_counts(rows, classes)
    }

    /// Adds up how many rows of a true class were given a label, with the same left out.
    pub fn of_counts(
        all: impl IntoIterator<Item = (u32, u32, u64)>,
        classes: usize,
    ) -> Result<Self> {
        let mut counts = BTreeMap::new();
        let (mut of_class, mut given) = (vec![0; classes], vec![0; classes]);
        for (class, label, rows) in all {
            check_labels(&[class, label], classes)?;
            if class == NONE || label == NONE {
                continue;
            }
            let (class, label) = (class as usize, label as usize);
            *counts.entry((class, label)).or_default() += rows;
            of_class[class] += rows;
            given[label] += rows;
        }
        Ok(Self { counts, of_class, given })
    }

    /// Rows of a class that were given a label.
    pub fn count(&self, class: usize, label: usize) -> u64 {
        self.counts.get(&(class, label)).copied().unwrap_or(0)
    }

    /// The true class, the given label and the number of such rows, where there are some.
    pub fn counts(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.counts.iter().map(|(&(class, label), &rows)| (class, label, rows))
    }

    /// Rows of a class.
    pub fn of_class(&self, class: usize) -> u64 {
        self.of_class.get(class).copied().unwrap_or(0)
    }

    /// Rows that were given a label.
    pub fn given(&self, label: usize) -> u64 {
        self.given.get(label).copied().unwrap_or(0)
    }

    /// The share of the rows that were given their own label; 0 of none.
    pub fn accuracy(&self) -> f64 {
        let right = self.counts().filter(|(class, label, _)| class == label);
        share(right.map(|(_, _, rows)| rows).sum(), self.of_class.iter().sum())
    }

    /// The share of the rows that were given a label that are of its class; 0 if it was not given.
    pub fn precision(&self, class: usize) -> f64 {
        share(self.count(class, class), self.given(class))
    }

    /// The share of a class's rows that were given its label; 0 if it has none.
    pub fn recall(&self, class: usize) -> f64 {
        share(self.count(class, class), self.of_class(class))
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(&self, class: usize) -> f64 {
        share(2 * self.count(class, class), self.of_class(class) + self.given(class))
    }

    /// The plain mean of a measure over the classes that have rows or were given.
    pub fn mean(&self, of: impl Fn(&Self, usize) -> f64) -> f64 {
        let there = |class: &usize| self.of_class(*class) + self.given(*class) > 0;
        let values: Vec<f64> =
            (0..self.of_class.len()).filter(there).map(|class| of(self, class)).collect();
        // Classes are few.
        values.iter().sum::<f64>() / values.len().max(1) as f64
    }

    /// The mean of a measure over the classes, each counting as much as it has rows.
    pub fn weighted(&self, of: impl Fn(&Self, usize) -> f64) -> f64 {
        let classes = 0..self.of_class.len();
        // Counts of rows are exact in f64.
        let sum: f64 = classes.map(|class| of(self, class) * self.of_class(class) as f64).sum();
        sum / self.of_class.iter().sum::<u64>().max(1) as f64
    }
}

/// Counts of rows are exact in f64.
fn share(part: u64, all: u64) -> f64 {
    part as f64 / all.max(1) as f64
}

/// What a threshold of scores does: rows with at least that are taken to be of the class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// The score.
    pub threshold: f64,
    /// The share of the rows from it on that are of the class.
    pub precision: f64,
    /// The share of the class's rows that are from it on.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

/// What a threshold is to be good for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// The best F1; of several the highest threshold.
    F1,
    /// The best recall at a precision; of several the highest threshold.
    Precision(f64),
}

/// Rows sorted by score, the highest first, counted up: how often a score, or a higher one, occurs
/// in the class and outside of it.
struct Ranking {
    /// Score, rows of the class, other rows.
    steps: Vec<(f64, u64, u64)>,
}

impl Ranking {
    fn new<T: Copy + Into<f64>>(truth: &[bool], scores: &[T]) -> Result<Self> {
        if truth.len() != scores.len() {
            let (rows, others) = (truth.len(), scores.len());
            return Err(Error::Shape(format!("{rows} rows cannot have {others} scores")));
        }
        if let Some(row) = scores.iter().position(|&score| score.into().is_nan()) {
            return Err(Error::NotFinite { row });
        }
        // Adding zero makes a zero of either sign positive.
        let mut all: Vec<(f64, bool)> =
            scores.iter().zip(truth).map(|(&score, &class)| (score.into() + 0.0, class)).collect();
        all.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let (mut inside, mut outside) = (0, 0);
        let steps = all.chunk_by(|a, b| a.0 == b.0).map(|same| {
            let class = same.iter().filter(|row| row.1).count() as u64;
            inside += class;
            outside += same.len() as u64 - class;
            (same[0].0, inside, outside)
        });
        Ok(Self { steps: steps.collect() })
    }

    /// Rows of the class and others, in all.
    fn totals(&self) -> (u64, u64) {
        self.steps.last().map_or((0, 0), |step| (step.1, step.2))
    }

    /// An error unless there are rows of the class.
    fn some(&self) -> Result<u64> {
        match self.totals().0 {
            0 => Err(Error::Shape("no row is of the class that is scored".into())),
            inside => Ok(inside),
        }
    }

    fn thresholds(&self) -> impl Iterator<Item = Threshold> + '_ {
        let all = self.totals().0;
        self.steps.iter().map(move |&(threshold, inside, outside)| Threshold {
            threshold,
            precision: share(inside, inside + outside),
            recall: share(inside, all),
            f1: share(2 * inside, inside + outside + all),
        })
    }
}

/// The chance that a row of the class has a higher score than another row, equal ones counting half.
pub fn roc_auc<T: Copy + Into<f64>>(truth: &[bool], scores: &[T]) -> Result<f64> {
    let ranking = Ranking::new(truth, scores)?;
    let (inside, outside) = ranking.totals();
    if inside == 0 || outside == 0 {
        return Err(Error::Shape("roc_auc needs rows of the class and others".into()));
    }
    let (mut sum, mut before) = (0f64, (0, 0));
    for &(_, class, others) in &ranking.steps {
        // Rows that a step has beside those above them.
        sum += (others - before.1) as f64 * (class + before.0) as f64 / 2.0;
        before = (class, others);
    }
    Ok(sum / (inside as f64 * outside as f64))
}

/// The mean precision over the rows of the class, each at the threshold that takes it in.
pub fn average_precision<T: Copy + Into<f64>>(truth: &[bool], scores: &[T]) -> Result<f64> {
    let ranking = Ranking::new(truth, scores)?;
    ranking.some()?;
    let mut before = 0.0;
    let step = |at: Threshold| {
        let more = at.recall - before;
        before = at.recall;
        more * at.precision
    };
    Ok(ranking.thresholds().map(step).sum())
}

/// The threshold that serves an aim best; none where no threshold has the precision.
pub fn best_threshold<T: Copy + Into<f64>>(
    truth: &[bool],
    scores: &[T],
    aim: Aim,
) -> Result<Option<Threshold>> {
    if let Aim::Precision(least) = aim
        && !(0.0..=1.0).contains(&least)
    {
        return Err(Error::Option(format!("a precision is a share of 0 to 1, not {least}")));
    }
    let ranking = Ranking::new(truth, scores)?;
    ranking.some()?;
    let value = |at: &Threshold| match aim {
        Aim::F1 => at.f1,
        Aim::Precision(_) => at.recall,
    };
    let mut best: Option<Threshold> = None;
    for at in ranking.thresholds() {
        let enough = match aim {
            Aim::F1 => true,
            Aim::Precision(least) => at.precision >= least,
        };
        if enough && best.is_none_or(|best| value(&at) > value(&best)) {
            best = Some(at);
        }
    }
    Ok(best)
}
