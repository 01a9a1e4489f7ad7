//! Logistic regression, held to scikit-learn's, and what it says of labels.

#![allow(clippy::unwrap_used)]

#[path = "oracle/npy.rs"]
mod npy;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use portolan_kernels::Error;
use portolan_kernels::graph::NONE;
use portolan_kernels::logistic::{ClassWeights, Logistic, Options, label_issues, out_of_fold};
use portolan_kernels::random::number;
use portolan_kernels::rows::Rows;
use portolan_kernels::verdicts::roc_auc;
use portolan_kernels::watch::{Unwatched, Watch};

/// The handwritten digits of scikit-learn, from 0 to 1, and their labels.
fn digits() -> (Vec<f32>, Vec<u32>) {
    let bytes = include_bytes!("oracle/fixtures/digits.bin");
    let (pixels, labels) = bytes.split_at(bytes.len() / 65 * 64);
    let values = pixels.iter().map(|&x| f32::from(x) / 16.0).collect();
    (values, labels.iter().map(|&x| u32::from(x)).collect())
}

fn near(got: &[f32], right: &[f32], by: f32) {
    assert!(got.len() >= right.len());
    for (i, (got, right)) in got.iter().zip(right).enumerate() {
        assert!((got - right).abs() < by, "{i}: {got} {right}");
    }
}

#[test]
fn probabilities_are_those_of_scikit_learn() {
    let (values, mut labels) = digits();
    let rows = Rows::new(&values, 64).unwrap();
    // A class without rows.
    labels.iter_mut().filter(|label| **label == 3).for_each(|label| *label = NONE);
    let exact = Options { tolerance: 1e-7, steps: 10_000, ..Options::default() };
    let fit = |labels: &[u32], options: &Options| {
        let model = Logistic::fit(rows, labels, 10, options, &Unwatched).unwrap();
        assert_eq!(model.offsets[3], f32::NEG_INFINITY);
        model.probabilities(rows, &Unwatched).unwrap()
    };
    near(&fit(&labels, &exact), &npy::read("logistic/plain.npy").0, 1e-3);
    // Hardly held small, the weights may go far along ways that hardly matter.
    near(
        &fit(&labels, &Options { c: 100.0, ..exact.clone() }),
        &npy::read("logistic/loose.npy").0,
        1e-2,
    );
    for (row, label) in labels.iter_mut().enumerate() {
        if row % 5 == 0 && *label == 7 {
            *label = NONE;
        }
    }
    let right = npy::read("logistic/balanced.npy").0;
    let balanced = Options { c: 0.1, weights: ClassWeights::Balanced, ..exact.clone() };
    near(&fit(&labels, &balanced), &right, 1e-3);
    // The same weights, given.
    let count = |class: u32| labels.iter().filter(|&&label| label == class).count() as f32;
    let all: f32 = (0..10).map(count).sum();
    let given = (0..10).map(|class| all / (9.0 * count(class).max(1.0))).collect();
    let given = Options { weights: ClassWeights::Given(given), ..balanced };
    near(&fit(&labels, &given), &right, 1e-3);
    let plain = fit(&labels, &Options { c: 0.1, ..exact });
    assert!(plain.iter().zip(&right).any(|(a, b)| (a - b).abs() > 2e-3));
}

#[test]
fn directions_are_all_that_counts_of_unit_rows() {
    let (values, labels) = digits();
    let longer: Vec<f32> = values
        .chunks(64)
        .zip(1..)
        .flat_map(|(row, i)| row.iter().map(move |x| x * (1 + i % 7) as f32))
        .collect();
    let options = Options { unit: true, ..Options::default() };
    let fit = |values: &[f32]| {
        let rows = Rows::new(values, 64).unwrap();
        let model = Logistic::fit(rows, &labels, 10, &options, &Unwatched).unwrap();
        model.probabilities(rows, &Unwatched).unwrap()
    };
    near(&fit(&longer), &fit(&values), 1e-3);
}

