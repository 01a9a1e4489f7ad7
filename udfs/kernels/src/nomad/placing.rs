//! New rows on a map that is there.
//!
//! On a map of very many rows the neighbours of a row may lie in several places, and between these lie
//! others: a row goes where most of its neighbours are, not to their mean. Where it ends up depends on the
//! map and on its own neighbours, never on which rows came with it.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::watch::Watch;

/// How near neighbours must lie to count as being in one place, in distances at which rows would lie
/// if they lay evenly.
const TOGETHER: f64 = 2.0;
/// Steps from the neighbour that has most others around it to the middle of these.
const STEPS: usize = 3;

/// Places new rows on a map of two numbers a row. The graph holds their neighbours among its rows. A row
/// without neighbours goes to the middle of the map.
pub fn place(map: &[[f32; 2]], graph: &Graph, watch: &dyn Watch) -> Result<Vec<[f32; 2]>> {
    if let Some(row) = map.iter().position(|place| !place.iter().all(|x| x.is_finite())) {
        return Err(Error::NotFinite { row });
    }
    if graph.k == 0 || map.is_empty() {
        return Err(Error::Shape("new rows need neighbours on the map, and there are none".into()));
    }
    let rows = graph.neighbours.len() / graph.k;
    graph.check_into(rows, map.len())?;
    watch.stage("placing", rows);
    if watch.stopped() {
        return Err(Error::Stopped);
    }
    let (middle, spread) = spread(map);
    // Never 0: all rows of a map may lie in one place.
    let near = f64::max(TOGETHER.powi(2) * spread / map.len() as f64, f64::MIN_POSITIVE);
    let places = (0..rows).into_par_iter().map(|row| {
        let there: Vec<[f32; 2]> =
            graph.near(row).filter_map(|(id, _)| map.get(id as usize)).copied().collect();
        crowd(&there, near).unwrap_or(middle)
    });
    let places = places.collect();
    watch.done(rows);
    Ok(places)
}

/// Where most of some places are.
fn crowd(places: &[[f32; 2]], near: f64) -> Option<[f32; 2]> {
    let around = |at: [f32; 2]| places.iter().map(|there| closeness(at, *there, near)).sum::<f64>();
    let mut most: Option<([f32; 2], f64)> = None;
    // Of places with as many around them, that of the nearer row.
    for &at in places {
        let around = around(at);
        if most.is_none_or(|(_, other)| around > other) {
            most = Some((at, around));
        }
    }
    let (mut at, _) = most?;
    for _ in 0..STEPS {
        let (mut all, mut sums) = (0.0, [0.0; 2]);
        for there in places {
            let weight = closeness(at, *there, near);
            all += weight;
            sums = [0, 1].map(|axis| f64::from(there[axis]).mul_add(weight, sums[axis]));
        }
        // The place that it began at has some weight.
        at = sums.map(|sum| (sum / all) as f32);
    }
    Some(at)
}

/// From 1 for the same place down to 0 for far ones.
fn closeness(one: [f32; 2], other: [f32; 2], near: f64) -> f64 {
    let apart = [0, 1].map(|axis| f64::from(one[axis]) - f64::from(other[axis]));
    let squared = apart[0].powi(2) + apart[1].powi(2);
    near / (near + squared)
}

/// The middle of a map, and the mean square of the distances from there.
fn spread(map: &[[f32; 2]]) -> ([f32; 2], f64) {
    let count = map.len() as f64;
    let mean = |of: &dyn Fn(&[f32; 2]) -> f64| map.iter().map(of).sum::<f64>() / count;
    let middle = [0, 1].map(|axis| mean(&|place| f64::from(place[axis])));
    let spread = mean(&|place| {
        (0..2).map(|axis| (f64::from(place[axis]) - middle[axis]).powi(2)).sum::<f64>()
    });
    (middle.map(|x| x as f32), spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::NONE;
    use crate::watch::Unwatched;

    fn graph(k: usize, neighbours: Vec<u32>) -> Graph {
        let distances = (0..neighbours.len()).map(|at| 0.1 + (at % k) as f32).collect();
        Graph { k, neighbours, distances, recall: 1.0 }
    }

    /// Two groups far from each other, a few rows in each.
    fn map() -> Vec<[f32; 2]> {
        let group =
            |x: f32| (0..50).map(move |row| [x + 0.01 * (row % 7) as f32, 0.01 * (row / 7) as f32]);
        group(-10.0).chain(group(10.0)).collect()
    }

    #[test]
    fn a_row_goes_where_most_of_its_neighbours_are_and_not_between() {
        let map = map();
        // The nearest lies on the left, most on the right.
        let near = graph(5, vec![3, 60, 61, 62, 70, 1, 2, 3, 90, 91]);
        let places = place(&map, &near, &Unwatched).unwrap();
        assert!((places[0][0] - 10.0).abs() < 0.5, "{places:?}");
        assert!((places[1][0] + 10.0).abs() < 0.5, "{places:?}");
        // Whoever else comes has no say.
        let alone = place(&map, &graph(5, vec![1, 2, 3, 90, 91]), &Unwatched).unwrap();
        assert_eq!(alone[0], places[1]);
    }

    #[test]
    fn odd_maps_and_rows_have_places() {
        let map = map();
        let none = place(&map, &graph(2, vec![NONE, NONE]), &Unwatched).unwrap();
        assert!(none[0][0].abs() < 0.1, "the middle: {none:?}");
        let one = place(&[[2.0, 3.0]; 4], &graph(2, vec![0, 1]), &Unwatched).unwrap();
        assert_eq!(one, [[2.0, 3.0]]);
        let far =
            place(&[[1e30, 0.0], [-1e30, 0.0], [1e30, 1.0]], &graph(3, vec![0, 1, 2]), &Unwatched);
        assert!(far.unwrap()[0].iter().all(|x| x.is_finite()));
        assert!(place(&[[f32::NAN, 0.0]], &graph(1, vec![0]), &Unwatched).is_err());
        assert!(place(&[], &graph(1, vec![0]), &Unwatched).is_err());
        assert!(place(&map, &graph(1, vec![100]), &Unwatched).is_err());
    }
}
