//! What was made of a map before its maker was killed is not made again.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, Float32Array, RecordBatch, UInt32Array};
use arrow::datatypes::{Float32Type, ToByteSlice, UInt32Type};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use bytes::Bytes;
use portolan_kernels::Result;
use portolan_kernels::graph::Graph;

use super::points::table;
use crate::window::Partition;

/// Keeps what is made, by names that say of what and how.
pub trait Shelf: Send + Sync {
    /// What is kept under a name, if it is there and can be read.
    fn get(&self, name: &str) -> Option<Bytes>;

    /// Keeps something. If that fails it is made again, should it come to that.
    fn put(&self, name: &str, made: Bytes);
}

/// Stages that take less than this are not worth keeping.
const WORTH_KEEPING: Duration = Duration::from_secs(1);

/// What a file says of a graph beside its columns: the bits of its recall.
const RECALL: &str = "recall";

/// The stages of one map.
pub struct Stages<'a> {
    shelf: Option<&'a dyn Shelf>,
    rows: blake3::Hasher,
    count: usize,
}

impl<'a> Stages<'a> {
    /// Those of a map of these rows in this order.
    pub fn new(shelf: Option<&'a dyn Shelf>, of: &Partition) -> Result<Self> {
        let mut rows = blake3::Hasher::new();
        if shelf.is_some() {
            rows.update(env!("CARGO_PKG_VERSION").as_bytes());
            rows.update(&of.content()?);
        }
        Ok(Self { shelf, rows, count: of.len() })
    }

    /// Who is near whom; `how` is all that it depends on besides the rows.
    pub fn graph(
        &self,
        how: &impl Debug,
        make: impl FnOnce() -> Result<Arc<Graph>>,
    ) -> Result<Arc<Graph>> {
        let read = |kept| read_graph(kept, self.count).map(Arc::new);
        self.stage("neighbours", how, &[], read, |graph| write_graph(graph), make)
    }

    /// Where the rows come to lie; `how` and `near` are all that it depends on besides them.
    pub fn places(
        &self,
        how: &impl Debug,
        near: &[[f32; 2]],
        make: impl FnOnce() -> Result<Vec<[f32; 2]>>,
    ) -> Result<Vec<[f32; 2]>> {
        let read = |kept| read_places(kept, self.count);
        let write = |places: &Vec<[f32; 2]>| write_places(places);
        self.stage("places", how, near.as_flattened(), read, write, make)
    }

    fn stage<T>(
        &self,
        name: &str,
        how: &impl Debug,
        near: &[f32],
        read: impl FnOnce(Bytes) -> Option<T>,
        write: impl FnOnce(&T) -> Option<Bytes>,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let Some(shelf) = self.shelf else { return make() };
        let mut key = self.rows.clone();
        key.update(format!("{how:?}").as_bytes());
        key.update(near.to_byte_slice());
        let name = format!("{name}-{}", key.finalize().to_hex());
        if let Some(kept) = shelf.get(&name).and_then(read) {
            return Ok(kept);
        }
        let start = Instant::now();
        let made = make()?;
        if start.elapsed() > WORTH_KEEPING
            && let Some(bytes) = write(&made)
        {
            shelf.put(&name, bytes);
        }
        Ok(made)
    }
}

fn write_graph(graph: &Graph) -> Option<Bytes> {
    let neighbours = UInt32Array::from(graph.neighbours.clone());
    let distances = Float32Array::from(graph.distances.clone());
    let columns: Vec<(&str, ArrayRef)> =
        vec![("neighbours", Arc::new(neighbours)), ("distances", Arc::new(distances))];
    write(columns, HashMap::from([(RECALL.to_string(), graph.recall.to_bits().to_string())]))
}

fn read_graph(kept: Bytes, rows: usize) -> Option<Graph> {
    let kept = read(kept)?;
    let neighbours = kept.column_by_name("neighbours")?.as_primitive_opt::<UInt32Type>()?;
    let distances = kept.column_by_name("distances")?.as_primitive_opt::<Float32Type>()?;
    let graph = Graph {
        k: neighbours.len().checked_div(rows)?,
        neighbours: neighbours.values().to_vec(),
        distances: distances.values().to_vec(),
        recall: f32::from_bits(kept.schema_ref().metadata().get(RECALL)?.parse().ok()?),
    };
    graph.check(rows).ok().map(|()| graph)
}

fn write_places(places: &[[f32; 2]]) -> Option<Bytes> {
    let numbers = Float32Array::from(places.as_flattened().to_vec());
    write(vec![("places", Arc::new(numbers))], HashMap::new())
}

fn read_places(kept: Bytes, rows: usize) -> Option<Vec<[f32; 2]>> {
    let kept = read(kept)?;
    let numbers = kept.column_by_name("places")?.as_primitive_opt::<Float32Type>()?;
    let (places, rest) = numbers.values().as_chunks::<2>();
    (places.len() == rows && rest.is_empty()).then(|| places.to_vec())
}

/// Columns, and what is said of them, as a file of Arrow's.
fn write(columns: Vec<(&str, ArrayRef)>, about: HashMap<String, String>) -> Option<Bytes> {
    let batch = table(columns).ok()?;
    let schema = Arc::new(batch.schema().as_ref().clone().with_metadata(about));
    let mut file = FileWriter::try_new(Vec::new(), &schema).ok()?;
    file.write(&batch.with_schema(schema).ok()?).ok()?;
    Some(Bytes::from(file.into_inner().ok()?))
}

fn read(kept: Bytes) -> Option<RecordBatch> {
    let mut file = FileReader::try_new(std::io::Cursor::new(kept), None).ok()?;
    file.next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_made() {
        let graph = Graph {
            k: 2,
            neighbours: vec![1, 2, 0, 2, 1, 0],
            distances: vec![0.1, 0.2, 0.1, 0.3, 0.2, 0.3],
            recall: 0.987,
        };
        let kept = write_graph(&graph).unwrap();
        assert_eq!(read_graph(kept.clone(), 3).unwrap(), graph);
        assert!(read_graph(kept.clone(), 4).is_none(), "of other rows");
        assert!(read_graph(kept.slice(..kept.len() / 2), 3).is_none(), "cut off");
        assert!(read_places(kept, 3).is_none(), "of another stage");
        let places = vec![[0.5, -1.0], [2.0, 3.0], [f32::MIN_POSITIVE, 0.0]];
        assert_eq!(read_places(write_places(&places).unwrap(), 3).unwrap(), places);
    }
}
