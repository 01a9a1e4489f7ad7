//! A map of rows that have changed since: those that stay keep their places and names, those that are
//! gone leave, and new ones are placed by those that stay.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, RecordBatch, UInt32Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, concat, filter, take};
use arrow::datatypes::{DataType, Float32Type, Int32Type, UInt64Type};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion_common::{Result, exec_datafusion_err, exec_err};
use portolan_kernels::graph::{Graph, NONE};
use portolan_kernels::neighbours::{Index, Options};
use portolan_kernels::rows::Rows;
use portolan_kernels::topics::{self, Depth, Topics};
use portolan_kernels::umap::Umap;

use super::build::{FEWEST, duplicates, umap};
use super::points::{Points, hash, table};
use super::topics::{columns, sizes};
use super::{Given, Map, NEIGHBOURS, Projection, Wanted, by_direction, failed, neighbours};
use crate::rows::{Gathered, Vectors, arranged, codes};
use crate::work::Work;

const STATEMENT: &str = "REFRESH MAP";

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

/// What became of it.
#[derive(Debug)]
pub struct Refreshed {
    /// The map.
    pub map: Map,
    /// Rows that came, or came again with another vector.
    pub placed: u64,
    /// Rows that are not on it any more.
    pub gone: u64,
}

/// Makes a map say what rows are now.
pub fn refresh(stored: &Stored, given: &Given, wanted: &Wanted, work: &Work) -> Result<Refreshed> {
    let vectors = Vectors::new(STATEMENT, "v", given.vectors)?;
    let width = vectors.width();
    let each = width * 16 + wanted.n_neighbors.max(NEIGHBOURS) * 48 + 512;
    let _held = work.reserve(STATEMENT, each.saturating_mul(given.vectors.len()))?;
    let Gathered { mut values, kept, left_out } =
        Gathered::new(&[&vectors], by_direction(wanted), None);
    work.left_out(STATEMENT, left_out);
    let values = values.pop().unwrap_or_default();
    let rows = whole(&values, width)?;
    let hashes: Vec<u64> = (0..rows.len()).map(|row| hash(rows.row(row))).collect();
    let kept = UInt32Array::from(kept);
    let old_ids = column(stored.points, "id")?;
    let ids = cast(&take(given.ids, &kept, None)?, old_ids.data_type())?;
    let row_ids = take(&cast(given.row_ids, &DataType::UInt64)?, &kept, None)?;
    let names = Names::new(old_ids.data_type())?;
    let Compared { stays, fresh, gone } = {
        let old = column(stored.points, "vector_hash")?;
        compared(&names, &old_ids, old.as_primitive::<UInt64Type>().values(), &ids, &hashes)?
    };
    if stays.len() < FEWEST {
        return exec_err!(
            "of the rows of the map {} are as they were, which is too few to place others by; REFRESH MAP … FULL makes it anew",
            stays.len()
        );
    }
    // From here on rows that stay come first, in the order in which they are stored.
    let order: Vec<u32> = stays.iter().map(|(_, new)| *new).chain(fresh.iter().copied()).collect();
    let values = arranged(&values, width, &order);
    let (old_values, new_values) = values.split_at(stays.len() * width);
    let near = placed_by(old_values, new_values, width, wanted, work)?;
    let old = UInt32Array::from_iter_values(stays.iter().map(|(old, _)| *old));
    let at = UInt32Array::from(order.clone());
    let ids = take(&ids, &at, None)?;
    let places = places(stored, &old, &near, wanted, work)?;
    let topics = match wanted.topics && stored.topics.num_rows() > 0 {
        true => Some(topics_of(stored, &old, &near, fresh.len())?),
        false => None,
    };
    let found = match wanted.duplicates {
        true => Some(duplicates(whole(&values, width)?, &codes(&ids)?, wanted, work)?),
        false => None,
    };
    let gone_names: HashSet<OwnedRow> = {
        let gone = UInt32Array::from(gone.clone());
        names.of(&take(&old_ids, &gone, None)?)?.into_iter().collect()
    };
    let topic_table = match &topics {
        Some((topics, _)) => resized(stored.topics, topics, &names, &gone_names)?,
        None => stored.topics.clone(),
    };
    let near_lists = lists(stored, &names, &old_ids, &old, &near, &ids, &gone_names)?;
    let row_ids = take(&row_ids, &at, None)?;
    let points = Points {
        ids: ids.clone(),
        row_ids: row_ids.as_primitive::<UInt64Type>().values().to_vec(),
        hashes: order.iter().map(|row| hashes[*row as usize]).collect(),
        topics: topics.map(|(topics, names)| columns(&topics, &names, order.len())),
        duplicates: found,
        places,
    };
    let (points, order) = points.stored(wanted.seed)?;
    let neighbors = table(vec![
        ("id", take(&ids, &order, None)?),
        ("neighbors", take(&near_lists, &order, None)?),
    ])?;
    work.end_stage();
    Ok(Refreshed {
        map: Map {
            points,
            topics: topic_table,
            neighbors,
            left_out: left_out.count(),
            projection: stored.projection,
            recall: if fresh.is_empty() { stored.recall } else { near.recall.min(stored.recall) },
        },
        placed: fresh.len() as u64,
        gone: gone.len() as u64,
    })
}

