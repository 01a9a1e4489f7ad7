//! Lays a stored graph out, for `benches/peers/maps.py`:
//! `cargo bench -p portolan-kernels --bench lay_out -- METHOD FOLDER ROWS K SEED OUT`.
//!
//! The folder holds plain little-endian numbers: `neighbours` (u32) and `distances` (f32), K a row,
//! and `start` (f32), two a row. The map is written to OUT; the seconds it took are printed.

use std::path::Path;
use std::time::Instant;

use portolan_kernels::graph::Graph;
use portolan_kernels::nomad::Nomad;
use portolan_kernels::rows::Rows;
use portolan_kernels::umap::Umap;
use portolan_kernels::watch::Unwatched;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|x| x != "--bench").collect();
    let [method, folder, rows, k, seed, out] = arguments.as_slice() else {
        eprintln!("nothing to lay out: METHOD FOLDER ROWS K SEED OUT");
        return Ok(());
    };
    let (folder, rows, k): (_, usize, usize) = (Path::new(folder), rows.parse()?, k.parse()?);
    let graph = Graph {
        k,
        neighbours: numbers(&folder.join("neighbours"), rows * k, u32::from_le_bytes)?,
        distances: numbers(&folder.join("distances"), rows * k, f32::from_le_bytes)?,
        recall: 1.0,
    };
    let start = numbers(&folder.join("start"), rows * 2, f32::from_le_bytes)?;
    let begin = Instant::now();
    let map = match method.as_str() {
        "umap" => {
            Umap { seed: seed.parse()?, ..Umap::default() }.fit(&graph, &start, &Unwatched)?
        }
        "nomad" => {
            let values = std::fs::read(folder.join("rows"))?;
            let values = numbers(&folder.join("rows"), values.len() / 4, f32::from_le_bytes)?;
            let rows = Rows::new(&values, values.len() / rows).ok_or("not whole rows")?;
            let begin = Instant::now();
            let map = Nomad { seed: seed.parse()?, ..Nomad::default() }
                .fit(&graph, rows, &start, &Unwatched)?;
            println!("{:.3}", begin.elapsed().as_secs_f64());
            map
        }
        _ => return Err(format!("no method '{method}'").into()),
    };
    println!("{:.3}", begin.elapsed().as_secs_f64());
    let bytes: Vec<u8> = map.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(out, bytes)?;
    Ok(())
}

fn numbers<T>(path: &Path, count: usize, read: fn([u8; 4]) -> T) -> Result<Vec<T>, Failure> {
    let bytes = std::fs::read(path)?;
    if bytes.len() != count * 4 {
        return Err(
            format!("{}: {} bytes, not {count} numbers", path.display(), bytes.len()).into()
        );
    }
    Ok(bytes.as_chunks::<4>().0.iter().map(|&chunk| read(chunk)).collect())
}
