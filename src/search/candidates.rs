//! The rows that may be found: those that pass a query's filters, which are looked at first.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_plan::expressions::col;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::TryStreamExt;
use lance_core::{ROW_ADDR, ROW_ID};
use moka::future::Cache;
use roaring::RoaringTreemap;

use crate::recent::recent;
use crate::tables::{Table, VersionKey, lance_evaluates};

/// Which rows of a table pass filters.
#[derive(Debug, Clone)]
pub struct Filtered {
    /// Gives their ids and addresses.
    pub plan: Arc<dyn ExecutionPlan>,
    /// What the answer is kept under, where it may be.
    key: Option<Arc<Key>>,
}

impl Filtered {
    /// Of the rows of a table; `None` if there are no filters.
    pub async fn new(table: &Table, state: &dyn Session, filters: &[Expr]) -> Result<Option<Self>> {
        if filters.is_empty() {
            return Ok(None);
        }
        let plan = plan(&table.with_row_ids(), state, filters).await?;
        Ok(Some(Self { plan, key: Key::new(table, filters).map(Arc::new) }))
    }

    /// The same with another plan.
    pub fn with_plan(&self, plan: Arc<dyn ExecutionPlan>) -> Self {
        Self { plan, key: self.key.clone() }
    }

    /// The rows, and whether they were known from before.
    pub async fn rows(
        &self,
        known: &Passed,
        context: &Arc<TaskContext>,
    ) -> Result<(Arc<Candidates>, bool)> {
        if let Some(key) = &self.key
            && let Some(kept) = known.0.get(key).await
        {
            return Ok((kept.candidates.clone(), true));
        }
        let rows = execute_stream(self.plan.clone(), context.clone())?;
        let found = Arc::new(Candidates::collect(rows).await?);
        if let Some(key) = &self.key {
            let memory =
                MemoryConsumer::new("rows that passed filters").register(context.memory_pool());
            // What there is no room for is found again the next time.
            if memory.try_grow(key.bytes() + found.bytes()).is_ok() {
                let kept = Kept { candidates: found.clone(), _memory: memory };
                known.0.insert(key.clone(), Arc::new(kept)).await;
            }
        }
        Ok((found, false))
    }
}

/// Which rows passed filters before. People ask many times within the same few: a language, a class,
/// what they may see. A version of a table never changes, so it stays true for it.
#[derive(Debug)]
pub struct Passed(Cache<Arc<Key>, Arc<Kept>>);

impl Passed {
    /// Keeps up to so many bytes.
    pub fn new(most: usize) -> Self {
        Self(recent(most, |key: &Arc<Key>, kept: &Kept| key.bytes() + kept.candidates.bytes()))
    }
}

#[derive(Debug)]
struct Kept {
    candidates: Arc<Candidates>,
    /// Holds their memory in the account of the engine's operators.
    _memory: MemoryReservation,
}

/// A version of a table, and filters.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    version: VersionKey,
    filters: Vec<Expr>,
}

impl Key {
    /// `None` for filters that call functions: what they answer may depend on more than the row, such
    /// as files, models and classifiers.
    fn new(table: &Table, filters: &[Expr]) -> Option<Self> {
        let calls = |filter: &Expr| filter.exists(|part| Ok(is_call(part))).unwrap_or(true);
        if filters.iter().any(calls) {
            return None;
        }
        let version = VersionKey::of(table.dataset());
        Some(Self { version, filters: filters.to_vec() })
    }

    /// About how much memory it takes. A row that is looked for by its key is no more than this, and a
    /// list of many values is mostly this.
    fn bytes(&self) -> usize {
        let mut parts = 0;
        for filter in &self.filters {
            // Counting cannot fail.
            let _ = filter.apply(|_| {
                parts += 1;
                Ok(TreeNodeRecursion::Continue)
            });
        }
        // A part with what it points to, and the entry around all of them.
        parts * 2 * size_of::<Expr>() + 512
    }
}

fn is_call(part: &Expr) -> bool {
    !matches!(
        part,
        Expr::Column(_)
            | Expr::Literal(..)
            | Expr::BinaryExpr(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::Not(_)
            | Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Negative(_)
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::InList(_)
            | Expr::Alias(_)
    )
}

/// A plan of the ids and addresses of the rows of a table that pass filters.
async fn plan(
    table: &Table,
    state: &dyn Session,
    filters: &[Expr],
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = table.schema();
    let (lance, ours): (Vec<Expr>, Vec<Expr>) =
        filters.iter().cloned().partition(|filter| lance_evaluates(filter, &schema));
    let mut wanted = vec![schema.index_of(ROW_ID)?, schema.index_of(ROW_ADDR)?];
    for filter in &ours {
        for column in filter.column_refs() {
            let at = schema.index_of(&column.name)?;
            if !wanted.contains(&at) {
                wanted.push(at);
            }
        }
    }
    let mut plan = table.scan(state, Some(&wanted), &lance, None).await?;
    let Some(filter) = conjunction(ours) else { return Ok(plan) };
    let named = DFSchema::try_from(plan.schema().as_ref().clone())?;
    let filter = state.create_physical_expr(filter, &named)?;
    plan = Arc::new(FilterExec::try_new(filter, plan)?);
    let columns = [ROW_ID, ROW_ADDR]
        .iter()
        .map(|name| Ok((col(name, &plan.schema())?, (*name).to_string())))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ProjectionExec::try_new(columns, plan)?))
}

/// Rows that may be found.
#[derive(Debug)]
pub struct Candidates {
    /// Where they are.
    pub addresses: RoaringTreemap,
    /// Their lasting ids.
    pub ids: RoaringTreemap,
}

impl Candidates {
    async fn collect(mut rows: SendableRecordBatchStream) -> Result<Self> {
        let mut candidates = Self { addresses: RoaringTreemap::new(), ids: RoaringTreemap::new() };
        while let Some(batch) = rows.try_next().await? {
            let add = |name, to: &mut RoaringTreemap| {
                if let Some(numbers) = batch.column_by_name(name) {
                    to.extend(numbers.as_primitive::<UInt64Type>().values().iter().copied());
                }
            };
            add(ROW_ADDR, &mut candidates.addresses);
            add(ROW_ID, &mut candidates.ids);
        }
        Ok(candidates)
    }

    fn bytes(&self) -> usize {
        self.addresses.serialized_size() + self.ids.serialized_size()
    }
}
