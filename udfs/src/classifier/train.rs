//! Training, and what a classifier does with rows that it has not seen.

use std::any::Any;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, Result, exec_datafusion_err, exec_err, plan_err};
use portolan_kernels::Error;
use portolan_kernels::judge::Judge;
use portolan_kernels::logistic::{self, ClassWeights, Logistic};
use portolan_kernels::rows::Rows;
use portolan_kernels::verdicts::{self, Confusion};
use portolan_kernels::watch::Watch;

use super::{Facts, Held, Method, Weights};
use crate::labels::{Column, Label, Register, checked_kind};
use crate::rows::{Gathered, Vectors, arrange, canonical, check_vectors, is_places};
use crate::scalar::type_name;
use crate::work::Work;

const STATEMENT: &str = "CREATE CLASSIFIER";
/// Classes that a classifier may have; more are hardly labels.
pub const MOST_CLASSES: usize = 2000;
/// Rows that votes are tried on: each is compared with all others.
const TRIED: usize = 20_000;
/// Slopes of a loss that are held at once: those of some rows each, and those of the steps before.
const SLOPES: usize = 56;
/// The least probability that a loss is taken of, as scikit-learn has it.
const LEAST: f64 = f32::EPSILON as f64;

/// How a classifier is trained.
#[derive(Debug, Clone)]
pub struct Training {
    /// By regression or by the nearest.
    pub method: Method,
    /// How many of the nearest vote.
    pub k: usize,
    /// How little weights are held small.
    pub c: f64,
    /// Whether all classes count as much.
    pub balanced: bool,
    /// Whether vectors are brought to length 1.
    pub unit: bool,
    /// Steps of the regression, at most.
    pub steps: usize,
    /// In how many parts rows are divided, each to be judged by a classifier of the others.
    pub folds: usize,
    /// Which of two classes scores are for, as text.
    pub positive: Option<String>,
    /// How the threshold of two classes is chosen.
    pub aim: Option<Aim>,
}

/// How a threshold is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// It is given.
    Threshold(f64),
    /// The best recall with this precision on rows that were not seen.
    Precision(f64),
}

impl Default for Training {
    fn default() -> Self {
        Self {
            method: Method::Logistic,
            k: 15,
            c: 1.0,
            balanced: false,
            unit: true,
            steps: 100,
            folds: 5,
            positive: None,
            aim: None,
        }
    }
}

/// Rows that can be used, in an order that depends on what they hold alone.
struct Examples {
    /// Their memory is counted as long as they are there.
    _held: Option<Box<dyn Any + Send>>,
    values: Vec<f32>,
    width: usize,
    labels: Vec<u32>,
    classes: Vec<Label>,
}

/// Trains a classifier on columns of these names. What it was made from and when are left for the
/// caller to say.
pub fn train(
    names: [&str; 2],
    vectors: &[ArrayRef],
    labels: &ArrayRef,
    wanted: &Training,
    work: &Work,
) -> Result<(Facts, Weights)> {
    let examples = examples(names, vectors, labels, wanted, work)?;
    let _held = work.reserve(STATEMENT, bytes(&examples, wanted.method))?;
    let positive = positive(&examples.classes, wanted)?;
    let held = tried(&examples, wanted, work)?;
    let mut facts = Facts {
        method: wanted.method,
        dims: examples.width,
        classes: examples.classes.clone(),
        positive,
        threshold: None,
        unit: wanted.unit || wanted.method == Method::Knn,
        k: (wanted.method == Method::Knn).then_some(wanted.k),
        texts: Vec::new(),
        rows: Some(examples.labels.len() as u64),
        source: String::new(),
        fingerprint: None,
        held: None,
        created: 0,
    };
    if let Some(positive) = positive {
        facts.threshold = Some(threshold(positive, held.as_ref(), wanted)?);
    }
    facts.held = held.map(|held| summed_up(&facts, &held)).transpose()?;
    let weights = match wanted.method {
        Method::Knn => {
            Weights { lines: examples.values, offsets: Vec::new(), labels: examples.labels }
        }
        _ => {
            let model = Logistic::fit(
                whole(&examples.values, examples.width)?,
                &examples.labels,
                examples.classes.len(),
                &options(wanted),
                work,
            );
            let model = model.map_err(failed)?;
            Weights { lines: model.weights, offsets: model.offsets, labels: Vec::new() }
        }
    };
    work.end_stage();
    Ok((facts, weights))
}

/// About how much memory training takes beside the rows.
fn bytes(examples: &Examples, method: Method) -> usize {
    let Examples { labels, width, .. } = examples;
    let (rows, classes) = (labels.len(), examples.classes.len());
    match method {
        // The rows of a fold and of the others, and the votes.
        Method::Knn => rows.saturating_mul(width * 4).saturating_add(rows.min(TRIED) * classes * 4),
        // What each class's probability was, and the slopes that the regression looks back on.
        _ => rows
            .saturating_mul(classes * 4 + 24)
            .saturating_add(SLOPES.saturating_mul(classes * (width + 1) * 8)),
    }
}

