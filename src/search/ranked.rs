//! `FROM vector_search('t', …)` and its kind: rows of a table in the order of a search, with their
//! distances or scores.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, AsArray, Float32Array, Int64Array, RecordBatch, RecordBatchOptions,
};
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Schema, SchemaRef, UInt64Type};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, TryStreamExt};
use lance_core::ROW_ADDR;
use lance_index::scalar::FullTextSearchQuery;
use lance_index::scalar::inverted::query::{FtsQuery, MatchQuery, Operator, PhraseQuery};
use lance_select::{RowAddrMask, RowAddrTreeMap};
use portolan_kernels::distance::{Measure, one_to_many, one_to_one};
use portolan_kernels::nearest::Nearest;

use super::candidates::{Candidates, Filtered};
use super::decoded::{Columns, Target};
use super::exact::{Exact, vectors};
use super::fuse::{Fusion, diverse, fuse};
use super::index::{VectorIndex, Wish};
use super::operator::Search;
use super::request::Request;
use super::shown::rows;
use crate::error::{Error, Result};
use crate::tables::Table;

/// Which of several queries a row answers.
const QUERY_INDEX: &str = "query_index";

/// Queries of a batch that look into an index at the same time.
const AT_ONCE: usize = 8;
/// In a column of more numbers than this, a batch's queries find their rows sooner in an index than by
/// being compared with all rows together.
const WORTH_AN_INDEX: usize = 1 << 27;

/// What is asked of vectors.
#[derive(Debug, Clone)]
pub struct Near {
    /// The column.
    pub target: Target,
    /// One request for each vector that is asked for; they differ in nothing else.
    pub requests: Vec<Request>,
    /// Whether rows say which query they answer.
    pub several: bool,
    /// How much rows that resemble each other are avoided, from 0 to 1.
    pub diversity: f32,
    /// A row that is left out: the one whose neighbours are asked for.
    pub without: Option<u64>,
}

/// What is asked of words.
#[derive(Debug, Clone)]
pub struct Words {
    /// The column.
    pub column: String,
    /// The words, or a phrase in double quotes.
    pub text: String,
    /// Whether all of them must occur.
    pub all: bool,
    /// In how many letters a word may differ.
    pub fuzziness: u32,
    /// How many rows are wanted.
    pub k: usize,
}

/// What is asked.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Vectors.
    Near(Near),
    /// Words.
    Words(Words),
    /// Both, put together.
    Both {
        /// The vectors.
        near: Near,
        /// The words.
        words: Words,
        /// How.
        fusion: Fusion,
        /// The vectors' share.
        alpha: f32,
        /// How many rows are wanted of both together.
        k: usize,
    },
}

impl Ask {
    /// The columns that are not the table's.
    fn computed(&self) -> Vec<(&'static str, DataType)> {
        match self {
            Self::Near(near) if near.several => {
                vec![(QUERY_INDEX, DataType::Int64), ("_distance", DataType::Float32)]
            }
            Self::Near(_) => vec![("_distance", DataType::Float32)],
            Self::Words(_) | Self::Both { .. } => vec![("_score", DataType::Float32)],
        }
    }

    fn computes(&self, column: &str) -> bool {
        self.computed().iter().any(|(name, _)| *name == column)
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Near(near) => write!(f, "VectorSearch: {near}"),
            Self::Words(words) => write!(f, "TextSearch: {words}"),
            Self::Both { near, words, alpha, k, .. } => {
                write!(f, "HybridSearch: k={k}, alpha={alpha}, vectors=({near}), words=({words})")
            }
        }
    }
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(request) = self.requests.first() {
            write!(f, "{request}")?;
        }
        if self.several {
            write!(f, ", queries={}", self.requests.len())?;
        }
        if self.diversity > 0.0 {
            write!(f, ", diversity={}", self.diversity)?;
        }
        Ok(())
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column={}, text='{}', k={}", self.column, self.text, self.k)
    }
}

/// The answer as a table.
#[derive(Debug)]
pub struct RankedTable {
    table: Table,
    ask: Ask,
    filters: Vec<Expr>,
    columns: Arc<Columns>,
    schema: SchemaRef,
}

