//! Duplicates, held to comparing everything with everything.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use portolan_kernels::Error;
use portolan_kernels::duplicates::{
    Class, Duplicates, Known, Options, again, among_neighbours, duplicates,
};
use portolan_kernels::graph::NONE;
use portolan_kernels::neighbours::{self, Index, Method};
use portolan_kernels::random::{number, signed};
use portolan_kernels::rows::Rows;
use portolan_kernels::watch::{Unwatched, Watch};

const WIDTH: usize = 96;

/// Rows that differ, each with so many copies that are off by `noise` at most in every number.
fn planted(rows: usize, copies: impl Fn(u64) -> u64, noise: f32) -> Vec<Vec<f32>> {
    let mut all = Vec::new();
    for row in 0..rows as u64 {
        for copy in 0..=copies(row) {
            let off = if copy == 0 { 0.0 } else { noise };
            let at = |i: u64| signed(1, row, i) + off * signed(2 + copy, row, i);
            all.push((0..WIDTH as u64).map(at).collect());
        }
    }
    all
}

fn run(rows: &[Vec<f32>], ids: &[u64], cutoff: f32) -> Result<Duplicates, Error> {
    let values = rows.concat();
    let rows = Rows::new(&values, rows.first().map_or(1, Vec::len)).unwrap();
    duplicates(rows, ids, &Options { cutoff }, &Unwatched)
}

fn ids(count: usize) -> Vec<u64> {
    (0..count as u64).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
    };
    1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// All pairs within a distance, plainly.
fn pairs(rows: &[Vec<f32>], cutoff: f64) -> HashSet<(usize, usize)> {
    let all = (0..rows.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
    all.filter(|&(i, j)| distance(&rows[i], &rows[j]) <= cutoff).collect()
}

fn members(found: &Duplicates) -> BTreeMap<u32, Vec<usize>> {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, &cluster) in found.clusters.iter().enumerate() {
        if cluster != NONE {
            members.entry(cluster).or_default().push(row);
        }
    }
    members
}

/// Whatever the rows: every cluster keeps its medoid, and no two of it are too far apart.
fn check(rows: &[Vec<f32>], ids: &[u64], found: &Duplicates, cutoff: f64) {
    for row in 0..rows.len() {
        let alone = found.clusters[row] == NONE;
        assert_eq!(alone, found.classes[row] == Class::Singleton);
        let kept = found.retained[row] as usize;
        assert_eq!(kept == row, found.classes[row] != Class::Deletable);
        let far = distance(&rows[row], &rows[kept]);
        assert!((far - f64::from(found.distances[row])).abs() < 1e-5);
    }
    for members in members(found).values() {
        assert!(members.len() > 1);
        let sum =
            |&i: &usize| -> f64 { members.iter().map(|&j| distance(&rows[i], &rows[j])).sum() };
        let kept = found.retained[members[0]] as usize;
        assert!(members.iter().all(|&i| found.retained[i] as usize == kept));
        for i in members {
            let more = sum(i) - sum(&kept);
            assert!(more > -1e-4);
            assert!(rows[*i] != rows[kept] || ids[*i] >= ids[kept]);
            for j in members {
                assert!(distance(&rows[*i], &rows[*j]) <= 2.0 * cutoff + 1e-6);
            }
        }
    }
}

#[test]
fn pairs_are_those_that_plain_comparison_finds() {
    for (noise, cutoff) in [(0.3, 0.1), (0.5, 0.2), (0.0, 0.0), (0.01, 1e-4)] {
        let rows = planted(1150, |row| number(9, 0, row) % 3, noise);
        // So many that they are looked at in a few directions first.
        assert!(rows.len() > 2048, "{}", rows.len());
        let found = run(&rows, &ids(rows.len()), cutoff).unwrap();
        check(&rows, &ids(rows.len()), &found, f64::from(cutoff));
        let right = pairs(&rows, f64::from(cutoff) + 1e-9);
        assert!(right.len() > 500, "{noise} {}", right.len());
        for &(i, j) in &right {
            assert_eq!(found.clusters[i], found.clusters[j], "{noise} {i} {j}");
            assert_ne!(found.clusters[i], NONE);
        }
        for members in members(&found).values() {
            for i in members {
                assert!(members.iter().any(|j| right.contains(&(*i.min(j), *i.max(j)))));
            }
        }
    }
}

/// Rows along an arc, one step from the next.
fn arc(rows: usize, step: f64) -> Vec<Vec<f32>> {
    let at = |i: usize| {
        let angle = step * i as f64;
        vec![angle.cos() as f32, angle.sin() as f32, 0.0, 0.0]
    };
    (0..rows).map(at).collect()
}

