//! The operator: reads all rows of a partition, asks the functions, gives the rows out again.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, NullArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{SortColumn, concat};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::Statistics;
use datafusion::common::utils::evaluate_partition_ranges;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::OrderingRequirements;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, SpillMetrics,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, EmptyRecordBatchStream, ExecutionPlan,
    PlanProperties,
};
use futures::{FutureExt, StreamExt, TryStreamExt};

use super::kept::{Column, Rest, bytes};
use crate::memory::exhausted;

/// The operator, in the place of DataFusion's.
#[derive(Debug)]
pub struct WholePartitions {
    window: WindowAggExec,
    metrics: ExecutionPlanMetricsSet,
}

impl WholePartitions {
    /// Does what `window` does.
    pub fn new(window: WindowAggExec) -> Self {
        Self { window, metrics: ExecutionPlanMetricsSet::new() }
    }

    /// For each column of the input, whether the functions read it.
    fn read(&self) -> Vec<bool> {
        let mut read = vec![false; self.window.input().schema().fields().len()];
        for expr in self.window.window_expr() {
            let sorted = expr.order_by().iter().map(|sort| sort.expr.clone());
            let asked = expr.expressions().into_iter().chain(expr.partition_by().to_vec());
            for column in asked.chain(sorted).flat_map(|expr| collect_columns(&expr)) {
                if let Some(read) = read.get_mut(column.index()) {
                    *read = true;
                }
            }
        }
        read
    }
}

impl DisplayAs for WholePartitions {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<&str> = self.window.window_expr().iter().map(|expr| expr.name()).collect();
        let (schema, read) = (self.window.input().schema(), self.read());
        let columns = schema.fields().iter().zip(read).filter(|(_, read)| *read);
        let columns: Vec<&str> = columns.map(|(field, _)| field.name().as_str()).collect();
        write!(f, "WholePartitions: {}, reads=[{}]", calls.join(", "), columns.join(", "))
    }
}

impl ExecutionPlan for WholePartitions {
    fn name(&self) -> &str {
        "WholePartitions"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.window.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.window.children()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.window.maintains_input_order()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.window.required_input_ordering()
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.window.required_input_distribution()
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let exprs = self.window.window_expr().to_vec();
        let input = children.swap_remove(0);
        let can_repartition = !self.window.partition_keys().is_empty();
        Ok(Arc::new(Self::new(WindowAggExec::try_new(exprs, input, can_repartition)?)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.window.input().execute(partition, context.clone())?;
        let spilled = SpillMetrics::new(&self.metrics, partition);
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let (schema, read) = (self.window.schema(), self.read());
        let asked = Asked { window: self.window.clone(), schema: schema.clone(), read };
        let rows = async move {
            let _timer = baseline.elapsed_compute().timer();
            asked.answer(input, &context, spilled).await
        };
        let rows = futures::stream::once(rows.boxed()).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        self.window.partition_statistics(partition)
    }
}

/// What is asked of the rows.
struct Asked {
    window: WindowAggExec,
    schema: SchemaRef,
    read: Vec<bool>,
}

impl Asked {
    /// For people.
    fn functions(&self) -> String {
        let calls = self.window.window_expr().iter().map(|expr| expr.name());
        let names: BTreeSet<&str> = calls.filter_map(|call| call.split('(').next()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    }

    async fn answer(
        self,
        mut input: SendableRecordBatchStream,
        context: &TaskContext,
        spilled: SpillMetrics,
    ) -> Result<SendableRecordBatchStream> {
        let schema = input.schema();
        let mut columns: Vec<Option<Column>> = schema
            .fields()
            .iter()
            .zip(&self.read)
            .map(|(field, read)| read.then(|| Column::new(field.data_type())))
            .collect();
        let others: Vec<usize> = (0..columns.len()).filter(|at| !self.read[*at]).collect();
        let mut rest = Rest::new(Arc::new(schema.project(&others)?), context, spilled);
        let memory = MemoryConsumer::new("WholePartitions").register(context.memory_pool());
        let mut rows = 0;
        while let Some(batch) = input.try_next().await? {
            rows += batch.num_rows();
            for (column, array) in columns.iter_mut().zip(batch.columns()) {
                if let Some(column) = column {
                    let more = bytes(array);
                    memory
                        .try_grow(more)
                        .map_err(|_| exhausted(&self.functions(), memory.size() + more))?;
                    column.push(array)?;
                }
            }
            rest.push(batch.project(&others)?)?;
        }
        drop(input);
        if rows == 0 {
            return Ok(Box::pin(EmptyRecordBatchStream::new(self.schema)));
        }
        let read: Result<Vec<Option<ArrayRef>>> =
            columns.into_iter().map(|column| column.map(Column::finish).transpose()).collect();
        let read = read?;
        let answers = self.evaluate(&read, rows)?;
        self.put_together(read, answers, rest, memory)
    }

    /// The functions' results, each for all rows.
    fn evaluate(&self, read: &[Option<ArrayRef>], rows: usize) -> Result<Vec<ArrayRef>> {
        // Columns that nobody reads only keep the others in their places.
        let columns: Vec<ArrayRef> = read
            .iter()
            .map(|column| column.clone().unwrap_or_else(|| Arc::new(NullArray::new(rows))))
            .collect();
        let fields: Vec<Field> =
            columns.iter().map(|column| Field::new("", column.data_type().clone(), true)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch =
            RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
        let exprs = self.window.window_expr();
        let keys = self.window.partition_by_sort_keys()?;
        let keys: Result<Vec<SortColumn>> =
            keys.iter().map(|key| key.evaluate_to_sort_column(&batch)).collect();
        let ranges = evaluate_partition_ranges(rows, &keys?)?;
        exprs
            .iter()
            .map(|expr| {
                let parts: Result<Vec<ArrayRef>> = ranges
                    .iter()
                    .map(|range| expr.evaluate(&batch.slice(range.start, range.len())))
                    .collect();
                match parts?.as_slice() {
                    [one] => Ok(one.clone()),
                    parts => {
                        Ok(concat(&parts.iter().map(|part| part.as_ref()).collect::<Vec<_>>())?)
                    }
                }
            })
            .collect()
    }

    /// The rows as they came, with the results behind them.
    fn put_together(
        self,
        read: Vec<Option<ArrayRef>>,
        answers: Vec<ArrayRef>,
        rest: Rest,
        memory: MemoryReservation,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema.clone();
        let mut from = 0;
        let rows = rest.finish().map(move |batch| {
            // What was read stays as long as rows are given out.
            let _ = &memory;
            let batch = batch?;
            let (start, length) = (from, batch.num_rows());
            from += length;
            let mut others = batch.columns().iter();
            let columns = read
                .iter()
                .filter_map(|column| match column {
                    Some(column) => Some(column.slice(start, length)),
                    None => others.next().cloned(),
                })
                .chain(answers.iter().map(|answer| answer.slice(start, length)))
                .collect();
            Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}
