//! UMAP: a map on which rows lie near their neighbours.
//!
//! What it strives for is what the reference implementation (McInnes, Healy, Melville: UMAP, 2018)
//! strives for, by the same schedule. How it gets there differs in one thing: an epoch is a gather
//! (see `layout`), so that one seed gives one map, bit for bit, on any number of threads. Rows are to
//! come in an order that does not depend on how they happened to be stored; then neither does the map.

mod aligned;
mod curve;
mod density;
mod forces;
mod fuzzy;
mod layout;
mod membership;
#[cfg(test)]
mod oracle;
mod procrustes;
mod schedule;
mod spectral;
pub(crate) mod start;
mod supervised;
mod transform;

pub use aligned::turned;
pub use curve::Curve;

use crate::error::{Error, Result};
use crate::graph::{Graph, NONE};
use crate::watch::Watch;
use density::Density;
use forces::Forces;
use fuzzy::FuzzySet;
use layout::{Extra, Layout};
use membership::{Neighbours, Smoothing, memberships};
use schedule::Schedule;
use spectral::pass_on;

/// Up to so many rows a map takes 500 epochs, beyond 200.
const FEW_ROWS: usize = 10_000;
/// Densities take so many epochs more.
const FOR_DENSITY: usize = 200;
/// Most dimensions of a map.
const MOST_DIMS: usize = 8;

/// How a map is made. The defaults are the reference's.
#[derive(Debug, Clone, PartialEq)]
pub struct Umap {
    /// Dimensions of the map, 1 to 8.
    pub dims: usize,
    /// How many neighbours of the graph are used; the row itself counts as the first, so that 15 needs
    /// a graph of 14.
    pub neighbours: usize,
    /// How near rows may come to each other.
    pub min_dist: f64,
    /// The scale of the map: beyond `min_dist` nearness falls by a factor of e every so much.
    pub spread: f64,
    /// How often the start is passed on along the edges before the first epoch: some hundred times make
    /// a spectral start of it.
    pub spectral_steps: usize,
    /// Epochs; by the number of rows if not given.
    pub epochs: Option<usize>,
    /// The first epoch's learning rate; it falls to 0.
    pub learning_rate: f32,
    /// Rows drawn by chance for every neighbour, to be pushed from. The reference draws 5 and moves rows
    /// one after another; here all move at once, and 10 make up for that. On 20,000 texts neighbours
    /// on the map tell the class of .412 of the rows with 5, of .420 with 8 and of .427 with 10, as they
    /// do on the reference's; neighbourhoods are preserved to .155, .189 and .207 (the reference's
    /// .166), each at nearly the same time. More go on like this, but leave the reference's balance.
    pub negatives: usize,
    /// To how many neighbours a row is connected fully, however far they are.
    pub local_connectivity: f32,
    /// Between what either end of an edge claims (1) and what both do (0).
    pub mix_ratio: f32,
    /// How strong pushes are.
    pub repulsion: f32,
    /// How much the rows' densities count, as in densMAP; 0 is UMAP, 2 what densMAP takes.
    pub density: f32,
    /// In which share of the epochs, the last ones, densities count.
    pub density_share: f32,
    /// In [`Umap::fit_aligned`]: how much of the way to the other map's place a row goes in an epoch.
    pub alignment: f32,
    /// How much labels count beside distances, from 0 to 1, where there are labels.
    pub target_weight: f64,
    /// One seed, one map.
    pub seed: u64,
}

impl Default for Umap {
    fn default() -> Self {
        Self {
            dims: 2,
            neighbours: 15,
            min_dist: 0.1,
            spread: 1.0,
            spectral_steps: 0,
            epochs: None,
            learning_rate: 1.0,
            negatives: 10,
            local_connectivity: 1.0,
            mix_ratio: 1.0,
            repulsion: 1.0,
            density: 0.0,
            density_share: 0.3,
            alignment: 0.1,
            target_weight: 0.5,
            seed: 0,
        }
    }
}