#[test]
fn a_chain_of_small_steps_is_taken_apart() {
    // A step is a distance of 0.00125; ends are a distance of 1.15 apart.
    let rows = arc(40, 0.05);
    let found = run(&rows, &ids(40), 0.01).unwrap();
    check(&rows, &ids(40), &found, 0.01);
    let parts = members(&found);
    assert!(parts.len() >= 8 && parts.len() <= 20, "{}", parts.len());
    // More than distances are written down of.
    let rows = arc(9001, 1e-4);
    let found = run(&rows, &ids(9001), 0.001).unwrap();
    let parts = members(&found);
    assert!(parts.len() >= 9 && parts.len() <= 40, "{}", parts.len());
    for members in parts.values() {
        let (first, last) = (members[0], members[members.len() - 1]);
        assert!(distance(&rows[first], &rows[last]) <= 0.002 + 1e-6);
    }
}

#[test]
fn of_equal_rows_the_lowest_id_is_kept() {
    let row = |x: f32| vec![x, 1.0, -1.0];
    let rows = [row(1.0), row(1.0), row(-5.0), row(1.0), row(1.001)];
    let found = run(&rows, &[7, 3, 1, 5, 0], 0.1).unwrap();
    use Class::{Deletable, Retained, Singleton};
    assert_eq!(found.classes, [Deletable, Retained, Singleton, Deletable, Deletable]);
    assert_eq!(found.retained, [1, 1, 2, 1, 1]);
    assert_eq!(found.clusters, [0, 0, NONE, 0, 0]);
    assert_eq!(found.distances[..4], [0.0; 4]);
    assert!(found.distances[4] > 0.0 && found.distances[4] < 1e-6);
    // Two are equally far from each other.
    let found = run(&rows[3..], &[5, 0], 0.1).unwrap();
    assert_eq!(found.classes, [Deletable, Retained]);
}

