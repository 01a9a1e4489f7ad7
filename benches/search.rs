//! Searches through SQL: text in, rows out. `PORTOLAN_VECTORS=x.npy cargo bench --bench search` takes the
//! vectors of a file; without one, they are made, in clusters. `PORTOLAN_ROWS` is how many,
//! `PORTOLAN_KINDS` which indexes (`ivf_hnsw_sq,ivf_flat`). `benches/peers/search.py` does the same with others,
//! one after the other with this.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::{
    ArrayRef, AsArray, FixedSizeListBuilder, Float32Array, Float32Builder, Int64Array, RecordBatch,
};
use datafusion::arrow::datatypes::{Float32Type, Int64Type, UInt64Type};
use datafusion::arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;
use lance::Dataset;
use lance_linalg::distance::MetricType;
use portolan::Database;

// As in the command: queries allocate from many threads at once.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WIDTH: usize = 384;
const QUERIES: usize = 200;
const K: usize = 10;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A number between -1 and 1 that depends on its argument alone.
fn noise(at: u64) -> f32 {
    let mut x = at.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for _ in 0..3 {
        x ^= x >> 30;
        x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    (x >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Rows around a thousand centres.
fn clustered(from: usize, rows: usize) -> Outcome<RecordBatch> {
    let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), WIDTH as i32);
    for row in from as u64..(from + rows) as u64 {
        let centre = (row.wrapping_mul(7919)) % 1000;
        let numbers: Vec<f32> = (0..WIDTH as u64)
            .map(|d| noise(centre * 1000 + d) + 0.6 * noise((1 << 40) + row * 1000 + d))
            .collect();
        let length = numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
        numbers.iter().for_each(|x| vectors.values().append_value(x / length));
        vectors.append(true);
    }
    let ids = (from as i64..(from + rows) as i64).collect::<Int64Array>();
    let columns =
        [("id", Arc::new(ids) as ArrayRef), ("v", Arc::new(vectors.finish()) as ArrayRef)];
    Ok(RecordBatch::try_from_iter(columns)?)
}

async fn rows(db: &Database, sql: &str) -> Outcome<Vec<RecordBatch>> {
    Ok(db.sql(sql).await?.collect().await?)
}

async fn ids(db: &Database, sql: &str) -> Outcome<Vec<i64>> {
    let batches = rows(db, sql).await?;
    let column =
        |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
    Ok(batches.iter().flat_map(column).collect())
}

fn literal(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(ToString::to_string).collect();
    format!("'[{}]'::VECTOR({})", numbers.join(","), vector.len())
}

fn report(what: &str, mut times: Vec<f64>, found: &[Vec<i64>], truth: &[Vec<i64>]) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] * 1000.0;
    let right = |(a, b): (&Vec<i64>, &Vec<i64>)| a.iter().filter(|id| b.contains(id)).count();
    let hits: usize = found.iter().zip(truth).map(right).sum();
    let all: usize = truth.iter().map(Vec::len).sum();
    println!(
        "{what}: p50 {:.2} ms, p99 {:.2} ms, recall@{K} {:.4}",
        at(0.5),
        at(0.99),
        hits as f64 / all as f64
    );
}

async fn ask(
    db: &Database,
    what: &str,
    queries: &[String],
    truth: &[Vec<i64>],
) -> Outcome<Vec<Vec<i64>>> {
    for query in queries.iter().take(10) {
        ids(db, query).await?;
    }
    let (mut times, mut found) = (Vec::new(), Vec::new());
    for query in queries {
        let started = Instant::now();
        found.push(ids(db, query).await?);
        times.push(started.elapsed().as_secs_f64());
    }
    report(what, times, &found, if truth.is_empty() { &found } else { truth });
    Ok(found)
}

