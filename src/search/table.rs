//! A table of which only the nearest rows are wanted.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::candidates::Filtered;
use super::decoded::{Columns, Target};
use super::index::{VectorIndex, Wish};
use super::operator::{Search, VectorSearch};
use super::request::Request;
use crate::tables::Table;

/// The table, and what is searched for. Its rows are those of the table that pass the filters and
/// are nearest; nobody above needs to know.
#[derive(Debug)]
pub struct SearchedTable {
    table: Table,
    target: Target,
    request: Request,
    columns: Arc<Columns>,
}

impl SearchedTable {
    /// `None` where the column cannot be searched.
    pub fn new(table: &Table, request: Request, columns: &Arc<Columns>) -> Option<Self> {
        let target = Target::new(table.dataset(), &request.column)?;
        if target.width != request.query.len() {
            return None;
        }
        Some(Self { table: table.clone(), target, request, columns: columns.clone() })
    }

    /// Whether it is worth it: a column that can neither be kept nor is indexed is better streamed.
    pub fn is_useful(&self) -> bool {
        self.columns.fits(&self.target, self.target.rows()) || VectorIndex::may_be_on(&self.target)
    }
}

#[async_trait]
impl TableProvider for SearchedTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.schema();
        let schema = match projection {
            Some(wanted) => Arc::new(Schema::new(
                wanted.iter().map(|at| schema.field(*at).clone()).collect::<Vec<_>>(),
            )),
            None => schema,
        };
        let wish = Wish::of(state);
        let index = match wish.exact {
            true => None,
            false => VectorIndex::find(&self.target, &self.request).await?,
        };
        let candidates = Filtered::new(&self.table, state, filters).await?;
        let search = Search {
            target: self.target.clone(),
            table: self.table.label(),
            request: self.request.clone(),
            index,
            exact_rows: wish.exact_rows,
            columns: self.columns.clone(),
        };
        Ok(Arc::new(VectorSearch::new(Arc::new(search), candidates, schema)))
    }
}
