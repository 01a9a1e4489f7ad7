//! How long the neighbour graph takes, and how much of it is right.
//!
//! `cargo bench -p portolan-kernels --bench neighbours -- [rows] [method] [data]`: data is `curved`,
//! `clusters` or a NumPy file of f32 rows.

mod common;

use std::time::Instant;

use portolan_kernels::neighbours::{Index, Method, Metric, Options};
use portolan_kernels::rows::Rows;
use portolan_kernels::watch::Watch;

/// Says when each stage began.
struct Clock(Instant);

impl Watch for Clock {
    fn stage(&self, name: &'static str, steps: usize) {
        println!("  {:8.3} s {name} ({steps})", self.0.elapsed().as_secs_f64());
    }
    fn done(&self, _: usize) {}
    fn stopped(&self) -> bool {
        false
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let rows: usize = words.next().map_or(Ok(20_000), |word| word.parse())?;
    let method = match words.next().as_deref() {
        None | Some("auto") => Method::Auto,
        Some("exact") => Method::Exact,
        Some("cells") => Method::Cells,
        Some(other) => return Err(format!("no method {other}").into()),
    };
    let (mut values, width) = match words.next().as_deref() {
        None | Some("curved") => (common::curved(rows, 384, 1000), 384),
        Some("clusters") => (common::clusters(rows, 384, 1000, 0.5), 384),
        Some(path) => common::npy(path)?,
    };
    values.truncate(rows * width);
    let all = Rows::new(&values, width).ok_or("not whole rows")?;
    let metric = match words.next().as_deref() {
        Some("l2") => Metric::L2,
        Some("dot") => Metric::Dot,
        _ => Metric::Cosine,
    };
    let options = Options { method, metric, ..Options::default() };
    let before = common::peak();
    let start = Instant::now();
    let clock = Clock(start);
    let index = Index::build(all, &options, &clock)?;
    println!("  {:8.3} s built", start.elapsed().as_secs_f64());
    let graph = index.graph(&clock)?;
    println!(
        "{} x {width} {method:?}: {:.3} s, recall {:.4}, {} MB beyond the input",
        all.len(),
        start.elapsed().as_secs_f64(),
        graph.recall,
        common::peak() - before
    );
    Ok(())
}