/// What Lance itself takes for the same search.
async fn lance_alone(folder: &str, queries: &[Vec<f32>], ef: usize) -> Outcome<()> {
    let dataset = Dataset::open(&format!("{folder}/t.lance")).await?;
    let mut times = Vec::new();
    for (at, query) in queries.iter().chain(queries).enumerate() {
        let started = Instant::now();
        let mut scan = dataset.scan();
        scan.nearest("v", &Float32Array::from(query.clone()), K)?;
        scan.distance_metric(MetricType::Cosine).ef(ef).project(&["id"])?;
        let _: Vec<_> = scan.try_into_stream().await?.try_collect().await?;
        if at >= queries.len() {
            times.push(started.elapsed().as_secs_f64());
        }
    }
    report("lance alone", times, &[vec![0]], &[vec![0]]);
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let count: usize =
        std::env::var("PORTOLAN_ROWS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir()?;
    let place = folder.path().display().to_string();
    let db = Database::open(&place).await?;
    let started = Instant::now();
    match std::env::var("PORTOLAN_VECTORS") {
        Ok(file) => {
            let sql = format!(
                "CREATE TABLE t AS SELECT id, id % 100 AS pass, normalize(vector) AS v FROM (SELECT CAST(row_number() OVER () AS BIGINT) - 1 AS id, vector FROM read_npy('{file}')) WHERE id < {count}"
            );
            rows(&db, &sql).await?;
        }
        Err(_) => {
            for from in (0..count).step_by(50_000) {
                db.context().register_batch("more", clustered(from, 50_000.min(count - from))?)?;
                let verb = if from == 0 { "CREATE TABLE t AS" } else { "INSERT INTO t" };
                rows(&db, &format!("{verb} SELECT id, id % 100 AS pass, v FROM more")).await?;
                rows(&db, "DROP TABLE more").await?;
            }
        }
    }
    println!("{count} rows of {WIDTH}, stored in {:.1} s", started.elapsed().as_secs_f64());
    let mut queries = Vec::new();
    for at in 0..QUERIES {
        let batch =
            rows(&db, &format!("SELECT v FROM t WHERE id = {}", at * (count / QUERIES))).await?;
        let vector = batch[0].column(0).as_fixed_size_list().value(0);
        let vector = vector.as_primitive::<Float32Type>();
        let numbers = vector.values().iter().enumerate();
        let moved: Vec<f32> =
            numbers.map(|(d, x)| x + 0.01 * noise((at * WIDTH + d) as u64)).collect();
        queries.push(moved);
    }
    let plain = |query: &Vec<f32>, filter: &str| {
        format!("SELECT id FROM t {filter} ORDER BY cosine(v, {}) DESC LIMIT {K}", literal(query))
    };
    let all: Vec<String> = queries.iter().map(|query| plain(query, "")).collect();
    let some: Vec<String> = queries.iter().map(|query| plain(query, "WHERE pass = 7")).collect();
    rows(&db, "SET portolan.ann = 'exact'").await?;
    let started = Instant::now();
    ids(&db, &all[0]).await?;
    println!("exact, cold: {:.1} ms", started.elapsed().as_secs_f64() * 1000.0);
    let truth = ask(&db, "exact", &all, &[]).await?;
    let truth_of_some = ask(&db, "exact, 1 % pass", &some, &[]).await?;
    rows(&db, "SET portolan.ann = 'auto'").await?;
    let kinds = std::env::var("PORTOLAN_KINDS").unwrap_or("ivf_hnsw_sq".to_string());
    for kind in kinds.split(',') {
        let started = Instant::now();
        rows(&db, &format!("CREATE OR REPLACE VECTOR INDEX v_idx ON t (v) USING {kind}")).await?;
        let seconds = started.elapsed().as_secs_f64();
        let shown = rows(&db, "SHOW INDEXES ON t").await?;
        let bytes = shown[0].column(8).as_primitive::<UInt64Type>();
        println!("{kind}: built and tuned in {seconds:.1} s, {} MB", bytes.value(0) >> 20);
        let explained = rows(&db, &format!("EXPLAIN {}", all[0])).await?;
        let text = pretty_format_batches(&explained)?.to_string();
        let line = text.lines().find(|line| line.contains("VectorSearch: ")).unwrap_or_default();
        println!("{}", line.trim_matches(|c: char| c == '|' || c == ' '));
        ask(&db, kind, &all, &truth).await?;
        ask(&db, &format!("{kind}, 1 % pass"), &some, &truth_of_some).await?;
        let prepared = "PREPARE near AS SELECT id FROM t ORDER BY cosine(v, $1) DESC LIMIT 10";
        rows(&db, prepared).await?;
        let executed: Vec<String> =
            queries.iter().map(|query| format!("EXECUTE near({})", literal(query))).collect();
        ask(&db, &format!("{kind}, prepared"), &executed, &truth).await?;
        rows(&db, "DEALLOCATE near").await?;
        if kind == "ivf_hnsw_sq" {
            lance_alone(&place, &queries, 64).await?;
        }
    }
    rows(&db, "CREATE TABLE q AS SELECT id, v FROM t WHERE id % 997 = 5 LIMIT 100").await?;
    let batch = "SELECT id FROM vector_search('t', (SELECT array_agg(v) FROM q), k => 10)";
    ids(&db, batch).await?;
    let started = Instant::now();
    let found = ids(&db, batch).await?.len() / K;
    let seconds = started.elapsed().as_secs_f64();
    println!("a batch of {found}: {:.0} queries a second", found as f64 / seconds);
    Ok(())
}
