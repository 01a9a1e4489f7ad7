//! The neighbour graph against a plain oracle, and its promises.

#![allow(clippy::unwrap_used, clippy::panic)]

use portolan_kernels::Error;
use portolan_kernels::graph::{Graph, NONE};
use portolan_kernels::neighbours::{Index, Method, Metric, Options, graph, of_new};
use portolan_kernels::random;
use portolan_kernels::rows::Rows;
use portolan_kernels::watch::{Unwatched, Watch};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::L2, Metric::Dot];

/// Rows around a few middles.
fn clusters(seed: u64, rows: usize, width: usize, middles: u64) -> Vec<f32> {
    let mut values = Vec::with_capacity(rows * width);
    for row in 0..rows as u64 {
        let middle = random::number(seed, 0, row) % middles;
        for i in 0..width as u64 {
            values.push(
                random::signed(seed, 1 + middle, i) + 0.3 * random::signed(seed, 1000 + row, i),
            );
        }
    }
    values
}

fn options(metric: Metric, k: usize, method: Method) -> Options {
    Options { metric, k, method, ..Options::default() }
}

fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
    let dot: f64 = pairs().map(|(x, y)| x * y).sum();
    match metric {
        Metric::Cosine => {
            let (x, y) = pairs().fold((0.0, 0.0), |s, (x, y)| (s.0 + x * x, s.1 + y * y));
            1.0 - dot / (x * y).sqrt()
        }
        Metric::L2 => pairs().map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt(),
        Metric::Dot => 1.0 - dot,
    }
}

/// Every row's distances to its nearest others, ascending.
fn plain(metric: Metric, rows: Rows, k: usize) -> Vec<Vec<f64>> {
    (0..rows.len())
        .map(|i| {
            let others = (0..rows.len()).filter(|&j| j != i);
            let mut all: Vec<f64> =
                others.map(|j| distance(metric, rows.row(i), rows.row(j))).collect();
            all.sort_by(f64::total_cmp);
            all.truncate(k);
            all
        })
        .collect()
}

/// Holds a graph to the true distances.
fn check(metric: Metric, rows: Rows, got: &Graph) {
    let k = got.k;
    for (i, right) in plain(metric, rows, k).iter().enumerate() {
        let near = &got.neighbours[i * k..(i + 1) * k];
        let far = &got.distances[i * k..(i + 1) * k];
        assert!(far.windows(2).all(|pair| pair[0] <= pair[1]) || near.contains(&NONE));
        for j in 0..k {
            if j >= right.len() {
                assert_eq!((near[j], far[j]), (NONE, 0.0));
                continue;
            }
            let close = 2e-5 * right[j].abs().max(0.1);
            let said = distance(metric, rows.row(i), rows.row(near[j] as usize));
            assert!(
                (f64::from(far[j]) - right[j]).abs() < close,
                "{metric:?} {} {}",
                far[j],
                right[j]
            );
            assert!((said - right[j]).abs() < close, "{metric:?} {said} {}", right[j]);
            assert!(near[j] as usize != i && !near[..j].contains(&near[j]));
        }
    }
}

#[test]
fn exact_graphs_are_the_plain_ones_for_every_metric_and_width() {
    for width in [1, 2, 3, 8, 50, 384, 4096] {
        let count = if width > 100 { 60 } else { 700 };
        let values = clusters(width as u64, count, width, 5);
        let rows = Rows::new(&values, width).unwrap();
        for metric in METRICS {
            if width == 1 && metric == Metric::Cosine {
                // All are one or the other of two directions: see the test of repeats.
                continue;
            }
            let got = graph(rows, &options(metric, 15, Method::Exact), &Unwatched).unwrap();
            assert_eq!(got.recall, 1.0);
            check(metric, rows, &got);
        }
    }
}

#[test]
fn there_are_as_many_neighbours_as_there_are_others() {
    for count in [0, 1, 2, 3, 5] {
        let values = clusters(4, count, 6, 2);
        let rows = Rows::new(&values, 6).unwrap();
        for metric in METRICS {
            for method in [Method::Exact, Method::Cells, Method::Auto] {
                for k in [1, 4, 30] {
                    let got = graph(rows, &options(metric, k, method), &Unwatched).unwrap();
                    assert_eq!(got.neighbours.len(), count * k);
                    check(metric, rows, &got);
                }
            }
        }
    }
}

