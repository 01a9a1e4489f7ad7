//! How fast a long column is measured against one vector, beside how fast it can be read at all, and
//! against many at once, beside the product of the two alone.
//!
//! `cargo bench -p portolan-kernels --bench distance -- [rows] [width]`

mod common;

use std::hint::black_box;
use std::time::Instant;

use half::f16;
use portolan_kernels::distance::{Element, Measure, one_to_many, pairwise};
use portolan_kernels::nearest::Many;
use portolan_kernels::rows::Rows;
use portolan_math::{Onto, Packed};
use rayon::prelude::*;

/// The best of a few times, in seconds.
fn best(mut work: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..7).map(time).fold(f64::INFINITY, f64::min)
}

/// Reads all bytes and does as little with them as can be.
fn read<T: Sync>(values: &[T]) -> f64 {
    // SAFETY: any bytes are numbers; what is cut off at the ends is not read.
    let (_, words, _) = unsafe { values.align_to::<[u64; 8]>() };
    best(|| {
        let sums = words.par_chunks(4096).map(|words| {
            let mut sum = [0u64; 8];
            for word in words {
                for (sum, &x) in sum.iter_mut().zip(word) {
                    *sum |= x;
                }
            }
            sum.iter().fold(0, |all, x| all | x)
        });
        black_box(sums.reduce(|| 0, |a, b| a | b));
    })
}

fn measure<T: Element>(name: &str, query: &[f32], rows: &[T]) {
    let bytes = size_of_val(rows) as f64 / 1e9;
    let plain = read(rows);
    println!("{name}: read at {:.1} GB/s", bytes / plain);
    let mut out = vec![0.0; rows.len() / query.len()];
    for measure in [Measure::Cosine, Measure::Dot, Measure::L1, Measure::SquaredL2] {
        let time = best(|| {
            let done = one_to_many(measure, query, rows, &mut out);
            assert!(done.is_ok());
            black_box(&mut out);
        });
        println!("  {measure:?}: {:.1} GB/s, {:.0} % of that", bytes / time, 100.0 * plain / time);
    }
    let (left, right) = rows.split_at(rows.len() / 2 / query.len() * query.len());
    let right = &right[..left.len()];
    let out = &mut out[..left.len() / query.len()];
    let time = best(|| {
        let done = pairwise(Measure::Cosine, left, right, query.len(), out);
        assert!(done.is_ok());
        black_box(&mut *out);
    });
    println!("  Cosine, row by row: {:.0} % of that", 100.0 * plain / time);
}

/// The nearest to each of a hundred vectors.
fn many(rows: &[f32], width: usize) -> Result<(), Box<dyn std::error::Error>> {
    const ASKED: usize = 100;
    let queries = Rows::new(&rows[..ASKED * width], width).ok_or("too few rows")?;
    let packed = Packed::new(&[queries.values()], width);
    let product = best(|| {
        rows.par_chunks(256 * width).for_each_init(
            || vec![0.0; 256 * ASKED],
            |out, rows| packed.multiply(rows, Onto::Zero, &mut out[..rows.len() / width * ASKED]),
        );
    });
    let time = best(|| {
        if let Some(mut many) = Many::new(Measure::Cosine, queries, 12) {
            many.offer_block(rows, &|row| Some(row as u64));
            black_box(many.into_nearest());
        }
    });
    let flops = 2.0 * ASKED as f64 * rows.len() as f64;
    println!(
        "the nearest to {ASKED} vectors: {:.0} GFLOP/s, {:.0} % of their product",
        flops / time / 1e9,
        100.0 * product / time
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let rows: usize = words.next().map_or(Ok(400_000), |word| word.parse())?;
    let width: usize = words.next().map_or(Ok(384), |word| word.parse())?;
    let values = common::clusters(rows, width, 10, 0.5);
    let query = values[..width].to_vec();
    measure("f32", &query, &values);
    many(&values, width)?;
    let halves: Vec<f16> = values.par_iter().map(|&x| f16::from_f32(x)).collect();
    drop(values);
    measure("f16", &query, &halves);
    Ok(())
}
