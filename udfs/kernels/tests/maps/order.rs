//! The whole way from vectors to a map: whatever the order of the rows, and on however many threads.

use portolan_kernels::canonical::{arranged, renumbered, restored};
use portolan_kernels::neighbours::{self, Options};
use portolan_kernels::nomad::Nomad;
use portolan_kernels::order::Order;
use portolan_kernels::pca::{self, Pca};
use portolan_kernels::rows::Rows;
use portolan_kernels::umap::Umap;
use portolan_kernels::watch::Unwatched;

use crate::data::*;
use crate::umap::{bits, on_threads};

/// Both maps of rows, in their order.
fn maps(rows: &[Vec<f32>]) -> [Vec<f32>; 2] {
    let (values, width) = (rows.concat(), rows[0].len());
    let given = Rows::new(&values, width).unwrap();
    let order = Order::of(given);
    let near =
        neighbours::graph(given, &Options { k: 14, ..Options::default() }, &Unwatched).unwrap();
    let near = renumbered(&near, &order);
    let values = arranged(&values, width, &order);
    let given = Rows::new(&values, width).unwrap();
    let pca = Pca::fit(given, &pca::Options { components: 2, seed: 1 }, &Unwatched).unwrap();
    let start = pca.place(given, &Unwatched).unwrap();
    let umap = Umap { epochs: Some(50), ..Umap::default() };
    let umap = umap.fit(&near, &start, &Unwatched).unwrap();
    let nomad = Nomad { epochs: 10, ..Nomad::default() };
    let nomad = nomad.fit(&near, given, &start, &Unwatched).unwrap();
    [umap, nomad].map(|map| restored(&map, 2, &order))
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let rows = clusters(9, 20, 150, 6).rows;
    let first = on_threads(1, || maps(&rows));
    for (step, threads) in [(7, 2), (641, 3)] {
        let turned: Vec<usize> = (0..rows.len()).map(|i| i * step % rows.len()).collect();
        let other = on_threads(threads, || {
            maps(&turned.iter().map(|&i| rows[i].clone()).collect::<Vec<_>>())
        });
        for (first, other) in first.iter().zip(&other) {
            for (place, &i) in turned.iter().enumerate() {
                assert_eq!(bits(&other[place * 2..][..2]), bits(&first[i * 2..][..2]));
            }
        }
    }
}
