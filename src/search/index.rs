//! Vector indexes as searches use them: Lance's own, with how hard one has to look to find enough.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Float32Array};
use datafusion::arrow::datatypes::{Float32Type, UInt64Type};
use datafusion::catalog::Session;
use futures::{FutureExt, TryStreamExt};
use lance::Dataset;
use lance::dataset::rowids::get_row_id_index;
use lance::index::prefilter::DatasetPreFilter;
use lance::index::{DatasetIndexExt, DatasetIndexInternalExt};
use lance_core::{ROW_ADDR, ROW_ID};
use lance_index::metrics::NoOpMetricsCollector;
use lance_index::vector::{ApproxMode, DIST_COL, Query};
use lance_linalg::distance::DistanceType;
use lance_select::{RowAddrMask, RowAddrTreeMap};
use lance_table::format::IndexMetadata;
use portolan_kernels::distance::{Measure, normalize};
use portolan_udfs::Settings;
use roaring::{RoaringBitmap, RoaringTreemap};
use serde::{Deserialize, Serialize};

use super::build::Kind;
use super::decoded::Target;
use super::request::Request;
use crate::error::Result;

/// How many neighbours a search was measured to find.
pub const TUNED_FOR: usize = 10;
/// Before an index's id, in the table's configuration.
const KEY: &str = "portolan.index.";

/// What an index compares by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// The cosine.
    Cosine,
    /// The Euclidean distance.
    L2,
    /// The inner product.
    Dot,
}

impl Metric {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "cosine" => Some(Self::Cosine),
            "l2" => Some(Self::L2),
            "dot" => Some(Self::Dot),
            _ => None,
        }
    }

    /// Lance's word for it.
    pub fn lance(self) -> DistanceType {
        match self {
            Self::Cosine => DistanceType::Cosine,
            Self::L2 => DistanceType::L2,
            Self::Dot => DistanceType::Dot,
        }
    }

    /// What the kernels measure for it.
    pub fn measure(self) -> Measure {
        match self {
            Self::Cosine => Measure::Cosine,
            Self::L2 => Measure::SquaredL2,
            Self::Dot => Measure::Dot,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::Dot => "dot",
        })
    }
}

/// How hard a search of an index looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// Cells that are looked into.
    pub probes: usize,
    /// Candidates that a walk through a graph keeps, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ef: Option<usize>,
    /// Candidates for each row that is wanted, which are then compared exactly.
    pub refine: usize,
}

impl Effort {
    /// Rows that are looked at again, exactly.
    fn wanted(self, k: usize) -> usize {
        k.saturating_mul(self.refine)
    }

    /// Candidates that a walk keeps. How many was measured for ten rows.
    fn kept(self, k: usize) -> Option<usize> {
        self.ef.map(|ef| ef.max(self.wanted(k).saturating_add(ef / 2)))
    }
}

/// What was measured when an index was built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// How rows are kept in it.
    pub kind: Kind,
    /// What it compares by.
    pub metric: Metric,
    /// Cells that it has.
    pub cells: usize,
    /// How hard to look.
    pub effort: Effort,
    /// The share of the ten nearest rows that this finds.
    pub recall: f32,
    /// Whether all vectors have length 1, so that all metrics order them alike.
    pub unit: bool,
}

impl Tuning {
    /// What is known of an index, by its id.
    pub fn of(dataset: &Dataset, id: &uuid::Uuid) -> Option<Self> {
        serde_json::from_str(dataset.config().get(&Self::key(id))?).ok()
    }

    /// All entries of a table's configuration that say what is known of an index.
    pub fn keys(dataset: &Dataset) -> impl Iterator<Item = &String> {
        dataset.config().keys().filter(|key| key.starts_with(KEY))
    }

    /// Where it is kept in the table's configuration.
    pub fn key(id: &uuid::Uuid) -> String {
        format!("{KEY}{id}")
    }
}

/// An index that a search may use.
#[derive(Debug, Clone)]
pub struct VectorIndex {
    name: String,
    tuning: Tuning,
    covered: RoaringBitmap,
    /// What the table says of it, where it lies in one piece.
    whole: Option<Arc<IndexMetadata>>,
}