impl RankedTable {
    /// The rows of `table` that pass the filters, ranked.
    pub fn new(table: Table, ask: Ask, filters: Vec<Expr>, columns: Arc<Columns>) -> Self {
        // Of a table that was made of an earlier search, its distances give way.
        let stored = table.schema();
        let stored = stored.fields().iter().filter(|field| !ask.computes(field.name()));
        let mut fields: Vec<_> = stored.cloned().collect();
        fields.extend(
            ask.computed().into_iter().map(|(name, kind)| Arc::new(Field::new(name, kind, true))),
        );
        let schema = Arc::new(Schema::new(fields));
        Self { table, ask, filters, columns, schema }
    }
}

#[async_trait]
impl TableProvider for RankedTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(wanted) => Arc::new(self.schema.project(wanted)?),
            None => self.schema.clone(),
        };
        let wish = Wish::of(state);
        let index = match &self.ask {
            Ask::Near(near) | Ask::Both { near, .. } if !wish.exact => {
                match near.requests.first() {
                    Some(request) => VectorIndex::find(&near.target, request).await?,
                    None => None,
                }
            }
            _ => None,
        };
        let candidates = Filtered::new(&self.table, state, &self.filters).await?;
        let asked = Asked {
            table: self.table.clone(),
            ask: self.ask.clone(),
            index,
            exact_rows: wish.exact_rows,
            columns: self.columns.clone(),
            filters: self.filters.iter().map(ToString::to_string).collect(),
        };
        Ok(Arc::new(RankedScan::new(Arc::new(asked), candidates, schema)))
    }
}

struct Asked {
    table: Table,
    ask: Ask,
    index: Option<VectorIndex>,
    exact_rows: u64,
    columns: Arc<Columns>,
    filters: Vec<String>,
}

/// The operator.
struct RankedScan {
    asked: Arc<Asked>,
    candidates: Option<Filtered>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl RankedScan {
    fn new(asked: Arc<Asked>, candidates: Option<Filtered>, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { asked, candidates, schema, properties: Arc::new(properties) }
    }
}

impl fmt::Debug for RankedScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RankedScan").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl DisplayAs for RankedScan {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Asked { table, ask, index, filters, .. } = self.asked.as_ref();
        let shown = ask.to_string();
        let (name, what) = shown.split_once(": ").unwrap_or(("Search", &shown));
        write!(f, "{name}: {}, {what}", table.label())?;
        match (ask, index) {
            (Ask::Words(_), _) => {}
            (_, Some(index)) => write!(f, ", {index}")?,
            (_, None) => write!(f, ", exact")?,
        }
        if !filters.is_empty() {
            write!(f, ", filter={}", filters.join(" AND "))?;
        }
        Ok(())
    }
}

impl ExecutionPlan for RankedScan {
    fn name(&self) -> &str {
        "RankedScan"
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

    /// What is above must not take the rows in another order.
    fn maintains_input_order(&self) -> Vec<bool> {
        self.candidates.iter().map(|_| false).collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let candidates = match (&self.candidates, children.pop()) {
            (Some(candidates), Some(plan)) => Some(candidates.with_plan(plan)),
            _ => None,
        };
        Ok(Arc::new(Self::new(self.asked.clone(), candidates, self.schema.clone())))
    }

    fn execute(
        &self,
        _partition: usize,
        context: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        let (asked, schema) = (self.asked.clone(), self.schema.clone());
        let candidates = self.candidates.clone();
        let found = async move {
            let candidates = match candidates {
                Some(filtered) => Some(filtered.rows(&asked.columns.passed, &context).await?.0),
                None => None,
            };
            let run = Run { asked: &asked, pool: context.memory_pool(), candidates };
            run.batch(schema).await.map_err(DataFusionError::from)
        };
        let stream = futures::stream::once(found.boxed());
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream)))
    }
}

/// One run of the operator.
struct Run<'a> {
    asked: &'a Asked,
    pool: &'a Arc<dyn MemoryPool>,
    candidates: Option<Arc<Candidates>>,
}

/// A row that was found.
struct Ranked {
    query: i64,
    address: u64,
    score: f32,
}

