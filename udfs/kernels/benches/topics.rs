//! Topics of stored vectors, as `benches/peers/topics.py` compares them:
//! `cargo bench -p portolan-kernels --bench topics -- VECTORS.npy OUT [TEXTS [COUNTS]]`.
//!
//! Prints the seconds for the graph, the topics and, of TEXTS with a line a row, the names; and how many
//! topics and how much noise each depth has. To OUT go, as little-endian numbers, for each depth every
//! row's topic and then every row's nearest one; the names as a tree go to OUT.txt. COUNTS is how many
//! at each depth, like 8,64.

mod common;

use std::time::Instant;

use portolan_kernels::graph::NONE;
use portolan_kernels::labels::{self, Label, labels};
use portolan_kernels::neighbours::{self, Options};
use portolan_kernels::rows::Rows;
use portolan_kernels::topics::{self, Topics, topics};
use portolan_kernels::watch::Unwatched;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|x| x != "--bench").collect();
    let [vectors, out, more @ ..] = words.as_slice() else {
        eprintln!("no rows: VECTORS.npy OUT [TEXTS [COUNTS]]");
        return Ok(());
    };
    let (values, width) = common::npy(vectors)?;
    let rows = Rows::new(&values, width).ok_or("not whole rows")?;
    let counts = match more.get(1) {
        Some(counts) => counts.split(',').map(str::parse).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let start = Instant::now();
    let graph = neighbours::graph(rows, &Options::default(), &Unwatched)?;
    println!("graph {:.3}", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let options = topics::Options { counts, ..topics::Options::default() };
    let found = topics(rows, &graph, &options, &Unwatched)?;
    println!("topics {:.3}", start.elapsed().as_secs_f64());
    let mut bytes = Vec::new();
    for depth in &found.depths {
        let noise = depth.topics.iter().filter(|&&topic| topic == NONE).count();
        println!("depth {} {:.4}", depth.count, noise as f64 / rows.len() as f64);
        let all = depth.topics.iter().chain(&depth.nearest);
        bytes.extend(all.flat_map(|topic| topic.to_le_bytes()));
    }
    std::fs::write(out, bytes)?;
    if let Some(texts) = more.first() {
        let texts = std::fs::read_to_string(texts)?;
        let texts: Vec<&str> = texts.lines().take(rows.len()).collect();
        let start = Instant::now();
        let names = labels(&texts, &found, &labels::Options::default(), &Unwatched)?;
        println!("names {:.3}", start.elapsed().as_secs_f64());
        let mut tree = String::new();
        write_tree(&found, &names, 0, None, &mut tree);
        std::fs::write(format!("{out}.txt"), tree)?;
    }
    Ok(())
}

/// The names of a depth below a topic, each with those below it.
fn write_tree(
    found: &Topics,
    names: &[Vec<Label>],
    at: usize,
    above: Option<u32>,
    tree: &mut String,
) {
    let Some(depth) = found.depths.get(at) else { return };
    for topic in 0..depth.count as u32 {
        if depth.parents.get(topic as usize).copied() == above {
            let rows = depth.nearest.iter().filter(|&&nearest| nearest == topic).count();
            let name = &names[at][topic as usize];
            let indent = "    ".repeat(at);
            tree.push_str(&format!("{indent}{} ({rows}): {}\n", name.short, name.description));
            write_tree(found, names, at + 1, Some(topic), tree);
        }
    }
}