impl fmt::Display for VectorIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tuning { kind, effort, .. } = &self.tuning;
        write!(f, "index={} ({}), probes={}", self.name, kind.name(), effort.probes)?;
        if let Some(ef) = effort.ef {
            write!(f, ", ef={ef}")?;
        }
        if effort.refine > 1 {
            write!(f, ", refine={}", effort.refine)?;
        }
        Ok(())
    }
}

/// How a session wants its searches.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Without any index.
    pub exact: bool,
    /// Up to so many rows are compared one by one.
    pub exact_rows: u64,
}

impl Wish {
    /// That of a session.
    pub fn of(state: &dyn Session) -> Self {
        let settings = state.config().options().extensions.get::<Settings>();
        let setting = |name| settings.and_then(|settings| settings.get(name));
        let exact_rows = setting("exact_rows").and_then(|rows| rows.parse().ok());
        Self { exact: setting("ann") == Some("exact"), exact_rows: exact_rows.unwrap_or_default() }
    }
}

impl VectorIndex {
    /// Whether a look for an index is worth it.
    pub fn may_be_on(target: &Target) -> bool {
        Tuning::keys(&target.dataset).next().is_some()
    }

    /// The index that serves a request. One whose tuning is unknown, as that of another program,
    /// serves none: nobody knows what it would miss.
    pub async fn find(target: &Target, request: &Request) -> Result<Option<Self>> {
        if !Self::may_be_on(target) {
            return Ok(None);
        }
        let dataset = &target.dataset;
        let indices = dataset.load_indices().boxed().await?;
        let on_column = |fields: &[i32]| fields == [target.field];
        for index in indices.iter().filter(|index| on_column(&index.fields)) {
            let Some(tuning) = Tuning::of(dataset, &index.uuid) else { continue };
            let same = tuning.metric.measure() == request.measure;
            let any = tuning.unit && request.measure != Measure::L1;
            if !same && !any {
                continue;
            }
            let (mut covered, mut parts) = (RoaringBitmap::new(), 0);
            // An index may lie in several parts under one name.
            for part in indices.iter().filter(|part| part.name == index.name) {
                parts += 1;
                if let Some(fragments) = &part.fragment_bitmap {
                    covered |= fragments;
                }
            }
            let whole = (parts == 1).then(|| Arc::new(index.clone()));
            return Ok(Some(Self { name: index.name.clone(), tuning, covered, whole }));
        }
        Ok(None)
    }

    /// Whether it knows the rows of a fragment.
    pub fn covers(&self, fragment: usize) -> bool {
        u32::try_from(fragment).is_ok_and(|fragment| self.covered.contains(fragment))
    }

    /// Addresses of rows that are probably the nearest, of those it knows; only of those with the
    /// given ids, if any are given. `rows` is how many there are without that condition.
    pub async fn search(
        &self,
        target: &Target,
        request: &Request,
        ids: Option<&RoaringTreemap>,
        rows: u64,
    ) -> Result<Vec<u64>> {
        let Tuning { metric, cells, mut effort, .. } = self.tuning;
        // The effort was measured for ten rows of all. More of them, or as many of fewer, lie farther
        // out: twice the cells that so many rows would fill. Lance looks into no more than there are.
        let pass = ids.map_or(1.0, |ids| ids.len() as f64 / rows.max(1) as f64);
        let more = request.k as f64 / pass.max(1e-9) - TUNED_FOR as f64;
        let share = 2.0 * more.max(0.0) / rows.max(1) as f64;
        effort.probes += (share.min(1.0) * cells as f64).ceil() as usize;
        if let (Some(whole), None) = (&self.whole, ids)
            && walks_all(target, cells, effort)
        {
            return walk(target, whole, &request.query, request.k, metric, effort).await;
        }
        look(target, &request.query, request.k, metric, effort, ids).await
    }
}

