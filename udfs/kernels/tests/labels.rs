//! What is said of labels, classifiers and embeddings, against scikit-learn, SciPy and FiftyOne's
//! formulas.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "oracle/npy.rs"]
mod npy;

use portolan_kernels::Error;
use portolan_kernels::boundary::{class_overlap, surroundings};
use portolan_kernels::doubt::doubts;
use portolan_kernels::drift::{jaccard, linear_cka, procrustes_residual};
use portolan_kernels::graph::{Graph, NONE};
use portolan_kernels::random::signed;
use portolan_kernels::rows::Rows;
use portolan_kernels::unusual::{outlier_scores, uniqueness};
use portolan_kernels::verdicts::{Aim, Confusion, average_precision, best_threshold, roc_auc};
use portolan_kernels::watch::{Unwatched, Watch};

const CLASSES: usize = 5;

fn numbers(name: &str) -> Vec<f32> {
    npy::read(&format!("labels/{name}.npy")).0
}

fn whole(name: &str) -> Vec<u32> {
    numbers(name).iter().map(|&x| x as u32).collect()
}

fn said(name: &str) -> f64 {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/fixtures/labels/said.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("nothing is said of {name}")).parse().unwrap()
}

fn graph() -> Graph {
    let (distances, k) = npy::read("labels/far.npy");
    Graph { k, neighbours: whole("near"), distances, recall: 1.0 }
}

fn near(got: impl IntoIterator<Item = f32>, right: &[f32]) {
    let got: Vec<f32> = got.into_iter().collect();
    assert_eq!(got.len(), right.len());
    for (row, (got, right)) in got.iter().zip(right).enumerate() {
        assert!((got - right).abs() < 2e-6 * (1.0 + right.abs()), "{row}: {got} {right}");
    }
}

/// Softmax of the fixture's logits.
fn chances() -> Vec<f32> {
    let rows = numbers("logits");
    let softmax = |row: &[f32]| -> Vec<f32> {
        let all: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
        row.iter().map(|&x| (f64::from(x).exp() / all) as f32).collect()
    };
    rows.chunks(CLASSES).flat_map(softmax).collect()
}

#[test]
fn surroundings_are_the_neighbours_votes() {
    let labels = whole("labels");
    let all = surroundings(&graph(), &labels, &Unwatched).unwrap();
    near(all.iter().map(|one| one.purity), &numbers("purity"));
    near(all.iter().map(|one| one.entropy), &numbers("entropy"));
    near(all.iter().map(|one| one.margin), &numbers("margin"));
    near(all.iter().map(|one| one.predicted as f32), &numbers("predicted"));
    let overlap = class_overlap(&graph(), &labels, CLASSES, &Unwatched).unwrap();
    near(overlap.into_iter().map(|x| x as f32), &numbers("overlap"));
}

#[test]
fn rows_without_labels_have_no_vote() {
    let graph = Graph {
        k: 3,
        neighbours: vec![1, 2, 3, 0, 2, NONE, 3, 1, 0, 2, NONE, NONE],
        distances: vec![0.0; 12],
        recall: 1.0,
    };
    let all = surroundings(&graph, &[4, 7, NONE, NONE], &Unwatched).unwrap();
    assert_eq!((all[0].purity, all[0].predicted, all[0].second), (0.0, 7, NONE));
    assert_eq!((all[0].margin, all[0].entropy), (1.0, 0.0));
    assert!(all[2].purity.is_nan() && all[2].predicted == 4 && all[2].second == 7);
    assert_eq!(all[2].margin, 0.0);
    assert!(all[3].predicted == NONE && all[3].entropy.is_nan());
    let overlap = class_overlap(&graph, &[0, 1, NONE, NONE], 2, &Unwatched).unwrap();
    assert_eq!(overlap, [0.0, 1.0, 1.0, 0.0]);
    let wrong = class_overlap(&graph, &[0, 2, 0, 0], 2, &Unwatched);
    assert!(matches!(wrong, Err(Error::Shape(_))));
    assert!(matches!(surroundings(&graph, &[0; 3], &Unwatched), Err(Error::Shape(_))));
    let bad = Graph { neighbours: vec![9; 12], ..graph };
    assert!(matches!(surroundings(&bad, &[0; 4], &Unwatched), Err(Error::Shape(_))));
}

