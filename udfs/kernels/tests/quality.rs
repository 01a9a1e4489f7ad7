//! What is said of maps, against scikit-learn and plain oracles.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "oracle/npy.rs"]
mod npy;

use portolan_kernels::Error;
use portolan_kernels::metrics::{
    Options, label_accuracy, neighbourhoods, preservation, silhouette, triplet_accuracy,
    trustworthiness,
};
use portolan_kernels::neighbours::Metric;
use portolan_kernels::random;
use portolan_kernels::rows::Rows;
use portolan_kernels::watch::Unwatched;

struct Map {
    high: Vec<f32>,
    low: Vec<f32>,
    labels: Vec<u32>,
    width: usize,
}

impl Map {
    fn fixture() -> Self {
        let (high, width) = npy::read("quality/high.npy");
        let (low, _) = npy::read("quality/low.npy");
        let labels = npy::read("quality/labels.npy").0.iter().map(|&x| x as u32).collect();
        Self { high, low, labels, width }
    }

    fn high(&self) -> Rows<'_> {
        Rows::new(&self.high, self.width).unwrap()
    }

    fn low(&self) -> Rows<'_> {
        Rows::new(&self.low, 2).unwrap()
    }

    /// Its rows in another order.
    fn turned(&self) -> Self {
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.sort_by_key(|&i| random::number(4, 0, i as u64));
        let of = |values: &[f32], width: usize| -> Vec<f32> {
            order.iter().flat_map(|&i| values[i * width..(i + 1) * width].to_vec()).collect()
        };
        Self {
            high: of(&self.high, self.width),
            low: of(&self.low, 2),
            labels: order.iter().map(|&i| self.labels[i]).collect(),
            width: self.width,
        }
    }
}

fn by(metric: Metric) -> Options {
    Options { metric, ..Options::default() }
}

#[test]
fn it_is_what_scikit_learn_says() {
    let map = Map::fixture();
    let (high, low) = (map.high(), map.low());
    let said = include_str!("oracle/fixtures/quality/said.txt");
    assert_eq!(said.lines().count(), 22);
    for line in said.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let right: f64 = words[words.len() - 1].parse().unwrap();
        let metric = if words[1] == "cosine" { Metric::Cosine } else { Metric::L2 };
        let k = || words[words.len() - 2].parse::<usize>().unwrap();
        let options = by(metric);
        let got = match words[0] {
            "trustworthiness" => trustworthiness(high, low, k(), &options, &Unwatched),
            "preservation" => preservation(high, low, k(), &options, &Unwatched),
            "silhouette" => silhouette(high, &map.labels, &options, &Unwatched),
            "silhouette_low" => silhouette(low, &map.labels, &options, &Unwatched),
            "labels" => label_accuracy(low, &map.labels, k(), &options, &Unwatched),
            other => panic!("{other}"),
        };
        let got = got.unwrap();
        assert!((got - right).abs() < 1e-6, "{line}: {got}");
    }
}

#[test]
fn several_numbers_of_neighbours_are_as_each_alone() {
    let map = Map::fixture();
    let (high, low) = (map.high(), map.low());
    let options = by(Metric::Cosine);
    let all = neighbourhoods(high, low, &[15, 5, 300], &options, &Unwatched).unwrap();
    for (found, k) in all.iter().zip([15, 5, 300]) {
        let alone = neighbourhoods(high, low, &[k], &options, &Unwatched).unwrap();
        assert_eq!(found.k, k);
        assert_eq!(found.preservation, alone[0].preservation);
        assert_eq!(found.trustworthiness.to_bits(), alone[0].trustworthiness.to_bits());
    }
    assert!(all[2].trustworthiness.is_nan() && all[2].preservation > 0.7);
}

#[test]
fn a_perfect_map_keeps_everything() {
    let map = Map::fixture();
    for metric in [Metric::Cosine, Metric::L2] {
        // Unit vectors have the same neighbours by angle as by length.
        let mut rows = map.high.clone();
        for row in rows.chunks_exact_mut(map.width) {
            assert!(portolan_kernels::distance::normalize(row));
        }
        let rows = Rows::new(&rows, map.width).unwrap();
        let all = neighbourhoods(rows, rows, &[1, 10], &by(metric), &Unwatched).unwrap();
        for found in all {
            assert!(found.trustworthiness > 0.99999 && found.preservation > 0.999, "{found:?}");
        }
        assert!(triplet_accuracy(rows, rows, 5, &by(metric), &Unwatched).unwrap() > 0.999);
    }
}