fn options(wanted: &Training) -> logistic::Options {
    logistic::Options {
        c: wanted.c,
        weights: if wanted.balanced { ClassWeights::Balanced } else { ClassWeights::Plain },
        steps: wanted.steps,
        unit: wanted.unit,
        ..logistic::Options::default()
    }
}

fn failed(error: Error) -> DataFusionError {
    match error {
        Error::Stopped => exec_datafusion_err!("{STATEMENT} was stopped before it was done"),
        other => exec_datafusion_err!("{STATEMENT}: {other}"),
    }
}

fn whole(values: &[f32], width: usize) -> Result<Rows<'_>> {
    Rows::new(values, width)
        .ok_or_else(|| exec_datafusion_err!("{STATEMENT}: vectors are not whole"))
}

fn examples(
    [vector, label]: [&str; 2],
    vectors: &[ArrayRef],
    labels: &ArrayRef,
    wanted: &Training,
    work: &Work,
) -> Result<Examples> {
    let given = vectors.first().map_or(&DataType::Null, |piece| piece.data_type());
    if is_places(given) || check_vectors(STATEMENT, vector, given).is_err() {
        let hint = if given.is_string() { "; embed_text makes a vector of a text" } else { "" };
        return plan_err!("{STATEMENT}: {vector} is a vector, not {}{hint}", type_name(given));
    }
    let kind = checked_kind(STATEMENT, label, labels.data_type())?;
    let labels = arrow::compute::cast(labels, &kind)?;
    let all = Vectors::of(STATEMENT, vector, vectors)?;
    let by_direction = wanted.unit || wanted.method == Method::Knn;
    // With their labels.
    let each = all.width().saturating_mul(4).saturating_add(16);
    let held = work.reserve(STATEMENT, each.saturating_mul(labels.len()))?;
    let mut found = Gathered::new(&[&all], by_direction, Some(&labels));
    work.left_out(STATEMENT, found.left_out);
    let (column, mut register) = (Column::new(&labels)?, Register::default());
    let mut numbers = Vec::with_capacity(found.kept.len());
    for row in &found.kept {
        // Rows without a label were left out.
        numbers.extend(column.cell(*row as usize).map(|cell| register.number(cell)));
        if register.labels().len() > MOST_CLASSES {
            return exec_err!(
                "{STATEMENT}: {label} has more than {MOST_CLASSES} different values; a classifier tells fewer classes apart"
            );
        }
    }
    let (classes, places) = register.sorted();
    match classes.as_slice() {
        [] => return exec_err!("{STATEMENT}: no row has both {vector} and {label}"),
        [only] => {
            return exec_err!(
                "{STATEMENT}: all {} rows have the {label} '{only}'; a classifier needs rows of two classes at least",
                numbers.len()
            );
        }
        _ => {}
    }
    let labels: Vec<u32> = numbers.into_iter().map(|number| places[number as usize]).collect();
    let mut values = found.values.pop().unwrap_or_default();
    let order = canonical(whole(&values, all.width())?, Some(&labels));
    arrange(&mut values, all.width(), &order);
    Ok(Examples {
        _held: held,
        values,
        width: all.width(),
        labels: order.iter().map(|row| labels[*row as usize]).collect(),
        classes,
    })
}

/// Of two classes the one that scores are for: the one that is named, or the second in their order,
/// which of truths is the true one.
fn positive(classes: &[Label], wanted: &Training) -> Result<Option<u32>> {
    if classes.len() != 2 {
        let option = match (&wanted.positive, wanted.aim) {
            (Some(_), _) => "positive",
            (None, Some(Aim::Threshold(_))) => "threshold",
            (None, Some(Aim::Precision(_))) => "precision",
            (None, None) => return Ok(None),
        };
        return plan_err!(
            "{STATEMENT}: option {option} is for two classes, and there are {}; leave it out",
            classes.len()
        );
    }
    let Some(named) = &wanted.positive else { return Ok(Some(1)) };
    match (0u32..).zip(classes).find(|(_, class)| class.to_string() == *named) {
        Some((class, _)) => Ok(Some(class)),
        None => plan_err!(
            "{STATEMENT}: positive is one of the labels '{}' and '{}', not '{named}'",
            classes[0],
            classes[1]
        ),
    }
}

/// Scores of rows by classifiers that had not seen them.
struct Tried {
    method: Method,
    classes: usize,
    scores: Vec<f32>,
    truth: Vec<u32>,
}

