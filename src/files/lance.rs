//! A Lance table somewhere outside the database: `FROM 'x.lance'`.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use lance::datafusion::LanceTableProvider;
use lance::dataset::builder::DatasetBuilder;

use crate::error::{Error, Result};
use crate::session::Stores;

/// The table of a Lance dataset. The one place to change when the tables of the database bring a
/// provider that pushes filters and indexes down.
pub async fn open_lance(stores: &Stores, location: &str) -> Result<Arc<dyn TableProvider>> {
    let located = stores.open(location)?;
    let dataset = DatasetBuilder::from_uri(located.url.as_str())
        .with_store_params(stores.lance_params(&located.url))
        .load()
        .await
        .map_err(|error| match error {
            lance::Error::DatasetNotFound { .. } => {
                Error::Invalid(format!("there is no Lance table at '{location}'; check the path"))
            }
            other => other.into(),
        })?;
    Ok(Arc::new(PlainScan { inner: LanceTableProvider::new(Arc::new(dataset), false, false) }))
}

/// Lance's own provider claims every filter, also those with functions that must not run in its
/// threads. This one leaves all filters to DataFusion.
#[derive(Debug)]
struct PlainScan {
    inner: LanceTableProvider,
}

#[async_trait]
impl TableProvider for PlainScan {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        self.inner.table_type()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        self.inner.scan(state, projection, &[], limit).await
    }
}