impl Run<'_> {
    async fn batch(&self, schema: SchemaRef) -> Result<RecordBatch> {
        let found = self.ranked().await?;
        let dataset = self.asked.table.dataset();
        let stored: Vec<_> = schema
            .fields()
            .iter()
            .filter(|field| !self.asked.ask.computes(field.name()))
            .cloned()
            .collect();
        let columns = if stored.is_empty() {
            Vec::new()
        } else {
            let addresses = found.iter().map(|row| row.address).collect();
            let schema = Arc::new(Schema::new(stored.clone()));
            rows(&self.asked.columns, dataset, addresses, schema, self.pool)
                .await?
                .columns()
                .to_vec()
        };
        let mut columns = columns.into_iter();
        let all: Vec<ArrayRef> = schema
            .fields()
            .iter()
            .filter_map(|field| {
                if stored.contains(field) {
                    return columns.next();
                }
                Some(match field.name().as_str() {
                    QUERY_INDEX => {
                        Arc::new(found.iter().map(|row| row.query).collect::<Int64Array>())
                    }
                    _ => Arc::new(found.iter().map(|row| row.score).collect::<Float32Array>()) as _,
                })
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(found.len()));
        Ok(RecordBatch::try_new_with_options(schema, all, &options)?)
    }

    async fn ranked(&self) -> Result<Vec<Ranked>> {
        match &self.asked.ask {
            Ask::Near(near) => {
                let mut together = self.together(near).await?.into_iter();
                let (mut running, mut answers) = (FuturesOrdered::new(), Vec::new());
                for request in &near.requests {
                    if running.len() == AT_ONCE {
                        answers.extend(running.try_next().await?);
                    }
                    running.push_back(self.answer(near, request, together.next()));
                }
                answers.extend(running.try_collect::<Vec<_>>().await?);
                let mut all = Vec::new();
                // Queries are counted in i64, as SQL does.
                for (query, (request, found)) in (0i64..).zip(near.requests.iter().zip(answers)) {
                    all.extend(found.into_iter().map(|(address, distance)| {
                        let score = distance_of(request, distance);
                        Ranked { query, address, score }
                    }));
                }
                Ok(all)
            }
            Ask::Words(words) => Ok(scored(self.words(words).await?)),
            Ask::Both { near, words, fusion, alpha, k } => {
                let Some(request) = near.requests.first() else { return Ok(Vec::new()) };
                let near = self.near(near, request).await?;
                let near: Vec<_> =
                    near.into_iter().map(|(row, distance)| (row, -distance)).collect();
                let words = self.words(words).await?;
                Ok(scored(fuse(*fusion, *alpha, &near, &words, *k)))
            }
        }
    }

    /// The nearest rows of one of several queries: of those where they probably are, if that is known.
    fn answer<'a>(
        &'a self,
        near: &'a Near,
        request: &'a Request,
        addresses: Option<Vec<u64>>,
    ) -> BoxFuture<'a, Result<Vec<(u64, f32)>>> {
        async move {
            match addresses {
                Some(addresses) => self.nearest_of(near, request, addresses).await,
                None => self.near(near, request).await,
            }
        }
        .boxed()
    }

    /// The nearest rows, the nearest first, with what the kernels call their distance.
    async fn near(&self, near: &Near, request: &Request) -> Result<Vec<(u64, f32)>> {
        let mut wider = request.clone();
        if near.without.is_some() {
            wider.k = wider.k.saturating_add(1);
        }
        if near.diversity > 0.0 {
            wider.k = wider.k.saturating_mul(5).max(50);
        }
        let search = Search {
            target: near.target.clone(),
            table: String::new(),
            request: wider,
            // All rows up to a distance: an index would miss some.
            index: self
                .asked
                .index
                .clone()
                .filter(|_| near.requests.iter().all(|r| r.within.is_none())),
            exact_rows: self.asked.exact_rows,
            columns: self.asked.columns.clone(),
        };
        let found = search.run(self.pool, self.candidates.as_deref()).await?;
        self.nearest_of(near, request, found.addresses).await
    }

    /// Where the nearest rows of all queries probably are, found for all at once; empty where that is
    /// not done.
    async fn together(&self, near: &Near) -> Result<Vec<Vec<u64>>> {
        let Some(first) = near.requests.first() else { return Ok(Vec::new()) };
        let index_is_faster = self.asked.index.is_some()
            && near.target.rows().saturating_mul(near.target.width) > WORTH_AN_INDEX;
        if near.diversity > 0.0 || first.within.is_some() || index_is_faster {
            return Ok(Vec::new());
        }
        let exact = Exact {
            target: &near.target,
            request: first,
            columns: &self.asked.columns,
            pool: self.pool,
        };
        let queries: Vec<&[f32]> = near.requests.iter().map(|r| r.query.as_slice()).collect();
        let candidates = self.candidates.as_ref().map(|candidates| &candidates.addresses);
        let found = exact.nearest_of_many(&queries, candidates).await?;
        let rows = |nearest: Nearest| {
            nearest.into_rows().into_iter().map(|(_, address)| address).collect::<Vec<_>>()
        };
        Ok(found.into_iter().flatten().map(rows).collect())
    }

    /// The nearest of some rows, the nearest first, with what the kernels call their distance.
    async fn nearest_of(
        &self,
        near: &Near,
        request: &Request,
        addresses: Vec<u64>,
    ) -> Result<Vec<(u64, f32)>> {
        let mut found = self.measured(&near.target, request, addresses).await?;
        found.retain(|(address, distance, _)| !distance.is_nan() && Some(*address) != near.without);
        if near.diversity > 0.0 {
            let to_query: Vec<f32> = found.iter().map(|(_, distance, _)| -distance).collect();
            let measure = request.measure;
            let nearness = |a: usize, b: usize| {
                let measured = one_to_one(measure, &found[a].2, &found[b].2);
                let measured = measured.unwrap_or(f32::NAN);
                if measure.larger_is_nearer() { measured } else { -measured }
            };
            let picked = diverse(&to_query, request.k, near.diversity, nearness);
            return Ok(picked.into_iter().map(|at| (found[at].0, found[at].1)).collect());
        }
        found.truncate(request.k);
        Ok(found.into_iter().map(|(address, distance, _)| (address, distance)).collect())
    }

    /// Rows with their vectors and exact distances, the nearest first.
    async fn measured(
        &self,
        target: &Target,
        request: &Request,
        addresses: Vec<u64>,
    ) -> Result<Vec<(u64, f32, Vec<f32>)>> {
        let Request { query, measure, .. } = request;
        let vectors = vectors(&self.asked.columns, target, &addresses).await?;
        let mut measured = Vec::with_capacity(addresses.len());
        for (vector, address) in vectors.into_iter().zip(addresses) {
            let mut distance = [0.0];
            one_to_many(*measure, query, &vector, &mut distance)
                .map_err(|error| Error::Invalid(error.to_string()))?;
            let [distance] = distance;
            let distance = if measure.larger_is_nearer() { -distance } else { distance };
            measured.push((address, distance, vector));
        }
        measured.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        Ok(measured)
    }

    /// The rows that words occur in, the best first.
    async fn words(&self, words: &Words) -> Result<Vec<(u64, f32)>> {
        let mut scan = self.asked.table.dataset().scan();
        let text = words.text.trim();
        let phrase = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let query: FtsQuery = match phrase.filter(|phrase| !phrase.contains('"')) {
            Some(phrase) => PhraseQuery::new(phrase.to_string()).into(),
            None => MatchQuery::new(text.to_string())
                .with_operator(if words.all { Operator::And } else { Operator::Or })
                .with_fuzziness(Some(words.fuzziness))
                .into(),
        };
        let limit = i64::try_from(words.k).unwrap_or(i64::MAX);
        let query = FullTextSearchQuery::new_query(query)
            .with_column(words.column.clone())?
            .limit(Some(limit));
        scan.full_text_search(query)?;
        scan.prefilter(true);
        if let Some(candidates) = &self.candidates {
            let ids = RowAddrTreeMap::from(candidates.ids.clone());
            scan.with_row_id_prefilter(RowAddrMask::from_allowed(ids));
        }
        scan.empty_project()?;
        scan.with_row_address();
        scan.limit(Some(limit), None)?;
        let mut batches = scan.try_into_stream().boxed().await?;
        let mut found = Vec::new();
        while let Some(batch) = batches.try_next().await? {
            let addresses = batch.column_by_name(ROW_ADDR);
            let scores = batch.column_by_name("_score");
            let (Some(addresses), Some(scores)) = (addresses, scores) else { continue };
            let addresses = addresses.as_primitive::<UInt64Type>().iter().flatten();
            let scores = scores.as_primitive::<Float32Type>().values().iter().copied();
            found.extend(addresses.zip(scores));
        }
        found.sort_by(|a: &(u64, f32), b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(found)
    }
}

fn scored(found: Vec<(u64, f32)>) -> Vec<Ranked> {
    found.into_iter().map(|(address, score)| Ranked { query: 0, address, score }).collect()
}

/// What the SQL function of a ranking gives, from what the kernels call the distance.
fn distance_of(request: &Request, distance: f32) -> f32 {
    match request.measure {
        Measure::Cosine => 1.0 + distance,
        Measure::SquaredL2 => distance.sqrt(),
        Measure::Dot | Measure::L1 => distance,
    }
}
