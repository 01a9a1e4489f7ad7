//! The scan of a Lance table as one operator. Lance's own operators stay inside: DataFusion's
//! optimizer, which does not know them, has nothing to rearrange there.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::StreamExt;

/// What a scan is asked for, as EXPLAIN shows it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The table and its version.
    pub table: String,
    /// The filters that Lance evaluates.
    pub filters: Vec<String>,
    /// The most rows wanted.
    pub limit: Option<usize>,
}

/// The operator.
#[derive(Debug)]
pub struct LanceScan {
    inner: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    asked: Asked,
    rows: Precision<usize>,
    properties: Arc<PlanProperties>,
}

impl LanceScan {
    /// Lance's plan, whose columns are those of `schema` in the same order.
    pub fn new(
        inner: Arc<dyn ExecutionPlan>,
        schema: SchemaRef,
        asked: Asked,
        rows: Precision<usize>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            inner.output_partitioning().clone(),
            inner.pipeline_behavior(),
            inner.boundedness(),
        );
        Self { inner, schema, asked, rows, properties: Arc::new(properties) }
    }
}

impl DisplayAs for LanceScan {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> =
            self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "LanceScan: {}, projection=[{}]", self.asked.table, columns.join(", "))?;
        if !self.asked.filters.is_empty() {
            write!(f, ", filters=[{}]", self.asked.filters.join(", "))?;
        }
        if let Some(limit) = self.asked.limit {
            write!(f, ", limit={limit}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for LanceScan {
    fn name(&self) -> &str {
        "LanceScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema.clone();
        // Lance's fields carry its own metadata; the table's schema is the one that was promised.
        let rows = self.inner.execute(partition, context)?.map(move |batch| {
            let batch = batch?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let columns = batch.columns().to_vec();
            Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.inner.metrics()
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        if partition.is_none() && self.asked.filters.is_empty() && self.asked.limit.is_none() {
            statistics.num_rows = self.rows;
        }
        Ok(Arc::new(statistics))
    }
}
