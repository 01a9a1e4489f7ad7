//! Data to measure with.

#![allow(dead_code)]

use portolan_kernels::random;

/// Rows around so many middles; the middles differ in direction, and rows from them by less than
/// that.
pub fn clusters(rows: usize, width: usize, middles: usize, spread: f32) -> Vec<f32> {
    use rayon::prelude::*;
    let mut values = vec![0f32; rows * width];
    values.par_chunks_mut(width).enumerate().for_each(|(row, values)| {
        let middle = middle(row, middles);
        for (i, x) in (0u64..).zip(values) {
            let at = random::signed(2, middle, i);
            // Three evenly spread numbers make a bell.
            let off: f32 = (0..3).map(|j| random::signed(3 + j, row as u64, i)).sum();
            *x = at + spread * off;
        }
    });
    values
}

/// Around which middle a row of [`clusters`] lies.
pub fn middle(row: usize, middles: usize) -> u64 {
    random::number(1, 0, row as u64) % middles as u64
}

/// Rows that vary in a few directions, strongly in the first and ever less in the others: what
/// vectors of real texts look like to a search.
pub fn curved(rows: usize, width: usize, middles: usize) -> Vec<f32> {
    use rayon::prelude::*;
    const INNER: usize = 48;
    let mut values = vec![0f32; rows * width];
    let mixing: Vec<f32> = (0..(INNER * width) as u64).map(|i| random::signed(9, 0, i)).collect();
    values.par_chunks_mut(width).enumerate().for_each(|(row, values)| {
        let middle = random::number(1, 0, row as u64) % middles as u64;
        for (i, mixing) in (0u64..).zip(mixing.chunks_exact(width)) {
            let off: f32 = (0..3).map(|j| random::signed(3 + j, row as u64, i)).sum();
            let inner = (random::signed(2, middle, i) * 0.7 + off) / (1.0 + i as f32 / 8.0);
            for (x, m) in values.iter_mut().zip(mixing) {
                *x += inner * m;
            }
        }
    });
    values
}

/// A two-dimensional NumPy file of f32.
pub fn npy(path: &str) -> std::io::Result<(Vec<f32>, usize)> {
    let bytes = std::fs::read(path)?;
    let bad = || std::io::Error::other("not a NumPy file of f32 rows");
    let length = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let header = std::str::from_utf8(&bytes[10..10 + length]).map_err(|_| bad())?;
    let width = header.split("'shape': (").nth(1).and_then(|shape| {
        let shape = shape.split(')').next()?;
        shape.split(',').nth(1)?.trim().parse().ok()
    });
    let values = bytes[10 + length..].as_chunks::<4>().0;
    Ok((values.iter().map(|&b| f32::from_le_bytes(b)).collect(), width.ok_or_else(bad)?))
}

/// The most memory that the process has held, in megabytes.
pub fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok()).unwrap_or(0) / 1024
}
