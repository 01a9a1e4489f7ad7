//! UMAP.

use std::sync::atomic::AtomicUsize;

use portolan_kernels::Error;
use portolan_kernels::graph::{Graph, NONE};
use portolan_kernels::umap::Umap;
use portolan_kernels::watch::Unwatched;

use crate::data::*;

/// Calls a function on so many threads.
pub fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn fit(umap: &Umap, rows: &[Vec<f32>]) -> Vec<f32> {
    umap.fit(&graph(rows, 14), &principal(rows, umap.dims), &Unwatched).unwrap()
}

pub fn bits(map: &[f32]) -> Vec<u32> {
    map.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn digits_come_apart() {
    let digits = digits();
    for seed in [1, 2] {
        let map = fit(&Umap { seed, ..Umap::default() }, &digits.rows);
        let found = accuracy(&map, 2, &digits.labels, 10);
        assert!(found >= 0.96, "{found}");
        let kept = preserved(&map, 2, &graph(&digits.rows, 14), 10);
        assert!(kept >= 0.45, "{kept}");
    }
}

#[test]
fn one_seed_is_one_map_on_any_number_of_threads() {
    let rows = clusters(7, 12, 400, 3).rows;
    let graph = graph(&rows, 14);
    for dims in [2, 5] {
        let start = principal(&rows, dims);
        let umap = Umap { dims, seed: 8, epochs: Some(60), ..Umap::default() };
        let map = |threads, umap: &Umap| {
            on_threads(threads, || bits(&umap.fit(&graph, &start, &Unwatched).unwrap()))
        };
        let one = map(1, &umap);
        for threads in [2, 3, 8] {
            assert!(map(threads, &umap) == one, "{threads} threads");
        }
        assert!(map(2, &Umap { seed: 9, ..umap }) != one);
    }
}

#[test]
fn every_number_of_dimensions_works() {
    let data = clusters(5, 10, 40, 1);
    for dims in 1..=8 {
        let umap = Umap { dims, epochs: Some(200), ..Umap::default() };
        let map = fit(&umap, &data.rows);
        assert!(map.len() == 200 * dims && map.iter().all(|x| x.is_finite()));
        let found = accuracy(&map, dims, &data.labels, 5);
        // On a line a row cannot get past a cluster that it does not belong to.
        let enough = if dims == 1 { 0.9 } else { 0.95 };
        assert!(found > enough, "{dims}: {found}");
    }
}

#[test]
fn rows_without_much_to_go_by_get_finite_places() {
    let umap = Umap { epochs: Some(30), ..Umap::default() };
    for count in 0..6 {
        let rows: Vec<Vec<f32>> = (0..count).map(|i| vec![i as f32, 1.0, 2.0]).collect();
        let map = umap.fit(&graph(&rows, 14), &principal(&rows, 2), &Unwatched).unwrap();
        assert!(map.len() == 2 * count && map.iter().all(|x| x.is_finite()));
        let graph = Graph { k: 0, neighbours: Vec::new(), distances: Vec::new(), recall: 1.0 };
        let map = umap.fit(&graph, &principal(&rows, 2), &Unwatched).unwrap();
        assert!(map.len() == 2 * count && map.iter().all(|x| x.is_finite()));
    }
    // All in one place; two pieces; rows that nobody knows and that know nobody.
    let same = vec![vec![3.0, 4.0, 5.0]; 50];
    let map = fit(&umap, &same);
    assert!(map.iter().all(|x| x.is_finite()));
    let mut places: Vec<Vec<u32>> = map.chunks(2).map(bits).collect();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), 50);
    let mut pieces = clusters(2, 4, 30, 2).rows;
    pieces.iter_mut().step_by(2).for_each(|row| row[0] += 1e6);
    assert!(fit(&umap, &pieces).iter().all(|x| x.is_finite()));
    let mut lonely = graph(&pieces, 14);
    lonely.neighbours[14 * 7..14 * 9].fill(NONE);
    lonely.distances[14 * 7..14 * 9].fill(0.0);
    for id in &mut lonely.neighbours {
        *id = if *id == 7 { NONE } else { *id };
    }
    let map = umap.fit(&lonely, &principal(&pieces, 2), &Unwatched).unwrap();
    assert!(map.iter().all(|x| x.is_finite()));
}

