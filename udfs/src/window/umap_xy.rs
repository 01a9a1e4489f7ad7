//! `umap_xy(v [, n_neighbors [, min_dist [, n_epochs [, metric [, seed [, label]]]]]])`.

use std::sync::LazyLock;

use datafusion_common::Result;
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::neighbours::Metric;
use portolan_kernels::umap::Umap;

use super::xy::{Layout, MapKind, Recipe};
use crate::scalar::arguments::Arguments;
use crate::statement::{Statement, metric, number, whole};

const NAME: &str = "umap_xy";

/// The function.
pub static UMAP_XY: MapKind = MapKind {
    name: NAME,
    parameters: &["v", "n_neighbors", "min_dist", "n_epochs", "metric", "seed", "label"],
    recipe,
    documentation,
};

fn recipe(arguments: &Arguments, statement: &Statement) -> Result<Recipe> {
    let seed = statement.seed(NAME, arguments)?;
    let defaults = Umap::default();
    let umap = Umap {
        neighbours: whole(NAME, arguments, "n_neighbors", 2..=1000)?.unwrap_or(15),
        min_dist: number(NAME, arguments, "min_dist", 0.0..=1.0)?.unwrap_or(0.1),
        epochs: whole(NAME, arguments, "n_epochs", 1..=1_000_000)?,
        seed,
        ..defaults
    };
    let metric = metric(NAME, arguments, 2, Metric::Cosine)?;
    Ok(Recipe { metric, seed, layout: Layout::Umap(umap) })
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "Maps", description: None },
            "Places on a map, struct(x, y), where rows lie near their nearest neighbours: UMAP over all rows of the partition. The same rows and seed give the same map, in whichever order the rows come and on any number of threads. Rows without a vector, with NaN or infinity, or of zeros (with the metric 'cosine') are left out: their place is NULL. Fewer than 3 rows lie in a line.",
            "umap_xy(v [, n_neighbors [, min_dist [, n_epochs [, metric [, seed [, label]]]]]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nSELECT id, umap_xy(embedding, n_neighbors => 30) OVER () AS place FROM reviews;\n```",
        )
        .with_argument("v", "The vector.")
        .with_argument(
            "n_neighbors",
            "How many neighbours a row is held by, itself among them, 2 to 1000; 15 if not given. Few show what is near, many what is far; a constant.",
        )
        .with_argument(
            "min_dist",
            "How near rows may come to each other on the map, 0 to 1; 0.1 if not given; a constant.",
        )
        .with_argument(
            "n_epochs",
            "Passes over the rows; if not given, 500 up to 10,000 rows and 200 above; a constant.",
        )
        .with_argument("metric", "What near means: 'cosine' (default) or 'l2'; a constant.")
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .with_argument(
            "label",
            "What is known of the rows: rows of the same label are drawn together. Those where it is NULL lie where their vectors put them.",
        )
        .build()
    });
    &DOCUMENTATION
}
