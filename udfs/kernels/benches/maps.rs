//! How long principal components and the judging of a map take.
//!
//! `cargo bench -p portolan-kernels --bench maps -- [rows] [anchors] [NumPy file]`

mod common;

use std::time::Instant;

use portolan_kernels::metrics::{
    self, label_accuracy, neighbourhoods, silhouette, triplet_accuracy,
};
use portolan_kernels::pca::{self, Pca};
use portolan_kernels::rows::Rows;
use portolan_kernels::watch::{Unwatched, Watch};

/// Counts what is done of the latest stage.
#[derive(Default)]
struct Count(std::sync::atomic::AtomicUsize);

impl Watch for Count {
    fn stage(&self, _: &'static str, _: usize) {}
    fn done(&self, steps: usize) {
        self.0.store(steps, std::sync::atomic::Ordering::Relaxed);
    }
    fn stopped(&self) -> bool {
        false
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let rows: usize = words.next().map_or(Ok(20_000), |word| word.parse())?;
    let anchors: usize = words.next().map_or(Ok(20_000), |word| word.parse())?;
    let (mut values, width) = match words.next() {
        Some(path) => common::npy(&path)?,
        None => (common::curved(rows, 384, 40), 384),
    };
    values.truncate(rows * width);
    let high = Rows::new(&values, width).ok_or("not whole rows")?;
    let time =
        |name: &str, start: Instant| println!("{name}: {:.3} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let count = Count::default();
    let pca = Pca::fit(high, &pca::Options::default(), &count)?;
    time(&format!("{rows} x {width}: 2 components in {} passes", count.0.into_inner()), start);
    let start = Instant::now();
    let low = pca.place(high, &Unwatched)?;
    time("places", start);
    let low = Rows::new(&low, 2).ok_or("not whole rows")?;
    let labels: Vec<u32> = (0..high.len() as u64)
        .map(|i| (portolan_kernels::random::number(1, 0, i) % 40) as u32)
        .collect();
    let options = metrics::Options { anchors, ..metrics::Options::default() };
    let start = Instant::now();
    let found = neighbourhoods(high, low, &[10, 15], &options, &Unwatched)?;
    time(&format!("{found:?}"), start);
    let start = Instant::now();
    let found = triplet_accuracy(high, low, 5, &options, &Unwatched)?;
    time(&format!("triplets {found:.4}"), start);
    let start = Instant::now();
    let found = label_accuracy(low, &labels, 15, &options, &Unwatched)?;
    time(&format!("labels {found:.4}"), start);
    let start = Instant::now();
    let found = silhouette(high, &labels, &options, &Unwatched)?;
    time(&format!("silhouette of the rows {found:.4}"), start);
    let start = Instant::now();
    let found = silhouette(
        low,
        &labels,
        &metrics::Options { metric: portolan_kernels::neighbours::Metric::L2, ..options },
        &Unwatched,
    )?;
    time(&format!("silhouette of the map {found:.4}"), start);
    Ok(())
}
