//! Catalogs in which a file's name is a table's name. DataFusion's own wrapper forgets what it does
//! not know of the catalog inside (dropping a schema, the type of a table), so this one passes
//! everything on.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider, UrlTableFactory,
};
use datafusion::error::Result;
use datafusion::logical_expr::TableType;

type Factory = Arc<dyn UrlTableFactory>;

/// The catalogs of a session, with files beside the tables.
#[derive(Debug)]
pub struct CatalogsWithFiles {
    inner: Arc<dyn CatalogProviderList>,
    factory: Factory,
}

impl CatalogsWithFiles {
    /// Asks `factory` for every table that `inner` does not have.
    pub fn new(inner: Arc<dyn CatalogProviderList>, factory: Factory) -> Self {
        Self { inner, factory }
    }
}

impl CatalogProviderList for CatalogsWithFiles {
    fn register_catalog(
        &self,
        name: String,
        catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        self.inner.register_catalog(name, catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        self.inner.catalog_names()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let inner = self.inner.catalog(name)?;
        Some(Arc::new(CatalogWithFiles { inner, factory: self.factory.clone() }))
    }
}

#[derive(Debug)]
struct CatalogWithFiles {
    inner: Arc<dyn CatalogProvider>,
    factory: Factory,
}

impl CatalogProvider for CatalogWithFiles {
    fn schema_names(&self) -> Vec<String> {
        self.inner.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let inner = self.inner.schema(name)?;
        Some(Arc::new(SchemaWithFiles { inner, factory: self.factory.clone() }))
    }

    fn register_schema(
        &self,
        name: &str,
        schema: Arc<dyn SchemaProvider>,
    ) -> Result<Option<Arc<dyn SchemaProvider>>> {
        self.inner.register_schema(name, schema)
    }

    fn deregister_schema(
        &self,
        name: &str,
        cascade: bool,
    ) -> Result<Option<Arc<dyn SchemaProvider>>> {
        self.inner.deregister_schema(name, cascade)
    }
}

#[derive(Debug)]
struct SchemaWithFiles {
    inner: Arc<dyn SchemaProvider>,
    factory: Factory,
}

#[async_trait]
impl SchemaProvider for SchemaWithFiles {
    fn owner_name(&self) -> Option<&str> {
        self.inner.owner_name()
    }

    fn table_names(&self) -> Vec<String> {
        self.inner.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.inner.table(name).await? {
            Some(table) => Ok(Some(table)),
            None => self.factory.try_new(name).await,
        }
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        self.inner.table_type(name).await
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        self.inner.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.inner.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.inner.table_exist(name)
    }
}
