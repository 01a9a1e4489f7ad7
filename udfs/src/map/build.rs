//! A map from nothing: one graph of neighbours, and all else from that.

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, UInt64Type};
use datafusion_common::{Result, exec_err};
use portolan_kernels::graph::Graph;
use portolan_kernels::labels::{self, Label};
use portolan_kernels::nomad::Nomad;
use portolan_kernels::order;
use portolan_kernels::topics::{self, Topics};
use portolan_kernels::umap::Umap;

use super::aligned::anchors;
use super::points::Points;
use super::stages::{Shelf, Stages};
use super::{
    Given, Map, NEIGHBOURS, Projection, Wanted, by_direction, duplicates, failed, neighbours,
};
use crate::naming::Namer;
use crate::rows::{Vectors, codes};
use crate::window::{Layout, MANY, Partition, Recipe, counts, label_names, nearest};
use crate::work::Work;

const STATEMENT: &str = "CREATE MAP";
/// Rows that a map has at least: fewer have no place in relation to each other.
pub const FEWEST: usize = 3;

/// Makes a map of rows, near to where another one has them whose points are `align_to`; `namer` names its
/// topics, where their words alone do not. Stages that take long are kept on the shelf, and taken from there.
pub fn build(
    given: &Given,
    wanted: &Wanted,
    align_to: Option<&RecordBatch>,
    namer: Option<&Namer>,
    shelf: Option<&dyn Shelf>,
    work: &Work,
) -> Result<Map> {
    let vectors = Vectors::of(STATEMENT, "v", given.vectors)?;
    let rows = given.ids.len();
    // The rows as they are read, in order and as they are compared, their neighbours and what is made
    // of them, texts in words.
    let texts = given.texts.map_or(0, |texts| texts.get_array_memory_size());
    let each = vectors.width() * 12 + wanted.n_neighbors.max(NEIGHBOURS) * 96 + 384;
    let bytes = each.saturating_mul(rows).saturating_add(texts.saturating_mul(8));
    let _held = work.reserve(STATEMENT, bytes)?;
    let numbers = codes(given.ids)?;
    let second = Some((given.ids, numbers.as_slice()));
    let of = Partition::new(STATEMENT, &vectors, by_direction(wanted), second, work);
    let of = of.map_err(failed)?;
    work.left_out(STATEMENT, of.left_out);
    if of.len() < FEWEST {
        return exec_err!(
            "a map needs at least {FEWEST} rows with a vector, and there are {}; insert more",
            of.len()
        );
    }
    let stages = Stages::new(shelf, &of).map_err(failed)?;
    let map = Making { of, given, wanted, align_to, namer, stages, work }.map();
    work.end_stage();
    map
}

struct Making<'a> {
    of: Partition<'a>,
    given: &'a Given<'a>,
    wanted: &'a Wanted,
    align_to: Option<&'a RecordBatch>,
    namer: Option<&'a Namer>,
    stages: Stages<'a>,
    work: &'a Work,
}