impl Umap {
    /// Lays out the rows of a graph: `dims` numbers a row. `start` has as many: the first principal
    /// components of the rows, or any other places.
    pub fn fit(&self, graph: &Graph, start: &[f32], watch: &dyn Watch) -> Result<Vec<f32>> {
        self.check()?;
        let rows = check_input(graph, start, self.dims)?;
        if rows < 3 {
            return Ok(in_a_line(rows, self.dims));
        }
        let set = self.fuzzy_set(graph, rows, self.density > 0.0, watch)?;
        self.lay_out(set, start, watch)
    }

    /// Epochs for a number of rows.
    fn epochs_of(&self, rows: usize) -> usize {
        let more = if self.density > 0.0 { FOR_DENSITY } else { 0 };
        self.epochs.unwrap_or(more + if rows <= FEW_ROWS { 500 } else { 200 })
    }

    fn fuzzy_set(
        &self,
        graph: &Graph,
        rows: usize,
        with_lengths: bool,
        watch: &dyn Watch,
    ) -> Result<FuzzySet> {
        watch.stage("edges", 3);
        let k = self.neighbours.saturating_sub(1).min(graph.k);
        let neighbours = Neighbours::new(graph, rows, k);
        let scales = Smoothing::of_graph(neighbours, self.local_connectivity).scales(neighbours);
        go_on(watch, 1)?;
        let memberships = memberships(neighbours, &scales);
        go_on(watch, 2)?;
        let set = FuzzySet::unite(neighbours, &memberships, self.mix_ratio, with_lengths);
        go_on(watch, 3)?;
        Ok(set)
    }

    /// The start, passed on along the edges if that is wanted.
    fn start(&self, set: &FuzzySet, start: &[f32], watch: &dyn Watch) -> Result<Option<Vec<f32>>> {
        if self.spectral_steps == 0 {
            return Ok(None);
        }
        by_dims!(self.dims, pass_on(start, set, self.spectral_steps, watch)).map(Some)
    }

    /// When which edges pull, and in how many epochs.
    fn schedule(&self, set: FuzzySet) -> (Schedule, usize) {
        let epochs = self.epochs_of(set.rows());
        (Schedule::new(set, epochs), epochs)
    }

    fn layout<'a>(&self, schedule: &'a Schedule, epochs: usize) -> Layout<'a> {
        Layout {
            schedule,
            forces: self.forces(),
            epochs,
            learning_rate: self.learning_rate,
            seed: self.seed,
        }
    }

    fn lay_out(&self, set: FuzzySet, start: &[f32], watch: &dyn Watch) -> Result<Vec<f32>> {
        let passed_on = self.start(&set, start, watch)?;
        let start = passed_on.as_deref().unwrap_or(start);
        let density = (self.density > 0.0).then(|| Density::new(&set, self.density));
        let (schedule, epochs) = self.schedule(set);
        let layout = self.layout(&schedule, epochs);
        let density = density.as_ref().map(|density| (density, self.density_share));
        fn run<const D: usize>(
            layout: &Layout,
            start: &[f32],
            density: Option<(&Density, f32)>,
            watch: &dyn Watch,
        ) -> Result<Vec<f32>> {
            let mut places = start::spread_out::<D>(start, layout.seed);
            layout.run(&mut places, Extra { density, ..Extra::NONE }, watch)?;
            Ok(places.into_flattened())
        }
        by_dims!(self.dims, run(&layout, start, density, watch))
    }

    fn forces(&self) -> Forces {
        // Options are checked: there are few negatives.
        Forces::new(Curve::fit(self.min_dist, self.spread), self.repulsion, self.negatives as u32)
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(Error::Option(what.to_owned()));
        if !(1..=MOST_DIMS).contains(&self.dims) {
            return wrong("a map has 1 to 8 dimensions");
        }
        if self.neighbours < 2 {
            return wrong("a map needs at least 2 neighbours, the row itself being one");
        }
        if !(self.spread > 0.0 && self.spread <= 1e6) {
            return wrong("spread must be above 0");
        }
        if !(self.min_dist >= 0.0 && self.min_dist <= self.spread) {
            return wrong("min_dist must be between 0 and spread");
        }
        if self.spectral_steps > 1_000_000 {
            return wrong("a start is passed on at most 1000000 times");
        }
        if self.epochs.is_some_and(|epochs| epochs > 1_000_000) {
            return wrong("a map takes at most 1000000 epochs");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1e3) {
            return wrong("the learning rate must be above 0 and at most 1000");
        }
        if self.negatives > 1000 {
            return wrong("at most 1000 rows are drawn for a neighbour");
        }
        if !(0.0..=1000.0).contains(&self.local_connectivity) {
            return wrong("the local connectivity must be between 0 and 1000");
        }
        if !(0.0..=1.0).contains(&self.mix_ratio) {
            return wrong("the mix ratio must be between 0 and 1");
        }
        if !(0.0..=1e3).contains(&self.repulsion) {
            return wrong("the repulsion must be between 0 and 1000");
        }
        if !(0.0..=1e3).contains(&self.density) {
            return wrong("the weight of densities must be between 0 and 1000");
        }
        if !(0.0..=1.0).contains(&self.density_share) {
            return wrong("densities count in a share of the epochs between 0 and 1");
        }
        if !(0.0..=1.0).contains(&self.alignment) {
            return wrong("the alignment must be between 0 and 1");
        }
        if !(0.0..=1.0).contains(&self.target_weight) {
            return wrong("the target weight must be between 0 and 1");
        }
        Ok(())
    }
}

