//! The classifiers of a database as a table.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, ListArray, ListBuilder, RecordBatch, StringArray,
    StringBuilder, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema};
use portolan_udfs::classifier::{Facts, Held};

use crate::error::Result;

/// A row for each: what it is, what it was made from, and how good it was on rows held out.
pub fn listed(all: &[(String, Facts)]) -> Result<RecordBatch> {
    let text = |part: &dyn Fn(&(String, Facts)) -> Option<String>| -> ArrayRef {
        Arc::new(all.iter().map(part).collect::<StringArray>())
    };
    let count = |part: &dyn Fn(&Facts) -> Option<u64>| -> ArrayRef {
        let counts = all.iter().map(|(_, facts)| part(facts).map(u64::cast_signed));
        Arc::new(counts.collect::<Int64Array>())
    };
    let number = |part: &dyn Fn(&Facts) -> Option<f64>| -> ArrayRef {
        Arc::new(all.iter().map(|(_, facts)| part(facts)).collect::<Float64Array>())
    };
    let held = |part: fn(&Held) -> Option<f64>| number(&|facts| part(facts.held.as_ref()?));
    let class = |facts: &Facts, class: u32| Some(facts.classes.get(class as usize)?.to_string());
    let made = all.iter().map(|(_, facts)| facts.created);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("name", text(&|(name, _)| Some(name.clone()))),
        ("method", text(&|(_, facts)| Some(facts.method.name().to_string()))),
        ("dims", count(&|facts| Some(facts.dims as u64))),
        ("classes", count(&|facts| Some(facts.classes.len() as u64))),
        ("labels", labels(all)),
        ("positive", text(&|(_, facts)| class(facts, facts.positive?))),
        ("threshold", number(&|facts| facts.threshold)),
        ("rows", count(&|facts| facts.rows)),
        ("held_out", count(&|facts| Some(facts.held.as_ref()?.rows))),
        ("accuracy", held(|held| Some(held.accuracy))),
        ("f1", held(|held| Some(held.f1))),
        ("log_loss", held(|held| held.log_loss)),
        ("roc_auc", held(|held| held.roc_auc)),
        ("confusion", confusion(all)?),
        ("source", text(&|(_, facts)| Some(facts.source.clone()))),
        ("model", text(&|(_, facts)| Some(facts.fingerprint.as_ref()?.to_string()))),
        ("created", Arc::new(TimestampMicrosecondArray::from_iter_values(made))),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn labels(all: &[(String, Facts)]) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for (_, facts) in all {
        facts.classes.iter().for_each(|label| lists.values().append_value(label.to_string()));
        lists.append(true);
    }
    Arc::new(lists.finish())
}

/// How often held-out rows of each class were given each label, as the aggregate `confusion` has it.
fn confusion(all: &[(String, Facts)]) -> Result<ArrayRef> {
    let pairs = |facts: &Facts| facts.held.as_ref().map(|held| held.confusion.clone());
    let each = all.iter().flat_map(|(_, facts)| {
        let class = |class: u32| facts.classes.get(class as usize).map(ToString::to_string);
        let pairs = pairs(facts).unwrap_or_default();
        pairs
            .into_iter()
            .map(move |(truth, given, n)| (class(given), class(truth), n.cast_signed()))
    });
    let (mut given, mut truth, mut n) = (Vec::new(), Vec::new(), Vec::new());
    for (one, other, rows) in each {
        given.push(one);
        truth.push(other);
        n.push(rows);
    }
    let fields = Fields::from(vec![
        Field::new("predicted", DataType::Utf8, true),
        Field::new("truth", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(given)),
        Arc::new(StringArray::from(truth)),
        Arc::new(Int64Array::from(n)),
    ];
    let values = StructArray::try_new(fields.clone(), columns, None)?;
    let lengths = all.iter().map(|(_, facts)| pairs(facts).map_or(0, |pairs| pairs.len()));
    let nulls: NullBuffer = all.iter().map(|(_, facts)| facts.held.is_some()).collect();
    let item = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(item, offsets, Arc::new(values), Some(nulls))?))
}