impl Making<'_> {
    fn map(&self) -> Result<Map> {
        let Self { of, given, wanted, align_to, stages, work, .. } = self;
        let kept = UInt32Array::from(of.kept.clone());
        let ids = take(given.ids, &kept, None)?;
        let row_ids = take(&cast(given.row_ids, &DataType::UInt64)?, &kept, None)?;
        let rows = of.rows().map_err(failed)?;
        let k = wanted.n_neighbors.max(NEIGHBOURS).min(of.len() - 1);
        let (metric, seed) = (wanted.metric.metric(), wanted.seed);
        let graph =
            stages.graph(&(k, metric, seed), || of.graph(k, metric, seed)).map_err(failed)?;
        let (projection, recipe) = recipe(wanted, of.len());
        let anchors = match align_to {
            Some(other) => Some(anchors(other, &ids, &graph)?),
            None => None,
        };
        let near = anchors.clone().unwrap_or_default();
        let lay_out = || recipe.places_of(of, &graph, anchors);
        let places = stages.places(&(k, &recipe), &near, lay_out).map_err(failed)?;
        let found = if wanted.topics { Some(self.topics(&graph, &kept)?) } else { None };
        let duplicates = match wanted.duplicates {
            true => Some(duplicates::found(rows, &of.codes, &graph, wanted, work)?),
            false => None,
        };
        let (none, unnamed) = (Topics::default(), Vec::new());
        let (topics, labels) =
            found.as_ref().map_or((&none, &unnamed), |(one, other)| (one, other));
        let points = Points {
            ids: ids.clone(),
            row_ids: row_ids.as_primitive::<UInt64Type>().values().to_vec(),
            hashes: order::hashes(rows),
            topics: found
                .is_some()
                .then(|| super::topics::columns(topics, &super::topics::names(labels), of.len())),
            duplicates,
            places,
        };
        let topics = super::topics::stored(topics, labels, &points.places, &ids)?;
        let (points, order) = points.stored(wanted.seed)?;
        Ok(Map {
            points,
            topics,
            neighbors: neighbours::stored(&ids, &graph, &order)?,
            left_out: of.left_out.count(),
            projection,
            recall: graph.recall,
        })
    }

    fn topics(&self, graph: &Graph, kept: &UInt32Array) -> Result<(Topics, Vec<Vec<Label>>)> {
        let Self { of, given, wanted, namer, work, .. } = self;
        let options = topics::Options {
            counts: wanted.n_topics.map_or_else(Vec::new, |count| counts(1, count, of.len())),
            metric: wanted.metric.metric(),
            seed: wanted.seed,
            ..topics::Options::default()
        };
        // As many neighbours say how sure a topic is as in the function `topics`.
        let nearest = (graph.k > NEIGHBOURS).then(|| nearest(graph, NEIGHBOURS));
        let graph = nearest.as_ref().unwrap_or(graph);
        let topics = topics::topics(of.rows().map_err(failed)?, graph, &options, *work);
        let topics = topics.map_err(failed)?;
        let labelled = given.labels.filter(|_| given.texts.is_none());
        let texts = match given.texts.or(labelled) {
            Some(texts) => Some(take(&cast(texts, &DataType::Utf8View)?, kept, None)?),
            None => None,
        };
        let texts: Vec<&str> = match &texts {
            Some(texts) => texts.as_string_view().iter().map(Option::unwrap_or_default).collect(),
            None => vec![""; of.len()],
        };
        let usual = labels::Options::default();
        if let Some(labels) = labelled {
            let codes = codes(&take(labels, kept, None)?)?;
            let names = label_names(&codes, &texts);
            let labels = labels::by_classes(&codes, &names, &topics, usual.terms);
            return Ok((topics, labels.map_err(failed)?));
        }
        let labels = labels::labels(&texts, &topics, &usual, *work);
        let mut labels = labels.map_err(failed)?;
        if let Some(namer) = namer {
            namer.name(&mut labels, &topics, work);
        }
        Ok((topics, labels))
    }
}

/// How so many rows are laid out.
fn recipe(wanted: &Wanted, rows: usize) -> (Projection, Recipe) {
    let projection = match wanted.projection {
        Projection::Auto if rows < MANY => Projection::Umap,
        Projection::Auto => Projection::Nomad,
        other => other,
    };
    let layout = match projection {
        Projection::Pca => Layout::Principal,
        Projection::Nomad => {
            let nomad = Nomad::default();
            let epochs = wanted.n_epochs.unwrap_or(nomad.epochs);
            let neighbours = wanted.n_neighbors;
            Layout::Nomad(Nomad { neighbours, epochs, seed: wanted.seed, ..nomad })
        }
        Projection::Auto | Projection::Umap => Layout::Umap(umap(wanted)),
    };
    (projection, Recipe { metric: wanted.metric.metric(), seed: wanted.seed, layout })
}

/// UMAP as a map wants it.
pub fn umap(wanted: &Wanted) -> Umap {
    let umap = Umap::default();
    Umap {
        neighbours: wanted.n_neighbors,
        epochs: wanted.n_epochs,
        min_dist: wanted.min_dist.unwrap_or(umap.min_dist),
        seed: wanted.seed,
        ..umap
    }
}
