//! The rows that may be found: those that pass a query's filters, which are looked at first.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::expressions::col;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use futures::TryStreamExt;
use lance_core::{ROW_ADDR, ROW_ID};
use roaring::RoaringTreemap;

use crate::tables::{Table, lance_evaluates};

/// A plan of the ids and addresses of the rows of a table that pass filters; `None` if there are none.
pub async fn plan(
    table: &Table,
    state: &dyn Session,
    filters: &[Expr],
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if filters.is_empty() {
        return Ok(None);
    }
    let table = table.with_row_ids();
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
    let Some(filter) = conjunction(ours) else { return Ok(Some(plan)) };
    let named = DFSchema::try_from(plan.schema().as_ref().clone())?;
    let filter = state.create_physical_expr(filter, &named)?;
    plan = Arc::new(FilterExec::try_new(filter, plan)?);
    let columns = [ROW_ID, ROW_ADDR]
        .iter()
        .map(|name| Ok((col(name, &plan.schema())?, (*name).to_string())))
        .collect::<Result<Vec<_>>>()?;
    Ok(Some(Arc::new(ProjectionExec::try_new(columns, plan)?)))
}

/// Rows that may be found.
pub struct Candidates {
    /// Where they are.
    pub addresses: RoaringTreemap,
    /// Their lasting ids.
    pub ids: RoaringTreemap,
}

impl Candidates {
    /// Those of such a plan.
    pub async fn collect(mut rows: SendableRecordBatchStream) -> Result<Self> {
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
}
