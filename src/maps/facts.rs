//! What is known of a map.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{Field, Schema};
use portolan_udfs::Fingerprint;
use portolan_udfs::map::{Projection, Wanted};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tables::{Bundle, TableName};

/// The table of a map's points.
pub const POINTS: &str = "points";
/// The table of a map's topics.
pub const TOPICS: &str = "topics";
/// The table of the nearest rows of each.
pub const NEIGHBORS: &str = "neighbors";
/// The table of what is known of a map.
pub const INFO: &str = "info";
/// The table of names that people give to rows of a map.
pub const TAGS: &str = "tags";
/// A map's tables.
pub const TABLES: [&str; 5] = [POINTS, TOPICS, NEIGHBORS, TAGS, INFO];

/// What is known of a map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The schema of its table.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// What tells it from a later one of that name.
    pub table_id: Option<String>,
    /// The version of that.
    pub table_version: u64,
    /// The column of vectors.
    pub column: String,
    /// Their length.
    pub dims: Option<u64>,
    /// What made them.
    pub fingerprint: Option<Fingerprint>,
    /// The column of texts.
    pub text: Option<String>,
    /// The column of labels that topics are called by where there are no texts.
    #[serde(default)]
    pub label: Option<String>,
    /// The column that rows are called by; their lasting numbers if there is none.
    pub key: Option<String>,
    /// The map that it is laid out to be compared with.
    #[serde(default)]
    pub align_to: Option<String>,
    /// How it was asked for.
    pub wanted: Wanted,
    /// How it was laid out.
    pub projection: Projection,
    /// The share of the true neighbours that were found.
    pub recall: f32,
    /// Rows that are on it.
    pub rows: u64,
    /// Rows that could not be used.
    pub left_out: u64,
    /// How many topics there are, at all depths.
    pub topics: u64,
    /// How many rows came since it was laid out.
    pub placed: u64,
    /// When it was laid out.
    pub created: i64,
    /// When it was last held to its table.
    pub refreshed: i64,
    /// The release that made it.
    pub release: String,
}

impl Facts {
    /// Those of a map.
    pub fn of(map: &str, bundle: &Bundle) -> Result<Self> {
        serde_json::from_value(bundle.about.clone()).map_err(|error| {
            Error::Invalid(format!(
                "map '{map}' is damaged ({error}); DROP MAP drops it, and CREATE MAP makes it anew"
            ))
        })
    }

    /// The table that it is of.
    pub fn source(&self) -> TableName {
        TableName { schema: self.schema.clone(), table: self.table.clone() }
    }

    /// Whether rows of a table are called as those of this map are, so that a name means the same row: by their
    /// key, or by their lasting numbers.
    pub fn calls_rows_of(&self, table: &TableName, key: Option<&str>, id: Option<&str>) -> bool {
        // Lasting numbers are those of one table, while a key says which row is meant in any.
        self.key.as_deref() == key
            && self.source() == *table
            && (key.is_some() || self.table_id.as_deref() == id)
    }

    /// As a table of one row.
    pub fn row(&self, map: &str) -> Result<RecordBatch> {
        let text = |value: Option<String>| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
        let count = |value: Option<u64>| -> ArrayRef {
            Arc::new(Int64Array::from(vec![value.and_then(|value| i64::try_from(value).ok())]))
        };
        let number = |value: Option<f64>| -> ArrayRef { Arc::new(Float64Array::from(vec![value])) };
        let flag = |value: bool| -> ArrayRef { Arc::new(BooleanArray::from(vec![value])) };
        let time =
            |value: i64| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![value])) };
        let Wanted { n_neighbors, n_epochs, min_dist, metric, seed, .. } = self.wanted;
        let columns = vec![
            ("name", text(Some(map.to_string()))),
            ("table", text(Some(self.source().to_string()))),
            ("table_version", count(Some(self.table_version))),
            ("column", text(Some(self.column.clone()))),
            ("dims", count(self.dims)),
            ("model", text(self.fingerprint.as_ref().map(Fingerprint::in_full))),
            ("text", text(self.text.clone())),
            ("label", text(self.label.clone())),
            ("key", text(self.key.clone())),
            ("rows", count(Some(self.rows))),
            ("left_out", count(Some(self.left_out))),
            ("placed", count(Some(self.placed))),
            ("projection", text(Some(self.projection.name().to_string()))),
            ("n_neighbors", count(Some(n_neighbors as u64))),
            ("n_epochs", count(n_epochs.map(|epochs| epochs as u64))),
            ("min_dist", number(min_dist)),
            ("metric", text(Some(metric.name().to_string()))),
            ("seed", count(Some(seed))),
            ("topics", flag(self.wanted.topics)),
            ("n_topics", count(self.wanted.n_topics.map(|count| count as u64))),
            ("duplicates", flag(self.wanted.duplicates)),
            ("duplicate_cutoff", number(Some(self.wanted.duplicate_cutoff))),
            ("align_to", text(self.align_to.clone())),
            ("recall", Arc::new(Float32Array::from(vec![self.recall])) as ArrayRef),
            ("created", time(self.created)),
            ("refreshed", time(self.refreshed)),
            ("release", text(Some(self.release.clone()))),
        ];
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
            .collect();
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }
}
