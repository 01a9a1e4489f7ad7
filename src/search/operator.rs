//! The operator that finds the nearest rows of a table, in place of a scan of all its rows.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::FutureExt;
use roaring::RoaringTreemap;

use super::candidates::{Candidates, Filtered};
use super::decoded::{Columns, Target};
use super::exact::Exact;
use super::index::VectorIndex;
use super::request::Request;
use super::shown::rows;
use crate::error::Result;

/// What the operator needs to know.
#[derive(Debug, Clone)]
pub struct Search {
    /// What is searched.
    pub target: Target,
    /// The table and its version, for people.
    pub table: String,
    /// What is searched for.
    pub request: Request,
    /// The index that may be used.
    pub index: Option<VectorIndex>,
    /// Up to so many rows are compared one by one: an index would not be faster.
    pub exact_rows: u64,
    /// Decoded columns.
    pub columns: Arc<Columns>,
}

/// The operator.
#[derive(Debug)]
pub struct VectorSearch {
    search: Arc<Search>,
    /// Which rows may be found; all of the table where there is none.
    candidates: Option<Filtered>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl VectorSearch {
    /// Gives the columns of `schema`.
    pub fn new(search: Arc<Search>, candidates: Option<Filtered>, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Self { search, candidates, schema, properties: Arc::new(properties), metrics }
    }
}

impl DisplayAs for VectorSearch {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Search { table, request, index, exact_rows, .. } = self.search.as_ref();
        write!(f, "VectorSearch: {table}, {request}, ")?;
        match index {
            None => write!(f, "exact")?,
            Some(index) => {
                write!(f, "{index}")?;
                if self.candidates.is_some() {
                    write!(f, ", exact if {exact_rows} rows or fewer pass")?;
                }
            }
        }
        let columns: Vec<&str> =
            self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, ", projection=[{}]", columns.join(", "))
    }
}

impl ExecutionPlan for VectorSearch {
    fn name(&self) -> &str {
        "VectorSearch"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.candidates.iter().map(|candidates| &candidates.plan).collect()
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.candidates.iter().map(|_| Distribution::SinglePartition).collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let candidates = match (&self.candidates, children.pop()) {
            (Some(candidates), Some(plan)) => Some(candidates.with_plan(plan)),
            _ => None,
        };
        Ok(Arc::new(Self::new(self.search.clone(), candidates, self.schema.clone())))
    }

    fn execute(
        &self,
        _partition: usize,
        context: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        let (search, schema) = (self.search.clone(), self.schema.clone());
        let candidates = self.candidates.clone();
        let count = |name| MetricBuilder::new(&self.metrics).global_counter(name);
        let (compared, searched) = (count("rows_compared"), count("index_searches"));
        let remembered = count("filters_remembered");
        let found = async move {
            let candidates = match candidates {
                Some(filtered) => {
                    let (rows, known) = filtered.rows(&search.columns.passed, &context).await?;
                    remembered.add(usize::from(known));
                    Some(rows)
                }
                None => None,
            };
            let pool = context.memory_pool();
            let found =
                search.run(pool, candidates.as_deref()).await.map_err(DataFusionError::from)?;
            compared.add(found.compared);
            searched.add(usize::from(found.by_index));
            rows(&search.columns, &search.target.dataset, found.addresses, schema, pool)
                .await
                .map_err(DataFusionError::from)
        };
        let stream = futures::stream::once(found.boxed());
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, _partition: Option<usize>) -> DfResult<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Inexact(self.search.request.k);
        Ok(Arc::new(statistics))
    }
}

/// Whether an operator is a search.
pub fn is_search(plan: &dyn ExecutionPlan) -> bool {
    plan.is::<VectorSearch>()
}

/// What a search found.
pub struct Found {
    /// Where the rows are; they may be more than were asked for.
    pub addresses: Vec<u64>,
    /// Vectors that were looked at.
    pub compared: usize,
    /// Whether an index helped.
    pub by_index: bool,
}

impl Search {
    /// Finds the rows.
    pub async fn run(
        &self,
        pool: &Arc<dyn MemoryPool>,
        candidates: Option<&Candidates>,
    ) -> Result<Found> {
        let Self { target, request, index, columns, exact_rows, .. } = self;
        let dataset = &target.dataset;
        let among = candidates.map(|candidates| &candidates.addresses);
        let all = dataset.count_rows(None).boxed().await? as u64;
        let rows = among.map_or(all, RoaringTreemap::len);
        let exact = Exact { target, request, columns, pool };
        let fragments = dataset.get_fragments();
        if let Some(index) = index.as_ref().filter(|_| rows > *exact_rows) {
            let ids = candidates.map(|candidates| &candidates.ids);
            let mut found = index.search(target, request, ids, all).await?;
            let fresh: Vec<_> =
                fragments.iter().filter(|fragment| !index.covers(fragment.id())).cloned().collect();
            let newer = exact.nearest(&fresh, among).await?;
            let fresh: usize = fresh.iter().filter_map(|f| f.metadata().num_rows()).sum();
            let compared = found.len() + fresh;
            found.extend(newer.into_rows().into_iter().map(|(_, address)| address));
            found.sort_unstable();
            found.dedup();
            // An index that knows too few rows must not hide the others.
            if found.len() as u64 >= rows.min(request.k as u64) {
                // What it gives beyond the rows that are wanted need not be read.
                if let Some(nearest) = exact.nearest_of(&found).await? {
                    found = nearest.into_rows().into_iter().map(|(_, address)| address).collect();
                }
                return Ok(Found { addresses: found, compared, by_index: true });
            }
        }
        let nearest = exact.nearest(&fragments, among).await?;
        let addresses = nearest.into_rows().into_iter().map(|(_, address)| address).collect();
        let compared = usize::try_from(rows).unwrap_or(usize::MAX);
        Ok(Found { addresses, compared, by_index: false })
    }
}
