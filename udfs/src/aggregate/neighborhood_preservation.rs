//! `neighborhood_preservation(v, xy [, k [, metric [, seed]]])`.

use std::sync::LazyLock;

use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::metrics;

use super::measure::{Judged, MeasureKind, Second};
use crate::work::Work;

/// The function.
pub static NEIGHBORHOOD_PRESERVATION: MeasureKind = MeasureKind {
    name: "neighborhood_preservation",
    parameters: &["v", "xy", "k", "metric", "seed"],
    second: Second::Places,
    k: 10,
    judge,
    documentation,
};

fn judge(judged: &Judged, work: &Work) -> portolan_kernels::Result<f64> {
    metrics::preservation(judged.rows, judged.places, judged.k, &judged.options, work)
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "How good a map is", description: None },
            "The share of a row's nearest neighbours on a map that are its true ones, 0 to 1, on average. Above 20,000 rows a sample of that many is asked, against all. The same rows are left out as by trustworthiness.",
            "neighborhood_preservation(v, xy [, k [, metric [, seed]]])",
        )
        .with_sql_example("```sql\nSELECT neighborhood_preservation(embedding, place, k => 10) FROM placed;\n```")
        .with_argument("v", "The vector.")
        .with_argument("xy", "The place on the map: a struct(x, y), or another vector.")
        .with_argument("k", "Neighbours that are looked at; 10 if not given; a constant.")
        .with_argument("metric", "How far apart vectors are: 'cosine' (default) or 'l2'; a constant.")
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .build()
    });
    &DOCUMENTATION
}
