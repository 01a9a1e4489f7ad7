//! The table of topics, and what it says of rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float32Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray, UInt32Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion_common::Result;
use portolan_kernels::graph::NONE;
use portolan_kernels::labels::Label;
use portolan_kernels::topics::{Depth, Topics};

use super::DEPTHS;
use super::points::{TopicColumns, table};

/// The number before that of the first topic of each depth: topics are numbered through all depths.
fn before(topics: &Topics) -> Vec<usize> {
    let counts = topics.depths.iter().take(DEPTHS);
    counts
        .scan(0, |sum, depth| {
            let before = *sum;
            *sum += depth.count;
            Some(before)
        })
        .collect()
}

/// The number of a topic in SQL. There are fewer topics than rows, and those are counted by u32.
fn numbered(before: usize, topic: u32) -> Option<i32> {
    if topic == NONE { None } else { i32::try_from(before + topic as usize + 1).ok() }
}

/// What topics say of their rows; `names` are those of the topics of each depth.
pub fn columns(topics: &Topics, names: &[Vec<String>], rows: usize) -> TopicColumns {
    let names = std::array::from_fn(|depth| match topics.depths.get(depth) {
        Some(at) => {
            let names = names.get(depth).map_or(&[][..], Vec::as_slice);
            at.nearest.iter().map(|topic| names.get(*topic as usize)).collect()
        }
        None => StringArray::new_null(rows),
    });
    let deepest = topics.depths.iter().take(DEPTHS).zip(before(topics)).next_back();
    let ids = match deepest {
        Some((at, before)) => at.nearest.iter().map(|topic| numbered(before, *topic)).collect(),
        None => Int32Array::new_null(rows),
    };
    let noise = match topics.depths.first() {
        Some(at) => at.topics.iter().map(|topic| Some(*topic == NONE)).collect(),
        None => BooleanArray::new_null(rows),
    };
    TopicColumns { names, ids, noise }
}

/// The names of the topics of each depth.
pub fn names(labels: &[Vec<Label>]) -> Vec<Vec<String>> {
    let depth = |labels: &Vec<Label>| labels.iter().map(|label| label.short.clone()).collect();
    labels.iter().map(depth).collect()
}

/// How many rows of each topic there are.
pub fn sizes(depth: &Depth) -> Vec<i64> {
    let mut sizes = vec![0; depth.count];
    for topic in &depth.nearest {
        if let Some(size) = sizes.get_mut(*topic as usize) {
            *size += 1;
        }
    }
    sizes
}

/// The table of topics: where `places` are those of the rows, and `ids` what these are called.
pub fn stored(
    topics: &Topics,
    labels: &[Vec<Label>],
    places: &[[f32; 2]],
    ids: &ArrayRef,
) -> Result<RecordBatch> {
    let before = before(topics);
    let (mut numbers, mut depths, mut parents) = (Vec::new(), Vec::new(), Vec::new());
    let (mut all_sizes, mut xs, mut ys, mut exemplars) = (vec![], vec![], vec![], vec![]);
    let mut named: Vec<&Label> = Vec::new();
    let nameless = Label::default();
    // Few depths.
    for ((at, first), depth) in topics.depths.iter().zip(&before).zip(1i32..) {
        let sizes = sizes(at);
        let middles = middles(at, places);
        // Fewer topics than rows.
        for (topic, size) in (0..at.count as u32).zip(sizes) {
            let place = topic as usize;
            numbers.push(numbered(*first, topic));
            depths.push(depth);
            let above = at.parents.get(place).copied().unwrap_or(NONE);
            let above_first = (depth as usize).checked_sub(2).and_then(|up| before.get(up));
            parents.push(above_first.and_then(|first| numbered(*first, above)));
            all_sizes.push(size);
            let middle = middles.get(place).copied().flatten();
            xs.push(middle.map(|middle| middle[0]));
            ys.push(middle.map(|middle| middle[1]));
            exemplars.push(at.exemplars.get(place).map_or(&[][..], Vec::as_slice));
            let label = labels.get(depth as usize - 1).and_then(|labels| labels.get(place));
            named.push(label.unwrap_or(&nameless));
        }
    }
    let text = |part: fn(&Label) -> &str| -> ArrayRef {
        Arc::new(named.iter().map(|label| Some(part(label))).collect::<StringArray>())
    };
    table(vec![
        ("topic_id", Arc::new(Int32Array::from(numbers))),
        ("depth", Arc::new(Int32Array::from(depths))),
        ("parent_id", Arc::new(Int32Array::from(parents))),
        ("topic_short", text(|label| &label.short)),
        ("topic_description", text(|label| &label.description)),
        ("size", Arc::new(Int64Array::from(all_sizes))),
        ("x", Arc::new(Float32Array::from(xs))),
        ("y", Arc::new(Float32Array::from(ys))),
        ("terms", Arc::new(terms(&named)?)),
        ("exemplars", Arc::new(called(&exemplars, ids)?)),
    ])
}

/// Where the names of topics go: in the middle of the rows that are sure to be theirs, of all rows where
/// none is. A few rows far away do not move it.
fn middles(at: &Depth, places: &[[f32; 2]]) -> Vec<Option<[f32; 2]>> {
    let mut sure: Vec<Vec<[f32; 2]>> = vec![Vec::new(); at.count];
    let mut all = sure.clone();
    for ((nearest, topic), place) in at.nearest.iter().zip(&at.topics).zip(places) {
        if let Some(rows) = all.get_mut(*nearest as usize) {
            rows.push(*place);
        }
        if let Some(rows) = sure.get_mut(*topic as usize) {
            rows.push(*place);
        }
    }
    let middle = |(sure, all): (Vec<[f32; 2]>, Vec<[f32; 2]>)| {
        let rows = if sure.is_empty() { all } else { sure };
        Some([median(rows.iter().map(|place| place[0]))?, median(rows.iter().map(|p| p[1]))?])
    };
    sure.into_iter().zip(all).map(middle).collect()
}

fn median(values: impl Iterator<Item = f32>) -> Option<f32> {
    let mut values: Vec<f32> = values.collect();
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    Some(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

fn terms(labels: &[&Label]) -> Result<ListArray> {
    let fields = Fields::from(vec![
        Field::new("term", DataType::Utf8, true),
        Field::new("weight", DataType::Float32, true),
    ]);
    let all = || labels.iter().flat_map(|label| &label.terms);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(all().map(|(term, _)| Some(term.as_str())).collect::<StringArray>()),
        Arc::new(all().map(|(_, weight)| Some(*weight)).collect::<Float32Array>()),
    ];
    let values = StructArray::try_new(fields.clone(), columns, None)?;
    let item = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
    let offsets = OffsetBuffer::from_lengths(labels.iter().map(|label| label.terms.len()));
    Ok(ListArray::try_new(item, offsets, Arc::new(values), None)?)
}

/// Lists of rows as lists of what they are called.
fn called(rows: &[&[u32]], ids: &ArrayRef) -> Result<ListArray> {
    let flat: UInt32Array =
        rows.iter().flat_map(|rows| rows.iter().map(|row| Some(*row))).collect();
    let values = take(ids, &flat, None)?;
    let item = Arc::new(Field::new_list_field(ids.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|rows| rows.len()));
    Ok(ListArray::try_new(item, offsets, values, None)?)
}