#[test]
fn unusual_rows_are_those_of_scikit_learn_and_fiftyone() {
    near(uniqueness(&graph(), 300).unwrap(), &numbers("uniqueness"));
    near(outlier_scores(&graph(), 300, &Unwatched).unwrap(), &numbers("outliers"));
    let same = Graph { k: 1, neighbours: vec![1, 0], distances: vec![0.0; 2], recall: 1.0 };
    assert_eq!(uniqueness(&same, 2).unwrap(), [0.0, 0.0]);
    assert_eq!(outlier_scores(&same, 2, &Unwatched).unwrap(), [1.0, 1.0]);
}

#[test]
fn doubts_are_those_of_fiftyone() {
    let labels = whole("labels");
    let all = doubts(&chances(), CLASSES, &labels).unwrap();
    near(all.iter().map(|one| one.hardness), &numbers("hardness"));
    near(all.iter().map(|one| one.mistakenness), &numbers("mistakenness"));
    for (i, one) in all.iter().enumerate() {
        assert!((one.own - chances()[i * CLASSES + labels[i] as usize]).abs() < 1e-6);
    }
    let none = doubts(&[0.5, 0.5], 2, &[NONE]).unwrap();
    assert!(none[0].mistakenness.is_nan() && none[0].predicted == 0);
    assert!(matches!(doubts(&[0.5, -0.5], 2, &[0]), Err(Error::NotFinite { row: 0 })));
    assert!(matches!(doubts(&[0.5, 0.5], 2, &[0, 1]), Err(Error::Shape(_))));
}

#[test]
fn verdicts_are_those_of_scikit_learn() {
    let (labels, logits) = (whole("labels"), numbers("logits"));
    let most = |row: &[f32]| {
        (0..CLASSES as u32).max_by(|&a, &b| row[a as usize].total_cmp(&row[b as usize])).unwrap()
    };
    let given: Vec<u32> = logits.chunks(CLASSES).map(most).collect();
    let all = Confusion::new(&labels, &given, CLASSES).unwrap();
    let like = |got: f64, name: &str| {
        assert!((got - said(name)).abs() < 1e-9, "{name}: {got}");
    };
    for class in 0..CLASSES {
        like(all.precision(class), &format!("precision {class}"));
        like(all.recall(class), &format!("recall {class}"));
        like(all.f1(class), &format!("f1 {class}"));
        for label in 0..CLASSES {
            like(all.count(class, label) as f64, &format!("confusion {class} {label}"));
        }
    }
    like(all.mean(Confusion::precision), "precision macro");
    like(all.mean(Confusion::recall), "recall macro");
    like(all.mean(Confusion::f1), "f1 macro");
    like(all.accuracy(), "accuracy");
    let truth: Vec<bool> = labels.iter().map(|&label| label == 0).collect();
    let scores = numbers("scores");
    like(roc_auc(&truth, &scores).unwrap(), "roc_auc");
    like(average_precision(&truth, &scores).unwrap(), "average_precision");
    let best = best_threshold(&truth, &scores, Aim::F1).unwrap().unwrap();
    like(best.f1, "best_f1");
    like(best.threshold, "best_f1 threshold");
    let at = best_threshold(&truth, &scores, Aim::Precision(0.8)).unwrap().unwrap();
    assert!(at.precision >= 0.8);
    like(at.recall, "at_precision recall");
    like(at.threshold, "at_precision threshold");
}

#[test]
fn verdicts_need_rows_of_the_class() {
    assert!(matches!(roc_auc(&[true], &[1.0]), Err(Error::Shape(_))));
    assert!(matches!(average_precision(&[false], &[1.0]), Err(Error::Shape(_))));
    assert_eq!(roc_auc(&[true, false], &[1.0, f32::NAN]), Err(Error::NotFinite { row: 1 }));
    assert_eq!(best_threshold(&[true, false], &[0.0, 1.0], Aim::Precision(0.9)).unwrap(), None);
    let wrong = best_threshold(&[true], &[1.0], Aim::Precision(2.0));
    assert!(matches!(wrong, Err(Error::Option(_))));
    // All on one side, and zeros of either sign.
    assert_eq!(roc_auc(&[true, false, true], &[2.0, 1.0, 3.0]).unwrap(), 1.0);
    assert_eq!(roc_auc(&[true, false], &[0.0, -0.0]).unwrap(), 0.5);
    let none = Confusion::new(&[0, NONE], &[NONE, 0], 2).unwrap();
    assert_eq!((none.accuracy(), none.f1(0), none.mean(Confusion::f1)), (0.0, 0.0, 0.0));
}

fn rows(name: &str) -> (Vec<f32>, usize) {
    npy::read(&format!("labels/{name}.npy"))
}

