//! `class_overlap(v, label [, k [, metric [, seed]]])`: which labels lie among which.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, StructArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::utils::SingleRowListArrayBuilder;
use datafusion_common::{Result, ScalarValue, exec_err, internal_err};
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::boundary;
use portolan_kernels::neighbours::Metric;

use super::summary::{Summarise, SummaryKind};
use crate::rows::{Vectors, codes, is_places};
use crate::scalar::arguments::Arguments;
use crate::statement::{Statement, metric, whole};
use crate::window::{Partition, check_label, classes, numbers};

const NAME: &str = "class_overlap";
/// Labels whose pairs are counted.
const MOST: usize = 4096;

/// The function.
pub static CLASS_OVERLAP: SummaryKind = SummaryKind {
    name: NAME,
    parameters: &["v", "label", "k", "metric", "seed"],
    vectors: &[0],
    returns,
    recipe,
    documentation,
};

/// What is said of a pair of labels.
fn parts(label: &DataType) -> Fields {
    Fields::from(vec![
        Field::new("label", label.clone(), true),
        Field::new("other", label.clone(), true),
        Field::new("share", DataType::Float64, true),
    ])
}

fn item(label: &DataType) -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(parts(label)), true))
}

fn returns(types: &[DataType]) -> Result<DataType> {
    let Some(label) = types.get(1) else { return internal_err!("{NAME} without a label") };
    check_label(NAME, label)?;
    Ok(DataType::List(item(label)))
}

#[derive(Debug)]
struct Recipe {
    k: usize,
    metric: Metric,
    seed: u64,
}

fn recipe(
    arguments: &Arguments,
    types: &[DataType],
    statement: &Statement,
) -> Result<Box<dyn Summarise>> {
    let default = if types.first().is_some_and(is_places) { Metric::L2 } else { Metric::Cosine };
    Ok(Box::new(Recipe {
        k: whole(NAME, arguments, "k", 1..=1000)?.unwrap_or(15),
        metric: metric(NAME, arguments, 2, default)?,
        seed: statement.seed(NAME, arguments)?,
    }))
}

impl Summarise for Recipe {
    fn summarise(
        &self,
        [vectors, labels]: [ArrayRef; 2],
        returns: &DataType,
        statement: &Statement,
    ) -> Result<ScalarValue> {
        let numbered = codes(&labels)?;
        let vectors = Vectors::new(NAME, "v", &vectors)?;
        let different = numbered.iter().flatten().max().map_or(0, |most| *most as usize + 1);
        if different > MOST {
            return exec_err!(
                "{NAME}: {different} different labels are more than the {MOST} whose pairs are counted; give it a column of fewer"
            );
        }
        let each = vectors.width() * 12 + self.k.min(labels.len()) * 40 + 64;
        let bytes = each.saturating_mul(labels.len()).saturating_add(different * different * 16);
        let (pairs, left_out) = statement.run(NAME, bytes, |work| {
            let by_direction = self.metric == Metric::Cosine;
            let second = Some((&labels, numbered.as_slice()));
            let of = Partition::new(NAME, &vectors, by_direction, second, work)?;
            let graph = of.graph(self.k, self.metric, self.seed)?;
            let classes = classes(&of);
            let shares = boundary::class_overlap(&graph, &numbers(&of), classes, work)?;
            let pairs = shares.into_iter().enumerate().filter(|(_, share)| *share > 0.0);
            let pairs: Vec<(usize, usize, f64)> =
                pairs.map(|(at, share)| (at / classes, at % classes, share)).collect();
            let nothing = of.kept.is_empty();
            Ok(((!nothing).then_some(pairs), of.left_out))
        })?;
        statement.work().left_out(NAME, left_out);
        let Some(pairs) = pairs else { return ScalarValue::try_from(returns) };
        // A row of each label, to call it by.
        let mut first = vec![None; different];
        for (row, number) in (0u32..).zip(&numbered) {
            if let Some(number) = number {
                first[*number as usize].get_or_insert(row);
            }
        }
        let called = |of: fn(&(usize, usize, f64)) -> usize| {
            let rows: UInt32Array = pairs.iter().map(|pair| first[of(pair)]).collect();
            take(&labels, &rows, None)
        };
        let shares: Float64Array = pairs.iter().map(|pair| Some(pair.2)).collect();
        let columns = vec![called(|pair| pair.0)?, called(|pair| pair.1)?, Arc::new(shares)];
        let pairs = StructArray::try_new(parts(labels.data_type()), columns, None)?;
        Ok(SingleRowListArrayBuilder::new(Arc::new(pairs)).with_nullable(true).build_list_scalar())
    }
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "What a map says", description: None },
            "Which labels lie among which, a list of struct(label, other, share): of the labelled neighbours of all rows of one label, the share that carries the other, or the same. The shares of a label add up to 1; pairs that do not meet are left out. Rows without a vector, with NaN or infinity, or of zeros (with the metric 'cosine') are left out. For unnest.",
            "class_overlap(v, label [, k [, metric [, seed]]])",
        )
        .with_sql_example(
            "```sql\nSELECT pair['label'], pair['other'], pair['share']\nFROM (SELECT unnest(class_overlap(embedding, lang)) AS pair FROM reviews)\nWHERE pair['label'] <> pair['other'] ORDER BY 3 DESC LIMIT 10;\n```",
        )
        .with_argument("v", "The vector, or the place on a map.")
        .with_argument("label", "The label: a text, a whole number or a boolean; 4096 different ones at most.")
        .with_argument("k", "How many neighbours are asked, 1 to 1000; 15 if not given; a constant.")
        .with_argument(
            "metric",
            "What near means: 'cosine' (default for vectors) or 'l2' (default for places); a constant.",
        )
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .build()
    });
    &DOCUMENTATION
}
