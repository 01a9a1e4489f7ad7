//! A Lance table somewhere outside the database: `FROM 'x.lance'`.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use futures::FutureExt;
use lance::dataset::builder::DatasetBuilder;

use crate::error::{Error, Result};
use crate::session::Stores;
use crate::tables::Table;

/// The table of a Lance dataset.
pub async fn open_lance(stores: &Stores, location: &str) -> Result<Arc<dyn TableProvider>> {
    let url = stores.open(location)?.url;
    let builder =
        DatasetBuilder::from_uri(url.as_str()).with_store_params(stores.lance_params(&url));
    let dataset = builder.load().boxed().await.map_err(|error| match error {
        lance::Error::DatasetNotFound { .. } => {
            Error::Invalid(format!("there is no Lance table at '{location}'; check the path"))
        }
        other => other.into(),
    })?;
    Ok(Arc::new(Table::in_place(Arc::new(dataset))))
}
