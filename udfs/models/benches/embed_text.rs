//! How fast texts become vectors, and what share of the machine's products of matrices that is.
//!
//!     cargo bench -p portolan-models --bench embed_text -- MODEL_FOLDER LINES [COUNT] [OUT.npy]
//!
//! Prints one line of JSON, as the peers in benches/peers do. The cache is not used. The rate of
//! products alone is measured in the same run, with this model's shapes on all cores.

#[path = "yardstick.rs"]
mod yardstick;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use portolan_models::text::TextConfig;
use portolan_models::{
    Conditions, LongText, Pooling, Prefixes, Task, TextEmbedder, TextModel, TextRecipe,
    TextRequest, Unwatched,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [folder, lines, rest @ ..] = &arguments[..] else {
        // `cargo bench` of everything comes without arguments.
        println!("embed_text: skipped; it needs MODEL_FOLDER LINES [COUNT] [OUT.npy]");
        return Ok(());
    };
    let folder = Path::new(folder);
    let lines = std::fs::read_to_string(lines)?;
    let count = rest.first().map_or(Ok(usize::MAX), |count| count.parse())?;
    let texts: Vec<&str> = lines.lines().take(count).collect();
    let config = TextConfig::read(&folder.join("config.json"))?;
    let nomic = config.rotary.is_some();
    let recipe = TextRecipe {
        prefixes: Prefixes::default(),
        pooling: Pooling::Mean,
        layer_norm: nomic,
        max_tokens: if nomic { 2048 } else { 256 },
    };
    let model = TextModel::open(folder, &recipe)?;
    let (flops, dims) = (model.flops(), model.dims());
    let embedder = TextEmbedder::new(model, "bench".to_string());
    let request = TextRequest { task: Task::SearchDocument, dims, long: LongText::Truncate };
    let run_tokens = std::env::var("RUN_TOKENS").ok().and_then(|tokens| tokens.parse().ok());
    let conditions = Conditions { run_tokens, kept: None, watch: &Unwatched };
    embedder.embed(&texts[..texts.len().min(64)], request, &conditions)?;

    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let products = || yardstick::products(threads, 512, config.width, config.inner);
    let before = products();
    let start = Instant::now();
    let embedded = embedder.embed(&texts, request, &conditions)?;
    let seconds = start.elapsed().as_secs_f64();
    let after = products();

    let peak = (before + after) / 2.0;
    let tokens = embedded.tokens.unwrap_or(0) as f64;
    let rate = tokens * flops as f64 / seconds / 1e9;
    println!(
        "{{\"peer\": \"portolan\", \"task\": \"embed_text\", \"n\": {}, \"seconds\": {seconds:.2}, \
         \"docs_per_s\": {:.1}, \"tokens_per_s\": {:.0}, \"gflop_per_s\": {rate:.1}, \
         \"gemm_gflop_per_s\": {peak:.1}, \"share\": {:.3}}}",
        texts.len(),
        texts.len() as f64 / seconds,
        tokens / seconds,
        rate / peak
    );
    if let Some(path) = rest.get(1) {
        write_npy(path, &embedded.values, dims)?;
    }
    Ok(())
}

/// A matrix of f32 as NumPy reads it.
fn write_npy(path: &str, values: &[f32], width: usize) -> Result<(), Failure> {
    let shape = (values.len() / width.max(1), width);
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}",
        shape.0, shape.1
    );
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(header.len())?.to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for value in values {
        file.write_all(&value.to_le_bytes())?;
    }
    Ok(file.flush()?)
}
