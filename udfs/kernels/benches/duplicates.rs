//! Duplicates of stored vectors, as `benches/peers/duplicates.py` judges them:
//! `cargo bench -p portolan-kernels --bench duplicates -- VECTORS.npy CUTOFF OUT`.
//!
//! Prints the seconds. To OUT go, as little-endian numbers, every row's cluster and then the row that is
//! kept of it.

mod common;

use std::time::Instant;

use portolan_kernels::duplicates::{Options, duplicates};
use portolan_kernels::rows::Rows;
use portolan_kernels::watch::Unwatched;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|x| x != "--bench").collect();
    let [vectors, cutoff, out] = words.as_slice() else {
        eprintln!("no rows: VECTORS.npy CUTOFF OUT");
        return Ok(());
    };
    let (values, width) = common::npy(vectors)?;
    let rows = Rows::new(&values, width).ok_or("not whole rows")?;
    let ids: Vec<u64> = (0..rows.len() as u64).collect();
    let start = Instant::now();
    let found = duplicates(rows, &ids, &Options { cutoff: cutoff.parse()? }, &Unwatched)?;
    println!("seconds {:.3}", start.elapsed().as_secs_f64());
    let all = found.clusters.iter().chain(&found.retained);
    std::fs::write(out, all.flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(())
}
