//! `confusion(pred, truth)`.

use std::sync::LazyLock;

use datafusion_expr::{DocSection, Documentation};

use super::verdict::{Says, VerdictKind};

/// The function.
pub static CONFUSION: VerdictKind = VerdictKind {
    name: "confusion",
    parameters: &["pred", "truth"],
    says: Says::Pairs,
    documentation,
};

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "How good a classifier is", description: None },
            "How often rows of each class were given each label: a list of struct(predicted, truth, n), without the pairs that do not occur, by true and then by given label; unnest makes rows of it. Rows with NULL in one of the two are left out.",
            "confusion(pred, truth)",
        )
        .with_sql_example("```sql\nSELECT pair['truth'], pair['predicted'], pair['n'] FROM (\n  SELECT unnest(confusion(classify(pixels, 'digits')['label'], label)) AS pair FROM test);\n```")
        .with_argument("pred", "The label that was given: TEXT, a whole number or BOOLEAN.")
        .with_argument("truth", "The true label, of the same type.")
        .build()
    });
    &DOCUMENTATION
}