#[test]
fn repeats_are_each_others_nearest_in_a_ring() {
    let one = [0.5, -0.0, 2.0];
    let mut values = one.repeat(4);
    values.extend([0.5, 0.0, 2.0, 5.0, 1.0, 1.0, 0.4, 0.1, 2.0]);
    let rows = Rows::new(&values, 3).unwrap();
    for metric in [Metric::Cosine, Metric::L2] {
        let got = graph(rows, &options(metric, 3, Method::Exact), &Unwatched).unwrap();
        assert_eq!(&got.neighbours[..15], [1, 2, 3, 2, 3, 4, 3, 4, 0, 4, 0, 1, 0, 1, 2]);
        assert_eq!(got.distances[..15], [0.0; 15]);
        check(metric, rows, &got);
    }
    let same = vec![1.5; 300];
    for width in [1, 3] {
        for metric in METRICS {
            let rows = Rows::new(&same, width).unwrap();
            for method in [Method::Exact, Method::Cells] {
                let got = graph(rows, &options(metric, 5, method), &Unwatched).unwrap();
                check(metric, rows, &got);
            }
        }
    }
}

#[test]
fn small_distances_are_told_apart() {
    // Unit vectors that differ by less than 1 - cosine can tell in f32.
    let mut values = Vec::new();
    for i in 0..40 {
        let angle = 1.0 + f64::from(i * i) * 1e-5;
        values.extend([angle.cos() as f32, angle.sin() as f32]);
    }
    let rows = Rows::new(&values, 2).unwrap();
    let got = graph(rows, &options(Metric::Cosine, 3, Method::Exact), &Unwatched).unwrap();
    let right = distance(Metric::Cosine, rows.row(0), rows.row(1));
    assert_eq!(got.neighbours[..3], [1, 2, 3]);
    assert!(
        (f64::from(got.distances[0]) / right - 1.0).abs() < 0.05,
        "{} {right}",
        got.distances[0]
    );
}

#[test]
fn rows_that_nearly_repeat_find_their_nearest() {
    // Unit vectors so near each other that products of them are all 1 but for the last digits.
    let (count, width, k) = (1500, 32, 10);
    let one = clusters(13, 2, width, 1);
    let mut values = Vec::new();
    for row in 0..count {
        let middle = if row % 3 == 0 { &one[..width] } else { &one[width..] };
        for (i, x) in (0u64..).zip(middle) {
            values.push(x + 3e-4 * random::signed(14, row as u64, i));
        }
    }
    let rows = Rows::new(&values, width).unwrap();
    for method in [Method::Exact, Method::Cells] {
        let index = Index::build(rows, &options(Metric::Cosine, k, method), &Unwatched).unwrap();
        let got = index.graph(&Unwatched).unwrap();
        let later = index.query(rows, &Unwatched).unwrap();
        let (mut found, mut found_later, mut all) = (0, 0, 0);
        for i in (0..count).step_by(13) {
            let far = |j: &usize| distance(Metric::Cosine, rows.row(i), rows.row(*j));
            let mut right: Vec<usize> = (0..count).filter(|&j| j != i).collect();
            right.sort_by(|a, b| far(a).total_cmp(&far(b)));
            let near = &got.neighbours[i * k..(i + 1) * k];
            found += right[..k].iter().filter(|&&j| near.contains(&(j as u32))).count();
            let near = &later.neighbours[i * k..(i + 1) * k];
            found_later += usize::from(near[0] as usize == i);
            found_later += right[..k - 1].iter().filter(|&&j| near.contains(&(j as u32))).count();
            all += k;
        }
        let recall = found as f32 / all as f32;
        let least = if method == Method::Exact { 0.99 } else { 0.93 };
        assert!(recall > least && (recall - got.recall).abs() < 0.03, "{recall} {}", got.recall);
        assert!(found_later as f32 / all as f32 > least, "{found_later} of {all}");
    }
}

fn permuted(values: &[f32], width: usize, to: &[usize]) -> Vec<f32> {
    to.iter().flat_map(|&i| values[i * width..(i + 1) * width].to_vec()).collect()
}

fn shuffle(count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..count).collect();
    all.sort_by_key(|&i| random::number(99, 0, i as u64));
    all
}

