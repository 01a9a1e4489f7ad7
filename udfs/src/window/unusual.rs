//! `uniqueness(v …)` and `outlier_score(v …)`: rows that are unlike the others.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float32Array};
use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::neighbours::Metric;
use portolan_kernels::unusual;

use super::finding::{Call, Find, FindingKind, Second};
use super::partition::Partition;

/// How unique a row is.
pub static UNIQUENESS: FindingKind = FindingKind {
    name: "uniqueness",
    parameters: &["v", "metric", "seed"],
    second: Second::Nothing,
    returns: |_| DataType::Float32,
    recipe: |call| recipe(call, What::Unique, 3),
    documentation: uniqueness_documentation,
};

/// How far out a row lies.
pub static OUTLIER_SCORE: FindingKind = FindingKind {
    name: "outlier_score",
    parameters: &["v", "k", "metric", "seed"],
    second: Second::Nothing,
    returns: |_| DataType::Float32,
    recipe: |call| recipe(call, What::Outlying, call.whole("k", 1..=1000)?.unwrap_or(15)),
    documentation: outlier_documentation,
};

#[derive(Debug, Clone, Copy)]
enum What {
    Unique,
    Outlying,
}

#[derive(Debug)]
struct Recipe {
    what: What,
    k: usize,
    metric: Metric,
    seed: u64,
}

fn recipe(call: &Call, what: What, k: usize) -> Result<Box<dyn Find>> {
    Ok(Box::new(Recipe { what, k, metric: call.metric()?, seed: call.seed()? }))
}

impl Find for Recipe {
    fn metric(&self) -> Metric {
        self.metric
    }

    fn neighbours(&self) -> usize {
        self.k
    }

    fn bytes(&self, rows: usize, _: Option<&ArrayRef>, _: usize) -> usize {
        rows.saturating_mul(32)
    }

    fn find(&self, of: &Partition) -> portolan_kernels::Result<Vec<ArrayRef>> {
        let graph = of.graph(self.k, self.metric, self.seed)?;
        let found = match self.what {
            // A row that is the only one is like no other.
            What::Unique if graph.k == 0 => vec![1.0; of.len()],
            What::Unique => unusual::uniqueness(&graph, of.len())?,
            What::Outlying => unusual::outlier_scores(&graph, of.len(), of.work)?,
        };
        Ok(vec![Arc::new(Float32Array::from(found))])
    }
}

const METRIC: &str = "How far apart rows are: 'cosine' (default for vectors) or 'l2' (default for places); a constant.";
const SEED: &str = "Where chance begins; portolan.seed if not given; a constant.";

fn uniqueness_documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "What a map says", description: None },
            "How unlike all others the row is, 0 (there is an equal one) to 1 (none is as far from the others): its distances from the nearest three, weighted .6, .3 and .1, as a share of the largest. Rows without a vector, with NaN or infinity, or of zeros (with the metric 'cosine') have NULL.",
            "uniqueness(v [, metric [, seed]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nSELECT id FROM (SELECT id, uniqueness(embedding) OVER () AS u FROM photos) ORDER BY u DESC LIMIT 100;\n```",
        )
        .with_argument("v", "The vector.")
        .with_argument("metric", METRIC)
        .with_argument("seed", SEED)
        .build()
    });
    &DOCUMENTATION
}

fn outlier_documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "What a map says", description: None },
            "How far out the row lies for where it is, its local outlier factor: about 1 among others, however dense or sparse they are, and the greater the further out. Rows without a vector, with NaN or infinity, or of zeros (with the metric 'cosine') have NULL.",
            "outlier_score(v [, k [, metric [, seed]]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nSELECT id FROM (SELECT id, outlier_score(embedding) OVER () AS o FROM photos) WHERE o > 1.5 ORDER BY o DESC;\n```",
        )
        .with_argument("v", "The vector.")
        .with_argument("k", "How many neighbours are asked, 1 to 1000; 15 if not given; a constant.")
        .with_argument("metric", METRIC)
        .with_argument("seed", SEED)
        .build()
    });
    &DOCUMENTATION
}
