//! `trustworthiness(v, xy [, k [, metric [, seed]]])`.

use std::sync::LazyLock;

use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::metrics;

use super::measure::{Judged, MeasureKind, Second};
use crate::work::Work;

/// The function.
pub static TRUSTWORTHINESS: MeasureKind = MeasureKind {
    name: "trustworthiness",
    parameters: &["v", "xy", "k", "metric", "seed"],
    second: Second::Places,
    k: 15,
    judge,
    documentation,
};

fn judge(judged: &Judged, work: &Work) -> portolan_kernels::Result<f64> {
    metrics::trustworthiness(judged.rows, judged.places, judged.k, &judged.options, work)
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "How good a map is", description: None },
            "How far neighbours on a map can be trusted to be true ones, 0 to 1: less, the further away the wrong ones truly are. Above 20,000 rows a sample of that many is asked, against all. Rows where either is NULL, NaN or infinite, or where the vector is of zeros (with the metric 'cosine'), are left out.",
            "trustworthiness(v, xy [, k [, metric [, seed]]])",
        )
        .with_sql_example("```sql\nSELECT trustworthiness(embedding, place) FROM (SELECT embedding, umap_xy(embedding) OVER () AS place FROM reviews);\n```")
        .with_argument("v", "The vector.")
        .with_argument("xy", "The place on the map: a struct(x, y), or another vector.")
        .with_argument("k", "Neighbours that are looked at; 15 if not given; a constant.")
        .with_argument("metric", "How far apart vectors are: 'cosine' (default) or 'l2'; a constant.")
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .build()
    });
    &DOCUMENTATION
}
