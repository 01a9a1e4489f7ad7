//! Building a vector index, and measuring how hard a search of it has to look.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, AsArray, FixedSizeListArray, Float32Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::execution::memory_pool::MemoryPool;
use futures::FutureExt;
use lance::Dataset;
use lance::index::vector::VectorIndexParams;
use lance::index::{CreateIndexBuilder, DatasetIndexExt};
use lance_index::IndexType;
use lance_index::progress::IndexBuildProgress;
use lance_index::vector::bq::RQBuildParams;
use lance_index::vector::hnsw::builder::HnswBuildParams;
use lance_index::vector::ivf::IvfBuildParams;
use lance_index::vector::pq::PQBuildParams;
use lance_index::vector::sq::builder::SQBuildParams;
use portolan_kernels::distance::norm;
use portolan_kernels::rows::Rows;
use portolan_kernels::watch::Unwatched;
use portolan_kernels::{neighbours, random};
use serde::{Deserialize, Serialize};

use super::decoded::{Columns, Target, Values};
use super::exact::{Exact, TAKEN, taken};
use super::index::{Effort, Metric, TUNED_FOR, Tuning, look};
use super::request::Request;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Fewer rows than this are not worth an index, and too few to learn one from.
const FEWEST: usize = 256;
/// Rows whose neighbours an index must find.
const ASKED: usize = 200;
/// What share of them is enough here. Searches come from elsewhere than rows do, and find a little
/// less; 0.95 is promised.
const ENOUGH: f32 = 0.975;
/// What share is promised.
const PROMISED: f32 = 0.95;

/// How rows are kept in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Whole vectors, in cells.
    #[serde(rename = "ivf_flat")]
    Flat,
    /// Products of few bits, in cells.
    #[serde(rename = "ivf_pq")]
    Products,
    /// Few bits a number after a rotation, in cells.
    #[serde(rename = "ivf_rq")]
    Bits,
    /// A graph of vectors of a byte a number, in few cells.
    #[serde(rename = "ivf_hnsw_sq")]
    Graph,
}

impl Kind {
    /// All of them, the one that is taken unless another is asked for first.
    pub const ALL: [Self; 4] = [Self::Graph, Self::Flat, Self::Products, Self::Bits];

    /// As USING names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flat => "ivf_flat",
            Self::Products => "ivf_pq",
            Self::Bits => "ivf_rq",
            Self::Graph => "ivf_hnsw_sq",
        }
    }

    /// Cells for that many rows: a graph is searched faster in one piece, everything else in about
    /// as many cells as a cell has rows.
    fn cells(self, rows: usize) -> usize {
        match self {
            Self::Graph => rows.div_ceil(4_000_000),
            _ => (rows as f64).sqrt() as usize,
        }
    }

    /// Efforts worth trying, the least first.
    fn efforts(self, cells: usize) -> Vec<Effort> {
        let doubled = |from: usize, to: usize| {
            let mut steps: Vec<usize> =
                std::iter::successors(Some(from), |step| Some(step * 3 / 2 + 1))
                    .take_while(|step| *step < to)
                    .collect();
            steps.push(to);
            steps
        };
        match self {
            Self::Graph => doubled(24, 1200)
                .into_iter()
                .map(|ef| Effort { probes: cells, ef: Some(ef), refine: 2 })
                .collect(),
            Self::Flat => doubled(1, cells)
                .into_iter()
                .map(|probes| Effort { probes, ef: None, refine: 1 })
                .collect(),
            Self::Products | Self::Bits => [5, 10, 20, 40, 100]
                .into_iter()
                .flat_map(|refine| {
                    // Looking into ever more cells does not help where candidates are too few.
                    doubled(4, cells).into_iter().map(move |probes| (probes, refine))
                })
                .map(|(probes, refine)| Effort { probes, ef: None, refine })
                .collect(),
        }
    }
}

/// What index is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// How rows are kept.
    pub kind: Kind,
    /// What is compared.
    pub metric: Metric,
    /// Cells, if they are not left to us.
    pub cells: Option<usize>,
    /// Seed of everything random here.
    pub seed: u64,
}

/// What building an index needs beside the table.
pub struct Workshop<'a> {
    /// Decoded columns.
    pub columns: &'a Columns,
    /// Where memory is accounted for.
    pub pool: &'a Arc<dyn MemoryPool>,
    /// Where it is shown.
    pub progress: &'a Progress,
}