#[test]
fn what_cannot_be_laid_out_is_said_so() {
    let rows = clusters(2, 4, 20, 2).rows;
    let (graph, start) = (graph(&rows, 5), principal(&rows, 2));
    let fails =
        |umap: &Umap, graph: &Graph, start: &[f32]| umap.fit(graph, start, &Unwatched).unwrap_err();
    let umap = Umap::default();
    for wrong in [
        Umap { dims: 0, ..umap.clone() },
        Umap { dims: 9, ..umap.clone() },
        Umap { neighbours: 1, ..umap.clone() },
        Umap { min_dist: 2.0, ..umap.clone() },
        Umap { min_dist: f64::NAN, ..umap.clone() },
        Umap { spread: 0.0, ..umap.clone() },
        Umap { learning_rate: f32::NAN, ..umap.clone() },
        Umap { mix_ratio: 1.5, ..umap.clone() },
    ] {
        assert!(matches!(fails(&wrong, &graph, &start), Error::Option(_)));
    }
    assert!(matches!(fails(&umap, &graph, &start[1..]), Error::Shape(_)));
    assert!(matches!(fails(&umap, &graph, &start[2..]), Error::Shape(_)));
    let mut bad = start.clone();
    bad[5] = f32::NAN;
    assert_eq!(fails(&umap, &graph, &bad), Error::NotFinite { row: 2 });
    let mut bad = graph.clone();
    bad.distances[5 * 3] = f32::INFINITY;
    assert_eq!(fails(&umap, &bad, &start), Error::NotFinite { row: 3 });
    bad.neighbours[0] = 40;
    assert!(matches!(fails(&umap, &bad, &start), Error::Shape(_)));
}

#[test]
fn whoever_wants_no_more_of_it_need_not_wait() {
    let rows = clusters(4, 4, 50, 2).rows;
    let (graph, start) = (graph(&rows, 14), principal(&rows, 2));
    for questions in [0, 1, 2, 3, 50] {
        let watch = Impatient { left: AtomicUsize::new(questions) };
        assert_eq!(Umap::default().fit(&graph, &start, &watch), Err(Error::Stopped));
    }
}

#[test]
fn new_rows_go_to_their_like() {
    let digits = digits();
    let (old, new) = digits.rows.split_at(1400);
    let umap = Umap::default();
    let map = fit(&umap, old);
    let near = graph_into(new, old, 15, false);
    let placed = umap.transform(&map, &near, &Unwatched).unwrap();
    let old_places = as_rows(&map, 2);
    let right = placed
        .chunks(2)
        .zip(&digits.labels[1400..])
        .filter(|(place, label)| {
            vote(&nearest(&old_places, place, 10, usize::MAX), &digits.labels) == **label
        })
        .count();
    assert!(right as f64 / new.len() as f64 >= 0.94, "{right} of {}", new.len());
}

#[test]
fn where_a_new_row_goes_does_not_depend_on_its_company() {
    let data = clusters(5, 8, 80, 4);
    let (old, new) = data.rows.split_at(300);
    let umap = Umap { epochs: Some(90), ..Umap::default() };
    let map = fit(&umap, old);
    let all = umap.transform(&map, &graph_into(new, old, 15, false), &Unwatched).unwrap();
    for (i, row) in new.iter().enumerate() {
        let near = graph_into(std::slice::from_ref(row), old, 15, false);
        let alone = on_threads(1 + i % 3, || umap.transform(&map, &near, &Unwatched).unwrap());
        assert_eq!(bits(&alone), bits(&all[2 * i..][..2]));
    }
    // What is there already stays where it is; who knows nobody goes to the middle.
    let again = umap.transform(&map, &graph_into(old, old, 15, false), &Unwatched).unwrap();
    assert_eq!(bits(&again), bits(&map));
    let lonely = Graph { k: 2, neighbours: vec![NONE; 2], distances: vec![0.0; 2], recall: 1.0 };
    let middle = umap.transform(&map, &lonely, &Unwatched).unwrap();
    let mean = map.chunks(2).map(|place| place[0]).sum::<f32>() / 300.0;
    assert!((middle[0] - mean).abs() < 1e-3);
    assert!(matches!(umap.transform(&[], &lonely, &Unwatched), Err(Error::Shape(_))));
    let watch = Impatient { left: AtomicUsize::new(0) };
    assert_eq!(umap.transform(&map, &lonely, &watch), Err(Error::Stopped));
}

#[test]
fn labels_pull_their_rows_together() {
    let mut data = clusters(3, 6, 100, 5);
    // Labels that the rows say nothing about.
    data.labels = (0..300).map(|i| (i / 3 % 2) as u32).collect();
    let (graph, start) = (graph(&data.rows, 14), principal(&data.rows, 2));
    let umap = Umap { epochs: Some(200), ..Umap::default() };
    let plain = umap.fit(&graph, &start, &Unwatched).unwrap();
    let known: Vec<Option<u32>> = data.labels.iter().map(|&label| Some(label)).collect();
    let labelled = umap.fit_labelled(&graph, &start, &known, &Unwatched).unwrap();
    let (before, after) =
        (accuracy(&plain, 2, &data.labels, 5), accuracy(&labelled, 2, &data.labels, 5));
    assert!(before < 0.65 && after > 0.9, "{before} {after}");
    // Knowing nothing is as good as no labels but for the bits.
    let unknown = umap.fit_labelled(&graph, &start, &[None; 300], &Unwatched).unwrap();
    assert!(accuracy(&unknown, 2, &data.labels, 5) < 0.65);
    let few = umap.fit_labelled(&graph, &start, &known[1..], &Unwatched);
    assert!(matches!(few, Err(Error::Shape(_))));
}