#[test]
fn neither_threads_nor_the_order_of_rows_change_a_bit() {
    let (count, width, k) = (3000, 20, 10);
    let mut values = clusters(8, count, width, 12);
    // Ties: some coordinates are whole numbers, so that many pairs are equally far apart.
    for x in &mut values[..900 * width] {
        *x = (*x * 1.5).round() + 0.5;
    }
    let order = shuffle(count);
    let turned = permuted(&values, width, &order);
    for metric in METRICS {
        for method in [Method::Exact, Method::Cells] {
            let run = |threads: usize, values: &[f32]| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let rows = Rows::new(values, width).unwrap();
                pool.install(|| graph(rows, &options(metric, k, method), &Unwatched).unwrap())
            };
            let one = run(1, &values);
            assert!(one == run(3, &values));
            let other = run(2, &turned);
            assert_eq!(one.recall, other.recall);
            for (place, &row) in order.iter().enumerate() {
                let here = &one.neighbours[row * k..(row + 1) * k];
                let there = &other.neighbours[place * k..(place + 1) * k];
                let bits = |graph: &Graph, row: usize| -> Vec<u32> {
                    graph.distances[row * k..(row + 1) * k].iter().map(|x| x.to_bits()).collect()
                };
                assert_eq!(bits(&one, row), bits(&other, place));
                // Repeats stand for each other: they are the same rows.
                for (&a, &b) in here.iter().zip(there) {
                    let (a, b) = (a as usize, b as usize);
                    assert_eq!(
                        values[a * width..(a + 1) * width],
                        turned[b * width..(b + 1) * width]
                    );
                }
            }
        }
    }
}

#[test]
fn cells_find_what_is_asked_for_and_say_how_much() {
    let (count, width, k) = (6000, 32, 10);
    let values = clusters(3, count, width, 40);
    let rows = Rows::new(&values, width).unwrap();
    for metric in METRICS {
        let exact = graph(rows, &options(metric, k, Method::Exact), &Unwatched).unwrap();
        let mut asked = options(metric, k, Method::Cells);
        asked.recall = 0.9;
        let cells = graph(rows, &asked, &Unwatched).unwrap();
        let mut found = 0;
        for i in 0..count {
            let right = &exact.neighbours[i * k..(i + 1) * k];
            let near = &cells.neighbours[i * k..(i + 1) * k];
            found += near.iter().filter(|near| right.contains(near)).count();
        }
        let recall = found as f32 / (count * k) as f32;
        assert!(recall > 0.88 && (recall - cells.recall).abs() < 0.02, "{recall} {}", cells.recall);
        asked.recall = 1.0;
        assert_eq!(graph(rows, &asked, &Unwatched).unwrap().recall, 1.0);
    }
}

#[test]
fn rows_without_numbers_or_direction_are_named() {
    let mut values = clusters(5, 50, 4, 2);
    values[18 * 4..19 * 4].fill(0.0);
    let rows = Rows::new(&values, 4).unwrap();
    fn run(rows: Rows, metric: Metric) -> Result<Graph, Error> {
        graph(rows, &options(metric, 3, Method::Auto), &Unwatched)
    }
    assert_eq!(run(rows, Metric::Cosine), Err(Error::Zero { row: 18 }));
    check(Metric::L2, rows, &run(rows, Metric::L2).unwrap());
    let none = graph(rows, &options(Metric::L2, 0, Method::Auto), &Unwatched);
    assert!(matches!(none, Err(Error::Option(_))));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        values[33 * 4 + 2] = bad;
        let rows = Rows::new(&values, 4).unwrap();
        for metric in METRICS {
            assert_eq!(run(rows, metric), Err(Error::NotFinite { row: 33 }));
        }
    }
}

