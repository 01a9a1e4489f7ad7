//! `duplicates(v [, id [, cutoff]])`: rows that say the same.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float32Array, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion_common::Result;
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::duplicates::{self, Class, Options};
use portolan_kernels::neighbours::Metric;

use super::finding::{Call, Find, FindingKind, Second};
use super::partition::Partition;
use super::topics::counted;

/// The function.
pub static DUPLICATES: FindingKind = FindingKind {
    name: "duplicates",
    parameters: &["v", "id", "cutoff"],
    second: Second::Id,
    returns,
    recipe,
    documentation,
};

fn returns(_: &DataType) -> DataType {
    DataType::Struct(Fields::from(vec![
        Field::new("duplicate_class", DataType::Utf8, true),
        Field::new("cluster_id", DataType::Int32, true),
        Field::new("distance_to_retained", DataType::Float32, true),
    ]))
}

#[derive(Debug)]
struct Recipe {
    options: Options,
}

fn recipe(call: &Call) -> Result<Box<dyn Find>> {
    let defaults = Options::default();
    let cutoff = call.number("cutoff", 0.0..=1.0)?;
    // A distance of a few digits.
    let cutoff = cutoff.map_or(defaults.cutoff, |cutoff| cutoff as f32);
    Ok(Box::new(Recipe { options: Options { cutoff } }))
}

/// What a class is called.
pub fn duplicate_class(class: Class) -> &'static str {
    match class {
        Class::Singleton => "singleton",
        Class::Retained => "retention candidate",
        Class::Deletable => "deletion candidate",
    }
}

impl Find for Recipe {
    fn metric(&self) -> Metric {
        Metric::Cosine
    }

    /// Pairs, of which there are few where rows are not all the same.
    fn bytes(&self, rows: usize, _: Option<&ArrayRef>, _: usize) -> usize {
        rows.saturating_mul(96)
    }

    fn find(&self, of: &Partition) -> portolan_kernels::Result<Vec<ArrayRef>> {
        let ids: Vec<u64> = if of.codes.is_empty() {
            vec![0; of.len()]
        } else {
            // A row without an id is kept only where none has one.
            of.codes.iter().map(|code| code.map_or(u64::MAX, u64::from)).collect()
        };
        let found = duplicates::duplicates(of.rows()?, &ids, &self.options, of.work)?;
        let classes = found.classes.iter().map(|class| Some(duplicate_class(*class)));
        let clusters = found.clusters.iter().map(|cluster| counted(*cluster));
        Ok(vec![
            Arc::new(classes.collect::<StringArray>()),
            Arc::new(clusters.collect::<Int32Array>()),
            Arc::new(Float32Array::from(found.distances)),
        ])
    }
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "What a map says", description: None },
            "Which rows say the same, struct(duplicate_class, cluster_id, distance_to_retained). The class is 'singleton' where no other row does, else 'retention candidate' for the one row of its cluster that is to be kept, the one that lies nearest to the others, and 'deletion candidate' for those. Clusters are numbered from 1, NULL where a row is alone; the distance is the cosine distance to the row that is kept. A cluster is never wider than twice the cutoff. The same rows have the same classes in whichever order they come. Rows without a vector, with NaN or infinity, or of zeros have NULL.",
            "duplicates(v [, id [, cutoff]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nDELETE FROM reviews WHERE id IN (SELECT id FROM (\n  SELECT id, duplicates(embedding, id, cutoff => 0.05) OVER () AS d FROM reviews)\n  WHERE d['duplicate_class'] = 'deletion candidate');\n```",
        )
        .with_argument("v", "The vector.")
        .with_argument(
            "id",
            "What rows are called, of any type: of rows that could be kept alike the one with the lowest is. Without it one of them is, always the same one.",
        )
        .with_argument(
            "cutoff",
            "The cosine distance up to which two rows say the same, 0 (equal directions) to 1; 0.1 if not given; a constant.",
        )
        .build()
    });
    &DOCUMENTATION
}
