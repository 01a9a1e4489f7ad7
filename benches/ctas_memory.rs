//! CREATE TABLE AS of 1,000,000 rows with a vector of 384 floats: time and peak memory of the
//! whole process.

use std::error::Error;
use std::time::Instant;

use portolan::Database;

const ROWS: u64 = 1_000_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().to_string_lossy()).await?;
    let started = Instant::now();
    let sql = format!(
        "CREATE TABLE vectors AS
         SELECT value AS id, array_repeat(random()::REAL, 384)::VECTOR(384) AS v
         FROM generate_series(1, {ROWS})"
    );
    database.sql(&sql).await?.collect().await?;
    println!(
        "{ROWS} rows of 384 floats in {:.1} s, peak memory {}",
        started.elapsed().as_secs_f64(),
        peak_memory().unwrap_or_else(|| "not known on this system".to_string())
    );
    Ok(())
}

/// The most memory this process ever held, as Linux counts it.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(format!("{:.2} GB", kilobytes as f64 * 1024.0 / 1e9))
}
