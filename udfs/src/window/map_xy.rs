//! `map_xy(v [, n_neighbors [, n_epochs [, metric [, seed]]]])`: a map by whichever way suits the number
//! of rows.

use std::sync::LazyLock;

use datafusion_common::Result;
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::neighbours::Metric;
use portolan_kernels::nomad::Nomad;
use portolan_kernels::umap::Umap;

use super::xy::{Layout, MapKind, Recipe};
use crate::scalar::arguments::Arguments;
use crate::statement::{Statement, metric, whole};

const NAME: &str = "map_xy";

/// The function.
pub static MAP_XY: MapKind = MapKind {
    name: NAME,
    parameters: &["v", "n_neighbors", "n_epochs", "metric", "seed"],
    recipe,
    documentation,
};

fn recipe(arguments: &Arguments, statement: &Statement) -> Result<Recipe> {
    let seed = statement.seed(NAME, arguments)?;
    let neighbours = whole(NAME, arguments, "n_neighbors", 2..=255)?.unwrap_or(15);
    let epochs = whole(NAME, arguments, "n_epochs", 1..=1_000_000)?;
    let umap = Umap { neighbours, epochs, seed, ..Umap::default() };
    let nomad = Nomad::default();
    let epochs = epochs.unwrap_or(nomad.epochs);
    let nomad = Nomad { neighbours, epochs, seed, ..nomad };
    let metric = metric(NAME, arguments, 2, Metric::Cosine)?;
    Ok(Recipe { metric, seed, layout: Layout::BySize(umap, nomad) })
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "Maps", description: None },
            "Places on a map, struct(x, y): as umap_xy gives them where fewer than 50,000 rows of the partition can be used, else as nomad_xy does.",
            "map_xy(v [, n_neighbors [, n_epochs [, metric [, seed]]]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nSELECT lang, map_xy(embedding) OVER (PARTITION BY lang) AS place FROM reviews;\n```",
        )
        .with_argument("v", "The vector.")
        .with_argument("n_neighbors", "Neighbours of a row, 2 to 255; 15 if not given; a constant.")
        .with_argument(
            "n_epochs",
            "Passes over the rows; if not given, as many as each way takes by itself; a constant.",
        )
        .with_argument("metric", "What near means: 'cosine' (default) or 'l2'; a constant.")
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .build()
    });
    &DOCUMENTATION
}
