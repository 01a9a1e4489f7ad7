//! What REFRESH MAP costs and gives when one row in a hundred is new, beside a map made from the beginning:
//! `PORTOLAN_VECTORS=x.npy PORTOLAN_LABELS=x.txt cargo bench --bench refresh_map` takes the vectors of a
//! file and the label of each, one a line; without them, they are made, in clusters. `PORTOLAN_ROWS` is how
//! many, spread over the file: from 50,000 on, maps are laid out by NOMAD, and rows are placed otherwise.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::{
    ArrayRef, AsArray, FixedSizeListBuilder, Float32Builder, Int64Array, RecordBatch,
};
use datafusion::arrow::datatypes::{Float32Type, Int64Type};
use portolan::Database;

// As in the command: queries allocate from many threads at once.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WIDTH: usize = 384;
const CENTRES: u64 = 45;
/// Neighbours on the map that say what a row's label is.
const K: usize = 15;
/// One row in so many is new.
const NEW: i64 = 100;

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

/// Rows around some centres, which are their labels.
fn clustered(rows: u64) -> Outcome<RecordBatch> {
    let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), WIDTH as i32);
    for row in 0..rows {
        let centre = row.wrapping_mul(7919) % CENTRES;
        for d in 0..WIDTH as u64 {
            let own = noise((1 << 40) + row * 1000 + d);
            vectors.values().append_value(noise(centre * 1000 + d) + 1.5 * own);
        }
        vectors.append(true);
    }
    let ids: Int64Array = (0..rows as i64).collect();
    let labels: Int64Array =
        (0..rows).map(|row| (row.wrapping_mul(7919) % CENTRES) as i64).collect();
    Ok(RecordBatch::try_from_iter([
        ("id", Arc::new(ids) as ArrayRef),
        ("label", Arc::new(labels) as ArrayRef),
        ("v", Arc::new(vectors.finish()) as ArrayRef),
    ])?)
}

async fn rows(db: &Database, sql: &str) -> Outcome<Vec<RecordBatch>> {
    Ok(db.sql(sql).await?.collect().await?)
}

async fn count(db: &Database, sql: &str) -> Outcome<i64> {
    let found = rows(db, sql).await?;
    let count = found.first().map(|batch| batch.column(0).as_primitive::<Int64Type>().value(0));
    Ok(count.unwrap_or_default())
}

async fn timed(db: &Database, sql: &str) -> Outcome<f64> {
    let started = Instant::now();
    rows(db, sql).await?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{sql}: {seconds:.2} s");
    for notice in db.take_notices() {
        println!("  {notice}");
    }
    Ok(seconds)
}

/// All rows, as `everything`.
async fn given(db: &Database, wanted: u64) -> Outcome<()> {
    let files = (std::env::var("PORTOLAN_VECTORS"), std::env::var("PORTOLAN_LABELS"));
    let (Ok(vectors), Ok(labels)) = files else {
        db.context().register_batch("everything", clustered(wanted)?)?;
        return Ok(());
    };
    let labels: Vec<i64> =
        std::fs::read_to_string(labels)?.lines().map(str::parse).collect::<Result<_, _>>()?;
    let all = labels.len() as u64;
    let ids: Int64Array = (0..all as i64).collect();
    let labels = RecordBatch::try_from_iter([
        ("id", Arc::new(ids) as ArrayRef),
        ("label", Arc::new(Int64Array::from(labels)) as ArrayRef),
    ])?;
    db.context().register_batch("labels", labels)?;
    // As many as are wanted, spread over all.
    let sql = format!(
        "CREATE TEMP TABLE everything AS SELECT row_number() OVER (ORDER BY at) - 1 AS id, label, v
        FROM (SELECT id AS at, label, vector AS v FROM
            (SELECT CAST(row_number() OVER () AS BIGINT) - 1 AS place, vector FROM read_npy('{vectors}'))
            JOIN labels ON place = id)
        WHERE at * {wanted} / {all} <> (at + 1) * {wanted} / {all}"
    );
    rows(db, &sql).await?;
    Ok(())
}

