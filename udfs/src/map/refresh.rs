//! A map of rows that have changed since: those that stay keep their places and names, those that are
//! gone leave, and new ones are placed by those that stay.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, RecordBatch, UInt32Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, concat, filter, take};
use arrow::datatypes::{DataType, Int32Type, UInt64Type};
use arrow::row::Row;
use datafusion_common::{Result, exec_err};
use portolan_kernels::graph::Graph;
use portolan_kernels::neighbours::Method;
use portolan_kernels::order;
use portolan_kernels::rows::Rows;
use portolan_kernels::topics::Topics;

use super::build::FEWEST;
use super::placing::{self, near, whole};
use super::points::{Points, column, table};
use super::stored::{self, Compared, Names, Stored, compared};
use super::topics::{columns, sizes};
use super::{Given, Map, NEIGHBOURS, Wanted, by_direction, duplicates, neighbours};
use crate::rows::{Gathered, Vectors, arrange, codes};
use crate::work::Work;

const STATEMENT: &str = "REFRESH MAP";
/// The share of new rows up to which each is compared with all others.
const FEW: usize = 16;
/// Pairs of rows up to which that is less work than learning where rows lie.
const PAIRS: usize = 2_000_000_000;

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
    let vectors = Vectors::of(STATEMENT, "v", given.vectors)?;
    let width = vectors.width();
    let each = width * 12 + wanted.n_neighbors.max(NEIGHBOURS) * 48 + 512;
    let _held = work.reserve(STATEMENT, each.saturating_mul(given.ids.len()))?;
    let Gathered { mut values, kept, left_out } =
        Gathered::new(&[&vectors], by_direction(wanted), None);
    work.left_out(STATEMENT, left_out);
    let mut values = values.pop().unwrap_or_default();
    let kept = UInt32Array::from(kept);
    let old_ids = column(stored.points, "id")?;
    let ids = cast(&take(given.ids, &kept, None)?, old_ids.data_type())?;
    let row_ids = take(&cast(given.row_ids, &DataType::UInt64)?, &kept, None)?;
    let names = Names::new(old_ids.data_type())?;
    let Compared { stays, fresh, gone } =
        compared(&names, stored.points, &ids, whole(&values, width)?)?;
    if stays.len() < FEWEST {
        return exec_err!(
            "of the rows of the map {} are as they were, which is too few to place others by; REFRESH MAP … FULL makes it anew",
            stays.len()
        );
    }
    // From here on rows that stay come first, in the order in which they are stored.
    let order: Vec<u32> = stays.iter().map(|(_, new)| *new).chain(fresh.iter().copied()).collect();
    arrange(&mut values, width, &order);
    let rows = whole(&values, width)?;
    let (there, new) = values.split_at(stays.len() * width);
    let (there, new) = (whole(there, width)?, whole(new, width)?);
    let near = near(there, new, method(there.len(), new.len(), wanted), wanted, work)?;
    let old = UInt32Array::from_iter_values(stays.iter().map(|(old, _)| *old));
    let at = UInt32Array::from(order.clone());
    let ids = take(&ids, &at, None)?;
    let mut places = stored::places(stored.points, &old)?;
    places.extend(placing::places(&places, stored.projection, &near, wanted, work)?);
    let topics = match wanted.topics && stored.topics.num_rows() > 0 {
        true => {
            let (mut topics, names) = stored::topics(stored, &old)?;
            placing::add(&mut topics, &near, fresh.len())?;
            Some((topics, names))
        }
        false => None,
    };
    let gone_rows = UInt32Array::from(gone);
    let found = match wanted.duplicates {
        true => {
            let known = duplicates::known(stored.points, &old, &gone_rows)?;
            Some(duplicates::again(rows, &codes(&ids)?, &known, &near, wanted, work)?)
        }
        false => None,
    };
    let gone_ids = names.of(&take(&old_ids, &gone_rows, None)?)?;
    let gone: HashSet<Row> = gone_ids.iter().collect();
    let topic_table = match &topics {
        Some((topics, _)) => resized(stored.topics, topics, &names, &gone)?,
        None => stored.topics.clone(),
    };
    let near_lists = lists(stored, &names, &old_ids, &old, &near, &ids, &gone)?;
    let row_ids = take(&row_ids, &at, None)?;
    let points = Points {
        ids: ids.clone(),
        row_ids: row_ids.as_primitive::<UInt64Type>().values().to_vec(),
        hashes: hashes(stored.points, &old, new)?,
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

/// The hashes of the vectors of rows that stay, and of new ones.
fn hashes(points: &RecordBatch, old: &UInt32Array, new: Rows) -> Result<Vec<u64>> {
    let known = take(&column(points, "vector_hash")?, old, None)?;
    let mut hashes = known.as_primitive::<UInt64Type>().values().to_vec();
    hashes.extend(order::hashes(new));
    Ok(hashes)
}

/// How the neighbours of new rows are looked for.
fn method(old: usize, new: usize, wanted: &Wanted) -> Method {
    match new <= old / FEW && (wanted.duplicates || new.saturating_mul(old) <= PAIRS) {
        // Duplicates among a few are found by lists that miss none.
        true => Method::Exact,
        false => Method::Auto,
    }
}

/// The table of topics with as many rows as there are now, and without exemplars that are gone.
fn resized(
    stored: &RecordBatch,
    topics: &Topics,
    names: &Names,
    gone: &HashSet<Row>,
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
    gone: &HashSet<Row>,
) -> Result<ArrayRef> {
    let listed = column(stored.neighbors, "id")?;
    let rows = match listed.as_ref() == old_ids.as_ref() {
        true => old.clone(),
        // Two tables: what lies where in one need not lie there in the other.
        false => {
            let (there, wanted) = (names.of(&listed)?, names.of(&take(old_ids, old, None)?)?);
            let places: HashMap<Row, u32> = there.iter().zip(0u32..).collect();
            wanted.iter().map(|name| places.get(&name).copied()).collect()
        }
    };
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
    gone: &HashSet<Row>,
) -> Result<ListArray> {
    let stays: Vec<bool> = names.of(ids)?.iter().map(|name| !gone.contains(&name)).collect();
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
