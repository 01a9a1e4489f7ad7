//! A map of stored vectors, from the file to the last epoch, as `benches/peers/maps.py` compares it:
//! `cargo bench -p portolan-kernels --bench lay_out -- METHOD VECTORS ROWS SEED OUT [OPTION=VALUE ...]`.
//!
//! METHOD is umap, nomad, or pca: the start alone, what both are held against. VECTORS is a NumPy
//! file of f32, or `clusters`: generated rows of 384 around 1,000 middles. The map is written to OUT as
//! little-endian numbers, two a row; the seconds for graph, principal components, and layout are
//! printed, and the most memory held; for generated rows also by how many of 20,000 rows their 15
//! nearest on the map tell around which middle they lie. Options are those of `Umap` and `Nomad`.

mod common;

use std::time::Instant;

use portolan_kernels::canonical::{arranged, renumbered, restored};
use portolan_kernels::metrics::{self, label_accuracy};
use portolan_kernels::neighbours::{self, Options};
use portolan_kernels::nomad::Nomad;
use portolan_kernels::order::Order;
use portolan_kernels::pca::{self, Pca};
use portolan_kernels::rows::Rows;
use portolan_kernels::umap::Umap;
use portolan_kernels::watch::Unwatched;

/// Generated rows: how wide, and around how many middles.
const WIDTH: usize = 384;
const MIDDLES: usize = 1000;

type Failed = Box<dyn std::error::Error>;

/// Options as names and values.
fn named(options: &[String]) -> impl Iterator<Item = Result<(&str, &str), Failed>> {
    options.iter().map(|option| option.split_once('=').ok_or("an option is NAME=VALUE".into()))
}

fn umap(options: &[String], seed: u64) -> Result<Umap, Failed> {
    let mut umap = Umap { seed, ..Umap::default() };
    for option in named(options) {
        match option? {
            ("negatives", value) => umap.negatives = value.parse()?,
            ("epochs", value) => umap.epochs = Some(value.parse()?),
            ("spectral_steps", value) => umap.spectral_steps = value.parse()?,
            ("min_dist", value) => umap.min_dist = value.parse()?,
            ("repulsion", value) => umap.repulsion = value.parse()?,
            (name, _) => return Err(format!("no option '{name}'").into()),
        }
    }
    Ok(umap)
}

fn nomad(options: &[String], seed: u64) -> Result<Nomad, Failed> {
    let mut nomad = Nomad { seed, ..Nomad::default() };
    for option in named(options) {
        match option? {
            ("epochs", value) => nomad.epochs = value.parse()?,
            ("rho", value) => nomad.rho = value.parse()?,
            ("size", value) => nomad.local_neighborhood_size = Some(value.parse()?),
            (name, _) => return Err(format!("no option '{name}'").into()),
        }
    }
    Ok(nomad)
}

fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).filter(|x| x != "--bench").collect();
    let [method, vectors, rows, seed, out, options @ ..] = words.as_slice() else {
        eprintln!("nothing to lay out: METHOD VECTORS ROWS SEED OUT [OPTION=VALUE ...]");
        return Ok(());
    };
    let rows: usize = rows.parse()?;
    let (mut values, width) = match vectors.as_str() {
        "clusters" => (common::clusters(rows, WIDTH, MIDDLES, 0.5), WIDTH),
        path => common::npy(path)?,
    };
    values.truncate(rows * width);
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
    let sorted = arranged(&values, width, &order);
    drop(values);
    let given = Rows::new(&sorted, width).ok_or("not whole rows")?;
    let pca = Pca::fit(given, &pca::Options { components: 2, seed: 1 }, &Unwatched)?;
    let start = pca.place(given, &Unwatched)?;
    lap("start");
    let map = match method.as_str() {
        "umap" => umap(options, seed)?.fit(&near, &start, &Unwatched)?,
        "nomad" => nomad(options, seed)?.fit(&near, given, &start, &Unwatched)?,
        "pca" => start,
        _ => return Err(format!("no method '{method}'").into()),
    };
    lap("layout");
    println!("recall {}", near.recall);
    println!("megabytes {}", common::peak());
    let map = restored(&map, 2, &order);
    if vectors == "clusters" {
        let labels: Vec<u32> = (0..rows).map(|row| common::middle(row, MIDDLES) as u32).collect();
        let low = Rows::new(&map, 2).ok_or("not whole rows")?;
        let options = metrics::Options { anchors: 20_000, ..metrics::Options::default() };
        println!("knn {:.4}", label_accuracy(low, &labels, 15, &options, &Unwatched)?);
    }
    std::fs::write(out, map.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(())
}
