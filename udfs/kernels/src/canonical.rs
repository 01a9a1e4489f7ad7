//! What belongs to rows, in the order of what they hold, and back in the order in which they came.
//!
//! Maps draw their chances by the rows' numbers. If rows are numbered by their content, the map does
//! not depend on how they happened to be stored.

use crate::graph::{Graph, NONE};
use crate::order::Order;

/// So many numbers for each row, in canonical order.
pub fn arranged<T: Copy>(values: &[T], each: usize, order: &Order) -> Vec<T> {
    let mut arranged = Vec::with_capacity(values.len());
    for &row in order.rows() {
        arranged.extend_from_slice(&values[row as usize * each..][..each]);
    }
    arranged
}

/// So many numbers for each row, from canonical order to that in which the rows came.
pub fn restored<T: Copy + Default>(values: &[T], each: usize, order: &Order) -> Vec<T> {
    let mut restored = vec![T::default(); values.len()];
    for (place, &row) in order.rows().iter().enumerate() {
        restored[row as usize * each..][..each].copy_from_slice(&values[place * each..][..each]);
    }
    restored
}

/// A graph, its rows in canonical order.
pub fn renumbered(graph: &Graph, order: &Order) -> Graph {
    let mut numbers = vec![0u32; order.rows().len()];
    for (place, &row) in order.rows().iter().enumerate() {
        // Rows are counted in 32 bits.
        numbers[row as usize] = place as u32;
    }
    let mut neighbours = arranged(&graph.neighbours, graph.k, order);
    for id in neighbours.iter_mut().filter(|id| **id != NONE) {
        *id = numbers[*id as usize];
    }
    let distances = arranged(&graph.distances, graph.k, order);
    Graph { k: graph.k, neighbours, distances, recall: graph.recall }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Rows;

    #[test]
    fn what_is_arranged_can_be_restored() {
        let values: Vec<f32> = (0..60).map(|i| (i * 37 % 23) as f32).collect();
        let order = Order::of(Rows::new(&values, 3).unwrap());
        let arranged = arranged(&values, 3, &order);
        assert_ne!(arranged, values);
        assert_eq!(restored(&arranged, 3, &order), values);
    }

    #[test]
    fn a_graph_keeps_its_edges() {
        let values: Vec<f32> = (0..30).map(|i| (i * 7 % 11) as f32 + i as f32).collect();
        let order = Order::of(Rows::new(&values, 3).unwrap());
        let graph = Graph {
            k: 2,
            neighbours: (0..20).map(|i| if i == 5 { NONE } else { (i * 3 + 1) % 10 }).collect(),
            distances: (0..20).map(|i| i as f32).collect(),
            recall: 1.0,
        };
        let new = renumbered(&graph, &order);
        for (place, &row) in order.rows().iter().enumerate() {
            for column in 0..2 {
                let (to, from) = (place * 2 + column, row as usize * 2 + column);
                assert_eq!(new.distances[to], graph.distances[from]);
                let old = match new.neighbours[to] {
                    NONE => NONE,
                    id => order.rows()[id as usize],
                };
                assert_eq!(old, graph.neighbours[from]);
            }
        }
    }
}
