use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, FixedSizeListBuilder, Float32Builder, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;

use super::WindowRule;
use crate::database::{Database, OpenOptions};

/// Rows of which some lack a vector, and some of those that have one a number.
fn batch(from: i64, rows: i64, gaps: bool) -> RecordBatch {
    let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), 3);
    let all = from..from + rows;
    for id in all.clone() {
        for d in 0..3 {
            match (id * 7 + d * 5) % 11 {
                0 if gaps && d == 1 => vectors.values().append_null(),
                x => vectors.values().append_value(x as f32 + id as f32 * 0.01),
            }
        }
        vectors.append(id % 13 != 4);
    }
    let vectors: ArrayRef = Arc::new(vectors.finish());
    let half = Arc::new(Field::new("item", DataType::Float16, true));
    let half = cast(&vectors, &DataType::FixedSizeList(half, 3)).unwrap();
    let names: StringArray = all
        .clone()
        .map(|id| (id % 5 != 0).then(|| format!("{id} {}", "long ".repeat(id as usize % 40))))
        .collect();
    let columns = [
        ("id", Arc::new(all.clone().collect::<Int64Array>()) as ArrayRef),
        ("v", vectors),
        ("name", Arc::new(names)),
        ("half", half),
        ("class", Arc::new(all.map(|id| id % 3).collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap()
}

fn table(gaps: bool) -> Arc<MemTable> {
    let sizes = [(0, 5), (5, 1), (6, 120), (126, 0), (126, 40)];
    let batches: Vec<_> = sizes.iter().map(|(from, rows)| batch(*from, *rows, gaps)).collect();
    Arc::new(MemTable::try_new(batches[0].schema(), vec![batches]).unwrap())
}

fn operators(plan: &Arc<dyn ExecutionPlan>, names: &mut Vec<String>) {
    names.push(plan.name().to_string());
    plan.children().into_iter().for_each(|child| operators(child, names));
}

async fn answer(context: &SessionContext, sql: &str, wanted: &str) -> String {
    let frame = context.sql(sql).await.unwrap();
    let plan = frame.create_physical_plan().await.unwrap();
    let mut names = Vec::new();
    operators(&plan, &mut names);
    assert!(names.iter().any(|name| name == wanted), "{sql}: {names:?}");
    let batches = collect(plan, context.task_ctx()).await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_engines_operator() {
    for gaps in [false, true] {
        let plain = SessionContext::new();
        let ours = SessionContext::new();
        let state = datafusion::execution::SessionStateBuilder::new_from_existing(ours.state())
            .with_physical_optimizer_rule(Arc::new(WindowRule))
            .build();
        let ours = SessionContext::new_with_state(state);
        for context in [&plain, &ours] {
            crate::register_functions(context);
            context.register_table("t", table(gaps)).unwrap();
        }
        for sql in [
            "SELECT id, name, pca_xy(v) OVER () AS p FROM t ORDER BY id",
            "SELECT *, pca_xy(half) OVER () AS p, neighbors(v, id, 3) OVER () AS n FROM t ORDER BY id",
            "SELECT name, neighbors(v, name, 2) OVER (PARTITION BY class) AS n FROM t ORDER BY id",
            "SELECT id, v, neighbors(v, id, 2) OVER (PARTITION BY class, name) AS n FROM t ORDER BY id",
            "SELECT id, count(*) OVER () AS c, sum(id) OVER () AS s, pca_xy(v) OVER () AS p FROM t ORDER BY id",
            "SELECT id, neighbors(v, upper(name), 2) OVER () AS n FROM t WHERE class = 1 ORDER BY id",
            "SELECT pca_xy([id, class]) OVER () AS p FROM t ORDER BY id",
            "SELECT pca_xy(v) OVER () AS p FROM t WHERE id < 0",
            "SELECT id, neighbors(v, id, 2) OVER (PARTITION BY class) AS n FROM t WHERE id < 0",
        ] {
            let right = answer(&plain, sql, "WindowAggExec").await;
            assert_eq!(answer(&ours, sql, "WholePartitions").await, right, "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_no_function_reads_wait_on_disk_where_memory_is_short() {
    let options = OpenOptions { memory_limit: Some(24 << 20), ..OpenOptions::default() };
    let db = Database::open_with(crate::session::IN_MEMORY, options).await.unwrap();
    let rows = "SELECT i AS id, repeat('abcdefgh', 2000) || i AS name, [i, i % 7]::FLOAT[2] AS v
        FROM (SELECT unnest(generate_series(1, 3000)) AS i)";
    let asked = format!(
        "SELECT count(*), sum(length(name)), count(p) FROM
            (SELECT name, pca_xy(v) OVER () AS p, id FROM ({rows}) AS r) WHERE id > 0"
    );
    let batches = db.sql(&asked).await.unwrap().collect().await.unwrap();
    let text = pretty_format_batches(&batches).unwrap().to_string();
    assert!(text.contains("| 3000     | 48010893"), "{text}");
    let explained = db.sql(&format!("EXPLAIN ANALYZE {asked}")).await.unwrap();
    let text = pretty_format_batches(&explained.collect().await.unwrap()).unwrap().to_string();
    let line = text.lines().find(|line| line.contains("WholePartitions")).unwrap().to_string();
    assert!(line.contains("spill_count=1"), "{line}");
}