/// Labels of which one in twenty is another one than it was, and which these are.
fn flipped(labels: &[u32], classes: u32) -> (Vec<u32>, Vec<bool>) {
    let off = |row: u64| number(5, 0, row).is_multiple_of(20);
    let flip: Vec<bool> = (0..labels.len() as u64).map(off).collect();
    let labels = labels.iter().zip(&flip).zip(0u64..).map(|((&label, &flip), row)| {
        let by = 1 + (number(5, 1, row) % u64::from(classes - 1)) as u32;
        if flip { (label + by) % classes } else { label }
    });
    (labels.collect(), flip)
}

#[test]
fn planted_flips_are_found() {
    let (values, labels) = digits();
    let rows = Rows::new(&values, 64).unwrap();
    let (labels, flips) = flipped(&labels, 10);
    let chances = out_of_fold(rows, &labels, 10, 5, &Options::default(), &Unwatched).unwrap();
    let found = label_issues(&chances, 10, &labels).unwrap();
    let doubt: Vec<f32> = found.quality.iter().map(|quality| 1.0 - quality).collect();
    let auc = roc_auc(&flips, &doubt).unwrap();
    assert!(auc > 0.97, "{auc}");
    let hits = found.issues.iter().zip(&flips).filter(|(issue, flip)| **issue && **flip).count();
    let issues = found.issues.iter().filter(|issue| **issue).count();
    let flips = flips.iter().filter(|flip| **flip).count();
    assert!(hits * 10 > flips * 7 && hits * 10 > issues * 9, "{hits} of {flips}, {issues}");
}

#[test]
fn confidence_is_counted_by_the_mean_of_each_class() {
    // Means where they are the label: 0.6 for class 0, 0.5 for class 1; class 2 is nobody's.
    let chances = [
        [0.8, 0.2, 0.0], // Surely 0.
        [0.4, 0.6, 0.0], // Labelled 0, confidently 1.
        [0.3, 0.4, 0.3], // Labelled 1; nothing is confident.
        [0.4, 0.6, 0.0],
        [0.1, 0.0, 0.9], // Without a label.
    ];
    let labels = [0, 0, 1, 1, NONE];
    let found = label_issues(&chances.concat(), 3, &labels).unwrap();
    assert_eq!(found.issues, [false, true, false, false, false]);
    assert_eq!(found.suggested, [0, 1, 1, 1, 2]);
    near(&found.quality[..4], &[0.8, 0.4, 0.55, 0.6], 1e-6);
    assert!(found.quality[4].is_nan());
    assert_eq!(found.confident, [1, 1, 0, 0, 1, 0, 0, 0, 0]);
    assert!(matches!(label_issues(&[0.5; 5], 3, &[0, 1]), Err(Error::Shape(_))));
}

#[test]
fn neither_order_nor_threads_are_seen() {
    let (values, labels) = digits();
    let (labels, _) = flipped(&labels, 10);
    let run = |order: &[usize]| {
        let values: Vec<f32> =
            order.iter().flat_map(|&i| values[i * 64..(i + 1) * 64].to_vec()).collect();
        let labels: Vec<u32> = order.iter().map(|&i| labels[i]).collect();
        let rows = Rows::new(&values, 64).unwrap();
        out_of_fold(rows, &labels, 10, 3, &Options { steps: 30, ..Options::default() }, &Unwatched)
            .unwrap()
    };
    let first = run(&(0..labels.len()).collect::<Vec<_>>());
    let turned: Vec<usize> = (0..labels.len()).map(|i| i * 7 % labels.len()).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let other = pool.install(|| run(&turned));
    for (place, &i) in turned.iter().enumerate() {
        for class in 0..10 {
            let (a, b) = (other[place * 10 + class], first[i * 10 + class]);
            assert_eq!(a.to_bits(), b.to_bits(), "{i} {class}");
        }
    }
}

