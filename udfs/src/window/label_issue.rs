//! `label_issue(v, label [, folds [, metric]])`: labels that are probably wrong.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanArray, Float32Array};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion_common::Result;
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::Error;
use portolan_kernels::logistic::{Options, label_issues, out_of_fold};
use portolan_kernels::neighbours::Metric;
use portolan_kernels::order::Order;
use portolan_kernels::rows::Rows;

use super::finding::{Call, Find, FindingKind, Second};
use super::labels::{classes, known, numbers, values};
use super::partition::Partition;

/// Labels that can be told apart.
const MOST: usize = 1000;

/// The function.
pub static LABEL_ISSUE: FindingKind = FindingKind {
    name: "label_issue",
    parameters: &["v", "label", "folds", "metric"],
    second: Second::Label,
    returns: |label| {
        DataType::Struct(Fields::from(vec![
            Field::new("is_issue", DataType::Boolean, true),
            Field::new("score", DataType::Float32, true),
            Field::new("predicted", label.clone(), true),
        ]))
    },
    recipe,
    documentation,
};

#[derive(Debug)]
struct Recipe {
    folds: usize,
    metric: Metric,
}

fn recipe(call: &Call) -> Result<Box<dyn Find>> {
    let folds = call.whole("folds", 2..=100)?.unwrap_or(5);
    Ok(Box::new(Recipe { folds, metric: call.metric()? }))
}

impl Find for Recipe {
    fn metric(&self) -> Metric {
        self.metric
    }

    /// How probable every label is for every row, and what training keeps of that.
    fn bytes(&self, rows: usize, _: Option<&ArrayRef>, different: usize) -> usize {
        rows.saturating_mul(different.min(MOST) * 20 + 64)
    }

    fn find(&self, of: &Partition) -> portolan_kernels::Result<Vec<ArrayRef>> {
        let classes = classes(of);
        if classes > MOST {
            return Err(Error::Shape(format!(
                "{classes} different labels are more than the {MOST} that can be told apart; give it a column of fewer"
            )));
        }
        let labels = numbers(of);
        let judged = judged(of.rows()?, &labels, classes);
        if judged < 2 {
            return Err(Error::Shape(format!(
                "rows are judged by others of their labels, for which two labels must have two different vectors each; {judged} of {} {}",
                classes,
                if judged == 1 { "has" } else { "have" },
            )));
        }
        let options = Options { unit: self.metric == Metric::Cosine, ..Options::default() };
        let likely = out_of_fold(of.rows()?, &labels, classes, self.folds, &options, of.work)?;
        let found = label_issues(&likely, classes, &labels)?;
        let labelled = || of.codes.iter().map(Option::is_some);
        let issues = found.issues.iter().zip(labelled());
        // The less the label is to be trusted, the higher.
        let scores = found.quality.iter().map(|quality| known(1.0 - quality));
        Ok(vec![
            Arc::new(
                issues.map(|(issue, known)| known.then_some(*issue)).collect::<BooleanArray>(),
            ),
            Arc::new(scores.collect::<Float32Array>()),
            values(of, found.suggested.into_iter())?,
        ])
    }
}

/// How many labels have two different rows at least: those are in what each fold is judged by.
fn judged(rows: Rows, labels: &[u32], classes: usize) -> usize {
    let order = Order::of(rows);
    let mut different = vec![0usize; classes];
    for rank in 0..order.different() {
        let lowest = order.group(rank).iter().map(|row| labels[*row as usize]).min();
        if let Some(count) = lowest.and_then(|label| different.get_mut(label as usize)) {
            *count += 1;
        }
    }
    different.iter().filter(|count| **count > 1).count()
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "What a map says", description: None },
            "Whether the row's label is probably wrong, struct(is_issue, score, predicted), by confident learning: classifiers that have not seen the row say how probable each label is, and the label is an issue where the row is confidently of another. The score, 0 to 1, is the higher the less the label fits: order by it to look at the worst first. predicted is the label that the row should have. A row whose label is NULL has a prediction only. Rows without a vector, with NaN or infinity, or of zeros (with the metric 'cosine') have NULL.",
            "label_issue(v, label [, folds [, metric]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nSELECT id, lang, issue['predicted'] FROM (SELECT id, lang, label_issue(embedding, lang) OVER () AS issue FROM reviews)\nWHERE issue['is_issue'] ORDER BY issue['score'] DESC;\n```",
        )
        .with_argument("v", "The vector.")
        .with_argument(
            "label",
            "The label: a text, a whole number or a boolean; two different ones at least, 1000 at most.",
        )
        .with_argument(
            "folds",
            "Parts that rows are divided into, each judged by a classifier of the others, 2 to 100; 5 if not given; a constant.",
        )
        .with_argument(
            "metric",
            "'cosine' (default for vectors): only their directions count; 'l2': the vectors as they are; a constant.",
        )
        .build()
    });
    &DOCUMENTATION
}
