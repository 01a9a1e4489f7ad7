//! Files as a table: the files that were there when the statement was planned, each read by
//! DataFusion's reader of its format.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, ScalarValue, Statistics};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as DfResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::{StreamExt, TryStreamExt};
use object_store_datafusion::ObjectStore;

use super::format;
use super::listing::{self, Listing};
use crate::error::{Error, Result};

/// How many files' footers are read at the same time.
const FOOTERS_AT_ONCE: usize = 32;

/// A table over files of one format.
#[derive(Debug)]
pub struct FilesTable {
    root: ObjectStoreUrl,
    store: Arc<dyn ObjectStore>,
    format: Arc<dyn FileFormat>,
    schema: TableSchema,
    files: Vec<PartitionedFile>,
}

impl FilesTable {
    /// The files of a listing, with the columns that the files themselves tell.
    pub async fn open(
        state: &dyn Session,
        listing: Listing,
        format: Arc<dyn FileFormat>,
    ) -> Result<Self> {
        let filled: Vec<_> = listing.files.iter().filter(|file| file.size > 0).cloned().collect();
        if filled.is_empty() {
            return Err(Error::Invalid(format!(
                "'{}' is empty and has no columns; write it again, or leave it out",
                listing.location
            )));
        }
        let sample = format::sample(format.as_ref(), &listing, &filled).await?;
        let (store, sampled) = match &sample {
            Some((store, files)) => (store, files),
            None => (&listing.store, &filled),
        };
        let file_schema = format.infer_schema(state, store, sampled).await.map_err(|error| {
            Error::Invalid(format!("cannot read '{}': {error}", listing.location))
        })?;
        // A column of the files wins over a folder of the same name.
        let columns: Vec<_> = listing
            .partition_columns()
            .into_iter()
            .filter(|name| file_schema.field_with_name(name).is_err())
            .collect();
        let values: Vec<Vec<Option<String>>> = filled
            .iter()
            .map(|file| {
                let mut values = listing::partition_values(&file.location);
                columns.iter().map(|name| values.remove(name).flatten()).collect()
            })
            .collect();
        let types: Vec<_> = (0..columns.len())
            .map(|column| common_type(values.iter().filter_map(|row| row.get(column)?.as_deref())))
            .collect();
        let fields: Vec<FieldRef> = columns
            .iter()
            .zip(&types)
            .map(|(name, data_type)| Arc::new(Field::new(name, data_type.clone(), true)))
            .collect();
        let files = filled
            .into_iter()
            .zip(values)
            .map(|(meta, row)| {
                let row = row.into_iter().zip(&types).map(|(value, data_type)| match value {
                    Some(value) => ScalarValue::try_from_string(value, data_type),
                    None => ScalarValue::try_from(data_type),
                });
                let row = row.collect::<DfResult<Vec<_>>>()?;
                Ok(PartitionedFile::new_from_meta(meta).with_partition_values(row))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            root: listing.root,
            store: listing.store,
            format,
            schema: TableSchema::new(file_schema, fields),
            files,
        })
    }

    fn partition_names(&self) -> Vec<&str> {
        self.schema.table_partition_cols().iter().map(|field| field.name().as_str()).collect()
    }

    /// The files whose folders do not already say that no row of theirs is wanted.
    fn pruned(&self, state: &dyn Session, filters: &[Expr]) -> DfResult<Vec<PartitionedFile>> {
        let names = self.partition_names();
        let decidable = filters.iter().filter(|filter| expr_applicable_for_cols(&names, filter));
        let Some(filter) = conjunction(decidable.cloned()) else { return Ok(self.files.clone()) };
        let fields: Vec<_> = self.schema.table_partition_cols().clone();
        let columns = (0..fields.len())
            .map(|column| {
                let values =
                    self.files.iter().filter_map(|file| file.partition_values.get(column).cloned());
                ScalarValue::iter_to_array(values)
            })
            .collect::<DfResult<Vec<ArrayRef>>>()?;
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let options = RecordBatchOptions::new().with_row_count(Some(self.files.len()));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        let filter = state.create_physical_expr(filter, &DFSchema::try_from(schema)?)?;
        let wanted = filter.evaluate(&batch)?.into_array(self.files.len())?;
        let wanted = wanted.as_boolean();
        Ok(self
            .files
            .iter()
            .zip(wanted)
            .filter(|(_, wanted)| wanted.unwrap_or(false))
            .map(|(file, _)| file.clone())
            .collect())
    }

    async fn with_statistics(
        &self,
        state: &dyn Session,
        files: Vec<PartitionedFile>,
    ) -> DfResult<Vec<PartitionedFile>> {
        futures::stream::iter(files)
            .map(|file| async move {
                let meta = self
                    .format
                    .infer_stats_and_ordering(
                        state,
                        &self.store,
                        self.schema.file_schema().clone(),
                        &file.object_meta,
                    )
                    .await?;
                Ok(file.with_statistics(Arc::new(meta.statistics)))
            })
            .buffered(FOOTERS_AT_ONCE)
            .try_collect()
            .await
    }
}

/// What all values of a partition column are: whole numbers, dates or texts.
fn common_type<'a>(values: impl Iterator<Item = &'a str> + Clone) -> DataType {
    let fits = |data_type: &DataType| {
        values
            .clone()
            .all(|value| ScalarValue::try_from_string(value.to_string(), data_type).is_ok())
    };
    let is_date =
        |value: &str| value.len() == 10 && value.chars().filter(|c| *c == '-').count() == 2;
    if values.clone().next().is_none() {
        DataType::Utf8
    } else if fits(&DataType::Int64) {
        DataType::Int64
    } else if values.clone().all(is_date) && fits(&DataType::Date32) {
        DataType::Date32
    } else {
        DataType::Utf8
    }
}

#[async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        self.schema.table_schema().clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DfResult<Vec<TableProviderFilterPushDown>> {
        let names = self.partition_names();
        let decided = |filter: &&Expr| match expr_applicable_for_cols(&names, filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(decided).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let files = self.pruned(state, filters)?;
        let collect = state.config_options().execution.collect_statistics;
        let files = if collect { self.with_statistics(state, files).await? } else { files };
        if files.is_empty() {
            let schema = datafusion::physical_plan::project_schema(&self.schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let statistics = match collect {
            true => {
                let each = files.iter().filter_map(|file| file.statistics.as_deref());
                Statistics::try_merge_iter(each, &self.schema())?
            }
            false => Statistics::new_unknown(&self.schema()),
        };
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let source = self.format.file_source(self.schema.clone());
        let config = FileScanConfigBuilder::new(self.root.clone(), source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        self.format.create_physical_plan(state, config).await
    }
}
