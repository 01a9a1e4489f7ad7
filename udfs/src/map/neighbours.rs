//! The table of neighbours.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float32Array, ListArray, RecordBatch, StructArray, UInt32Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion_common::Result;
use portolan_kernels::graph::Graph;

use super::points::table;

/// Every row with its nearest others, as lists of what those are called and how far they are.
pub fn stored(ids: &ArrayRef, graph: &Graph, order: &UInt32Array) -> Result<RecordBatch> {
    let near = lists(ids, graph, order.values().iter().map(|row| *row as usize))?;
    table(vec![("id", take(ids, order, None)?), ("neighbors", Arc::new(near))])
}

/// The lists of some rows of a graph, whose neighbours are called so.
pub fn lists(
    called: &ArrayRef,
    graph: &Graph,
    rows: impl Iterator<Item = usize>,
) -> Result<ListArray> {
    let (mut ids, mut distances, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let before = ids.len();
        for (id, distance) in graph.near(row).take(graph.k) {
            ids.push(id);
            distances.push(distance);
        }
        lengths.push(ids.len() - before);
    }
    let fields = fields(called.data_type());
    let ids = take(called, &UInt32Array::from(ids), None)?;
    let distances = Arc::new(Float32Array::from(distances));
    let near = StructArray::try_new(fields.clone(), vec![ids, distances], None)?;
    let item = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(ListArray::try_new(item, offsets, Arc::new(near), None)?)
}

fn fields(id: &DataType) -> Fields {
    Fields::from(vec![
        Field::new("id", id.clone(), true),
        Field::new("distance", DataType::Float32, true),
    ])
}
