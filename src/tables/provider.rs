//! A Lance table as DataFusion sees it.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Constraint, Constraints, Result, Statistics};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::expressions::col;
use datafusion::physical_plan::projection::ProjectionExec;
use futures::FutureExt;
use lance::Dataset;

use crate::tables::pushdown::lance_evaluates;
use crate::tables::scan::{Asked, LanceScan};
use crate::tables::{Definition, TableName};

/// The hidden column of a row's lasting id.
const ROW_ID: &str = "_rowid";
/// The hidden column of where a row lies in this version.
const ROW_ADDRESS: &str = "_rowaddr";

/// One version of a Lance table.
#[derive(Debug, Clone)]
pub struct Table {
    name: Option<TableName>,
    dataset: Arc<Dataset>,
    /// The columns that DataFusion sees, without the table's own metadata.
    schema: SchemaRef,
    /// How many of the schema's last columns are the hidden ones.
    hidden: usize,
    constraints: Constraints,
}

impl Table {
    /// A table of the database.
    pub fn new(name: TableName, dataset: Arc<Dataset>) -> Self {
        Self { name: Some(name), ..Self::in_place(dataset) }
    }

    /// A Lance dataset that belongs to no database.
    pub fn in_place(dataset: Arc<Dataset>) -> Self {
        let stored = Schema::from(dataset.schema());
        let schema = Arc::new(Schema::new(stored.fields().clone()));
        let definition = Definition::of(Arc::new(stored));
        let key: Vec<usize> = definition
            .primary_key()
            .iter()
            .filter_map(|column| schema.index_of(column).ok())
            .collect();
        let constraints = if key.is_empty() {
            Constraints::default()
        } else {
            Constraints::new_unverified(vec![Constraint::PrimaryKey(key)])
        };
        Self { name: None, dataset, schema, hidden: 0, constraints }
    }

    /// The same table with the row id and the row address as its last columns, for statements
    /// that must say which rows they mean.
    pub fn with_row_ids(&self) -> Self {
        let mut fields: Vec<_> = self.schema.fields().iter().cloned().collect();
        for name in [ROW_ID, ROW_ADDRESS] {
            fields.push(Arc::new(Field::new(name, DataType::UInt64, true)));
        }
        Self { schema: Arc::new(Schema::new(fields)), hidden: 2, ..self.clone() }
    }

    /// Its place in the database.
    pub fn name(&self) -> Option<&TableName> {
        self.name.as_ref()
    }

    /// Its name and version, for people.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("{name}@v{}", self.dataset.version_id()),
            None => self.dataset.uri().to_string(),
        }
    }

    /// Whether it shows the row id and the row address.
    pub fn has_row_ids(&self) -> bool {
        self.hidden > 0
    }

    /// The dataset, at this version.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// Its columns and promises.
    pub fn definition(&self) -> Definition {
        Definition::of(Arc::new(Schema::from(self.dataset.schema())))
    }

    fn rows(&self) -> Precision<usize> {
        let rows: Option<usize> =
            self.dataset.fragments().iter().map(|fragment| fragment.num_rows()).sum();
        rows.map_or(Precision::Absent, Precision::Exact)
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn constraints(&self) -> Option<&Constraints> {
        Some(&self.constraints)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut scan = self.dataset.scan();
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let wanted = projection.unwrap_or(&all);
        let mut columns: Vec<&str> = Vec::with_capacity(wanted.len());
        for &index in wanted {
            match self.schema.field(index).name().as_str() {
                ROW_ID if self.hidden > 0 => _ = scan.with_row_id(),
                ROW_ADDRESS if self.hidden > 0 => _ = scan.with_row_address(),
                name => columns.push(name),
            }
        }
        if columns.is_empty() {
            scan.empty_project()?;
        } else {
            scan.project(&columns)?;
        }
        if let Some(filter) = filters.iter().cloned().reduce(Expr::and) {
            scan.filter_expr(filter);
            scan.prefilter(true);
        }
        let limit = limit.and_then(|limit| i64::try_from(limit).ok());
        scan.limit(limit, None)?;
        scan.batch_size(state.config().batch_size());
        scan.target_parallelism(state.config().target_partitions());
        let plan = scan.create_plan().boxed().await?;
        let asked = Asked {
            table: self.label(),
            filters: filters.iter().map(ToString::to_string).collect(),
            limit: limit.and_then(|limit| usize::try_from(limit).ok()),
        };
        let schema = Arc::new(self.schema.project(wanted)?);
        let plan = in_order(plan, &schema)?;
        Ok(Arc::new(LanceScan::new(plan, schema, asked, self.rows())))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if lance_evaluates(filter, &self.schema) {
                    TableProviderFilterPushDown::Exact
                } else {
                    TableProviderFilterPushDown::Unsupported
                }
            })
            .collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = self.rows();
        Some(statistics)
    }
}

/// Lance puts the hidden columns last; whoever asked may want them elsewhere.
fn in_order(plan: Arc<dyn ExecutionPlan>, wanted: &Schema) -> Result<Arc<dyn ExecutionPlan>> {
    let given = plan.schema();
    let names = |schema: &Schema| -> Vec<String> {
        schema.fields().iter().map(|field| field.name().clone()).collect()
    };
    if names(&given) == names(wanted) {
        return Ok(plan);
    }
    let columns = wanted
        .fields()
        .iter()
        .map(|field| Ok((col(field.name(), &given)?, field.name().clone())))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ProjectionExec::try_new(columns, plan)?))
}