/// How many rows there are, if graph and start agree on it and are sound.
pub(crate) fn check_input(graph: &Graph, start: &[f32], dims: usize) -> Result<usize> {
    let rows = start.len() / dims;
    if rows * dims != start.len() {
        let numbers = start.len();
        return Err(Error::Shape(format!(
            "a start of {numbers} numbers is not whole rows of {dims}"
        )));
    }
    if let Some(place) = start.iter().position(|x| !x.is_finite()) {
        return Err(Error::NotFinite { row: place / dims });
    }
    check_graph(graph, rows, rows)?;
    Ok(rows)
}

/// Whether a graph of so many rows, each with neighbours among `others`, is sound.
fn check_graph(graph: &Graph, rows: usize, others: usize) -> Result<()> {
    let places = rows.checked_mul(graph.k).filter(|&places| places < u32::MAX as usize);
    if places != Some(graph.neighbours.len()) || places != Some(graph.distances.len()) {
        return Err(Error::Shape(format!(
            "a graph of {} neighbours and {} distances is not that of {rows} rows with {} neighbours each",
            graph.neighbours.len(),
            graph.distances.len(),
            graph.k
        )));
    }
    if let Some(&id) = graph.neighbours.iter().find(|&&id| id != NONE && id as usize >= others) {
        return Err(Error::Shape(format!("neighbour {id} is none of {others} rows")));
    }
    match graph.distances.iter().position(|x| !x.is_finite()) {
        Some(place) => Err(Error::NotFinite { row: place / graph.k }),
        None => Ok(()),
    }
}

/// So much of a stage is done; an error if that was enough.
fn go_on(watch: &dyn Watch, done: usize) -> Result<()> {
    watch.done(done);
    if watch.stopped() { Err(Error::Stopped) } else { Ok(()) }
}

/// One or two rows have nothing to be laid out by.
pub(crate) fn in_a_line(rows: usize, dims: usize) -> Vec<f32> {
    let mut places = vec![0.0; rows * dims];
    for (row, place) in places.chunks_mut(dims).enumerate() {
        place[0] = row as f32;
    }
    places
}

/// Calls a function of as many dimensions.
macro_rules! by_dims {
    ($dims:expr, $name:ident($($argument:expr),*)) => {
        match $dims {
            1 => $name::<1>($($argument),*),
            2 => $name::<2>($($argument),*),
            3 => $name::<3>($($argument),*),
            4 => $name::<4>($($argument),*),
            5 => $name::<5>($($argument),*),
            6 => $name::<6>($($argument),*),
            7 => $name::<7>($($argument),*),
            _ => $name::<8>($($argument),*),
        }
    };
}
pub(crate) use by_dims;
