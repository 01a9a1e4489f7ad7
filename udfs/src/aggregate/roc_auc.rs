//! `roc_auc(score, truth [, positive])`.

use std::sync::LazyLock;

use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::verdicts::roc_auc;

use super::ranked::RankedKind;

/// The function.
pub static ROC_AUC: RankedKind = RankedKind {
    name: "roc_auc",
    parameters: &["score", "truth", "positive"],
    judge: |inside, scores, _| roc_auc(inside, scores).map(Some),
    needs_others: true,
    documentation,
};

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "How good a classifier is", description: None },
            "The chance that a row of the class has a higher score than another row, equal scores counting half: the area under the ROC curve. NULL where all rows are of the class, or none is. Rows with NULL in one of the two are left out.",
            "roc_auc(score, truth [, positive])",
        )
        .with_sql_example("```sql\nSELECT roc_auc(classify(v, 'spam')['score'], is_spam) FROM mails;\n```")
        .with_argument("score", "The score, a number: higher for rows that are rather of the class.")
        .with_argument("truth", "Whether the row is of the class; or its label, if positive says which is meant.")
        .with_argument("positive", "The label whose rows are meant, where truth is not BOOLEAN; a constant.")
        .build()
    });
    &DOCUMENTATION
}
