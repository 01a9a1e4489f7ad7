//! What maps are made of in tests, and how they are judged: all by comparing everything with everything.

use std::sync::atomic::{AtomicUsize, Ordering};

use portolan_kernels::graph::{Graph, NONE};
use portolan_kernels::watch::Watch;

/// Rows with their labels.
pub struct Labelled {
    pub rows: Vec<Vec<f32>>,
    pub labels: Vec<u32>,
}

/// The handwritten digits of scikit-learn: 1,797 of 64 pixels.
pub fn digits() -> Labelled {
    let bytes = include_bytes!("../oracle/fixtures/digits.bin");
    let count = bytes.len() / 65;
    let (pixels, labels) = bytes.split_at(count * 64);
    Labelled {
        rows: pixels.chunks(64).map(|row| row.iter().map(|&x| f32::from(x)).collect()).collect(),
        labels: labels.iter().map(|&x| u32::from(x)).collect(),
    }
}

/// Clusters of rows around random centres.
pub fn clusters(count: usize, width: usize, each: usize, seed: u32) -> Labelled {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let centres: Vec<Vec<f32>> =
        (0..count).map(|_| (0..width).map(|_| 4.0 * next()).collect()).collect();
    let labels: Vec<u32> = (0..(count * each) as u32).map(|i| i % count as u32).collect();
    let rows = labels
        .iter()
        .map(|&label| {
            centres[label as usize].iter().map(|x| x + next() + next() + next()).collect()
        })
        .collect();
    Labelled { rows, labels }
}

pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt()
}

/// The nearest of the others by distance, then by number.
pub fn nearest(rows: &[Vec<f32>], of: &[f32], k: usize, but: usize) -> Vec<(f32, u32)> {
    let mut all: Vec<(f32, u32)> = rows
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != but)
        .map(|(i, row)| (distance(row, of), i as u32))
        .collect();
    let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if k < all.len() {
        all.select_nth_unstable_by(k, order);
        all.truncate(k);
    }
    all.sort_by(order);
    all
}

/// The exact graph of rows.
pub fn graph(rows: &[Vec<f32>], k: usize) -> Graph {
    graph_into(rows, rows, k, true)
}

/// The neighbours of some rows among others, which are the same ones or not.
pub fn graph_into(from: &[Vec<f32>], into: &[Vec<f32>], k: usize, same: bool) -> Graph {
    let mut graph = Graph { k, neighbours: Vec::new(), distances: Vec::new(), recall: 1.0 };
    for (i, row) in from.iter().enumerate() {
        let near = nearest(into, row, k, if same { i } else { usize::MAX });
        let none = k - near.len();
        graph.neighbours.extend(near.iter().map(|x| x.1).chain(std::iter::repeat_n(NONE, none)));
        graph.distances.extend(near.iter().map(|x| x.0).chain(std::iter::repeat_n(0.0, none)));
    }
    graph
}

/// The first principal components of rows, by repeated multiplication.
pub fn principal(rows: &[Vec<f32>], dims: usize) -> Vec<f32> {
    let width = rows.first().map_or(0, Vec::len);
    let mean: Vec<f64> = (0..width)
        .map(|j| rows.iter().map(|row| f64::from(row[j])).sum::<f64>() / rows.len() as f64)
        .collect();
    let centred: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| row.iter().zip(&mean).map(|(&x, m)| f64::from(x) - m).collect())
        .collect();
    let mut axes: Vec<Vec<f64>> = Vec::new();
    for d in 0..dims {
        let mut axis: Vec<f64> = (0..width).map(|j| 1.0 + ((j + d) % 3) as f64).collect();
        for _ in 0..60 {
            let mut next = vec![0.0; width];
            for row in &centred {
                let dot: f64 = row.iter().zip(&axis).map(|(x, y)| x * y).sum();
                next.iter_mut().zip(row).for_each(|(n, x)| *n += dot * x);
            }
            for other in &axes {
                let dot: f64 = next.iter().zip(other).map(|(x, y)| x * y).sum();
                next.iter_mut().zip(other).for_each(|(n, x)| *n -= dot * x);
            }
            let length = next.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-300);
            axis = next.iter().map(|x| x / length).collect();
        }
        axes.push(axis);
    }
    let along = |row: &Vec<f64>, axis: &Vec<f64>| {
        row.iter().zip(axis).map(|(x, y)| x * y).sum::<f64>() as f32
    };
    centred
        .iter()
        .flat_map(|row| axes.iter().map(|axis| along(row, axis)).collect::<Vec<_>>())
        .collect()
}

pub fn as_rows(map: &[f32], dims: usize) -> Vec<Vec<f32>> {
    map.chunks(dims).map(<[f32]>::to_vec).collect()
}

/// How often the majority of the nearest k on the map has the row's own label.
pub fn accuracy(map: &[f32], dims: usize, labels: &[u32], k: usize) -> f64 {
    let rows = as_rows(map, dims);
    let right = (0..rows.len())
        .filter(|&i| vote(&nearest(&rows, &rows[i], k, i), labels) == labels[i])
        .count();
    right as f64 / rows.len() as f64
}

/// The label that most of the neighbours carry.
pub fn vote(near: &[(f32, u32)], labels: &[u32]) -> u32 {
    let mut votes = vec![0; *labels.iter().max().unwrap() as usize + 1];
    near.iter().for_each(|x| votes[labels[x.1 as usize] as usize] += 1);
    (0..votes.len()).max_by_key(|&label| votes[label]).unwrap() as u32
}

/// The share of k neighbours that map and graph have in common.
pub fn preserved(map: &[f32], dims: usize, graph: &Graph, k: usize) -> f64 {
    let rows = as_rows(map, dims);
    let mut kept = 0;
    for (i, row) in rows.iter().enumerate() {
        let near = nearest(&rows, row, k, i);
        let right = &graph.neighbours[i * graph.k..][..k];
        kept += near.iter().filter(|x| right.contains(&x.1)).count();
    }
    kept as f64 / (rows.len() * k) as f64
}

/// Who stops the work after so many questions whether to.
pub struct Impatient {
    pub left: AtomicUsize,
}

impl Watch for Impatient {
    fn stage(&self, _: &'static str, _: usize) {}
    fn done(&self, _: usize) {}
    fn stopped(&self) -> bool {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_err()
    }
}
