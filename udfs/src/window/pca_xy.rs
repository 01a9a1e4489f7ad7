//! `pca_xy(v)`.

use std::sync::LazyLock;

use datafusion_common::Result;
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::neighbours::Metric;

use super::xy::{Layout, MapKind, Recipe};
use crate::scalar::arguments::Arguments;
use crate::statement::Statement;

const NAME: &str = "pca_xy";

/// The function.
pub static PCA_XY: MapKind = MapKind { name: NAME, parameters: &["v"], recipe, documentation };

fn recipe(arguments: &Arguments, statement: &Statement) -> Result<Recipe> {
    let seed = statement.seed(NAME, arguments)?;
    Ok(Recipe { metric: Metric::L2, seed, layout: Layout::Principal })
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "Maps", description: None },
            "Places, struct(x, y), along the two directions in which the rows of the partition vary most (principal components), around their mean. A linear map: quick, and true to what is far apart rather than to what is near. Rows without a vector, or with NaN or infinity, get NULL.",
            "pca_xy(v) OVER ([PARTITION BY …])",
        )
        .with_sql_example("```sql\nSELECT id, pca_xy(embedding) OVER () AS place FROM reviews;\n```")
        .with_argument("v", "The vector.")
        .build()
    });
    &DOCUMENTATION
}