impl Workshop<'_> {
    /// Builds an index and commits it, in the place of one of the same name.
    pub async fn build(
        &self,
        dataset: &mut Dataset,
        column: &str,
        name: &str,
        wanted: Wanted,
        replace: bool,
    ) -> Result<()> {
        let rows = dataset.count_rows(None).boxed().await?;
        let target = Self::target(dataset, column)?;
        let cells = wanted.cells.unwrap_or_else(|| wanted.kind.cells(rows)).clamp(1, rows.max(1));
        let sample = self.sample(&target, cells.saturating_mul(64).clamp(4096, 1 << 18)).await?;
        if rows < FEWEST || sample.len() < FEWEST {
            return Err(Error::Unsupported(format!(
                "column '{column}' has {} vectors, fewer than the {FEWEST} that an index needs; searches of so few compare all and are fast without one",
                rows.min(sample.len())
            )));
        }
        let params = parameters(&target, wanted, cells, &sample)?;
        let stages = Stages { progress: self.progress.clone(), name: name.to_string() };
        CreateIndexBuilder::new(dataset, &[column], IndexType::Vector, &params)
            .name(name.to_string())
            .replace(replace)
            .progress(Arc::new(stages))
            .await?;
        let tuned = self.tune(dataset, column, name, wanted.kind, wanted.metric).await;
        if tuned.is_err() {
            // An index of which nobody knows what it finds is of no use.
            dataset.drop_index(name).boxed().await?;
        }
        tuned
    }

    fn target(dataset: &Dataset, column: &str) -> Result<Target> {
        Target::new(&Arc::new(dataset.clone()), column).ok_or_else(|| {
            Error::Unsupported(format!("column '{column}' holds no vectors of one length"))
        })
    }

    /// Measures how hard searches of an index have to look, and commits what was found.
    pub async fn tune(
        &self,
        dataset: &mut Dataset,
        column: &str,
        name: &str,
        kind: Kind,
        metric: Metric,
    ) -> Result<()> {
        let target = Self::target(dataset, column)?;
        let parts = dataset.load_indices_by_name(name).boxed().await?;
        let cells = cells_of(dataset, name).await?;
        self.progress.begin(format!("measuring {name}"), "searches", None);
        let unit = self.is_unit(&target).await?;
        let asked = self.sample(&target, ASKED).await?;
        let mut truth = Vec::with_capacity(asked.len());
        for row in &asked {
            truth.push(self.neighbours(&target, row, metric).await?);
            self.progress.advance(1);
        }
        let mut best: Option<(f32, Effort)> = None;
        for effort in kind.efforts(cells) {
            let recall = self.recall(&target, &asked, &truth, metric, effort).await?;
            if best.is_none_or(|(known, _)| recall > known) {
                best = Some((recall, effort));
            }
            if recall >= ENOUGH {
                break;
            }
        }
        let Some((recall, effort)) = best else { return Ok(()) };
        if recall < PROMISED {
            return Err(Error::Unsupported(format!(
                "index '{name}' finds only {:.0} % of the nearest rows however hard it looks, and is not kept; build another kind, as USING ivf_flat",
                recall * 100.0
            )));
        }
        let tuning = Tuning { kind, metric, cells, effort, recall, unit };
        let tuning = serde_json::to_string(&tuning)
            .map_err(|error| Error::Invalid(format!("index '{name}' cannot be noted: {error}")))?;
        let mut entries: Vec<(String, Option<String>)> =
            parts.iter().map(|part| (Tuning::key(&part.uuid), Some(tuning.clone()))).collect();
        let indices = dataset.load_indices().boxed().await?;
        let stale = Tuning::keys(dataset)
            .filter(|key| !indices.iter().any(|index| Tuning::key(&index.uuid) == **key));
        entries.extend(stale.map(|key| (key.clone(), None)));
        dataset.update_config(entries).await?;
        Ok(())
    }

    /// The rows nearest to one of them, itself left out.
    async fn neighbours(&self, target: &Target, row: &Asked, metric: Metric) -> Result<Vec<u64>> {
        let request = Request {
            column: target.column.clone(),
            query: row.vector.clone(),
            measure: metric.measure(),
            k: TUNED_FOR + 1,
            ties: false,
            within: None,
        };
        let exact = Exact { target, request: &request, columns: self.columns, pool: self.pool };
        let nearest = exact.nearest(&target.dataset.get_fragments(), None).await?;
        let rows = nearest.into_rows().into_iter().map(|(_, address)| address);
        Ok(rows.filter(|address| *address != row.address).take(TUNED_FOR).collect())
    }

    async fn recall(
        &self,
        target: &Target,
        asked: &[Asked],
        truth: &[Vec<u64>],
        metric: Metric,
        effort: Effort,
    ) -> Result<f32> {
        let (mut found, mut all) = (0, 0);
        for (row, truth) in asked.iter().zip(truth) {
            let got = look(target, &row.vector, TUNED_FOR + 1, metric, effort, None).await?;
            found += truth.iter().filter(|address| got.contains(address)).count();
            all += truth.len();
            self.progress.advance(1);
        }
        // Few hundred rows of ten.
        Ok(if all == 0 { 1.0 } else { found as f32 / all as f32 })
    }

    /// Rows from all over the table, always the same ones.
    async fn sample(&self, target: &Target, most: usize) -> Result<Vec<Asked>> {
        let dataset = &target.dataset;
        let fragments = dataset.get_fragments();
        let rows = target.rows() as u64;
        let most = (most as u64).min(rows);
        let mut addresses = Vec::new();
        let (mut before, mut next) = (0, 0);
        for fragment in &fragments {
            let deleted = fragment.get_deletion_vector().boxed().await?;
            let after = before + fragment.metadata().physical_rows.unwrap_or_default() as u64;
            while next < most {
                let (from, to) = (next * rows / most, (next + 1) * rows / most);
                let row = from + random::number(42, 0, next) % (to - from).max(1);
                if row >= after {
                    break;
                }
                next += 1;
                let Ok(row) = u32::try_from(row - before) else { continue };
                if deleted.as_ref().is_none_or(|deleted| !deleted.contains(row)) {
                    addresses.push(((fragment.id() as u64) << 32) | u64::from(row));
                }
            }
            before = after;
        }
        let mut sampled = Vec::with_capacity(addresses.len());
        for addresses in addresses.chunks(TAKEN) {
            let values = taken(target, addresses).await?;
            for (vector, address) in values.rows(target.width).zip(addresses) {
                if vector.iter().all(|x| x.is_finite()) {
                    sampled.push(Asked { vector, address: *address });
                }
            }
        }
        Ok(sampled)
    }

    /// Whether all vectors of a column have length 1.
    async fn is_unit(&self, target: &Target) -> Result<bool> {
        let one = |length: f32| length.is_nan() || (length - 1.0).abs() < 1e-3;
        let fragments = target.dataset.get_fragments();
        if !self.columns.fits(target, target.rows()) {
            // What cannot be kept is not read once more only for this.
            return Ok(false);
        }
        for fragment in fragments {
            let Some(block) = self.columns.block(target, &fragment, self.pool).await? else {
                return Ok(false);
            };
            let unit = match &block.values {
                Values::Full(all) => all.chunks_exact(target.width).all(|row| one(norm(row))),
                Values::Half(all) => all.chunks_exact(target.width).all(|row| one(norm(row))),
            };
            if !unit {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A row whose neighbours are looked for.
struct Asked {
    vector: Vec<f32>,
    address: u64,
}

/// How many cells an index has.
async fn cells_of(dataset: &Dataset, name: &str) -> Result<usize> {
    let statistics = dataset.index_statistics(name).boxed().await?;
    let statistics: serde_json::Value = serde_json::from_str(&statistics).unwrap_or_default();
    let cells = |part: &serde_json::Value| part["num_partitions"].as_u64();
    let most = statistics["indices"].as_array().into_iter().flatten().filter_map(cells).max();
    Ok(most.and_then(|cells| usize::try_from(cells).ok()).unwrap_or(1))
}

fn parameters(
    target: &Target,
    wanted: Wanted,
    cells: usize,
    sample: &[Asked],
) -> Result<VectorIndexParams> {
    let mut ivf = IvfBuildParams::new(cells);
    if cells > 1 {
        let numbers: Vec<f32> = sample.iter().flat_map(|row| row.vector.iter().copied()).collect();
        let rows = Rows::new(&numbers, target.width);
        let unit = wanted.metric == Metric::Cosine;
        let centres = rows
            .map(|rows| neighbours::centres(rows, cells, unit, wanted.seed, &Unwatched))
            .transpose()
            .map_err(|error| Error::Invalid(error.to_string()))?
            .unwrap_or_default();
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let width = i32::try_from(target.width).unwrap_or(i32::MAX);
        let values = Arc::new(Float32Array::from(centres));
        let centres = FixedSizeListArray::try_new(item, width, values, None)?;
        let stored = target.dataset.schema().field(&target.column).map(|field| field.data_type());
        let centres = cast(&centres, &stored.unwrap_or_else(|| centres.data_type().clone()))?;
        let centres = Arc::new(centres.as_fixed_size_list().clone());
        ivf = IvfBuildParams::try_with_centroids(centres.len(), centres)?;
    }
    let metric = wanted.metric.lance();
    Ok(match wanted.kind {
        Kind::Flat => VectorIndexParams::with_ivf_flat_params(metric, ivf),
        Kind::Products => {
            // Eight numbers share a byte, where the length allows it.
            let parts = [8, 4, 2, 1].iter().find(|part| target.width.is_multiple_of(**part));
            let pq = PQBuildParams::new(target.width / parts.unwrap_or(&1), 8);
            VectorIndexParams::with_ivf_pq_params(metric, ivf, pq)
        }
        Kind::Bits => VectorIndexParams::with_ivf_rq_params(metric, ivf, RQBuildParams::new(5)),
        Kind::Graph => VectorIndexParams::with_ivf_hnsw_sq_params(
            metric,
            ivf,
            HnswBuildParams::default(),
            SQBuildParams::default(),
        ),
    })
}

/// Shows the stages of building.
#[derive(Debug)]
struct Stages {
    progress: Progress,
    name: String,
}

#[async_trait]
impl IndexBuildProgress for Stages {
    async fn stage_start(
        &self,
        stage: &str,
        total: Option<u64>,
        _unit: &str,
    ) -> lance_core::Result<()> {
        self.progress.begin(
            format!("building {}: {}", self.name, stage.replace('_', " ")),
            "steps",
            total,
        );
        Ok(())
    }

    async fn stage_progress(&self, _stage: &str, completed: u64) -> lance_core::Result<()> {
        self.progress.reach(completed);
        Ok(())
    }

    async fn stage_complete(&self, _stage: &str) -> lance_core::Result<()> {
        Ok(())
    }
}