#[test]
fn neither_order_nor_threads_are_seen() {
    let mut rows = planted(300, |row| number(9, 0, row) % 4, 0.6);
    rows.extend(rows[..50].to_vec());
    // Wide enough that much hangs together and is taken apart again.
    let cutoff = 0.25;
    let first = run(&rows, &ids(rows.len()), cutoff).unwrap();
    check(&rows, &ids(rows.len()), &first, f64::from(cutoff));
    for (step, threads) in [(7, 1), (241, 2), (331, 3)] {
        let turned: Vec<usize> = (0..rows.len()).map(|i| i * step % rows.len()).collect();
        let moved: Vec<Vec<f32>> = turned.iter().map(|&i| rows[i].clone()).collect();
        let ids: Vec<u64> = turned.iter().map(|&i| i as u64).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let other = pool.install(|| run(&moved, &ids, cutoff)).unwrap();
        for (place, &i) in turned.iter().enumerate() {
            assert_eq!(other.classes[place], first.classes[i]);
            assert_eq!(other.clusters[place], first.clusters[i]);
            assert_eq!(turned[other.retained[place] as usize], first.retained[i] as usize);
            assert_eq!(other.distances[place].to_bits(), first.distances[i].to_bits());
        }
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let rows = planted(5, |_| 1, 0.1);
    assert!(matches!(run(&rows, &ids(3), 0.1), Err(Error::Shape(_))));
    for cutoff in [-0.1, 1.1, f32::NAN] {
        assert!(matches!(run(&rows, &ids(10), cutoff), Err(Error::Option(_))));
    }
    assert_eq!(run(&[vec![1.0, 2.0], vec![0.0, 0.0]], &ids(2), 0.1), Err(Error::Zero { row: 1 }));
    let bad = [vec![1.0, f32::NAN]];
    assert_eq!(run(&bad, &ids(1), 0.1), Err(Error::NotFinite { row: 0 }));
    assert_eq!(run(&[], &[], 0.1).unwrap(), Duplicates::default());
    let one = run(&[vec![1.0]], &[4], 0.1).unwrap();
    assert_eq!((one.classes, one.retained), (vec![Class::Singleton], vec![0]));
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
    let rows = planted(800, |_| 1, 0.3);
    let values = rows.concat();
    for patience in [0, 1, 2, 5, 9] {
        let rows = Rows::new(&values, WIDTH).unwrap();
        let watch = Impatient(patience.into());
        let found = duplicates(rows, &ids(1600), &Options::default(), &watch);
        assert_eq!(found, Err(Error::Stopped), "{patience}");
    }
}

/// Which rows have the same number; what the numbers are means nothing.
fn together(numbers: &[u32]) -> Vec<usize> {
    let first = |row: usize| numbers.iter().position(|&number| number == numbers[row]);
    let alone = |row: usize| numbers[row] == NONE;
    (0..numbers.len()).map(|row| if alone(row) { row } else { first(row).unwrap() }).collect()
}

/// Takes rows away and adds others, and finds duplicates by what is known; how many rows it left alone.
fn changed(all: &[Vec<f32>], gone: &dyn Fn(usize) -> bool, new: &[Vec<f32>], cutoff: f32) -> usize {
    let before = run(all, &ids(all.len()), cutoff).unwrap();
    let stay: Vec<usize> = (0..all.len()).filter(|&row| !gone(row)).collect();
    let known = Known {
        classes: stay.iter().map(|&row| before.classes[row]).collect(),
        clusters: stay.iter().map(|&row| before.clusters[row]).collect(),
        distances: stay.iter().map(|&row| before.distances[row]).collect(),
        components: stay.iter().map(|&row| before.components[row]).collect(),
        left: (0..all.len()).filter(|&row| gone(row)).map(|row| before.components[row]).collect(),
    };
    let old: Vec<Vec<f32>> = stay.iter().map(|&row| all[row].clone()).collect();
    let width = all[0].len();
    let (values, new_values) = (old.concat(), new.concat());
    // Few neighbours, so that some rows have more near ones than are listed.
    let options =
        neighbours::Options { k: 3, method: Method::Exact, ..neighbours::Options::default() };
    let index = Index::build(Rows::new(&values, width).unwrap(), &options, &Unwatched).unwrap();
    let near = index.query(Rows::new(&new_values, width).unwrap(), &Unwatched).unwrap();
    let now: Vec<Vec<f32>> = old.into_iter().chain(new.iter().cloned()).collect();
    let mut now_ids: Vec<u64> = stay.iter().map(|&row| row as u64).collect();
    now_ids.extend((0..new.len() as u64).map(|row| 1_000_000 + row));
    let values = now.concat();
    let rows = Rows::new(&values, width).unwrap();
    let found = again(rows, &now_ids, &known, &near, &Options { cutoff }, &Unwatched).unwrap();
    let anew = run(&now, &now_ids, cutoff).unwrap();
    assert_eq!(together(&found.components), together(&anew.components));
    let components = found.components.clone();
    assert_eq!(found, Duplicates { components, ..anew });
    (0..stay.len()).filter(|&at| known.classes[at] != found.classes[at]).count()
}

#[test]
fn what_changes_little_is_what_it_would_be_from_the_beginning() {
    for (noise, cutoff) in [(0.3, 0.1), (0.5, 0.2), (0.0, 0.0), (0.01, 1e-4)] {
        let all = planted(900, |row| number(9, 0, row) % 3, noise);
        // New ones repeat old ones, or each other, or nothing.
        let near = |at: usize, seed: u64| -> Vec<f32> {
            (0u64..).zip(&all[at]).map(|(i, x)| x + noise * signed(seed, 1, i)).collect()
        };
        let mut new: Vec<Vec<f32>> = (0..30).map(|i| near(i * 17, 50 + i as u64)).collect();
        new.extend(planted(6, |_| 1, noise).into_iter().map(|row| row.into_iter().rev().collect()));
        new.push(all[5].clone());
        let changes = changed(&all, &|row| row % 41 == 3, &new, cutoff);
        assert!(changes > 20, "{changes}");
        changed(&all, &|_| false, &new, cutoff);
        changed(&all, &|row| row % 41 == 3, &[], cutoff);
        changed(&all, &|_| false, &[], cutoff);
        // So many that all is found anew.
        changed(&all, &|row| row % 2 == 0, &planted(300, |_| 1, noise), cutoff);
    }
}

#[test]
fn chains_that_break_or_come_together_are_found() {
    let mut all = arc(200, 0.1);
    // A chain's middle goes: what is left are two.
    changed(&all, &|row| row == 100, &[], 0.01);
    // A row between two chains that were apart.
    let bridge = all.remove(100);
    changed(&all, &|_| false, &[bridge], 0.01);
    // Rows that have far more near ones than are listed.
    let crowd: Vec<Vec<f32>> = arc(120, 1e-4).into_iter().chain(arc(700, 0.004)).collect();
    changed(&crowd, &|row| row == 7, &arc(2, 0.2), 0.001);
}

#[test]
fn neighbours_know_what_comparing_all_rows_finds() {
    // Up to a dozen copies, fewer than a row has neighbours; some are the same rows once more.
    let mut rows = planted(400, |row| if row % 3 == 0 { row % 13 } else { 0 }, 0.2);
    rows.extend_from_within(100..140);
    let numbers = ids(rows.len());
    let all = run(&rows, &numbers, 0.1).unwrap();
    let values = rows.concat();
    let given = Rows::new(&values, WIDTH).unwrap();
    let near = neighbours::graph(given, &neighbours::Options::default(), &Unwatched).unwrap();
    let along =
        |graph| among_neighbours(given, &numbers, graph, &Options { cutoff: 0.1 }, &Unwatched);
    let found = along(&near).unwrap();
    assert!(all.classes.iter().filter(|class| **class == Class::Deletable).count() > 500);
    assert_eq!(found, all);
    // Of a graph of other rows it says so.
    let few = Rows::new(&values[..WIDTH * 50], WIDTH).unwrap();
    let few = neighbours::graph(few, &neighbours::Options::default(), &Unwatched).unwrap();
    assert!(along(&few).is_err());
}
