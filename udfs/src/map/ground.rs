//! A map on which vectors are placed: the rows that are on it, as they were mapped.

use std::fmt::{self, Debug};
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{cast, take};
use datafusion_common::{Result, exec_err, plan_err};
use portolan_kernels::graph::Graph;
use portolan_kernels::neighbours::Method;
use portolan_kernels::rows::Rows;
use portolan_kernels::topics::Topics;

use super::build::FEWEST;
use super::placing::{self, near, whole};
use super::points::column;
use super::stored::{self, Compared, Names, Stored, compared};
use super::{Given, Projection, Wanted, by_direction};
use crate::fingerprint::Fingerprint;
use crate::rows::{Gathered, Vectors, arrange};
use crate::work::Work;

/// Where the maps of a session are.
pub trait Maps: Debug + Send + Sync {
    /// The map of that name, as it is now.
    fn map(&self, name: &str) -> Result<Arc<Ground>>;
}

/// Of a session without a database.
#[derive(Debug, Clone, Copy)]
pub struct NoMaps;

impl Maps for NoMaps {
    fn map(&self, name: &str) -> Result<Arc<Ground>> {
        plan_err!(
            "there is no map '{name}'; maps are kept in a database, and this session has none: open one with portolan::Database"
        )
    }
}

/// The map.
pub struct Ground {
    name: String,
    values: Vec<f32>,
    width: usize,
    places: Vec<[f32; 2]>,
    /// With the names of each depth.
    topics: Option<(Topics, Vec<Vec<String>>)>,
    projection: Projection,
    wanted: Wanted,
    fingerprint: Option<Fingerprint>,
}

impl Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ground").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Ground {
    /// Of a stored map and the rows that its table has now, of which those count that are as they were.
    pub fn new(
        name: &str,
        stored: &Stored,
        given: &Given,
        wanted: &Wanted,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Self> {
        let vectors = Vectors::of("a map", "v", given.vectors)?;
        let width = vectors.width();
        let Gathered { mut values, kept, .. } =
            Gathered::new(&[&vectors], by_direction(wanted), None);
        let mut values = values.pop().unwrap_or_default();
        let known = column(stored.points, "id")?;
        let ids: ArrayRef = take(given.ids, &UInt32Array::from(kept), None)?;
        let ids = cast(&ids, known.data_type())?;
        let names = Names::new(known.data_type())?;
        let Compared { stays, fresh, .. } =
            compared(&names, stored.points, &ids, whole(&values, width)?)?;
        if stays.len() < FEWEST {
            return exec_err!(
                "of the rows of map '{name}' {} are as they were, which is too few to place others by; REFRESH MAP {name} FULL makes it anew",
                stays.len()
            );
        }
        // Rows that stay come first, and the others go.
        let now: Vec<u32> = stays.iter().map(|(_, now)| *now).chain(fresh).collect();
        arrange(&mut values, width, &now);
        values.truncate(stays.len() * width);
        let old = UInt32Array::from_iter_values(stays.iter().map(|(old, _)| *old));
        let topics = match wanted.topics && stored.topics.num_rows() > 0 {
            true => Some(stored::topics(stored, &old)?),
            false => None,
        };
        Ok(Self {
            name: name.to_string(),
            values,
            width,
            places: stored::places(stored.points, &old)?,
            topics,
            projection: stored.projection,
            wanted: wanted.clone(),
            fingerprint,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length of its vectors.
    pub fn dims(&self) -> usize {
        self.width
    }

    /// What made its vectors.
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        self.fingerprint.as_ref()
    }

    /// Whether rows of zeros have no place on it.
    pub fn by_direction(&self) -> bool {
        by_direction(&self.wanted)
    }

    /// How many depths of topics it has.
    pub fn depths(&self) -> usize {
        self.topics.as_ref().map_or(0, |(topics, _)| topics.depths.len())
    }

    /// Where vectors lie. What is said of one does not depend on the others.
    pub fn places(&self, of: Rows, work: &Work) -> Result<Vec<[f32; 2]>> {
        let near = self.near(of, work)?;
        placing::places(&self.places, self.projection, &near, &self.wanted, work)
    }

    /// The topics of vectors at a depth, from 1.
    pub fn topics(&self, of: Rows, depth: usize, work: &Work) -> Result<Vec<Option<&str>>> {
        let Some((topics, names)) = &self.topics else { return Ok(vec![None; of.len()]) };
        let near = self.near(of, work)?;
        let nearest = placing::topics(topics, &near, of.len(), depth)?;
        let names = names.get(depth - 1).map_or(&[][..], Vec::as_slice);
        Ok(nearest.iter().map(|topic| names.get(*topic as usize).map(String::as_str)).collect())
    }

    fn near(&self, of: Rows, work: &Work) -> Result<Graph> {
        let bytes = self.values.len().saturating_add(of.values().len()).saturating_mul(12);
        let _held = work.reserve("placing on a map", bytes)?;
        // Cells would be learnt anew for every batch of rows, and what is in them depends on nothing else.
        near(whole(&self.values, self.width)?, of, Method::Exact, &self.wanted, work)
    }
}
