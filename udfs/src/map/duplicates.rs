//! Which rows of a map say the same.

use arrow::array::{ArrayRef, AsArray, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Float32Type, Int32Type};
use datafusion_common::Result;
use portolan_kernels::duplicates::{self, Class, Duplicates, Known, Options};
use portolan_kernels::graph::{Graph, NONE};
use portolan_kernels::neighbours::{self, Index, Metric};
use portolan_kernels::rows::Rows;

use super::points::{DuplicateColumns, column};
use super::{NEIGHBOURS, Nearness, Wanted, failed};
use crate::window::{counted, duplicate_class};
use crate::work::Work;

/// Up to so many rows all are compared with all: as many take about as long as all else of their map.
const COMPARED: usize = 250_000;

/// Those of rows whose ids have these codes, and whose neighbours by the map's metric these are.
pub fn found(
    rows: Rows,
    codes: &[Option<u32>],
    near: &Graph,
    wanted: &Wanted,
    work: &Work,
) -> Result<DuplicateColumns> {
    let (ids, options) = (ids(codes), options(wanted));
    let found = match wanted.metric {
        Nearness::Cosine if rows.len() > COMPARED => {
            duplicates::among_neighbours(rows, &ids, near, &options, work)
        }
        _ => duplicates::duplicates(rows, &ids, &options, work),
    };
    Ok(columns(found.map_err(failed)?))
}

/// The same of rows of which the first are those of a stored map that stay. `near` has the neighbours of the
/// others among them, by the map's own metric.
pub fn again(
    rows: Rows,
    codes: &[Option<u32>],
    known: &Known,
    near: &Graph,
    wanted: &Wanted,
    work: &Work,
) -> Result<DuplicateColumns> {
    let by_angle = match wanted.metric {
        Nearness::Cosine => None,
        Nearness::L2 => Some(by_angle(rows, known.len(), work)?),
    };
    let near = by_angle.as_ref().unwrap_or(near);
    let found = duplicates::again(rows, &ids(codes), known, near, &options(wanted), work);
    Ok(columns(found.map_err(failed)?))
}

/// The neighbours of all but the first rows among these, by the angles between them.
fn by_angle(rows: Rows, old: usize, work: &Work) -> Result<Graph> {
    let (old, new) = rows.values().split_at(old * rows.width());
    let of = |values| Rows::new(values, rows.width()).unwrap_or(rows);
    let options = neighbours::Options {
        metric: Metric::Cosine,
        k: NEIGHBOURS,
        method: neighbours::Method::Exact,
        ..neighbours::Options::default()
    };
    let index = Index::build(of(old), &options, work).map_err(failed)?;
    index.query(of(new), work).map_err(failed)
}

/// What a stored map says of the rows that stay, and what those that are gone hung together with.
pub fn known(points: &RecordBatch, stay: &UInt32Array, gone: &UInt32Array) -> Result<Known> {
    let of = |name: &str, rows: &UInt32Array, kind: &DataType| -> Result<ArrayRef> {
        Ok(take(&cast(&column(points, name)?, kind)?, rows, None)?)
    };
    let numbers = |name: &str, rows: &UInt32Array| -> Result<Vec<u32>> {
        let numbers = of(name, rows, &DataType::Int32)?;
        let number = |number: Option<i32>| number.and_then(|n| u32::try_from(n).ok());
        let numbers = numbers.as_primitive::<Int32Type>().iter();
        Ok(numbers.map(|n| number(n).unwrap_or(NONE)).collect())
    };
    let classes = of("duplicate_class", stay, &DataType::Utf8)?;
    let class = |name: Option<&str>| {
        let all = [Class::Retained, Class::Deletable];
        let class = all.into_iter().find(|class| Some(duplicate_class(*class)) == name);
        class.unwrap_or_default()
    };
    let distances = of("distance_to_retained", stay, &DataType::Float32)?;
    let distances = distances.as_primitive::<Float32Type>().iter();
    Ok(Known {
        classes: classes.as_string::<i32>().iter().map(class).collect(),
        clusters: numbers("cluster_id", stay)?,
        distances: distances.map(Option::unwrap_or_default).collect(),
        components: numbers("component", stay)?,
        left: numbers("component", gone)?,
    })
}

fn options(wanted: &Wanted) -> Options {
    // A distance of a few digits.
    Options { cutoff: wanted.duplicate_cutoff as f32 }
}

fn ids(codes: &[Option<u32>]) -> Vec<u64> {
    codes.iter().map(|code| code.map_or(u64::MAX, u64::from)).collect()
}

fn columns(found: Duplicates) -> DuplicateColumns {
    let numbers = |numbers: &[u32]| numbers.iter().map(|number| counted(*number)).collect();
    let classes = found.classes.iter().map(|class| Some(duplicate_class(*class)));
    DuplicateColumns {
        classes: classes.collect::<StringArray>(),
        clusters: numbers(&found.clusters),
        components: numbers(&found.components),
        distances: Float32Array::from(found.distances),
    }
}