#[test]
fn densities_are_kept_if_asked_for() {
    // Five clusters, each looser than the last.
    let mut data = clusters(5, 8, 80, 9);
    let centres: Vec<Vec<f32>> = (0..5).map(|c| data.rows[c].clone()).collect();
    for (row, &label) in data.rows.iter_mut().zip(&data.labels) {
        let factor = 0.05 * 2f32.powi(label as i32);
        row.iter_mut().zip(&centres[label as usize]).for_each(|(x, c)| *x = c + factor * (*x - c));
    }
    let (graph, start) = (graph(&data.rows, 14), principal(&data.rows, 2));
    let radius = |rows: &[Vec<f32>], i: usize| {
        let near = nearest(rows, &rows[i], 14, i);
        f64::from((near.iter().map(|x| x.0 * x.0).sum::<f32>() / 14.0).ln())
    };
    let correlation = |map: &[f32]| {
        let map = as_rows(map, 2);
        let all: Vec<(f64, f64)> =
            (0..400).map(|i| (radius(&data.rows, i), radius(&map, i))).collect();
        let mean = |f: &dyn Fn(&(f64, f64)) -> f64| all.iter().map(f).sum::<f64>() / 400.0;
        let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
        let product = mean(&|p| (p.0 - x) * (p.1 - y));
        product / (mean(&|p| (p.0 - x).powi(2)) * mean(&|p| (p.1 - y).powi(2))).sqrt()
    };
    let plain = Umap::default().fit(&graph, &start, &Unwatched).unwrap();
    let umap = Umap { density: 2.0, ..Umap::default() };
    let dense = umap.fit(&graph, &start, &Unwatched).unwrap();
    let (before, after) = (correlation(&plain), correlation(&dense));
    assert!(after > 0.85 && after > before + 0.2, "{before} {after}");
    assert!(accuracy(&dense, 2, &data.labels, 5) > 0.95);
    let again = on_threads(3, || umap.fit(&graph, &start, &Unwatched).unwrap());
    assert_eq!(bits(&again), bits(&dense));
}

#[test]
fn a_second_map_can_be_laid_out_like_the_first() {
    let digits = digits();
    let rows = &digits.rows[..900];
    // The same digits seen with other eyes: pixels weighed differently.
    let other: Vec<Vec<f32>> = rows
        .iter()
        .map(|row| row.iter().enumerate().map(|(i, x)| x * (1.0 + (i % 5) as f32 / 3.0)).collect())
        .collect();
    let first = fit(&Umap::default(), rows);
    let (graph, start) = (graph(&other, 14), principal(&other, 2));
    let umap = Umap { seed: 5, ..Umap::default() };
    let alone = umap.fit(&graph, &start, &Unwatched).unwrap();
    let aligned = umap.fit_aligned(&graph, &start, &first, &Unwatched).unwrap();
    let apart = |map: &[f32]| {
        let each = map.chunks(2).zip(first.chunks(2)).map(|(a, b)| f64::from(distance(a, b)));
        each.sum::<f64>() / 900.0
    };
    assert!(apart(&aligned) < 0.35 * apart(&alone), "{} {}", apart(&aligned), apart(&alone));
    // It is still a map of its own rows.
    let (own, free) = (preserved(&aligned, 2, &graph, 10), preserved(&alone, 2, &graph, 10));
    assert!(own > free - 0.03, "{own} {free}");
    let again = on_threads(3, || umap.fit_aligned(&graph, &start, &first, &Unwatched).unwrap());
    assert_eq!(bits(&again), bits(&aligned));
    let short = umap.fit_aligned(&graph, &start, &first[2..], &Unwatched);
    assert!(matches!(short, Err(Error::Shape(_))));
    let mut bad = first;
    bad[9] = f32::NAN;
    let bad = umap.fit_aligned(&graph, &start, &bad, &Unwatched);
    assert_eq!(bad, Err(Error::NotFinite { row: 4 }));
}

#[test]
fn a_start_can_be_passed_on_along_the_edges() {
    let digits = digits();
    let umap = Umap { spectral_steps: 300, ..Umap::default() };
    let map = fit(&umap, &digits.rows);
    let found = accuracy(&map, 2, &digits.labels, 10);
    assert!(found >= 0.96, "{found}");
}
