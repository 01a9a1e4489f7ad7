//! `average_precision(score, truth [, positive])`.

use std::sync::LazyLock;

use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::verdicts::average_precision;

use super::ranked::RankedKind;

/// The function.
pub static AVERAGE_PRECISION: RankedKind = RankedKind {
    name: "average_precision",
    parameters: &["score", "truth", "positive"],
    judge: |inside, scores, _| average_precision(inside, scores).map(Some),
    needs_others: false,
    documentation,
};

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "How good a classifier is", description: None },
            "The mean precision over the rows of the class, each at the threshold that takes it in: the area under the steps of precision and recall. NULL where no row is of the class. Rows with NULL in one of the two are left out.",
            "average_precision(score, truth [, positive])",
        )
        .with_sql_example("```sql\nSELECT average_precision(classify(v, 'spam')['score'], is_spam) FROM mails;\n```")
        .with_argument("score", "The score, a number: higher for rows that are rather of the class.")
        .with_argument("truth", "Whether the row is of the class; or its label, if positive says which is meant.")
        .with_argument("positive", "The label whose rows are meant, where truth is not BOOLEAN; a constant.")
        .build()
    });
    &DOCUMENTATION
}
