//! Searches against comparing everything: an exact search finds what an oracle finds, a search by an
//! index finds nearly that, with filters that pass all rows or one of a thousand, and never fewer rows
//! than there are; whatever was inserted, updated, deleted or optimised meanwhile.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, FixedSizeListBuilder, Float32Builder, Int64Array, RecordBatch,
};
use datafusion::arrow::datatypes::Int64Type;
use portolan::Database;

const WIDTH: usize = 16;
const ROWS: usize = 2500;
const K: usize = 10;
/// Of a thousand rows, how many pass the filter.
const PASS: [i64; 4] = [1000, 100, 10, 1];
const QUERIES: u64 = 5;

/// A number from 0 to 1 that depends on its arguments alone.
fn noise(stream: u64, at: u64) -> f32 {
    let mut x = stream.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ at.wrapping_mul(0xD1B5_4A32_D192_ED03);
    for _ in 0..3 {
        x ^= x >> 29;
        x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    (x >> 40) as f32 / (1u64 << 24) as f32
}

/// A vector near one of twenty centres.
fn vector(stream: u64, at: u64) -> Vec<f32> {
    let centre = (noise(stream, at) * 20.0) as u64;
    let number = |d: u64| {
        (noise(1000 + centre, d) - 0.5) * 2.0 + (noise(stream + 1, at * 64 + d) - 0.5) * 0.8
    };
    (0..WIDTH as u64).map(number).collect()
}

#[derive(Clone, Copy)]
struct Setting {
    kind: &'static str,
    metric: &'static str,
    order: &'static str,
}

const SETTINGS: [Setting; 4] = [
    Setting { kind: "ivf_flat", metric: "l2", order: "l2_distance(v, Q)" },
    Setting { kind: "ivf_hnsw_sq", metric: "cosine", order: "cosine(v, Q) DESC" },
    Setting { kind: "ivf_pq", metric: "cosine", order: "v <=> Q" },
    Setting { kind: "ivf_rq", metric: "dot", order: "dot(v, Q) DESC" },
];

impl Setting {
    /// Smaller is nearer; none for a row without a vector.
    fn distance(self, v: Option<&Vec<f32>>, q: &[f32]) -> Option<f64> {
        let pairs = || v.into_iter().flatten().zip(q).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        v?;
        let dot: f64 = pairs().map(|(a, b)| a * b).sum();
        Some(match self.metric {
            "l2" => pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>(),
            "dot" => -dot,
            _ => {
                let (a, b) = pairs().fold((0.0, 0.0), |(x, y), (a, b)| (x + a * a, y + b * b));
                -dot / (a * b).sqrt()
            }
        })
    }
}

struct Row {
    id: i64,
    pass: i64,
    v: Option<Vec<f32>>,
}

struct Tables {
    db: Database,
    folder: tempfile::TempDir,
    rows: Vec<Row>,
    setting: Setting,
}

fn batch(rows: &[Row]) -> RecordBatch {
    let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), WIDTH as i32);
    for row in rows {
        match &row.v {
            Some(v) => v.iter().for_each(|x| vectors.values().append_value(*x)),
            None => (0..WIDTH).for_each(|_| vectors.values().append_null()),
        }
        vectors.append(row.v.is_some());
    }
    let ids = rows.iter().map(|row| row.id).collect::<Int64Array>();
    let passes = rows.iter().map(|row| row.pass).collect::<Int64Array>();
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(ids) as ArrayRef, false),
        ("pass", Arc::new(passes) as ArrayRef, true),
        ("v", Arc::new(vectors.finish()) as ArrayRef, true),
    ])
    .unwrap()
}

fn fresh(stream: u64, from: i64, count: usize) -> Vec<Row> {
    (0..count as u64)
        .map(|at| Row {
            id: from + at as i64,
            pass: (noise(stream + 7, at) * 1000.0) as i64,
            v: (noise(stream + 8, at) > 0.03).then(|| vector(stream, at)),
        })
        .collect()
}

