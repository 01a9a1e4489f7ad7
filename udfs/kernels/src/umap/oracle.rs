//! Beside umap-learn, by fixtures that `tests/oracle/umap_fixtures.py` makes.

use super::curve::Curve;
use super::fuzzy::FuzzySet;
use super::membership::{Neighbours, Smoothing, memberships};
use crate::graph::Graph;

const FIXTURES: &str = include_str!("../../tests/oracle/fixtures/umap.txt");
/// Neighbours of a row in the fixtures, without itself.
const K: usize = 7;
/// Edges of less are nothing to either, or almost nothing.
const LEAST: f64 = 1e-20;

fn fixture(name: &str) -> Vec<f64> {
    let line = FIXTURES.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
    line.split(' ').skip(1).map(|x| x.parse().unwrap()).collect()
}

struct Given(Graph);

impl Given {
    fn read() -> Self {
        Self(Graph {
            k: K,
            neighbours: fixture("neighbours").iter().map(|&x| x as u32).collect(),
            distances: fixture("distances").iter().map(|&x| x as f32).collect(),
            recall: 1.0,
        })
    }

    fn neighbours(&self) -> Neighbours<'_> {
        Neighbours::new(&self.0, self.0.neighbours.len() / K, K)
    }

    fn set(&self, mix_ratio: f32) -> FuzzySet {
        let neighbours = self.neighbours();
        let scales = Smoothing::of_graph(neighbours, 1.0).scales(neighbours);
        FuzzySet::unite(neighbours, &memberships(neighbours, &scales), mix_ratio, true)
    }
}

fn near(got: &[f32], right: &[f64], tolerance: f64) {
    assert_eq!(got.len(), right.len());
    for (i, (&x, &y)) in got.iter().zip(right).enumerate() {
        assert!((f64::from(x) - y).abs() <= tolerance * f64::max(y.abs(), 1e-3), "{i}: {x} {y}");
    }
}

/// Edges and their values, as rows of three numbers.
fn same_edges(set: &FuzzySet, values: &[f32], right: &[f64], tolerance: f64) {
    let mut got = Vec::new();
    for row in 0..set.rows() {
        for edge in set.range(row) {
            let value = f64::from(values[edge]);
            if value > LEAST {
                got.push((row, set.tails[edge] as usize, value));
            }
        }
    }
    let right: Vec<&[f64]> = right.chunks(3).filter(|edge| edge[2] > LEAST).collect();
    assert_eq!(got.len(), right.len());
    for (x, y) in got.iter().zip(right) {
        assert_eq!((x.0, x.1), (y[0] as usize, y[1] as usize));
        assert!((x.2 - y[2]).abs() < tolerance, "{x:?} {y:?}");
    }
}

#[test]
fn scales_are_those_of_the_reference() {
    let given = Given::read();
    for (name, local_connectivity) in [("", 1.0), ("_2.5", 2.5)] {
        let neighbours = given.neighbours();
        let scales = Smoothing::of_graph(neighbours, local_connectivity).scales(neighbours);
        let rhos: Vec<f32> = scales.iter().map(|scale| scale.rho).collect();
        near(&rhos, &fixture(&format!("rhos{name}")), 1e-6);
        let sigmas: Vec<f32> = scales.iter().map(|scale| scale.sigma).collect();
        // Both stop as soon as the sum of memberships is off by less than 1e-5.
        near(&sigmas, &fixture(&format!("sigmas{name}")), 1e-4);
    }
}

#[test]
fn memberships_are_those_of_the_reference() {
    let given = Given::read();
    let neighbours = given.neighbours();
    let scales = Smoothing::of_graph(neighbours, 1.0).scales(neighbours);
    let right = fixture("memberships");
    for (x, y) in memberships(neighbours, &scales).iter().zip(right) {
        assert!((f64::from(*x) - y).abs() < 2e-5, "{x} {y}");
    }
}

#[test]
fn fuzzy_sets_are_those_of_the_reference() {
    let given = Given::read();
    let set = given.set(1.0);
    same_edges(&set, &set.weights, &fixture("set"), 3e-5);
    let mixed = given.set(0.3);
    same_edges(&mixed, &mixed.weights, &fixture("set_0.3"), 3e-5);
    let right = fixture("lengths");
    for row in 0..set.rows() {
        for edge in set.range(row) {
            let found = right
                .chunks(3)
                .find(|x| x[0] as usize == row && x[1] as u32 == set.tails[edge])
                .map_or(0.0, |x| x[2]);
            assert!((f64::from(set.lengths[edge]) - found).abs() < 1e-5);
        }
    }
}

#[test]
fn curves_are_those_of_the_reference() {
    for right in fixture("curves").chunks(4) {
        let curve = Curve::fit(right[0], right[1]);
        assert!((curve.a - right[2]).abs() < 1e-4 * right[2], "{right:?} {curve:?}");
        assert!((curve.b - right[3]).abs() < 1e-4 * right[3], "{right:?} {curve:?}");
    }
}

#[test]
fn sets_that_know_of_labels_are_those_of_the_reference() {
    let labels: Vec<Option<u32>> =
        fixture("labels").iter().map(|&x| if x < 0.0 { None } else { Some(x as u32) }).collect();
    let set = super::supervised::intersect(Given::read().set(1.0), &labels, 0.5);
    same_edges(&set, &set.weights, &fixture("supervised"), 5e-5);
}
