//! Where vectors lie on a map that is there, by the rows that are on it.

use datafusion_common::{Result, exec_datafusion_err};
use portolan_kernels::graph::Graph;
use portolan_kernels::neighbours::{self, Method, Options};
use portolan_kernels::nomad;
use portolan_kernels::rows::Rows;
use portolan_kernels::topics::{self, Depth, Placed, Topics};
use portolan_kernels::umap::Umap;

use super::build::umap;
use super::{NEIGHBOURS, Projection, Wanted, failed};
use crate::work::Work;

/// Values as rows of a map.
pub fn whole(values: &[f32], width: usize) -> Result<Rows<'_>> {
    Rows::new(values, width).ok_or_else(|| exec_datafusion_err!("the rows of a map are not whole"))
}

/// The nearest of new rows among those of a map.
pub fn near(old: Rows, new: Rows, method: Method, wanted: &Wanted, work: &Work) -> Result<Graph> {
    let k = wanted.n_neighbors.max(NEIGHBOURS).min(old.len());
    if new.is_empty() {
        return Ok(Graph { k, neighbours: Vec::new(), distances: Vec::new(), recall: 1.0 });
    }
    let metric = wanted.metric.metric();
    let options = Options { k, metric, seed: wanted.seed, method, ..Options::default() };
    neighbours::of_new(old, new, &options, work).map_err(failed)
}

/// The row of the map that a new one repeats.
fn repeated(near: &Graph, row: usize) -> Option<u32> {
    near.near(row).next().filter(|(_, far)| *far <= 0.0).map(|(id, _)| id)
}

/// The places of new rows. One that repeats a row of the map lies where that lies, as it would on a new
/// map.
pub fn places(
    map: &[[f32; 2]],
    projection: Projection,
    near: &Graph,
    wanted: &Wanted,
    work: &Work,
) -> Result<Vec<[f32; 2]>> {
    if near.neighbours.is_empty() {
        return Ok(Vec::new());
    }
    let umap = umap(wanted);
    let follow = |umap: Umap| -> portolan_kernels::Result<Vec<[f32; 2]>> {
        let places = umap.transform(map.as_flattened(), near, work)?;
        Ok(places.as_chunks::<2>().0.to_vec())
    };
    let new = match projection {
        Projection::Umap | Projection::Auto => follow(umap),
        Projection::Nomad => nomad::place(map, near, work),
        // Without UMAP's forces, which are those of its own maps: to the middle of the neighbours.
        Projection::Pca => follow(Umap { epochs: Some(0), ..umap }),
    };
    let mut new = new.map_err(failed)?;
    for (row, place) in new.iter_mut().enumerate() {
        if let Some(there) = repeated(near, row).and_then(|row| map.get(row as usize)) {
            *place = *there;
        }
    }
    Ok(new)
}

/// Adds new rows to the topics of a map.
pub fn add(to: &mut Topics, near: &Graph, fresh: usize) -> Result<()> {
    let placed = placed(to, near, fresh)?;
    for (at, placed) in to.depths.iter_mut().zip(placed) {
        for (nearest, topic) in placed {
            at.nearest.push(nearest);
            at.topics.push(topic);
        }
    }
    Ok(())
}

/// The topics of new rows at a depth, from 1.
pub fn topics(of: &Topics, near: &Graph, fresh: usize, depth: usize) -> Result<Vec<u32>> {
    let at = placed(of, near, fresh)?.into_iter().nth(depth.saturating_sub(1));
    Ok(at.unwrap_or_default().into_iter().map(|(nearest, _)| nearest).collect())
}

/// For every depth the nearest topics of new rows and those that they are in, which of a row that repeats
/// one of the map are that one's.
fn placed(of: &Topics, near: &Graph, fresh: usize) -> Result<Vec<Vec<(u32, u32)>>> {
    let placed = topics::place(near, fresh, of).map_err(failed)?;
    let repeats: Vec<Option<usize>> =
        (0..fresh).map(|row| repeated(near, row).map(|row| row as usize)).collect();
    let depth = |(at, placed): (&Depth, Vec<Placed>)| {
        let rows = placed.iter().zip(&repeats).map(|(placed, there)| {
            let of = |all: &[u32]| there.and_then(|row| all.get(row)).copied();
            let (nearest, topic) = (of(&at.nearest), of(&at.topics));
            (nearest.unwrap_or(placed.nearest), topic.unwrap_or(placed.topic))
        });
        rows.collect()
    };
    Ok(of.depths.iter().zip(placed).map(depth).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_lies_among_its_neighbours_on_maps_of_every_projection() {
        // Two groups, each around its place; of the row's neighbours two lie on the left, three on the right.
        let group =
            |x: f32| (0..50).map(move |row| [x + 0.01 * row as f32, 0.02 * (row % 5) as f32]);
        let map: Vec<[f32; 2]> = group(-10.0).chain(group(10.0)).collect();
        let near = Graph {
            k: 5,
            neighbours: vec![1, 60, 2, 61, 62],
            distances: vec![0.1, 0.11, 0.12, 0.13, 0.14],
            recall: 1.0,
        };
        let place = |projection| {
            let placed = places(&map, projection, &near, &Wanted::default(), &Work::default());
            placed.unwrap()[0]
        };
        // Where most of them are on the one, in their middle on the other.
        let [x, y] = place(Projection::Nomad);
        assert!((9.5..11.0).contains(&x) && y.abs() < 0.5, "{x} {y}");
        let [x, y] = place(Projection::Pca);
        assert!((-9.5..9.5).contains(&x) && y.abs() < 0.5, "{x} {y}");
        let [x, y] = place(Projection::Umap);
        assert!(x.is_finite() && y.is_finite(), "{x} {y}");
    }
}
