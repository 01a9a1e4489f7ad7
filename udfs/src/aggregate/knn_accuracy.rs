//! `knn_accuracy(v, label [, k [, seed]])`.

use std::sync::LazyLock;

use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::metrics;

use super::measure::{Judged, MeasureKind, Second};
use crate::work::Work;

/// The function.
pub static KNN_ACCURACY: MeasureKind = MeasureKind {
    name: "knn_accuracy",
    parameters: &["v", "label", "k", "seed"],
    second: Second::Labels,
    k: 15,
    judge,
    documentation,
};

fn judge(judged: &Judged, work: &Work) -> portolan_kernels::Result<f64> {
    metrics::label_accuracy(judged.rows, judged.labels, judged.k, &judged.options, work)
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "How good a map is", description: None },
            "The share of rows whose label is the one that most of their nearest others carry, 0 to 1. On a map or among vectors, by the length of differences. Rows where either is NULL, or the vector has NaN or infinity, are left out.",
            "knn_accuracy(v, label [, k [, seed]])",
        )
        .with_sql_example("```sql\nSELECT knn_accuracy(place, lang) FROM placed;\n```")
        .with_argument("v", "The vector, or the place on the map: a struct(x, y).")
        .with_argument("label", "The label, of any type.")
        .with_argument("k", "Neighbours that are asked; 15 if not given; a constant.")
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .build()
    });
    &DOCUMENTATION
}
