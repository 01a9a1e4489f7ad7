//! NOMAD projection.

use std::sync::atomic::AtomicUsize;

use portolan_kernels::Error;
use portolan_kernels::graph::Graph;
use portolan_kernels::nomad::Nomad;
use portolan_kernels::rows::Rows;
use portolan_kernels::watch::Unwatched;

use crate::data::*;
use crate::umap::{bits, on_threads};

fn fit(nomad: &Nomad, rows: &[Vec<f32>]) -> Vec<f32> {
    let values = rows.concat();
    let width = rows.first().map_or(1, Vec::len);
    let given = Rows::new(&values, width).unwrap();
    nomad.fit(&graph(rows, 15), given, &principal(rows, nomad.dims), &Unwatched).unwrap()
}

#[test]
fn digits_come_apart() {
    let digits = digits();
    let map = fit(&Nomad::default(), &digits.rows);
    let found = accuracy(&map, 2, &digits.labels, 10);
    assert!(found >= 0.96, "{found}");
    let kept = preserved(&map, 2, &graph(&digits.rows, 15), 10);
    assert!(kept >= 0.4, "{kept}");
}

#[test]
fn one_seed_is_one_map_on_any_number_of_threads() {
    let data = clusters(30, 6, 100, 3);
    // More than 256 cells, and fewer.
    for local_neighborhood_size in [None, Some(9)] {
        let nomad = Nomad { epochs: 20, local_neighborhood_size, ..Nomad::default() };
        let one = on_threads(1, || fit(&nomad, &data.rows));
        for threads in [2, 5] {
            assert_eq!(bits(&one), bits(&on_threads(threads, || fit(&nomad, &data.rows))));
        }
        let found = accuracy(&one, 2, &data.labels, 5);
        assert!(found > 0.9, "{found}");
        let other = fit(&Nomad { seed: 1, ..nomad }, &data.rows);
        assert_ne!(bits(&one), bits(&other));
    }
}

#[test]
fn every_number_of_dimensions_works_and_spread_scales() {
    let data = clusters(6, 10, 50, 1);
    for dims in 1..=8 {
        let map = fit(&Nomad { dims, ..Nomad::default() }, &data.rows);
        assert!(map.len() == 300 * dims && map.iter().all(|x| x.is_finite()));
        let found = accuracy(&map, dims, &data.labels, 5);
        assert!(found > 0.95, "{dims}: {found}");
        let twice = fit(&Nomad { dims, spread: 2.0, ..Nomad::default() }, &data.rows);
        assert!(map.iter().zip(&twice).all(|(x, y)| 2.0 * x == *y));
    }
}

#[test]
fn rows_without_much_to_go_by_get_finite_places() {
    let nomad = Nomad { epochs: 10, ..Nomad::default() };
    for count in 0..20 {
        let rows: Vec<Vec<f32>> = (0..count).map(|i| vec![i as f32, 1.0, 2.0]).collect();
        let map = fit(&nomad, &rows);
        assert!(map.len() == 2 * count && map.iter().all(|x| x.is_finite()));
        let values = rows.concat();
        let given = Rows::new(&values, 3).unwrap();
        let none = Graph { k: 0, neighbours: Vec::new(), distances: Vec::new(), recall: 1.0 };
        let map = nomad.fit(&none, given, &principal(&rows, 2), &Unwatched).unwrap();
        assert!(map.len() == 2 * count && map.iter().all(|x| x.is_finite()));
    }
    let same = vec![vec![3.0, 4.0, 5.0]; 70];
    assert!(fit(&nomad, &same).iter().all(|x| x.is_finite()));
    // One row that is everybody's neighbour.
    let mut star = vec![vec![0.0; 40]; 41];
    (0..40).for_each(|i| star[i + 1][i] = 1.0);
    assert!(fit(&nomad, &star).iter().all(|x| x.abs() < 1e3));
}

#[test]
fn what_cannot_be_laid_out_is_said_so() {
    let rows = clusters(2, 4, 20, 2).rows;
    let (graph, start, values) = (graph(&rows, 5), principal(&rows, 2), rows.concat());
    let given = Rows::new(&values, 4).unwrap();
    let nomad = Nomad::default();
    for wrong in [
        Nomad { dims: 9, ..nomad.clone() },
        Nomad { neighbours: 0, ..nomad.clone() },
        Nomad { rho: 1.5, ..nomad.clone() },
        Nomad { rho: f64::NAN, ..nomad.clone() },
        Nomad { spread: 0.0, ..nomad.clone() },
    ] {
        assert!(matches!(wrong.fit(&graph, given, &start, &Unwatched), Err(Error::Option(_))));
    }
    let few = Rows::new(&values[4..], 4).unwrap();
    assert!(matches!(nomad.fit(&graph, few, &start, &Unwatched), Err(Error::Shape(_))));
    assert!(matches!(nomad.fit(&graph, given, &start[2..], &Unwatched), Err(Error::Shape(_))));
    for questions in [0, 1, 5, 50] {
        let watch = Impatient { left: AtomicUsize::new(questions) };
        assert_eq!(nomad.fit(&graph, given, &start, &watch), Err(Error::Stopped));
    }
}