#[test]
fn triplets_are_kept_as_often_as_a_plain_count_says() {
    let mut map = Map::fixture();
    map.high.truncate(150 * map.width);
    map.low.truncate(150 * 2);
    let got = triplet_accuracy(map.high(), map.low(), 1000, &by(Metric::L2), &Unwatched).unwrap();
    let far = |rows: Rows, a: usize, b: usize| -> f32 {
        rows.row(a).iter().zip(rows.row(b)).map(|(x, y)| (x - y) * (x - y)).sum()
    };
    let (mut kept, mut all) = (0u64, 0u64);
    for a in 0..150 {
        for b in 0..150 {
            for c in 0..b {
                if a != b && a != c {
                    let truly = far(map.high(), a, b) < far(map.high(), a, c);
                    kept += u64::from(truly == (far(map.low(), a, b) < far(map.low(), a, c)));
                    all += 1;
                }
            }
        }
    }
    let right = kept as f64 / all as f64;
    // 150,000 drawn ones of 1.7 million.
    assert!((got - right).abs() < 0.005, "{got} {right}");
    let upside_down: Vec<f32> = (0..200).map(|i| (i as f32).powi(2)).collect();
    let other: Vec<f32> = (0..200).map(|i| -(i as f32).powi(2)).collect();
    let rows = |values| Rows::new(values, 1).unwrap();
    let same = triplet_accuracy(rows(&upside_down), rows(&other), 5, &by(Metric::L2), &Unwatched);
    assert_eq!(same, Ok(1.0));
}

#[test]
fn neither_threads_nor_the_order_of_rows_change_a_bit() {
    let map = Map::fixture();
    let turned = map.turned();
    for anchors in [20_000, 100] {
        let options = Options { anchors, ..by(Metric::Cosine) };
        let run = |map: &Map, threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (high, low, labels) = (map.high(), map.low(), &map.labels);
                let near = neighbourhoods(high, low, &[5, 15], &options, &Unwatched).unwrap();
                [
                    near[0].trustworthiness,
                    near[0].preservation,
                    near[1].trustworthiness,
                    near[1].preservation,
                    triplet_accuracy(high, low, 5, &options, &Unwatched).unwrap(),
                    label_accuracy(low, labels, 5, &options, &Unwatched).unwrap(),
                    silhouette(high, labels, &options, &Unwatched).unwrap(),
                ]
                .map(f64::to_bits)
            })
        };
        let one = run(&map, 1);
        assert_eq!(one, run(&map, 3));
        assert_eq!(one, run(&turned, 2));
    }
}

#[test]
fn a_sample_says_about_what_all_say() {
    let map = Map::fixture();
    let some = Options { anchors: 150, ..by(Metric::L2) };
    let all = trustworthiness(map.high(), map.low(), 15, &by(Metric::L2), &Unwatched).unwrap();
    let of_some = trustworthiness(map.high(), map.low(), 15, &some, &Unwatched).unwrap();
    assert!(all != of_some && (all - of_some).abs() < 0.05, "{all} {of_some}");
    let other = Options { seed: 7, ..some.clone() };
    assert!(trustworthiness(map.high(), map.low(), 15, &other, &Unwatched).unwrap() != of_some);
}

#[test]
fn repeats_and_equal_distances_are_no_trouble() {
    let high: Vec<f32> = (0..600).map(|i| (i / 60) as f32 + 1.0).collect();
    let low: Vec<f32> = (0..200).flat_map(|i| [(i / 40) as f32, 0.0]).collect();
    let (high, low) = (Rows::new(&high, 3).unwrap(), Rows::new(&low, 2).unwrap());
    let labels: Vec<u32> = (0..200).map(|i| i / 100).collect();
    let near = neighbourhoods(high, low, &[15], &by(Metric::L2), &Unwatched).unwrap();
    assert!((0.0..=1.0).contains(&near[0].trustworthiness));
    assert!(
        (0.0..=1.0)
            .contains(&label_accuracy(low, &labels, 7, &by(Metric::L2), &Unwatched).unwrap())
    );
    let same = vec![1.0; 400];
    let same = Rows::new(&same, 2).unwrap();
    assert_eq!(silhouette(same, &labels, &by(Metric::L2), &Unwatched), Ok(0.0));
    let near = neighbourhoods(same, same, &[3], &by(Metric::L2), &Unwatched).unwrap();
    assert_eq!((near[0].trustworthiness, near[0].preservation), (1.0, 1.0));
}

#[test]
fn what_has_no_meaning_is_refused() {
    let map = Map::fixture();
    let (high, low, labels) = (map.high(), map.low(), &map.labels);
    let options = by(Metric::L2);
    let few = Rows::new(&map.low[..8], 2).unwrap();
    assert!(matches!(trustworthiness(high, few, 5, &options, &Unwatched), Err(Error::Shape(_))));
    for k in [0, 201, 401] {
        let found = trustworthiness(high, low, k, &options, &Unwatched);
        assert!(matches!(found, Err(Error::Option(_))), "{k}");
    }
    assert!(label_accuracy(low, &labels[1..], 5, &options, &Unwatched).is_err());
    assert!(label_accuracy(few, &labels[..4], 4, &options, &Unwatched).is_err());
    assert!(silhouette(few, &[1; 4], &options, &Unwatched).is_err());
    assert!(silhouette(few, &[1, 2, 3, 4], &options, &Unwatched).is_err());
    assert!(silhouette(few, &[1, 2, 2, 4], &by(Metric::Dot), &Unwatched).is_err());
    assert!(silhouette(few, &[1, 2, 2, 4], &options, &Unwatched).is_ok());
    let two = Rows::new(&map.low[..4], 2).unwrap();
    assert!(triplet_accuracy(two, two, 5, &options, &Unwatched).is_err());
    let none = Options { anchors: 0, ..options };
    assert!(triplet_accuracy(high, low, 5, &none, &Unwatched).is_err());
}
