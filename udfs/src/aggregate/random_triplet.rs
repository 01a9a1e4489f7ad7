//! `random_triplet(v, xy [, metric [, seed]])`.

use std::sync::LazyLock;

use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::metrics;

use super::measure::{Judged, MeasureKind, Second};
use crate::work::Work;

/// The function.
pub static RANDOM_TRIPLET: MeasureKind = MeasureKind {
    name: "random_triplet",
    parameters: &["v", "xy", "metric", "seed"],
    second: Second::Places,
    k: 1,
    judge,
    documentation,
};

fn judge(judged: &Judged, work: &Work) -> portolan_kernels::Result<f64> {
    // As many as make the figure steady to three digits for a thousand rows.
    metrics::triplet_accuracy(judged.rows, judged.places, 100, &judged.options, work)
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "How good a map is", description: None },
            "The share of triplets (a row and two others that chance picks, a hundred for every row) of which the same one of the two is nearer on the map as truly, 0 to 1: how true a map is to what is far apart. Half is chance. The same rows are left out as by trustworthiness.",
            "random_triplet(v, xy [, metric [, seed]])",
        )
        .with_sql_example("```sql\nSELECT random_triplet(embedding, place) FROM placed;\n```")
        .with_argument("v", "The vector.")
        .with_argument("xy", "The place on the map: a struct(x, y), or another vector.")
        .with_argument("metric", "How far apart vectors are: 'cosine' (default) or 'l2'; a constant.")
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .build()
    });
    &DOCUMENTATION
}
