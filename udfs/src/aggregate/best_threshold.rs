//! `best_threshold(score, truth [, precision [, positive]])`.

use std::sync::LazyLock;

use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::verdicts::{Aim, best_threshold};

use super::ranked::RankedKind;

/// The function.
pub static BEST_THRESHOLD: RankedKind = RankedKind {
    name: "best_threshold",
    parameters: &["score", "truth", "precision", "positive"],
    judge: |inside, scores, aimed| {
        let aim = aimed.precision.map_or(Aim::F1, Aim::Precision);
        Ok(best_threshold(inside, scores, aim)?.map(|best| best.threshold))
    },
    needs_others: false,
    documentation,
};

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "How good a classifier is", description: None },
            "The score from which on rows are best taken to be of the class: with the best F1, or with the best recall among those that have a precision; of several the highest. NULL where no row is of the class, or no threshold has the precision. Rows with NULL in one of the two are left out.",
            "best_threshold(score, truth [, precision [, positive]])",
        )
        .with_sql_example("```sql\nSELECT best_threshold(classify(v, 'spam')['score'], is_spam, precision => 0.95) FROM mails;\n```")
        .with_argument("score", "The score, a number: higher for rows that are rather of the class.")
        .with_argument("truth", "Whether the row is of the class; or its label, if positive says which is meant.")
        .with_argument("precision", "The precision that is wanted, 0 to 1; the best F1 if not given; a constant.")
        .with_argument("positive", "The label whose rows are meant, where truth is not BOOLEAN; a constant.")
        .build()
    });
    &DOCUMENTATION
}