impl Tables {
    async fn run(&self, sql: &str) -> Vec<RecordBatch> {
        let result = self.db.sql(sql).await;
        let result = result.unwrap_or_else(|error| panic!("{sql}: {error}"));
        result.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    async fn insert(&mut self, rows: Vec<Row>) {
        self.db.context().register_batch("more", batch(&rows)).unwrap();
        self.run("INSERT INTO t SELECT * FROM more").await;
        self.run("DROP TABLE more").await;
        self.rows.extend(rows);
    }

    async fn found(&self, query: &[f32], pass: i64) -> Vec<i64> {
        let text: Vec<String> = query.iter().map(ToString::to_string).collect();
        let literal = format!("'[{}]'::VECTOR({WIDTH})", text.join(","));
        let order = self.setting.order.replace('Q', &literal);
        let sql = format!("SELECT id FROM t WHERE pass < {pass} ORDER BY {order} LIMIT {K}");
        let batches = self.run(&sql).await;
        batches
            .iter()
            .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
            .collect()
    }

    /// Asks with all filters, exactly and by the index.
    async fn check(&self, when: &str) {
        for pass in PASS {
            let (mut hits, mut all) = (0, 0);
            for query in 0..QUERIES {
                let query = vector(5000, query);
                let distance = |id: i64| {
                    let row = self.rows.iter().find(|row| row.id == id).unwrap();
                    assert!(row.pass < pass, "{when}: {id} does not pass the filter");
                    self.setting.distance(row.v.as_ref(), &query)
                };
                let mut right: Vec<Option<f64>> = self
                    .rows
                    .iter()
                    .filter(|row| row.pass < pass)
                    .map(|row| self.setting.distance(row.v.as_ref(), &query))
                    .collect();
                right.sort_by(|a, b| a.is_none().cmp(&b.is_none()).then(a.partial_cmp(b).unwrap()));
                right.truncate(K);
                let last = right.last().copied().flatten();
                self.run("SET portolan.ann = 'exact'").await;
                let exact: Vec<Option<f64>> =
                    self.found(&query, pass).await.into_iter().map(distance).collect();
                assert_eq!(exact.len(), right.len(), "{when}, exactly, {pass} of 1000");
                for (got, right) in exact.iter().zip(&right) {
                    let close = match (got, right) {
                        (Some(got), Some(right)) => (got - right).abs() < 1e-5,
                        (got, right) => got == right,
                    };
                    assert!(close, "{when}, exactly, {pass} of 1000: {got:?}, not {right:?}");
                }
                self.run("SET portolan.ann = 'auto'").await;
                let found = self.found(&query, pass).await;
                assert_eq!(found.len(), right.len(), "{when}, by the index, {pass} of 1000");
                let mut once = found.clone();
                once.sort_unstable();
                once.dedup();
                assert_eq!(once.len(), found.len(), "{when}: a row came twice");
                let near = |id: &i64| match (distance(*id), last) {
                    (Some(got), Some(last)) => got <= last + 1e-6,
                    (_, None) => true,
                    (None, Some(_)) => false,
                };
                hits += found.iter().filter(|id| near(id)).count();
                all += right.len();
            }
            let recall = hits as f64 / all.max(1) as f64;
            assert!(recall >= 0.95, "{when}, {pass} of 1000: recall {recall}");
        }
    }

    async fn reopen(&mut self) {
        self.db = Database::open(self.folder.path().to_str().unwrap()).await.unwrap();
        // So that few rows are many.
        self.run("SET portolan.exact_rows = 20").await;
    }
}

async fn lives(setting: Setting, stream: u64) {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().to_str().unwrap()).await.unwrap();
    let mut tables = Tables { db, folder, rows: Vec::new(), setting };
    tables.reopen().await;
    tables
        .run(&format!("CREATE TABLE t (id BIGINT PRIMARY KEY, pass BIGINT, v VECTOR({WIDTH}))"))
        .await;
    tables.insert(fresh(stream, 0, ROWS)).await;
    let Setting { kind, metric, .. } = setting;
    tables.check(&format!("{kind} before it is built")).await;
    tables
        .run(&format!("CREATE VECTOR INDEX ON t (v) USING {kind} WITH (metric = '{metric}')"))
        .await;
    tables.check(&format!("{kind} just built")).await;
    tables.insert(fresh(stream + 50, ROWS as i64, 200)).await;
    tables.check(&format!("{kind} after INSERT")).await;
    tables.run("UPDATE t SET v = -1 * v WHERE id % 25 = 3").await;
    for row in tables.rows.iter_mut().filter(|row| row.id % 25 == 3) {
        row.v.iter_mut().flatten().for_each(|x| *x = -*x);
    }
    tables.run("DELETE FROM t WHERE id % 7 = 1").await;
    tables.rows.retain(|row| row.id % 7 != 1);
    tables.check(&format!("{kind} after UPDATE and DELETE")).await;
    tables.run("OPTIMIZE t").await;
    tables.check(&format!("{kind} after OPTIMIZE")).await;
    tables.reopen().await;
    tables.check(&format!("{kind} opened again")).await;
}

fn run(setting: Setting) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(super::STACK)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(lives(setting, 1));
}

#[test]
fn flat_cells_find_the_nearest() {
    run(SETTINGS[0]);
}

#[test]
fn graphs_find_the_nearest() {
    run(SETTINGS[1]);
}

#[test]
fn products_of_few_bits_find_the_nearest() {
    run(SETTINGS[2]);
}

#[test]
fn single_bits_find_the_nearest() {
    run(SETTINGS[3]);
}
