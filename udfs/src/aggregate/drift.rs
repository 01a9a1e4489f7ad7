//! `drift(a, b [, metric [, seed]])`: how two embeddings of the same rows differ.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::drift::{jaccard, linear_cka, procrustes_residual};
use portolan_kernels::neighbours::{Metric, Options, graph};
use portolan_kernels::order::Order;
use portolan_kernels::rows::Rows;

use super::summary::{Summarise, SummaryKind};
use crate::rows::{Gathered, Vectors, arrange, canonical};
use crate::scalar::arguments::Arguments;
use crate::statement::{Statement, metric};

const NAME: &str = "drift";
/// How many neighbours are held against each other.
const NEAR: [usize; 2] = [10, 50];
/// Rows of which something can be said, at least.
const LEAST: usize = 3;

/// The function.
pub static DRIFT: SummaryKind = SummaryKind {
    name: NAME,
    parameters: &["a", "b", "metric", "seed"],
    vectors: &[0, 1],
    returns: |_| Ok(DataType::Struct(parts())),
    recipe,
    documentation,
};

fn parts() -> Fields {
    ["jaccard_10", "jaccard_50", "cka", "procrustes"]
        .into_iter()
        .map(|name| Field::new(name, DataType::Float64, true))
        .collect()
}

#[derive(Debug)]
struct Recipe {
    metric: Metric,
    seed: u64,
}

fn recipe(
    arguments: &Arguments,
    _: &[DataType],
    statement: &Statement,
) -> Result<Box<dyn Summarise>> {
    Ok(Box::new(Recipe {
        metric: metric(NAME, arguments, 2, Metric::Cosine)?,
        seed: statement.seed(NAME, arguments)?,
    }))
}

/// Removes the rows of which the second column is all zeros; says how many.
fn without_zeros(found: &mut Gathered, widths: [usize; 2]) -> u64 {
    let [first, second] = widths;
    let Some((a, b)) = found.values.split_first_mut() else { return 0 };
    let Some(b) = b.first_mut() else { return 0 };
    let zero: Vec<bool> =
        b.chunks_exact(second.max(1)).map(|row| row.iter().all(|value| *value == 0.0)).collect();
    let mut keep = zero.iter().flat_map(|zero| std::iter::repeat_n(!zero, first));
    a.retain(|_| keep.next().unwrap_or(true));
    let mut keep = zero.iter().flat_map(|zero| std::iter::repeat_n(!zero, second));
    b.retain(|_| keep.next().unwrap_or(true));
    let mut keep = zero.iter();
    found.kept.retain(|_| keep.next().is_none_or(|zero| !zero));
    zero.iter().filter(|zero| **zero).count() as u64
}

impl Summarise for Recipe {
    fn summarise(
        &self,
        [a, b]: [ArrayRef; 2],
        _: &DataType,
        statement: &Statement,
    ) -> Result<ScalarValue> {
        let (one, other) = (Vectors::new(NAME, "a", &a)?, Vectors::new(NAME, "b", &b)?);
        let widths = [one.width(), other.width()];
        // Both, as they are and as they are compared; the neighbours in both; what is added up of all.
        let [first, second] = widths;
        let each = (first + second) * 8 + NEAR[1].min(a.len()) * 80 + 64;
        let bytes = each.saturating_mul(a.len());
        let bytes = bytes.saturating_add((first + second).saturating_pow(2).saturating_mul(16));
        let (said, left_out) = statement.run(NAME, bytes, |work| {
            let by_direction = self.metric == Metric::Cosine;
            let mut found = Gathered::new(&[&one, &other], by_direction, None);
            if by_direction {
                found.left_out.zero += without_zeros(&mut found, widths);
            }
            if found.kept.len() < LEAST {
                return Ok((None, found.left_out));
            }
            let whole = || portolan_kernels::Error::Shape("rows are not whole".to_string());
            let ranks = |values: &[f32], width: usize| -> portolan_kernels::Result<Vec<u32>> {
                Ok(Order::of(Rows::new(values, width).ok_or_else(whole)?).ranks())
            };
            let [a, b] = found.values.as_mut_slice() else { return Err(whole()) };
            let ties = ranks(b, second)?;
            let order = canonical(Rows::new(a, first).ok_or_else(whole)?, Some(&ties));
            arrange(a, first, &order);
            arrange(b, second, &order);
            let one = Rows::new(a, first).ok_or_else(whole)?;
            let other = Rows::new(b, second).ok_or_else(whole)?;
            let k = NEAR[1].min(order.len() - 1);
            let options = Options { k, metric: self.metric, seed: self.seed, ..Options::default() };
            let (near, far) = (graph(one, &options, work)?, graph(other, &options, work)?);
            let mut said: Vec<Option<f64>> = Vec::new();
            for k in NEAR {
                // Of rows that are all neighbours nothing is said.
                let shares = if order.len() > k + 1 {
                    Some(jaccard(&near, &far, order.len(), k)?)
                } else {
                    None
                };
                said.push(shares.map(|shares| {
                    shares.iter().map(|share| f64::from(*share)).sum::<f64>() / shares.len() as f64
                }));
            }
            said.push(Some(linear_cka(one, other, work)?));
            said.push(Some(procrustes_residual(one, other, work)?));
            Ok((Some(said), found.left_out))
        })?;
        statement.work().left_out(NAME, left_out);
        let said = said.unwrap_or_else(|| vec![None; parts().len()]);
        let columns = said.into_iter().map(|value| Arc::new(Float64Array::from(vec![value])) as _);
        let said = StructArray::try_new(parts(), columns.collect(), None)?;
        Ok(ScalarValue::Struct(Arc::new(said)))
    }
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "What a map says", description: None },
            "How two embeddings of the same rows differ, struct(jaccard_10, jaccard_50, cka, procrustes). jaccard: of the 10 and of the 50 nearest others of a row, the share that both have in common of those that either has, 0 to 1, on average. cka: linear centred kernel alignment, 1 where one embedding is the other turned, scaled and moved. procrustes: what is left of one after the other was turned, scaled and moved onto it, 0 where nothing is. The last two see the large directions alone: read them beside the first two. NULL where there are no more rows than neighbours, or fewer than 3. Rows where either vector is NULL, has NaN or infinity, or is all zeros (with the metric 'cosine') are left out.",
            "drift(a, b [, metric [, seed]])",
        )
        .with_sql_example(
            "```sql\nSELECT drift(embedding, truncate_vector(embedding, 64)) FROM reviews;\n```",
        )
        .with_argument("a", "The vector in one embedding.")
        .with_argument("b", "The vector in the other; it may have another length.")
        .with_argument("metric", "What near means: 'cosine' (default) or 'l2'; a constant.")
        .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
        .build()
    });
    &DOCUMENTATION
}
