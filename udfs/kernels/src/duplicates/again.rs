//! Duplicates of rows of which most were there before: only what new rows are near to, and what rows
//! that are gone were near to, is looked at again.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::{Class, Duplicates, Options, duplicates};
use crate::error::{Error, Result};
use crate::graph::{Graph, NONE};
use crate::neighbours::Metric;
use crate::prepare::Prepared;
use crate::rows::Rows;
use crate::steps::Steps;
use crate::watch::Watch;

/// The share of new rows above which all is found anew: they are compared with each other one by one.
const NEW: usize = 16;
/// The share of rows with more near ones than their lists have, above which it is: each is compared with
/// all, one by one.
const CROWDED: usize = 64;
/// How far rounding may move the distance in a list of neighbours.
const SLACK: f32 = 2e-5;

/// What was found of rows that are still there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    /// What was to become of each.
    pub classes: Vec<Class>,
    /// Their clusters; `NONE` where a row was alone.
    pub clusters: Vec<u32>,
    /// The cosine distances to what was kept.
    pub distances: Vec<f32>,
    /// Their components; `NONE` where a row was near no other.
    pub components: Vec<u32>,
    /// The components of rows that are gone.
    pub left: Vec<u32>,
}

impl Known {
    /// How many rows are still there.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

/// What [`duplicates`] finds of the rows, of which the first are those that are known. `near` has, for
/// every other one, the nearest of them by cosine distance, none of them left out.
pub fn again(
    rows: Rows,
    ids: &[u64],
    known: &Known,
    near: &Graph,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Duplicates> {
    let old = known.len();
    let Some(fresh) = rows.len().checked_sub(old) else {
        return Err(Error::Shape(format!("of {} rows {old} cannot be known", rows.len())));
    };
    let lengths = [known.clusters.len(), known.distances.len(), known.components.len()];
    if lengths != [old; 3] || ids.len() != rows.len() {
        return Err(Error::Shape(format!("{old} rows cannot have {lengths:?} columns")));
    }
    near.check_into(fresh, old)?;
    let prepared = Prepared::new(rows, Metric::Cosine)?;
    let pairs = Pairs { prepared, old, near, cutoff: options.cutoff };
    let crowded = (0..fresh).filter(|&row| pairs.crowded(row)).count();
    if fresh > old / NEW || crowded > old / CROWDED {
        return duplicates(rows, ids, options, watch);
    }
    let pairs = pairs.of(fresh, watch)?;
    let stale = stale(known, &pairs);
    let rest: Vec<u32> = (0u32..).zip(&stale).filter_map(|(i, stale)| stale.then_some(i)).collect();
    let some: Vec<f32> = rest.iter().flat_map(|&row| rows.row(row as usize)).copied().collect();
    let some = Rows::new(&some, rows.width())
        .ok_or_else(|| Error::Shape("rows are not whole".to_string()))?;
    let their_ids: Vec<u64> = rest.iter().map(|&row| ids[row as usize]).collect();
    // Nothing outside is near them, so that they are what they would be among all.
    let found = duplicates(some, &their_ids, options, watch)?;
    Ok(joined(known, &stale, &rest, found, ids))
}

/// Who is within the cutoff of each new row.
struct Pairs<'a> {
    prepared: Prepared<'a>,
    old: usize,
    near: &'a Graph,
    cutoff: f32,
}

impl Pairs<'_> {
    /// For every new row the rows before it.
    fn of(&self, fresh: usize, watch: &dyn Watch) -> Result<Vec<Vec<u32>>> {
        let finished = Steps::new("comparing", fresh, watch);
        (0..fresh)
            .into_par_iter()
            .map(|row| {
                let found = self.before(row);
                finished.take(1)?;
                Ok(found)
            })
            .collect()
    }