/// Searches the index of a column with a given effort.
pub async fn look(
    target: &Target,
    query: &[f32],
    k: usize,
    metric: Metric,
    effort: Effort,
    ids: Option<&RoaringTreemap>,
) -> Result<Vec<u64>> {
    let wanted = effort.wanted(k);
    let mut scan = target.dataset.scan();
    scan.nearest(&target.column, &Float32Array::from(query.to_vec()), wanted)?;
    scan.distance_metric(metric.lance());
    scan.minimum_nprobes(effort.probes);
    if let Some(ef) = effort.kept(k) {
        scan.ef(ef);
    }
    // Rows that are not in the index are compared elsewhere, exactly.
    scan.fast_search();
    scan.prefilter(true);
    if let Some(ids) = ids {
        let mask = RowAddrMask::from_allowed(RowAddrTreeMap::from(ids.clone()));
        scan.with_row_id_prefilter(mask);
    }
    scan.empty_project()?;
    scan.with_row_address();
    let mut batches = scan.try_into_stream().boxed().await?;
    let mut found = Vec::with_capacity(wanted);
    while let Some(batch) = batches.try_next().await? {
        if let Some(addresses) = batch.column_by_name(ROW_ADDR) {
            found.extend(addresses.as_primitive::<UInt64Type>().iter().flatten());
        }
    }
    Ok(found)
}

/// Whether a search walks through the graphs of all cells, which are few, and of numbers that Lance takes as they are.
fn walks_all(target: &Target, cells: usize, effort: Effort) -> bool {
    let overlaid = || target.dataset.fragments().iter().any(|part| !part.overlays.is_empty());
    effort.ef.is_some() && effort.probes >= cells && !target.half && !overlaid()
}

/// The same as [`look`] of all rows of an index that lies in one piece and whose cells are all looked into. Planning
/// such a search as Lance does for every kind takes longer than the search.
async fn walk(
    target: &Target,
    whole: &IndexMetadata,
    query: &[f32],
    k: usize,
    metric: Metric,
    effort: Effort,
) -> Result<Vec<u64>> {
    let (dataset, wanted) = (&target.dataset, effort.wanted(k));
    let index = dataset.open_vector_index(&target.column, &whole.uuid, &NoOpMetricsCollector);
    let index = index.boxed().await?;
    let mut key = query.to_vec();
    if index.metric_type() == DistanceType::Cosine {
        // The rows of such an index have length 1.
        normalize(&mut key);
    }
    let mut query = Query {
        column: target.column.clone(),
        key: Arc::new(Float32Array::from(key)),
        k: wanted,
        lower_bound: None,
        upper_bound: None,
        minimum_nprobes: effort.probes,
        maximum_nprobes: None,
        search_effort: 0.5,
        ef: effort.kept(k),
        refine_factor: None,
        metric_type: Some(metric.lance()),
        use_index: true,
        query_parallelism: 0,
        dist_q_c: 0.0,
        approx_mode: ApproxMode::default(),
    };
    let (cells, distances) = index.find_partitions(&query)?;
    let deleted =
        Arc::new(DatasetPreFilter::new(dataset.clone(), std::slice::from_ref(whole), None));
    let mut found: Vec<(f32, u64)> = Vec::with_capacity(wanted);
    for (cell, distance) in cells.values().iter().zip(distances.values()) {
        query.dist_q_c = *distance;
        let (cell, deleted) = (*cell as usize, deleted.clone());
        let rows = index.search_in_partition(cell, &query, deleted, &NoOpMetricsCollector);
        let rows = rows.boxed().await?;
        let (Some(distances), Some(ids)) =
            (rows.column_by_name(DIST_COL), rows.column_by_name(ROW_ID))
        else {
            continue;
        };
        let distances = distances.as_primitive::<Float32Type>().values().iter().copied();
        found.extend(distances.zip(ids.as_primitive::<UInt64Type>().values().iter().copied()));
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.truncate(wanted);
    let ids: Vec<u64> = found.into_iter().map(|(_, id)| id).collect();
    // Rows that last under a number have it in the index; where they lie is known apart.
    let Some(places) = get_row_id_index(dataset).boxed().await? else { return Ok(ids) };
    Ok(places.get_many(&ids)?.into_iter().flatten().map(u64::from).collect())
}
