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
        assert!(found > 0.95, "{dims}: {found}");
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