    /// Whether a new row may be near more rows than its list has.
    fn crowded(&self, row: usize) -> bool {
        let (mut count, mut farthest) = (0, 0f32);
        for (_, far) in self.near.near(row) {
            (count, farthest) = (count + 1, farthest.max(far));
        }
        count < self.old && farthest <= self.cutoff + SLACK
    }

    /// The rows before a new one that are within the cutoff of it.
    fn before(&self, row: usize) -> Vec<u32> {
        let at = self.old + row;
        let listed = self.near.near(row).map(|(other, _)| other as usize);
        let others: Vec<usize> =
            if self.crowded(row) { (0..self.old).collect() } else { listed.collect() };
        let one = self.prepared.row(at);
        let is_near = |&other: &usize| {
            let apart = self.prepared.apart(one, self.prepared.row(other));
            self.prepared.distance(apart) <= self.cutoff
        };
        // Rows are numbered by u32.
        others.into_iter().chain(self.old..at).filter(is_near).map(|other| other as u32).collect()
    }
}

/// The rows of which something else may be true now.
fn stale(known: &Known, pairs: &[Vec<u32>]) -> Vec<bool> {
    let old = known.len();
    let mut stale = vec![false; old + pairs.len()];
    let mut components: HashSet<u32> = known.left.iter().copied().collect();
    for (row, others) in pairs.iter().enumerate() {
        for &other in others {
            stale[old + row] = true;
            stale[other as usize] = true;
            components.extend(known.components.get(other as usize));
        }
    }
    components.remove(&NONE);
    for (stale, component) in stale.iter_mut().zip(&known.components) {
        *stale |= components.contains(component);
    }
    stale
}

/// What was known of rows that are as they were, with what was found of the rest.
fn joined(
    known: &Known,
    stale: &[bool],
    rest: &[u32],
    found: Duplicates,
    ids: &[u64],
) -> Duplicates {
    let rows = stale.len();
    let mut all = Duplicates {
        classes: vec![Class::Singleton; rows],
        clusters: vec![NONE; rows],
        // Rows are numbered by u32.
        retained: (0..rows as u32).collect(),
        distances: vec![0.0; rows],
        components: vec![NONE; rows],
    };
    // Clusters and components by what they were called and whether that was now.
    let mut clusters: Vec<Option<(bool, u32)>> = vec![None; rows];
    let mut components = clusters.clone();
    let called = |now: bool, number: u32| (number != NONE).then_some((now, number));
    for row in (0..known.len()).filter(|&row| !stale[row]) {
        (all.classes[row], all.distances[row]) = (known.classes[row], known.distances[row]);
        clusters[row] = called(false, known.clusters[row]);
        components[row] = called(false, known.components[row]);
    }
    for (at, &row) in rest.iter().enumerate() {
        let row = row as usize;
        (all.classes[row], all.distances[row]) = (found.classes[at], found.distances[at]);
        clusters[row] = called(true, found.clusters[at]);
        components[row] = called(true, found.components[at]);
    }
    let mut kept: Vec<(u64, u32, (bool, u32))> = (0u32..)
        .zip(&clusters)
        .filter(|(row, _)| all.classes[*row as usize] == Class::Retained)
        .filter_map(|(row, cluster)| Some((ids[row as usize], row, (*cluster)?)))
        .collect();
    kept.sort_unstable();
    let numbers: HashMap<(bool, u32), (u32, u32)> =
        (0u32..).zip(kept).map(|(number, (_, row, cluster))| (cluster, (number, row))).collect();
    let mut seen: HashMap<(bool, u32), u32> = HashMap::new();
    for row in 0..rows {
        if let Some((number, kept)) = clusters[row].and_then(|cluster| numbers.get(&cluster)) {
            (all.clusters[row], all.retained[row]) = (*number, *kept);
        }
        if let Some(component) = components[row] {
            // Fewer than rows.
            let next = seen.len() as u32;
            all.components[row] = *seen.entry(component).or_insert(next);
        }
    }
    all
}
