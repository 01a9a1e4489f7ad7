//! Pictures and image models against what other programs made of them: `tests/oracle/images.py` and
//! `vision.py` wrote it down.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod decode;
mod resize;
mod vision;
#[path = "../oracle/weights.rs"]
mod weights;

use std::path::PathBuf;

/// The folder with the oracles' results.
fn oracle() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oracle")
}

/// Bytes without any order, the same ones as the oracles make.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    (0..count as u64)
        .map(|i| {
            let x = (seed << 32).wrapping_add(i).wrapping_add(0x9E37_79B9_7F4A_7C15);
            let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((x ^ (x >> 31)) >> 56) as u8
        })
        .collect()
}
