//! A map of stored vectors, from the file to the last epoch, as `benches/peers/maps.py` compares it:
//! `cargo bench -p portolan-kernels --bench lay_out -- METHOD VECTORS.npy ROWS SEED OUT`.
//!
//! METHOD is umap or nomad. The map is written to OUT as little-endian numbers, two a row; the
//! seconds for graph, principal components, and layout are printed.

mod common;

use std::time::Instant;

use portolan_kernels::canonical::{arranged, renumbered, restored};
use portolan_kernels::neighbours::{self, Options};
use portolan_kernels::nomad::Nomad;
use portolan_kernels::order::Order;
use portolan_kernels::pca::{self, Pca};
use portolan_kernels::rows::Rows;
use portolan_kernels::umap::Umap;
use portolan_kernels::watch::Unwatched;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|x| x != "--bench").collect();
    let [method, vectors, rows, seed, out] = words.as_slice() else {
        eprintln!("nothing to lay out: METHOD VECTORS.npy ROWS SEED OUT");
        return Ok(());
    };
    let (mut values, width) = common::npy(vectors)?;
    values.truncate(rows.parse::<usize>()? * width);
    let seed = seed.parse()?;
    let begin = Instant::now();
    let mut last = 0.0;
    let mut lap = |name: &str| {
        let now = begin.elapsed().as_secs_f64();
        println!("{name} {:.3}", now - last);
        last = now;
    };
    let given = Rows::new(&values, width).ok_or("not whole rows")?;
    let order = Order::of(given);
    let k = if method == "nomad" { 15 } else { 14 };
    let near = neighbours::graph(given, &Options { k, ..Options::default() }, &Unwatched)?;
    let near = renumbered(&near, &order);
    lap("graph");
    let values = arranged(&values, width, &order);
    let given = Rows::new(&values, width).ok_or("not whole rows")?;
    let pca = Pca::fit(given, &pca::Options { components: 2, seed: 1 }, &Unwatched)?;
    let start = pca.place(given, &Unwatched)?;
    lap("start");
    let map = match method.as_str() {
        "umap" => Umap { seed, ..Umap::default() }.fit(&near, &start, &Unwatched)?,
        "nomad" => Nomad { seed, ..Nomad::default() }.fit(&near, given, &start, &Unwatched)?,
        _ => return Err(format!("no method '{method}'").into()),
    };
    lap("layout");
    println!("recall {}", near.recall);
    let map = restored(&map, 2, &order);
    std::fs::write(out, map.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(())
}