#[test]
fn drift_is_that_of_scipy() {
    let ((a, wide), (b, narrow)) = (rows("rows"), rows("other"));
    let (a, b) = (Rows::new(&a, wide).unwrap(), Rows::new(&b, narrow).unwrap());
    let cka = linear_cka(a, b, &Unwatched).unwrap();
    assert!((cka - said("cka")).abs() < 1e-6, "{cka}");
    let left = procrustes_residual(a, b, &Unwatched).unwrap();
    assert!((left - said("procrustes")).abs() < 1e-6, "{left}");
    let back = procrustes_residual(b, a, &Unwatched).unwrap();
    assert!((left - back).abs() < 1e-6);
}

#[test]
fn what_is_turned_scaled_and_moved_has_not_drifted() {
    // More rows than a piece of work has, in 40 columns.
    let one: Vec<f32> = (0..5000 * 40).map(|i| signed(1, 0, i)).collect();
    let turned: Vec<f32> = one
        .chunks(40)
        .flat_map(|row| {
            let sum: f32 = row.iter().sum();
            row.iter().map(move |x| 1e9 * (x - 2.0 / 40.0 * sum) + 3.0).collect::<Vec<_>>()
        })
        .collect();
    let (a, b) = (Rows::new(&one, 40).unwrap(), Rows::new(&turned, 40).unwrap());
    assert!(linear_cka(a, b, &Unwatched).unwrap() > 1.0 - 1e-5);
    assert!(procrustes_residual(a, b, &Unwatched).unwrap() < 1e-5);
    let other: Vec<f32> = (0..5000 * 40).map(|i| signed(2, 0, i)).collect();
    let c = Rows::new(&other, 40).unwrap();
    assert!(linear_cka(a, c, &Unwatched).unwrap() < 0.05);
    let apart = procrustes_residual(a, c, &Unwatched).unwrap();
    assert!(apart > 0.9);
    // The rows' order and the number of threads are not seen.
    let order: Vec<usize> = (0..5000).map(|i| i * 7 % 5000).collect();
    let moved =
        |rows: Rows| -> Vec<f32> { order.iter().flat_map(|&i| rows.row(i).to_vec()).collect() };
    let (a, c) = (moved(a), moved(c));
    let (a, c) = (Rows::new(&a, 40).unwrap(), Rows::new(&c, 40).unwrap());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let again = pool.install(|| procrustes_residual(a, c, &Unwatched)).unwrap();
    assert_eq!(again.to_bits(), apart.to_bits());
}

#[test]
fn neighbours_in_common_are_counted() {
    let of = |neighbours: &[u32]| Graph {
        k: 4,
        neighbours: neighbours.to_vec(),
        distances: vec![0.0; neighbours.len()],
        recall: 1.0,
    };
    let one = of(&[1, 2, 3, 4, 0, 2, NONE, NONE, 0, 0, 0, 0, 1, 2, 4, 0, NONE, NONE, NONE, NONE]);
    let other = of(&[2, 1, 4, 3, 0, 3, NONE, NONE, 1, 3, 4, 0, 1, 2, 4, 0, NONE, NONE, NONE, NONE]);
    assert_eq!(jaccard(&one, &other, 5, 4).unwrap(), [1.0, 1.0 / 3.0, 0.25, 1.0, 1.0]);
    assert_eq!(jaccard(&one, &other, 5, 2).unwrap()[0], 1.0);
    assert_eq!(jaccard(&one, &other, 5, 3).unwrap()[0], 0.5);
    assert!(matches!(jaccard(&one, &other, 5, 5), Err(Error::Option(_))));
    assert!(matches!(jaccard(&one, &other, 4, 2), Err(Error::Shape(_))));
}

/// Stops at once.
struct Gone;

impl Watch for Gone {
    fn stage(&self, _: &'static str, _: usize) {}
    fn done(&self, _: usize) {}
    fn stopped(&self) -> bool {
        true
    }
}

#[test]
fn they_stop_when_nobody_waits() {
    let labels = whole("labels");
    assert_eq!(surroundings(&graph(), &labels, &Gone).err(), Some(Error::Stopped));
    assert_eq!(class_overlap(&graph(), &labels, 5, &Gone), Err(Error::Stopped));
    assert_eq!(outlier_scores(&graph(), 300, &Gone), Err(Error::Stopped));
    let (a, width) = rows("rows");
    let a = Rows::new(&a, width).unwrap();
    assert_eq!(linear_cka(a, a, &Gone), Err(Error::Stopped));
    assert_eq!(procrustes_residual(a, a, &Gone), Err(Error::Stopped));
}