fn whole(values: &[f32], width: usize) -> Result<Rows<'_>> {
    Rows::new(values, width).ok_or_else(|| exec_datafusion_err!("{STATEMENT}: rows are not whole"))
}

fn column(of: &RecordBatch, name: &str) -> Result<ArrayRef> {
    match of.column_by_name(name) {
        Some(column) => Ok(column.clone()),
        None => exec_err!(
            "the map's tables have no column '{name}'; REFRESH MAP … FULL makes the map anew"
        ),
    }
}

/// What rows are called, to be compared.
struct Names {
    converter: RowConverter,
}

impl Names {
    fn new(kind: &DataType) -> Result<Self> {
        Ok(Self { converter: RowConverter::new(vec![SortField::new(kind.clone())])? })
    }

    fn of(&self, ids: &ArrayRef) -> Result<Vec<OwnedRow>> {
        let rows = self.converter.convert_columns(std::slice::from_ref(ids))?;
        Ok(rows.iter().map(|row| row.owned()).collect())
    }

    /// Where each is.
    fn places(&self, ids: &ArrayRef) -> Result<HashMap<OwnedRow, u32>> {
        // Batches hold fewer rows than u32 counts.
        Ok(self.of(ids)?.into_iter().zip(0u32..).collect())
    }
}

struct Compared {
    /// The rows that are as they were: which they were and which they are, as they were stored.
    stays: Vec<(u32, u32)>,
    /// New ones, and those with other vectors.
    fresh: Vec<u32>,
    /// Those that were and are not, or not with the same vectors.
    gone: Vec<u32>,
}