/// The share of new rows whose nearest on a map have mostly their label.
async fn accuracy(db: &Database, map: &str) -> Outcome<f64> {
    let sql = format!("SELECT id, label, x, y FROM {map}");
    let mut points: Vec<(i64, i64, f32, f32)> = Vec::new();
    for batch in rows(db, &sql).await? {
        let number = |at: usize| batch.column(at).as_primitive::<Int64Type>().values().to_vec();
        let axis = |at: usize| batch.column(at).as_primitive::<Float32Type>().values().to_vec();
        let (ids, labels, xs, ys) = (number(0), number(1), axis(2), axis(3));
        let both = ids.into_iter().zip(labels);
        points.extend(both.zip(xs.into_iter().zip(ys)).map(|((id, l), (x, y))| (id, l, x, y)));
    }
    points.sort_unstable_by_key(|point| point.0);
    let new: Vec<_> = points.iter().filter(|point| point.0 % NEW == NEW - 1).collect();
    let right = |&&(id, label, x, y): &&(i64, i64, f32, f32)| {
        let mut near: Vec<(f32, i64)> = points
            .iter()
            .filter(|other| other.0 != id)
            .map(|&(_, label, ox, oy)| ((ox - x).powi(2) + (oy - y).powi(2), label))
            .collect();
        near.select_nth_unstable_by(K, |a, b| a.0.total_cmp(&b.0));
        let mut votes: BTreeMap<i64, usize> = BTreeMap::new();
        near.iter().take(K).for_each(|(_, label)| *votes.entry(*label).or_default() += 1);
        let most = votes.iter().max_by_key(|(label, votes)| (**votes, -**label));
        most.is_some_and(|(most, _)| *most == label)
    };
    Ok(new.iter().filter(|point| right(point)).count() as f64 / new.len() as f64)
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let wanted = std::env::var("PORTOLAN_ROWS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let folder = tempfile::tempdir()?;
    let db = Database::open(&folder.path().display().to_string()).await?;
    given(&db, wanted).await?;
    rows(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY, label BIGINT, v VECTOR(384))").await?;
    let part = |which: &str| {
        format!(
            "INSERT INTO t SELECT id, label, v FROM everything WHERE id % {NEW} {which} {}",
            NEW - 1
        )
    };
    rows(&db, &part("<>")).await?;
    timed(&db, "CREATE MAP m ON t (v)").await?;
    rows(&db, "CREATE TEMP TABLE points AS SELECT id, x, y, topic_1, topic_2, topic_3, topic_id, noise FROM m.points").await?;
    rows(&db, "CREATE TEMP TABLE topics AS SELECT topic_id, topic_short, topic_description, x, y FROM m.topics").await?;
    rows(&db, &part("=")).await?;
    let refresh = timed(&db, "REFRESH MAP m").await?;
    let moved = count(&db, "SELECT count(*) FROM points AS b LEFT ANTI JOIN m.points AS p
        ON b.id = p.id AND b.x = p.x AND b.y = p.y AND (b.topic_1 IS NOT DISTINCT FROM p.topic_1) AND (b.topic_2 IS NOT DISTINCT FROM p.topic_2)
        AND (b.topic_3 IS NOT DISTINCT FROM p.topic_3) AND b.topic_id = p.topic_id AND b.noise = p.noise").await?;
    let renamed = count(&db, "SELECT count(*) FROM topics AS b LEFT ANTI JOIN m.topics AS t
        ON b.topic_id = t.topic_id AND (b.topic_short IS NOT DISTINCT FROM t.topic_short) AND (b.topic_description IS NOT DISTINCT FROM t.topic_description) AND b.x = t.x AND b.y = t.y").await?;
    println!("{moved} rows moved or changed their topics, {renamed} topics changed their names");
    let after = accuracy(&db, "m").await?;
    let rebuild = timed(&db, "REFRESH MAP m FULL").await?;
    let anew = accuracy(&db, "m").await?;
    println!(
        "new rows whose {K} nearest have their label: {after:.4} placed, {anew:.4} anew ({:+.4})",
        after - anew
    );
    println!("time: {:.2} % of a rebuild", 100.0 * refresh / rebuild);
    Ok(())
}