#[test]
fn copies_are_never_judged_by_each_other() {
    // Rows without any pattern, each twice with the same label: a classifier that has seen one copy
    // knows the other's label, one that has not cannot.
    let width = 200;
    let one: Vec<f32> =
        (0..120 * width).map(|i| (number(3, 0, i as u64) % 1000) as f32 / 500.0 - 1.0).collect();
    let values = [one.clone(), one].concat();
    let labels: Vec<u32> = (0..240).map(|i| (number(3, 1, i % 120) % 2) as u32).collect();
    let rows = Rows::new(&values, width).unwrap();
    let chances = out_of_fold(rows, &labels, 2, 5, &Options::default(), &Unwatched).unwrap();
    let right =
        labels.iter().enumerate().filter(|(i, label)| chances[i * 2 + **label as usize] > 0.5);
    let right = right.count();
    assert!((60..180).contains(&right), "{right}");
}

#[test]
fn what_cannot_be_learnt_is_refused() {
    let values = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    let rows = Rows::new(&values, 2).unwrap();
    let fit = |rows, labels: &[u32], classes, options: &Options| {
        Logistic::fit(rows, labels, classes, options, &Unwatched)
    };
    let plain = Options::default();
    assert!(matches!(fit(rows, &[0, 0, NONE], 2, &plain), Err(Error::Shape(_))));
    assert!(matches!(fit(rows, &[0, 1], 2, &plain), Err(Error::Shape(_))));
    assert!(matches!(fit(rows, &[0, 1, 2], 2, &plain), Err(Error::Shape(_))));
    for c in [0.0, -1.0, f64::NAN] {
        let options = Options { c, ..Options::default() };
        assert!(matches!(fit(rows, &[0, 1, 0], 2, &options), Err(Error::Option(_))));
    }
    for weights in [vec![1.0], vec![1.0, 0.0], vec![1.0, f32::NAN]] {
        let options = Options { weights: ClassWeights::Given(weights), ..Options::default() };
        assert!(matches!(fit(rows, &[0, 1, 0], 2, &options), Err(Error::Option(_))));
    }
    let bad = [1.0, f32::NAN, 0.0, 1.0];
    let bad = Rows::new(&bad, 2).unwrap();
    assert_eq!(fit(bad, &[0, 1], 2, &plain), Err(Error::NotFinite { row: 0 }));
    let zero = [1.0, 1.0, 0.0, 0.0];
    let zero = Rows::new(&zero, 2).unwrap();
    let unit = Options { unit: true, ..Options::default() };
    assert_eq!(fit(zero, &[0, 1], 2, &unit), Err(Error::Zero { row: 1 }));
    let model = fit(rows, &[0, 1, 0], 2, &plain).unwrap();
    let wide = Rows::new(&values, 3).unwrap();
    assert!(matches!(model.probabilities(wide, &Unwatched), Err(Error::Shape(_))));
    assert_eq!(model.probabilities(bad, &Unwatched), Err(Error::NotFinite { row: 0 }));
}

/// Stops after so many questions.
struct Impatient(AtomicUsize);

impl Watch for Impatient {
    fn stage(&self, _: &'static str, _: usize) {}
    fn done(&self, _: usize) {}
    fn stopped(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_err()
    }
}

#[test]
fn it_stops_when_nobody_waits() {
    let (values, labels) = digits();
    let rows = Rows::new(&values, 64).unwrap();
    for patience in [0, 1, 5] {
        let watch = Impatient(patience.into());
        let found = Logistic::fit(rows, &labels, 10, &Options::default(), &watch);
        assert_eq!(found, Err(Error::Stopped));
        let watch = Impatient(patience.into());
        let found = out_of_fold(rows, &labels, 10, 5, &Options::default(), &watch);
        assert_eq!(found, Err(Error::Stopped));
    }
}
