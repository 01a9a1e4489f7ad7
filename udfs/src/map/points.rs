//! The table of points.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Int16Array, Int32Array, RecordBatch, StringArray,
    UInt32Array, UInt64Array, new_null_array,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion_common::{Result, exec_err};

use super::order::slots;

/// What is known of rows on a map, in any order.
pub struct Points {
    /// What each is called.
    pub ids: ArrayRef,
    /// Their lasting numbers.
    pub row_ids: Vec<u64>,
    /// Hashes of their vectors: a row that has another one has changed.
    pub hashes: Vec<u64>,
    /// Where they lie.
    pub places: Vec<[f32; 2]>,
    /// Their topics, if any were found.
    pub topics: Option<TopicColumns>,
    /// Which say the same, if that was asked for.
    pub duplicates: Option<DuplicateColumns>,
}

/// The columns of topics.
pub struct TopicColumns {
    /// The names at each depth.
    pub names: [StringArray; super::DEPTHS],
    /// The numbers at the last depth.
    pub ids: Int32Array,
    /// What is a guess.
    pub noise: BooleanArray,
}

/// The columns of duplicates.
pub struct DuplicateColumns {
    /// What is to become of each.
    pub classes: StringArray,
    /// Their clusters.
    pub clusters: Int32Array,
    /// How far each is from the row that is kept.
    pub distances: Float32Array,
    /// What each hangs together with, of which clusters are parts.
    pub components: Int32Array,
}

impl Points {
    /// As a table, in the order in which they are stored, and which of the rows comes where.
    pub fn stored(self, seed: u64) -> Result<(RecordBatch, UInt32Array)> {
        let rows = self.places.len();
        let slots = slots(&self.places, &self.row_ids, seed);
        // Batches hold fewer rows than u32 counts.
        let mut order: Vec<u32> = (0..rows as u32).collect();
        order.sort_unstable_by_key(|row| (slots[*row as usize], self.row_ids[*row as usize]));
        let missing = |kind: DataType| new_null_array(&kind, rows);
        let [one, two, three, topic, noise] = match self.topics {
            Some(TopicColumns { names: [one, two, three], ids, noise }) => {
                let columns: [ArrayRef; 5] =
                    [Arc::new(one), Arc::new(two), Arc::new(three), Arc::new(ids), Arc::new(noise)];
                columns
            }
            None => [
                missing(DataType::Utf8),
                missing(DataType::Utf8),
                missing(DataType::Utf8),
                missing(DataType::Int32),
                missing(DataType::Boolean),
            ],
        };
        let [class, cluster, distance, component] = match self.duplicates {
            Some(found) => {
                let columns: [ArrayRef; 4] = [
                    Arc::new(found.classes),
                    Arc::new(found.clusters),
                    Arc::new(found.distances),
                    Arc::new(found.components),
                ];
                columns
            }
            None => [
                missing(DataType::Utf8),
                missing(DataType::Int32),
                missing(DataType::Float32),
                missing(DataType::Int32),
            ],
        };
        let axis = |axis: usize| -> ArrayRef {
            Arc::new(self.places.iter().map(|place| Some(place[axis])).collect::<Float32Array>())
        };
        let levels = slots.iter().map(|slot| Some(slot.level));
        let cells = slots.iter().map(|slot| Some(slot.cell));
        let batch = table(vec![
            ("id", self.ids.clone()),
            ("x", axis(0)),
            ("y", axis(1)),
            ("topic_1", one),
            ("topic_2", two),
            ("topic_3", three),
            ("topic_id", topic),
            ("noise", noise),
            ("duplicate_class", class),
            ("cluster_id", cluster),
            ("distance_to_retained", distance),
            ("component", component),
            ("level", Arc::new(levels.collect::<Int16Array>())),
            ("cell", Arc::new(cells.collect::<UInt32Array>())),
            ("row_id", Arc::new(UInt64Array::from(self.row_ids))),
            ("vector_hash", Arc::new(UInt64Array::from(self.hashes))),
        ])?;
        let order = UInt32Array::from(order);
        Ok((take_record_batch(&batch, &order)?, order))
    }
}

/// A column of a stored table.
pub fn column(of: &RecordBatch, name: &str) -> Result<ArrayRef> {
    match of.column_by_name(name) {
        Some(column) => Ok(column.clone()),
        None => exec_err!(
            "the map's tables have no column '{name}'; REFRESH MAP … FULL makes the map anew"
        ),
    }
}

/// Columns by their names.
pub fn table(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
