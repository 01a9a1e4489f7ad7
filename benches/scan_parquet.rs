//! Scan, filter and aggregate over 1 GB of Parquet: our session against DataFusion's own, turn by
//! turn in one run. The file is generated once, into `$PORTOLAN_BENCH` or
//! `~/.cache/portolan/bench`.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use futures::TryStreamExt;
use portolan::Database;

const ROWS: u64 = 28_000_000;
const TURNS: usize = 9;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = generated().await?;
    let path = file.to_string_lossy();
    let size = std::fs::metadata(&file)?.len();
    println!("{path}: {ROWS} rows, {:.2} GB", size as f64 / 1e9);

    let query = |table: &str| {
        format!(
            "SELECT bucket, count(*), sum(x), avg(y) FROM {table} WHERE z > 0.5 GROUP BY bucket"
        )
    };
    let plain = SessionContext::new();
    plain.register_parquet("numbers", path.as_ref(), ParquetReadOptions::default()).await?;
    let ours = Database::in_memory().await?;

    let (mut plain_times, mut our_times) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let started = Instant::now();
        let stream = plain.sql(&query("numbers")).await?.execute_stream().await?;
        let plain_time = drain(stream, started).await?;

        let started = Instant::now();
        let stream = ours.sql(&query(&format!("'{path}'"))).await?.into_stream();
        let our_time = drain(stream, started).await?;

        // The first turn only fills the page cache.
        if turn > 0 {
            plain_times.push(plain_time);
            our_times.push(our_time);
        }
    }
    let (plain, ours) = (median(plain_times), median(our_times));
    println!("datafusion {plain:.3} s, portolan {ours:.3} s: {:.3} of its time", ours / plain);
    Ok(())
}

async fn drain(stream: SendableRecordBatchStream, started: Instant) -> Result<f64, Box<dyn Error>> {
    let batches: Vec<_> = stream.try_collect().await?;
    let groups: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(groups, 1000);
    Ok(started.elapsed().max(Duration::from_nanos(1)).as_secs_f64())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

async fn generated() -> Result<PathBuf, Box<dyn Error>> {
    let folder = match std::env::var_os("PORTOLAN_BENCH") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var("HOME")?).join(".cache/portolan/bench"),
    };
    let file = folder.join("numbers.parquet");
    if !file.exists() {
        std::fs::create_dir_all(&folder)?;
        let part = folder.join("numbers.part.parquet");
        let sql = format!(
            "COPY (SELECT value AS id, value % 1000 AS bucket, random() AS x, random() AS y, random() AS z,
             random() AS w FROM generate_series(1, {ROWS})) TO '{}'",
            part.display()
        );
        SessionContext::new().sql(&sql).await?.collect().await?;
        std::fs::rename(part, &file)?;
    }
    Ok(file)
}
