//! `umap_xy(v [, n_neighbors [, min_dist [, n_epochs [, metric [, seed [, label [, …]]]]]]])`.

use std::sync::LazyLock;

use datafusion_common::Result;
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::neighbours::Metric;
use portolan_kernels::umap::Umap;

use super::xy::{Layout, MapKind, Recipe};
use crate::scalar::arguments::Arguments;
use crate::statement::{Statement, metric, number, whole};

const NAME: &str = "umap_xy";
/// How much densities count in densMAP.
const DENSITY: f32 = 2.0;

/// The function.
pub static UMAP_XY: MapKind = MapKind {
    name: NAME,
    parameters: &[
        "v",
        "n_neighbors",
        "min_dist",
        "n_epochs",
        "metric",
        "seed",
        "label",
        "densmap",
        "align_to",
        "spread",
        "target_weight",
    ],
    recipe,
    documentation,
};

fn recipe(arguments: &Arguments, statement: &Statement) -> Result<Recipe> {
    let seed = statement.seed(NAME, arguments)?;
    let defaults = Umap::default();
    let spread = number(NAME, arguments, "spread", 0.01..=100.0)?.unwrap_or(defaults.spread);
    let target_weight = number(NAME, arguments, "target_weight", 0.0..=1.0)?;
    let densmap = arguments.flag("densmap")?.unwrap_or(false);
    let umap = Umap {
        neighbours: whole(NAME, arguments, "n_neighbors", 2..=1000)?.unwrap_or(15),
        // A narrow map has no room for more.
        min_dist: number(NAME, arguments, "min_dist", 0.0..=spread)?
            .unwrap_or_else(|| defaults.min_dist.min(spread)),
        spread,
        epochs: whole(NAME, arguments, "n_epochs", 1..=1_000_000)?,
        density: if densmap { DENSITY } else { 0.0 },
        target_weight: target_weight.unwrap_or(defaults.target_weight),
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
            "umap_xy(v [, n_neighbors [, min_dist [, n_epochs [, metric [, seed [, label [, densmap [, align_to [, spread [, target_weight]]]]]]]]]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nSELECT id, umap_xy(embedding, n_neighbors => 30) OVER () AS place FROM reviews;\nSELECT id, umap_xy(other, align_to => place) OVER () AS moved\n  FROM (SELECT id, other, umap_xy(embedding) OVER () AS place FROM reviews);\n```",
        )
        .with_argument("v", "The vector.")
        .with_argument(
            "n_neighbors",
            "How many neighbours a row is held by, itself among them, 2 to 1000; 15 if not given. Few show what is near, many what is far; a constant.",
        )
        .with_argument(
            "min_dist",
            "How near rows may come to each other on the map, 0 to spread; 0.1 if not given; a constant.",
        )
        .with_argument(
            "n_epochs",
            "Passes over the rows; if not given, 500 up to 10,000 rows and 200 above, with densmap 200 more; a constant.",
        )
        .with_argument("metric", "What near means: 'cosine' (default) or 'l2'; a constant.")
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .with_argument(
            "label",
            "What is known of the rows: rows of the same label are drawn together. Those where it is NULL lie where their vectors put them.",
        )
        .with_argument(
            "densmap",
            "Whether rows that have much room around them get much on the map (densMAP), false if not given: else groups come out about equally dense; a constant.",
        )
        .with_argument(
            "align_to",
            "The row's place on another map, struct(x, y): this map is laid out to be compared with that one, so that what moved is what differs. Rows where it is NULL are left out. Goes with neither label nor densmap.",
        )
        .with_argument(
            "spread",
            "The scale of the map, 0.01 to 100; 1 if not given: beyond min_dist nearness falls by a factor of e every so much; a constant.",
        )
        .with_argument(
            "target_weight",
            "How much labels count beside vectors, from 0 to 1; 0.5 if not given; a constant.",
        )
        .build()
    });
    &DOCUMENTATION
}