fn compared(
    names: &Names,
    old_ids: &ArrayRef,
    old_hashes: &[u64],
    ids: &ArrayRef,
    hashes: &[u64],
) -> Result<Compared> {
    let places = names.places(old_ids)?;
    let (mut stays, mut fresh) = (Vec::new(), Vec::new());
    let mut gone = vec![true; old_ids.len()];
    for ((name, hash), new) in names.of(ids)?.iter().zip(hashes).zip(0u32..) {
        match places.get(name) {
            Some(&old) if old_hashes[old as usize] == *hash => {
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

/// The nearest of new rows among those that stay.
fn placed_by(
    old: &[f32],
    new: &[f32],
    width: usize,
    wanted: &Wanted,
    work: &Work,
) -> Result<Graph> {
    let old = whole(old, width)?;
    let k = wanted.n_neighbors.max(NEIGHBOURS).min(old.len());
    if new.is_empty() {
        return Ok(Graph { k, neighbours: Vec::new(), distances: Vec::new(), recall: 1.0 });
    }
    let options =
        Options { k, metric: wanted.metric.metric(), seed: wanted.seed, ..Options::default() };
    let index = Index::build(old, &options, work).map_err(failed)?;
    index.query(whole(new, width)?, work).map_err(failed)
}

/// The places of rows that stay, and of new ones.
fn places(
    stored: &Stored,
    old: &UInt32Array,
    near: &Graph,
    wanted: &Wanted,
    work: &Work,
) -> Result<Vec<[f32; 2]>> {
    let axis = |name| -> Result<ArrayRef> { Ok(take(&column(stored.points, name)?, old, None)?) };
    let (x, y) = (axis("x")?, axis("y")?);
    let (x, y) = (x.as_primitive::<Float32Type>(), y.as_primitive::<Float32Type>());
    let mut places: Vec<[f32; 2]> =
        x.values().iter().zip(y.values()).map(|(x, y)| [*x, *y]).collect();
    if near.neighbours.is_empty() {
        return Ok(places);
    }
    let umap = umap(wanted);
    // UMAP's forces are those of its own maps; on others rows stay among their neighbours.
    let umap = match stored.projection {
        Projection::Umap | Projection::Auto => umap,
        Projection::Nomad | Projection::Pca => Umap { epochs: Some(0), ..umap },
    };
    let new = umap.transform(places.as_flattened(), near, work).map_err(failed)?;
    places.extend_from_slice(new.as_chunks::<2>().0);
    Ok(places)
}

/// The topics of all rows, those that stay first, and the names of the topics.
fn topics_of(
    stored: &Stored,
    old: &UInt32Array,
    near: &Graph,
    fresh: usize,
) -> Result<(Topics, Vec<Vec<String>>)> {
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
    let mut rows: Vec<usize> = (0..ids.len()).collect();
    rows.sort_by_key(|row| ids[*row]);
    for row in rows {
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
    let deepest = take(&column(stored.points, "topic_id")?, old, None)?;
    let noise = take(&column(stored.points, "noise")?, old, None)?;
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
    let placed = topics::place(near, fresh, &topics).map_err(failed)?;
    for (at, placed) in topics.depths.iter_mut().zip(placed) {
        at.nearest.extend(placed.iter().map(|placed| placed.nearest));
        at.topics.extend(placed.iter().map(|placed| placed.topic));
    }
    Ok((topics, called))
}

/// The table of topics with as many rows as there are now, and without exemplars that are gone.
fn resized(
    stored: &RecordBatch,
    topics: &Topics,
    names: &Names,
    gone: &HashSet<OwnedRow>,
) -> Result<RecordBatch> {
    let counts: Vec<Vec<i64>> = topics.depths.iter().map(sizes).collect();
    let flat: Vec<i64> = counts.into_iter().flatten().collect();
    let ids = cast(&column(stored, "topic_id")?, &DataType::Int32)?;
    // Topics are numbered from 1 through all depths.
    let size = |id: Option<i32>| {
        let place = usize::try_from(id?).ok()?.checked_sub(1)?;
        flat.get(place).copied()
    };
    let sizes: Int64Array = ids.as_primitive::<Int32Type>().iter().map(size).collect();
    let exemplars = column(stored, "exemplars")?;
    let exemplars = exemplars.as_list::<i32>();
    let exemplars = without(exemplars, exemplars.values(), names, gone)?;
    let schema = stored.schema();
    let columns = schema.fields().iter().zip(stored.columns()).map(|(field, column)| {
        match field.name().as_str() {
            "size" => Arc::new(sizes.clone()) as ArrayRef,
            "exemplars" => Arc::new(exemplars.clone()) as ArrayRef,
            _ => column.clone(),
        }
    });
    let columns = columns.collect();
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// The neighbours of all rows, those that stay first: their own without those that are gone.
fn lists(
    stored: &Stored,
    names: &Names,
    old_ids: &ArrayRef,
    old: &UInt32Array,
    near: &Graph,
    ids: &ArrayRef,
    gone: &HashSet<OwnedRow>,
) -> Result<ArrayRef> {
    // Two tables: what lies where in one need not lie there in the other.
    let places = names.places(&column(stored.neighbors, "id")?)?;
    let wanted = names.of(&take(old_ids, old, None)?)?;
    let rows: UInt32Array = wanted.iter().map(|name| places.get(name).copied()).collect();
    let kept = take(&column(stored.neighbors, "neighbors")?, &rows, None)?;
    let kept = kept.as_list::<i32>();
    let kept = match gone.is_empty() {
        true => kept.clone(),
        false => without(kept, kept.values().as_struct().column(0), names, gone)?,
    };
    if near.neighbours.is_empty() {
        return Ok(Arc::new(kept));
    }
    let new = neighbours::lists(ids, near, 0..near.neighbours.len() / near.k)?;
    let new = cast(&new, kept.data_type())?;
    Ok(concat(&[&kept, new.as_ref()])?)
}

/// Lists without those of their values whose names are gone.
fn without(
    lists: &ListArray,
    ids: &ArrayRef,
    names: &Names,
    gone: &HashSet<OwnedRow>,
) -> Result<ListArray> {
    let stays: Vec<bool> = names.of(ids)?.iter().map(|name| !gone.contains(name)).collect();
    let offsets = lists.value_offsets();
    let (mut mask, mut lengths) = (vec![false; stays.len()], Vec::with_capacity(lists.len()));
    for (row, ends) in offsets.windows(2).enumerate() {
        if lists.is_null(row) {
            lengths.push(0);
            continue;
        }
        // Offsets are not negative.
        let range = ends[0] as usize..ends[1] as usize;
        lengths.push(stays[range.clone()].iter().filter(|stays| **stays).count());
        mask[range.clone()].copy_from_slice(&stays[range]);
    }
    let values = filter(lists.values(), &BooleanArray::from(mask))?;
    let DataType::List(item) = lists.data_type() else {
        return exec_err!("the map's tables have lists of another kind");
    };
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(ListArray::try_new(item.clone(), offsets, values, lists.nulls().cloned())?)
}