#[test]
fn the_largest_and_the_smallest_numbers_are_compared() {
    for by in [1e30f32, 1e38, 1e-30, 1e-35] {
        let values: Vec<f32> = clusters(6, 200, 3, 3).iter().map(|x| x * by).collect();
        let rows = Rows::new(&values, 3).unwrap();
        let unit: Vec<f32> = values.iter().map(|x| x / by).collect();
        let unit = Rows::new(&unit, 3).unwrap();
        for metric in [Metric::Cosine, Metric::L2] {
            let got = graph(rows, &options(metric, 4, Method::Exact), &Unwatched).unwrap();
            let scaled: Vec<f32> = match metric {
                Metric::L2 => got.distances.iter().map(|x| x / by).collect(),
                _ => got.distances.clone(),
            };
            check(metric, unit, &Graph { distances: scaled, ..got });
        }
        let dot = graph(rows, &options(Metric::Dot, 4, Method::Exact), &Unwatched).unwrap();
        assert!(dot.distances.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn new_rows_find_their_neighbours_whatever_comes_with_them() {
    let (width, k) = (16, 7);
    let all = clusters(10, 4400, width, 20);
    let (old, new) = all.split_at(3991 * width);
    let (old, new) = (Rows::new(old, width).unwrap(), Rows::new(new, width).unwrap());
    for metric in METRICS {
        for method in [Method::Exact, Method::Cells] {
            let index = Index::build(old, &options(metric, k, method), &Unwatched).unwrap();
            let got = index.query(new, &Unwatched).unwrap();
            let once = of_new(old, new, &options(metric, k, method), &Unwatched).unwrap();
            assert_eq!(once.neighbours, got.neighbours);
            assert_eq!(once.distances, got.distances);
            let mut missed = 0;
            for i in 0..new.len() {
                let mut right: Vec<f64> =
                    (0..old.len()).map(|j| distance(metric, new.row(i), old.row(j))).collect();
                right.sort_by(f64::total_cmp);
                for (j, &right) in right.iter().take(k).enumerate() {
                    let near = got.neighbours[i * k + j] as usize;
                    let far = f64::from(got.distances[i * k + j]);
                    assert!((distance(metric, new.row(i), old.row(near)) - far).abs() < 1e-4);
                    missed += usize::from((far - right).abs() > 1e-4);
                }
                if i % 37 == 0 {
                    let alone = Rows::new(new.row(i), width).unwrap();
                    let alone = index.query(alone, &Unwatched).unwrap();
                    assert_eq!(alone.neighbours, got.neighbours[i * k..(i + 1) * k]);
                    assert_eq!(alone.distances, got.distances[i * k..(i + 1) * k]);
                }
            }
            // A row that is not found moves those behind it.
            let most = if method == Method::Exact { 0 } else { new.len() * k / 4 };
            assert!(missed <= most, "{metric:?} {method:?} {missed}");
            assert!(got.recall >= 0.95);
            if metric != Metric::Dot {
                let own = index.query(old, &Unwatched).unwrap();
                assert!(own.neighbours.iter().step_by(k).zip(0..).all(|(&near, i)| near == i));
            }
        }
    }
}

#[test]
fn new_rows_that_cannot_be_compared_are_refused() {
    let values = clusters(11, 100, 4, 3);
    let index = Index::build(
        Rows::new(&values, 4).unwrap(),
        &options(Metric::L2, 3, Method::Auto),
        &Unwatched,
    );
    let index = index.unwrap();
    let query = |values: &[f32], width| index.query(Rows::new(values, width).unwrap(), &Unwatched);
    assert!(matches!(query(&[1.0; 6], 3), Err(Error::Shape(_))));
    assert_eq!(query(&[1.0, 2.0, f32::NAN, 0.0], 4), Err(Error::NotFinite { row: 0 }));
    assert_eq!(query(&[], 4).unwrap().neighbours, []);
    let far = query(&[3e38; 4], 4).unwrap();
    assert!(far.distances.iter().all(|x| x.is_finite()) && !far.neighbours.contains(&NONE));
    let none = Index::build(Rows::new(&[], 4).unwrap(), &Options::default(), &Unwatched).unwrap();
    let none = none.query(Rows::new(&[1.0; 4], 4).unwrap(), &Unwatched).unwrap();
    assert!(none.neighbours.iter().all(|&near| near == NONE));
}

/// Stops after so many questions.
struct Impatient(std::sync::atomic::AtomicUsize);

impl Watch for Impatient {
    fn stage(&self, _: &'static str, _: usize) {}
    fn done(&self, _: usize) {}
    fn stopped(&self) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        self.0.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_err()
    }
}

#[test]
fn it_stops_when_nobody_waits() {
    let values = clusters(7, 2000, 10, 5);
    let rows = Rows::new(&values, 10).unwrap();
    for method in [Method::Exact, Method::Cells] {
        for patience in [0, 1, 2, 3, 5, 8] {
            let watch = Impatient(patience.into());
            let got = graph(rows, &options(Metric::L2, 5, method), &watch);
            assert!(got == Err(Error::Stopped), "{method:?} {patience}");
        }
    }
}

/// Remembers the stages and how far each came.
#[derive(Default)]
struct Stages(std::sync::Mutex<Vec<(&'static str, usize, usize)>>);

impl Watch for Stages {
    fn stage(&self, name: &'static str, steps: usize) {
        self.0.lock().unwrap().push((name, steps, 0));
    }
    fn done(&self, steps: usize) {
        let mut stages = self.0.lock().unwrap();
        let latest = stages.last_mut().unwrap();
        latest.2 = latest.2.max(steps);
    }
    fn stopped(&self) -> bool {
        false
    }
}

#[test]
fn every_stage_is_finished() {
    let values = clusters(12, 3000, 10, 9);
    let rows = Rows::new(&values, 10).unwrap();
    for method in [Method::Exact, Method::Cells] {
        let stages = Stages::default();
        let index = Index::build(rows, &options(Metric::Cosine, 5, method), &stages).unwrap();
        index.graph(&stages).unwrap();
        index.query(rows, &stages).unwrap();
        let stages = stages.0.into_inner().unwrap();
        assert!(stages.iter().any(|stage| stage.0 == "comparing" && stage.1 > 10));
        for (name, steps, done) in stages {
            assert_eq!(steps, done, "{name}");
        }
    }
}
