//! `silhouette(v, label [, metric [, seed]])`.

use std::sync::LazyLock;

use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::metrics;

use super::measure::{Judged, MeasureKind, Second};
use crate::work::Work;

/// The function.
pub static SILHOUETTE: MeasureKind = MeasureKind {
    name: "silhouette",
    parameters: &["v", "label", "metric", "seed"],
    second: Second::Labels,
    k: 1,
    judge,
    documentation,
};

fn judge(judged: &Judged, work: &Work) -> portolan_kernels::Result<f64> {
    metrics::silhouette(judged.rows, judged.labels, &judged.options, work)
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "How good a map is", description: None },
            "How well rows lie within their own label and apart from the others, -1 to 1: the mean silhouette. The same rows are left out as by knn_accuracy, and vectors of zeros with the metric 'cosine'.",
            "silhouette(v, label [, metric [, seed]])",
        )
        .with_sql_example("```sql\nSELECT silhouette(embedding, lang) FROM reviews;\n```")
        .with_argument("v", "The vector, or the place on the map: a struct(x, y).")
        .with_argument("label", "The label, of any type.")
        .with_argument("metric", "How far apart rows are: 'cosine' (default for vectors) or 'l2' (default for places); a constant.")
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .build()
    });
    &DOCUMENTATION
}
