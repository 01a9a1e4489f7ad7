//! `recall(pred, truth [, average [, positive]])`.

use std::sync::LazyLock;

use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::verdicts::Confusion;

use super::verdict::{PARAMETERS, Says, VerdictKind};

/// The function.
pub static RECALL: VerdictKind = VerdictKind {
    name: "recall",
    parameters: PARAMETERS,
    says: Says::Each(Confusion::recall),
    documentation,
};

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "How good a classifier is", description: None },
            "The share of the rows of a class that were given its label. Of BOOLEAN labels that of true, of others the mean over the classes; a class of which there is nothing to divide by has 0. Rows with NULL in one of the two are left out; of no rows NULL.",
            "recall(pred, truth [, average [, positive]])",
        )
        .with_sql_example("```sql\nSELECT recall(classify(pixels, 'digits')['label'], label) FROM test;\n```")
        .with_argument("pred", "The label that was given: TEXT, a whole number or BOOLEAN.")
        .with_argument("truth", "The true label, of the same type.")
        .with_argument("average", "How the classes of several become one number: 'macro' (default), their mean; 'weighted', each counting as much as it has rows; 'micro', of all rows together; a constant.")
        .with_argument("positive", "The class that is meant, where it is one; of BOOLEAN labels true; a constant.")
        .build()
    });
    &DOCUMENTATION
}
