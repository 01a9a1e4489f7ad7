//! `boundary(v, label [, k [, metric [, seed]]])`: where labels meet.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float32Array};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion_common::Result;
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::boundary::surroundings;
use portolan_kernels::neighbours::Metric;

use super::finding::{Call, Find, FindingKind, Second};
use super::labels::{known, numbers, values};
use super::partition::Partition;

/// The function.
pub static BOUNDARY: FindingKind = FindingKind {
    name: "boundary",
    parameters: &["v", "label", "k", "metric", "seed"],
    second: Second::Label,
    returns: |label| {
        DataType::Struct(Fields::from(vec![
            Field::new("predicted", label.clone(), true),
            Field::new("purity", DataType::Float32, true),
            Field::new("entropy", DataType::Float32, true),
            Field::new("margin", DataType::Float32, true),
        ]))
    },
    recipe,
    documentation,
};

#[derive(Debug)]
struct Recipe {
    k: usize,
    metric: Metric,
    seed: u64,
}

fn recipe(call: &Call) -> Result<Box<dyn Find>> {
    let k = call.whole("k", 1..=1000)?.unwrap_or(15);
    Ok(Box::new(Recipe { k, metric: call.metric()?, seed: call.seed()? }))
}

impl Find for Recipe {
    fn metric(&self) -> Metric {
        self.metric
    }

    fn neighbours(&self) -> usize {
        self.k
    }

    fn bytes(&self, rows: usize, _: Option<&ArrayRef>, _: usize) -> usize {
        rows.saturating_mul(64)
    }

    fn find(&self, of: &Partition) -> portolan_kernels::Result<Vec<ArrayRef>> {
        let graph = of.graph(self.k, self.metric, self.seed)?;
        let around = surroundings(&graph, &numbers(of), of.work)?;
        let column = |value: fn(&portolan_kernels::boundary::Surroundings) -> f32| {
            Arc::new(around.iter().map(|of| known(value(of))).collect::<Float32Array>()) as ArrayRef
        };
        Ok(vec![
            values(of, around.iter().map(|of| of.predicted))?,
            column(|of| of.purity),
            column(|of| of.entropy),
            column(|of| of.margin),
        ])
    }
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "What a map says", description: None },
            "What the row's nearest others say of its label, struct(predicted, purity, entropy, margin): the label that most of them carry, the share that carries the row's own (0 to 1), the entropy of their labels in nats (0 where all carry one), and the share of the most frequent label less that of the second: near 0 on a boundary. A row whose label is NULL is nobody's neighbour in this, but has a prediction. Rows without a vector, with NaN or infinity, or of zeros (with the metric 'cosine') have NULL.",
            "boundary(v, label [, k [, metric [, seed]]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nSELECT id, lang, b['predicted'] FROM (SELECT id, lang, boundary(embedding, lang) OVER () AS b FROM reviews)\nWHERE b['predicted'] <> lang ORDER BY b['purity'];\n```",
        )
        .with_argument("v", "The vector, or the place on a map.")
        .with_argument("label", "The label: a text, a whole number or a boolean.")
        .with_argument("k", "How many neighbours are asked, 1 to 1000; 15 if not given; a constant.")
        .with_argument(
            "metric",
            "What near means: 'cosine' (default for vectors) or 'l2' (default for places); a constant.",
        )
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .build()
    });
    &DOCUMENTATION
}