/// `None` where there are too few rows to leave some out.
fn tried(examples: &Examples, wanted: &Training, work: &Work) -> Result<Option<Tried>> {
    let (labels, classes) = (&examples.labels, examples.classes.len());
    let rows = whole(&examples.values, examples.width)?;
    let folds = logistic::folds(rows, labels, wanted.folds).map_err(failed)?;
    // Each fold's classifier needs two classes among the rows of the others.
    let enough = (0..wanted.folds).all(|own| {
        let mut others = labels.iter().zip(&folds).filter(|(_, fold)| **fold != own);
        let first = others.next().map(|(label, _)| *label);
        first.is_some_and(|first| others.any(|(label, _)| *label != first))
    });
    if !enough {
        return Ok(None);
    }
    let (scores, truth) = match wanted.method {
        Method::Knn => votes(examples, &folds, wanted, work)?,
        _ => {
            let options = options(wanted);
            let scores = logistic::out_of_fold(rows, labels, classes, wanted.folds, &options, work);
            (scores.map_err(failed)?, labels.clone())
        }
    };
    Ok(Some(Tried { method: wanted.method, classes, scores, truth }))
}

fn votes(
    examples: &Examples,
    folds: &[usize],
    wanted: &Training,
    work: &Work,
) -> Result<(Vec<f32>, Vec<u32>)> {
    let width = examples.width;
    let step = examples.labels.len().div_ceil(TRIED);
    let (mut scores, mut truth) = (Vec::new(), Vec::new());
    Watch::stage(work, "voting", wanted.folds);
    for own in 0..wanted.folds {
        let (mut known, mut labels, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        let rows = examples.values.chunks_exact(width).zip(&examples.labels).zip(folds);
        for (row, ((values, label), fold)) in rows.enumerate() {
            if *fold != own {
                known.extend_from_slice(values);
                labels.push(*label);
            } else if row % step == 0 {
                asked.extend_from_slice(values);
                truth.push(*label);
            }
        }
        let classes = examples.classes.len();
        let judge = Judge::votes(whole(&known, width)?, &labels, classes, wanted.k);
        let found = judge
            .and_then(|judge| {
                judge.each(
                    whole(&asked, width).map_err(|error| Error::Shape(error.to_string()))?,
                    work,
                    <[f32]>::to_vec,
                )
            })
            .map_err(failed)?;
        // Rows without a direction were left out before.
        found.into_iter().for_each(|row| scores.extend(row.unwrap_or(vec![0.0; classes])));
        work.done(own + 1);
    }
    Ok((scores, truth))
}

impl Tried {
    fn rows(&self) -> impl Iterator<Item = (&[f32], u32)> {
        self.scores.chunks_exact(self.classes).zip(self.truth.iter().copied())
    }

    /// The scores for a class, and which rows are of it.
    fn of(&self, class: u32) -> (Vec<f32>, Vec<bool>) {
        self.rows().map(|(row, truth)| (row[class as usize], truth == class)).unzip()
    }
}

fn threshold(positive: u32, held: Option<&Tried>, wanted: &Training) -> Result<f64> {
    let aim = match wanted.aim {
        Some(Aim::Threshold(given)) => return Ok(given),
        Some(Aim::Precision(least)) => verdicts::Aim::Precision(least),
        None => verdicts::Aim::F1,
    };
    let Some(held) = held else { return Ok(0.5) };
    let (scores, inside) = held.of(positive);
    match (verdicts::best_threshold(&inside, &scores, aim).map_err(failed)?, wanted.aim) {
        (Some(best), _) => Ok(best.threshold),
        (None, Some(Aim::Precision(least))) => exec_err!(
            "{STATEMENT}: no threshold has a precision of {least} on rows that were held out; ask for less, or give a threshold"
        ),
        (None, _) => Ok(0.5),
    }
}

fn summed_up(facts: &Facts, held: &Tried) -> Result<Held> {
    let given: Vec<u32> =
        held.rows().map(|(row, _)| facts.verdict(row).class.unwrap_or_default()).collect();
    let all = Confusion::new(&held.truth, &given, held.classes).map_err(failed)?;
    let losses = held.rows().map(|(row, truth)| {
        let likely = f64::from(row[truth as usize]).clamp(LEAST, 1.0 - LEAST);
        -likely.ln()
    });
    // Numbers of rows are exact in f64.
    let rows = held.truth.len();
    let log_loss = losses.sum::<f64>() / rows.max(1) as f64;
    let auc = facts.positive.and_then(|positive| {
        let (scores, inside) = held.of(positive);
        verdicts::roc_auc(&inside, &scores).ok()
    });
    // Classes are few.
    let pairs = all.counts().map(|(truth, given, rows)| (truth as u32, given as u32, rows));
    Ok(Held {
        rows: rows as u64,
        accuracy: all.accuracy(),
        f1: all.mean(Confusion::f1),
        // Votes are no probabilities.
        log_loss: (held.method == Method::Logistic).then_some(log_loss),
        roc_auc: auc,
        confusion: pairs.collect(),
    })
}
