//! A map as it was stored, beside the rows of now.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, RecordBatch, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Float32Type, Int32Type, UInt64Type};
use arrow::row::{Row, RowConverter, SortField};
use datafusion_common::Result;
use portolan_kernels::graph::NONE;
use portolan_kernels::order::hashes;
use portolan_kernels::rows::Rows;
use portolan_kernels::topics::{Depth, Topics};

use super::Projection;
use super::points::column;

/// A map as it was stored.
#[derive(Debug)]
pub struct Stored<'a> {
    /// Its points.
    pub points: &'a RecordBatch,
    /// Its topics.
    pub topics: &'a RecordBatch,
    /// Its neighbours.
    pub neighbors: &'a RecordBatch,
    /// How it was laid out.
    pub projection: Projection,
    /// The share of the true neighbours that were found.
    pub recall: f32,
}

/// What rows are called, to be compared.
pub struct Names {
    converter: RowConverter,
}

impl Names {
    /// Of names of this type.
    pub fn new(kind: &DataType) -> Result<Self> {
        Ok(Self { converter: RowConverter::new(vec![SortField::new(kind.clone())])? })
    }

    /// Names that can be compared.
    pub fn of(&self, ids: &ArrayRef) -> Result<arrow::row::Rows> {
        Ok(self.converter.convert_columns(std::slice::from_ref(ids))?)
    }
}

/// Which of some names are among all.
pub fn among(some: &ArrayRef, all: &ArrayRef) -> Result<Vec<bool>> {
    let names = Names::new(all.data_type())?;
    let all = names.of(all)?;
    let all: HashSet<Row> = all.iter().collect();
    let some = names.of(some)?;
    Ok(some.iter().map(|name| all.contains(&name)).collect())
}

/// How the rows of a map and those of its table differ.
pub struct Compared {
    /// The rows that are as they were: which they were and which they are, as they were stored.
    pub stays: Vec<(u32, u32)>,
    /// New ones, and those with other vectors.
    pub fresh: Vec<u32>,
    /// Those that were and are not, or not with the same vectors.
    pub gone: Vec<u32>,
}

/// Holds rows to those of a map, by their names and the hashes of their vectors.
pub fn compared(
    names: &Names,
    points: &RecordBatch,
    ids: &ArrayRef,
    rows: Rows,
) -> Result<Compared> {
    let old_hashes = column(points, "vector_hash")?;
    let old_hashes = old_hashes.as_primitive::<UInt64Type>().values();
    let old_names = names.of(&column(points, "id")?)?;
    // Batches hold fewer rows than u32 counts.
    let places: HashMap<Row, u32> = old_names.iter().zip(0u32..).collect();
    let (mut stays, mut fresh) = (Vec::new(), Vec::new());
    let mut gone = vec![true; old_hashes.len()];
    for ((name, hash), new) in names.of(ids)?.iter().zip(hashes(rows)).zip(0u32..) {
        match places.get(&name) {
            Some(&old) if old_hashes[old as usize] == hash => {
                gone[old as usize] = false;
                stays.push((old, new));
            }
            _ => fresh.push(new),
        }
    }
    stays.sort_unstable();
    let gone = (0u32..).zip(gone).filter_map(|(old, gone)| gone.then_some(old)).collect();
    Ok(Compared { stays, fresh, gone })
}

/// Where rows of a stored map lie.
pub fn places(points: &RecordBatch, rows: &UInt32Array) -> Result<Vec<[f32; 2]>> {
    let axis = |name| -> Result<Float32Array> {
        Ok(take(&column(points, name)?, rows, None)?.as_primitive::<Float32Type>().clone())
    };
    let (x, y) = (axis("x")?, axis("y")?);
    Ok(x.values().iter().zip(y.values()).map(|(x, y)| [*x, *y]).collect())
}

/// The topics of rows of a stored map, and the names of the topics of each depth.
pub fn topics(stored: &Stored, rows: &UInt32Array) -> Result<(Topics, Vec<Vec<String>>)> {
    let whole = |name| -> Result<Vec<Option<i32>>> {
        let column = cast(&column(stored.topics, name)?, &DataType::Int32)?;
        Ok(column.as_primitive::<Int32Type>().iter().collect())
    };
    let (ids, depths, parents) = (whole("topic_id")?, whole("depth")?, whole("parent_id")?);
    let names = cast(&column(stored.topics, "topic_short")?, &DataType::Utf8)?;
    let names = names.as_string::<i32>();
    // Topics by number: depth, place within it, and the number of the one above.
    let mut known: HashMap<i32, (usize, u32, Option<i32>)> = HashMap::new();
    let mut called: Vec<Vec<String>> = Vec::new();
    let mut sorted: Vec<usize> = (0..ids.len()).collect();
    sorted.sort_by_key(|row| ids[*row]);
    for row in sorted {
        let (Some(id), Some(depth)) = (ids[row], depths[row]) else { continue };
        let Some(depth) = usize::try_from(depth).ok().and_then(|depth| depth.checked_sub(1)) else {
            continue;
        };
        if called.len() <= depth {
            called.resize(depth + 1, Vec::new());
        }
        // Fewer topics than rows.
        known.insert(id, (depth, called[depth].len() as u32, parents[row]));
        called[depth].push(if names.is_valid(row) { names.value(row).into() } else { "".into() });
    }
    let mut topics = Topics {
        depths: called
            .iter()
            .map(|names| Depth {
                count: names.len(),
                parents: vec![NONE; names.len()],
                ..Depth::default()
            })
            .collect(),
    };
    for (depth, topic, parent) in known.values() {
        let above = parent.and_then(|parent| known.get(&parent));
        if let Some((_, above, _)) = above
            && let Some(at) = topics.depths.get_mut(*depth)
        {
            at.parents[*topic as usize] = *above;
        }
    }
    let deepest = take(&column(stored.points, "topic_id")?, rows, None)?;
    let noise = take(&column(stored.points, "noise")?, rows, None)?;
    let noise = noise.as_boolean();
    for (row, id) in deepest.as_primitive::<Int32Type>().iter().enumerate() {
        let mut line = vec![NONE; topics.depths.len()];
        let mut id = id;
        while let Some((depth, topic, parent)) = id.and_then(|id| known.get(&id)) {
            line[*depth] = *topic;
            id = *parent;
        }
        let is_noise = noise.is_valid(row) && noise.value(row);
        for (at, topic) in topics.depths.iter_mut().zip(line) {
            at.nearest.push(topic);
            at.topics.push(if is_noise { NONE } else { topic });
        }
    }
    Ok((topics, called))
}
