//! A map that is laid out to be compared with another one of the same rows.

use std::collections::HashMap;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type};
use arrow::row::Row;
use datafusion_common::{Result, exec_err};
use portolan_kernels::graph::Graph;

use super::build::FEWEST;
use super::points::column;
use super::stored::Names;

/// Where another map has the rows of this one, by their names. A row that is not on it belongs where its
/// neighbours are, or in the middle if it has none there.
pub fn anchors(other: &RecordBatch, ids: &ArrayRef, graph: &Graph) -> Result<Vec<[f32; 2]>> {
    let there = column(other, "id")?;
    let names = Names::new(there.data_type())?;
    let axis = |name| -> Result<ArrayRef> { Ok(cast(&column(other, name)?, &DataType::Float32)?) };
    let (x, y) = (axis("x")?, axis("y")?);
    let (x, y) =
        (x.as_primitive::<Float32Type>().values(), y.as_primitive::<Float32Type>().values());
    let there = names.of(&there)?;
    let places: HashMap<Row, [f32; 2]> =
        there.iter().zip(x.iter().zip(y)).map(|(name, (x, y))| (name, [*x, *y])).collect();
    let here = names.of(&cast(ids, column(other, "id")?.data_type())?)?;
    let known: Vec<Option<[f32; 2]>> = here.iter().map(|name| places.get(&name).copied()).collect();
    let common = known.iter().flatten().count();
    if common < FEWEST {
        return exec_err!(
            "the map that it is to be aligned to has {common} of its rows, and needs at least {FEWEST} of them; leave align_to out, or REFRESH that map first"
        );
    }
    Ok(filled(known, graph))
}

/// A place for everyone: of those who have none the mean of their neighbours', for as long as that says
/// something.
fn filled(mut known: Vec<Option<[f32; 2]>>, graph: &Graph) -> Vec<[f32; 2]> {
    let middle = mean(known.iter().flatten().copied()).unwrap_or_default();
    loop {
        let missing = (0..known.len()).filter(|row| known[*row].is_none());
        let found: Vec<(usize, [f32; 2])> = missing
            .filter_map(|row| {
                let near = graph.near(row).filter_map(|(id, _)| known.get(id as usize).copied()?);
                Some((row, mean(near)?))
            })
            .collect();
        if found.is_empty() {
            return known.into_iter().map(|place| place.unwrap_or(middle)).collect();
        }
        for (row, place) in found {
            known[row] = Some(place);
        }
    }
}

fn mean(places: impl Iterator<Item = [f32; 2]>) -> Option<[f32; 2]> {
    let (mut sum, mut count) = ([0f64; 2], 0u32);
    for place in places {
        sum[0] += f64::from(place[0]);
        sum[1] += f64::from(place[1]);
        count += 1;
    }
    // Between places that are f32.
    (count > 0).then(|| sum.map(|sum| (sum / f64::from(count)) as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_there_belongs_where_its_neighbours_are() {
        // Each is near the one before it, and the last two are near each other alone.
        let graph = Graph {
            k: 1,
            neighbours: vec![1, 0, 1, 2, 5, 4],
            distances: vec![1.0; 6],
            recall: 1.0,
        };
        let known = vec![Some([0.0, 0.0]), Some([2.0, 4.0]), None, None, None, None];
        let filled = filled(known, &graph);
        assert_eq!(filled[2..4], [[2.0, 4.0]; 2]);
        assert_eq!(filled[4..], [[1.0, 2.0]; 2]);
    }
}
