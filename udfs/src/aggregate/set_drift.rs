//! `set_drift(v, side [, metric])`: how two sets of rows differ.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err};
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::drift::between;
use portolan_kernels::neighbours::Metric;
use portolan_kernels::rows::Rows;

use super::summary::{Summarise, SummaryKind};
use crate::rows::{Vectors, codes, is_places, normalise};
use crate::scalar::arguments::Arguments;
use crate::statement::{Statement, metric};
use crate::window::{Partition, check_label};

const NAME: &str = "set_drift";

/// The function.
pub static SET_DRIFT: SummaryKind = SummaryKind {
    name: NAME,
    parameters: &["v", "side", "metric"],
    vectors: &[0],
    returns,
    recipe,
    documentation,
};

fn parts() -> Fields {
    ["auc", "mmd"].into_iter().map(|name| Field::new(name, DataType::Float64, true)).collect()
}

fn returns(types: &[DataType]) -> Result<DataType> {
    let Some(side) = types.get(1) else { return internal_err!("{NAME} without sides") };
    check_label(NAME, side)?;
    Ok(DataType::Struct(parts()))
}

#[derive(Debug)]
struct Recipe {
    metric: Metric,
}

fn recipe(arguments: &Arguments, types: &[DataType], _: &Statement) -> Result<Box<dyn Summarise>> {
    let default = if types.first().is_some_and(is_places) { Metric::L2 } else { Metric::Cosine };
    Ok(Box::new(Recipe { metric: metric(NAME, arguments, 2, default)? }))
}

impl Summarise for Recipe {
    fn summarise(
        &self,
        [vectors, sides]: [ArrayRef; 2],
        _: &DataType,
        statement: &Statement,
    ) -> Result<ScalarValue> {
        let numbered = codes(&sides)?;
        let different = numbered.iter().flatten().max().map_or(0, |most| *most as usize + 1);
        if different > 2 {
            return exec_err!(
                "{NAME}: the rows are of {different} sets, and two can be held against each other; give it a condition, as lang = 'en'"
            );
        }
        let vectors = Vectors::new(NAME, "v", &vectors)?;
        // The rows twice, as they are compared, and once more as a classifier takes them.
        let bytes = (vectors.width() * 20 + 64).saturating_mul(sides.len());
        let (said, left_out) = statement.run(NAME, bytes, |work| {
            let by_direction = self.metric == Metric::Cosine;
            let second = Some((&sides, numbered.as_slice()));
            let of = Partition::new(NAME, &vectors, by_direction, second, work)?;
            let rows = of.rows()?;
            let mut values: Vec<f32> = Vec::with_capacity(rows.values().len());
            let mut other = Vec::with_capacity(of.len());
            // Which set is called the other must not depend on the order in which rows come.
            let first = of.codes.iter().flatten().next().copied();
            for (row, side) in of.codes.iter().enumerate() {
                // A row of no set says nothing.
                if side.is_none() {
                    continue;
                }
                values.extend_from_slice(rows.row(row));
                other.push(*side != first);
            }
            if by_direction {
                values.chunks_exact_mut(rows.width().max(1)).for_each(normalise);
            }
            let rows = Rows::new(&values, rows.width());
            let said = match rows {
                Some(rows) => between(rows, &other, work)?,
                None => None,
            };
            Ok((said, of.left_out))
        })?;
        statement.work().left_out(NAME, left_out);
        let said = [said.map(|said| said.auc), said.map(|said| said.mmd)];
        let columns = said.map(|value| Arc::new(Float64Array::from(vec![value])) as ArrayRef);
        let said = StructArray::try_new(parts(), columns.to_vec(), None)?;
        Ok(ScalarValue::Struct(Arc::new(said)))
    }
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "What a map says", description: None },
            "How two sets of rows differ as wholes, struct(auc, mmd): the reviews of this month and of the last, what a model was trained on and what it is asked. auc: how well a classifier tells rows of the one set from rows of the other that it has not seen, 0.5 where the sets are alike (chance moves it by a few hundredths), 1 where every row gives its set away. mmd: the maximum mean discrepancy by a Gaussian kernel as wide as the median distance from set to set, 0 where the sets are alike, at most 1.41. Up to 10000 rows of a set are looked at for the one, up to 2000 for the other, the same ones in whichever order rows come. NULL where a set has fewer than ten rows. Rows without a vector or a side, with NaN or infinity, or of zeros (with the metric 'cosine') are left out.",
            "set_drift(v, side [, metric])",
        )
        .with_sql_example(
            "```sql\nSELECT set_drift(embedding, written >= DATE '2026-01-01') FROM reviews;\n```",
        )
        .with_argument("v", "The vector, or the place on a map.")
        .with_argument(
            "side",
            "Which set the row is of: a boolean, a text or a whole number of two values.",
        )
        .with_argument(
            "metric",
            "What far means: 'cosine' (default for vectors) or 'l2' (default for places); a constant.",
        )
        .build()
    });
    &DOCUMENTATION
}
