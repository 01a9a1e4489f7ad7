//! `nomad_xy(v [, n_neighbors [, n_epochs [, spread [, local_neighborhood_size [, rho [, seed [, metric]]]]]]])`.

use std::sync::LazyLock;

use datafusion_common::Result;
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::neighbours::Metric;
use portolan_kernels::nomad::Nomad;

use super::xy::{Layout, MapKind, Recipe};
use crate::scalar::arguments::Arguments;
use crate::statement::{Statement, metric, number, whole};

const NAME: &str = "nomad_xy";

/// The function.
pub static NOMAD_XY: MapKind = MapKind {
    name: NAME,
    parameters: &[
        "v",
        "n_neighbors",
        "n_epochs",
        "spread",
        "local_neighborhood_size",
        "rho",
        "seed",
        "metric",
    ],
    recipe,
    documentation,
};

fn recipe(arguments: &Arguments, statement: &Statement) -> Result<Recipe> {
    let seed = statement.seed(NAME, arguments)?;
    let defaults = Nomad::default();
    let spread = number(NAME, arguments, "spread", 1e-6..=1e6)?;
    let nomad = Nomad {
        neighbours: whole(NAME, arguments, "n_neighbors", 1..=255)?.unwrap_or(defaults.neighbours),
        epochs: whole(NAME, arguments, "n_epochs", 1..=1_000_000)?.unwrap_or(defaults.epochs),
        // Within the range of f32.
        spread: spread.map_or(defaults.spread, |spread| spread as f32),
        local_neighborhood_size: whole(
            NAME,
            arguments,
            "local_neighborhood_size",
            1..=1_000_000_000,
        )?,
        rho: number(NAME, arguments, "rho", 0.0..=1.0)?.unwrap_or(defaults.rho),
        seed,
        ..defaults
    };
    let metric = metric(NAME, arguments, 2, Metric::Cosine)?;
    Ok(Recipe { metric, seed, layout: Layout::Nomad(nomad) })
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "Maps", description: None },
            "Places on a map, struct(x, y), by NOMAD projection: for very many rows, where it takes far less time than UMAP. What holds for umap_xy holds here: the same rows and seed give the same map, and rows that cannot be used get NULL.",
            "nomad_xy(v [, n_neighbors [, n_epochs [, spread [, local_neighborhood_size [, rho [, seed [, metric]]]]]]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nSELECT id, nomad_xy(embedding, n_epochs => 100) OVER () AS place FROM pages;\n```",
        )
        .with_argument("v", "The vector.")
        .with_argument(
            "n_neighbors",
            "How many neighbours a row is drawn to, 1 to 255; 15 if not given; a constant.",
        )
        .with_argument("n_epochs", "Passes over the rows; 50 if not given; a constant.")
        .with_argument(
            "spread",
            "The scale of the map: what its numbers are multiplied by; 1 if not given; a constant.",
        )
        .with_argument(
            "local_neighborhood_size",
            "From so many rows around it a row is pushed one by one, from all others by the means of groups; 4096 if not given; a constant.",
        )
        .with_argument(
            "rho",
            "How far the crowd keeps neighbours apart, 0 (clumps with room between them) to 1; 0.2 if not given; a constant.",
        )
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .with_argument("metric", "What near means: 'cosine' (default) or 'l2'; a constant.")
        .build()
    });
    &DOCUMENTATION
}
