//! `accuracy(pred, truth)`.

use std::sync::LazyLock;

use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::verdicts::Confusion;

use super::verdict::{Says, VerdictKind};

/// The function.
pub static ACCURACY: VerdictKind = VerdictKind {
    name: "accuracy",
    parameters: &["pred", "truth"],
    says: Says::All(Confusion::accuracy),
    documentation,
};

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "How good a classifier is", description: None },
            "The share of the rows that were given their own label. Rows with NULL in one of the two are left out; of no rows NULL.",
            "accuracy(pred, truth)",
        )
        .with_sql_example("```sql\nSELECT accuracy(classify(pixels, 'digits')['label'], label) FROM test;\n```")
        .with_argument("pred", "The label that was given: TEXT, a whole number or BOOLEAN.")
        .with_argument("truth", "The true label, of the same type.")
        .build()
    });
    &DOCUMENTATION
}
