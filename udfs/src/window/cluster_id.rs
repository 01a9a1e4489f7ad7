//! `cluster_id(v [, n_clusters [, noise [, metric [, seed]]]])`: which rows belong together.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int32Array};
use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::neighbours::Metric;
use portolan_kernels::topics::{self, Options, counts_for};

use super::finding::{Call, Find, FindingKind, Second};
use super::partition::Partition;
use super::topics::counted;

/// Neighbours that say how sure a cluster is.
const NEIGHBOURS: usize = 15;

/// The function.
pub static CLUSTER_ID: FindingKind = FindingKind {
    name: "cluster_id",
    parameters: &["v", "n_clusters", "noise", "metric", "seed"],
    second: Second::Nothing,
    returns: |_| DataType::Int32,
    recipe,
    documentation,
};

#[derive(Debug)]
struct Recipe {
    count: Option<usize>,
    noise: f32,
    metric: Metric,
    seed: u64,
}

fn recipe(call: &Call) -> Result<Box<dyn Find>> {
    let count = call.whole("n_clusters", 1..=100_000)?;
    // A share of a few digits.
    let noise = call.number("noise", 0.0..=1.0)?.unwrap_or(0.0) as f32;
    Ok(Box::new(Recipe { count, noise, metric: call.metric()?, seed: call.seed()? }))
}

impl Recipe {
    /// Neighbours say only which rows are noise.
    fn k(&self) -> usize {
        if self.noise > 0.0 { NEIGHBOURS } else { 0 }
    }
}

impl Find for Recipe {
    fn metric(&self) -> Metric {
        self.metric
    }

    fn neighbours(&self) -> usize {
        self.k()
    }

    fn bytes(&self, rows: usize, _: Option<&ArrayRef>, _: usize) -> usize {
        rows.saturating_mul(64)
    }

    fn find(&self, of: &Partition) -> portolan_kernels::Result<Vec<ArrayRef>> {
        let graph = of.graph(self.k(), self.metric, self.seed)?;
        let count =
            self.count.unwrap_or_else(|| counts_for(of.len()).first().copied().unwrap_or(1));
        let options = Options {
            counts: vec![count.min(of.len())],
            metric: self.metric,
            noise: self.noise,
            seed: self.seed,
        };
        let found = topics::topics(of.rows()?, &graph, &options, of.work)?;
        let ids = found.depths.first().map(|depth| depth.topics.as_slice()).unwrap_or_default();
        Ok(vec![Arc::new(ids.iter().map(|id| counted(*id)).collect::<Int32Array>())])
    }
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "What a map says", description: None },
            "The number of the row's cluster, from 1 for the largest: rows around one centre have one number. The same rows and seed have the same clusters in whichever order they come. Rows without a vector, with NaN or infinity, or of zeros (with the metric 'cosine') have NULL.",
            "cluster_id(v [, n_clusters [, noise [, metric [, seed]]]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nSELECT c, count(*) FROM (SELECT cluster_id(embedding, n_clusters => 50) OVER () AS c FROM reviews) GROUP BY c;\n```",
        )
        .with_argument("v", "The vector, or the place on a map.")
        .with_argument(
            "n_clusters",
            "How many clusters, 1 to 100000; if not given, 8, or fewer of few rows; a constant.",
        )
        .with_argument(
            "noise",
            "The share of rows, 0 (default) to 1, that may be in no cluster, because their neighbours lie in others: they have NULL; a constant.",
        )
        .with_argument(
            "metric",
            "What near means: 'cosine' (default for vectors) or 'l2' (default for places); a constant.",
        )
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .build()
    });
    &DOCUMENTATION
}
