//! ALTER TABLE … ADD COLUMN c AS (expr): a generated column over rows that are there already.
//!
//! The column is added as NULL everywhere, in one commit that also notes that it is not filled yet.
//! Then each fragment gets a file with the column's values, one commit each. A fragment with such
//! a file is done; so the same statement, run again after a kill, goes on where it stopped. Last
//! the note is taken away. Meanwhile rows can be added (they come with their values), changed and
//! deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DFSchema;
use datafusion::common::runtime::SpawnedTask;
use datafusion::logical_expr::{ExprSchemable, cast};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, Expr, Ident, ObjectName};
use futures::{FutureExt, StreamExt, TryStreamExt};
use lance::Dataset;
use lance::dataset::CommitBuilder;
use lance::dataset::fragment::FileFragment;
use lance::dataset::transaction::{DataReplacementGroup, Operation, Transaction};
use lance_core::utils::deletion::DeletionVector;
use portolan_udfs::{Fingerprint, Work};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::statements::alter_table::add_nulls;
use crate::statements::names::quoted;
use crate::statements::text::sql_text;
use crate::statements::{create_table, names, row_keys};
use crate::tables::{ColumnRole, Definition, TableName, properties, retrying};
use crate::watched::Watched;

const TAG: &str = "ALTER TABLE";
/// In the table's config: the columns that are not filled yet.
const PENDING: &str = "portolan.backfill.";
const BATCH_ROWS: u32 = 1024;

/// The columns of a table that are not filled yet. A note about a column that is not there, or is
/// another one by now, was left by a kill and means nothing.
pub fn pending(dataset: &Dataset) -> BTreeSet<String> {
    let schema = Arc::new(Schema::from(dataset.schema()));
    let definition = Definition::of(schema);
    let noted = dataset.config().iter().filter_map(|(key, expression)| {
        let column = key.strip_prefix(PENDING)?;
        let role = Definition::role(definition.column(column)?);
        (role == ColumnRole::Generated(expression.clone())).then(|| column.to_string())
    });
    noted.collect()
}

/// Takes the note away that a column is not filled.
pub async fn forget(dataset: &mut Dataset, column: &str) -> Result<()> {
    let note = format!("{PENDING}{column}");
    if dataset.config().contains_key(&note) {
        dataset.update_config([(note, None::<String>)]).await?;
    }
    Ok(())
}

/// The type that SQL text means.
pub async fn planned_type(db: &Database, sql_type: &str) -> Result<DataType> {
    let query = format!("SELECT CAST(NULL AS {sql_type})");
    let plan = db.context().state().create_logical_plan(&query).await?;
    Ok(plan.schema().field(0).data_type().clone())
}

/// ALTER TABLE t ADD COLUMN [IF NOT EXISTS] c AS (expr)
pub async fn add_column(
    db: &Database,
    object: &ObjectName,
    column: &Ident,
    if_not_exists: bool,
    expression: &Expr,
    text: &str,
) -> Result<ResultSet> {
    let name = names::table(db, object)?;
    add(db, &name, column, None, if_not_exists, expression, text).await?;
    Ok(ResultSet::done(TAG))
}

/// Adds and fills a generated column, or goes on filling one that was begun.
pub async fn add(
    db: &Database,
    name: &TableName,
    column: &Ident,
    declared: Option<&SqlType>,
    if_not_exists: bool,
    expression: &Expr,
    text: &str,
) -> Result<()> {
    let column = names::identifier(db, column);
    names::check_column(&column)?;
    let table = db.catalog().table(name).await?;
    let definition = table.definition();
    let expression = sql_text(expression);
    let role = definition.column(&column).map(Definition::role);
    let begun = pending(table.dataset()).contains(&column);
    let resumed = begun && role == Some(ColumnRole::Generated(expression.clone()));
    if begun && !resumed {
        return Err(Error::Constraint(format!(
            "column '{column}' of table '{name}' is half filled with another expression; finish it with its own ALTER TABLE, or DROP COLUMN {column}"
        )));
    }
    if !resumed && !begin(db, name, &column, declared, if_not_exists, &expression).await? {
        return Ok(());
    }
    if resumed {
        db.notice(format!("column '{column}' of table '{name}' was begun before, going on"));
    }
    let filled = fill(db, name, &column, &expression, text).await;
    db.progress().finish();
    fill_gaps(db, name, &column, &expression, &filled?).await?;
    retrying(name, || async {
        let mut dataset = db.catalog().table(name).await?.dataset().as_ref().clone();
        forget(&mut dataset, &column).await?;
        db.catalog().storage().remember(name, dataset);
        Ok(())
    })
    .await
}

/// Notes the column as pending, then adds it. Killed in between, the note alone does no harm.
async fn begin(
    db: &Database,
    name: &TableName,
    column: &str,
    declared: Option<&SqlType>,
    if_not_exists: bool,
    expression: &str,
) -> Result<bool> {
    let definition = db.catalog().table(name).await?.definition();
    let schema = DFSchema::try_from(definition.schema().as_ref().clone())?;
    let value = db.context().state().create_logical_expr(expression, &schema)?;
    let (_, made) = value.to_field(&schema)?;
    let data_type = match declared {
        Some(sql_type) => planned_type(db, &sql_type.to_string()).await?,
        None => db.context().create_physical_expr(value, &schema)?.data_type(schema.as_arrow())?,
    };
    let data_type = create_table::stored_type(column, &data_type)?;
    let role = ColumnRole::Generated(expression.to_string());
    let field = Fingerprint::carry(&made, Field::new(column, data_type, true));
    let made = Definition::new(vec![(field, role)], &[]);
    let field = made.schema().field(0).clone();
    create_table::check_generated(db, &definition, &field, expression, &schema)?;
    if definition.column(column).is_none() {
        retrying(name, || async {
            let mut dataset = db.catalog().table(name).await?.dataset().as_ref().clone();
            dataset
                .update_config([(format!("{PENDING}{column}"), Some(expression.to_string()))])
                .await?;
            db.catalog().storage().remember(name, dataset);
            Ok(())
        })
        .await?;
    }
    retrying(name, || add_nulls(db, name, field.clone(), if_not_exists)).await
}

/// Gives every fragment that has none a file with the column's values, and says which it gave one.
async fn fill(
    db: &Database,
    name: &TableName,
    column: &str,
    expression: &str,
    text: &str,
) -> Result<BTreeSet<usize>> {
    let table = db.catalog().table(name).await?;
    let missing: u64 = unfilled(table.dataset(), column)
        .iter()
        .map(|fragment| fragment.metadata().physical_rows.unwrap_or(0) as u64)
        .sum();
    db.progress().begin(format!("filling {name}.{column}"), "rows", Some(missing));
    // Ends the work when the statement is stopped.
    let work = Work::default();
    let _watched = Watched::new(db, &work);
    let mut filled = BTreeSet::new();
    loop {
        let table = db.catalog().table(name).await?;
        let definition = table.definition();
        let Some(fragment) = unfilled(table.dataset(), column).into_iter().next() else {
            return Ok(filled);
        };
        let value = Value::plan(db, &definition, column, expression, &work)?;
        let group = write(db, &fragment, &definition, &value).boxed().await?;
        if retrying(name, || commit(db, name, &fragment, group.clone(), column, text)).await? {
            filled.insert(fragment.id());
        }
    }
}

fn unfilled(dataset: &Arc<Dataset>, column: &str) -> Vec<FileFragment> {
    let Some(id) = dataset.schema().field(column).and_then(|f| u32::try_from(f.id).ok()) else {
        return Vec::new();
    };
    dataset
        .get_fragments()
        .into_iter()
        .filter(|fragment| fragment.data_file_for_field(id).is_none())
        .collect()
}

/// A generated column's expression, ready to run over batches of the columns that it reads.
struct Value {
    field: Field,
    inputs: Vec<String>,
    expression: Arc<dyn PhysicalExpr>,
}

impl Value {
    fn plan(
        db: &Database,
        definition: &Definition,
        column: &str,
        text: &str,
        work: &Work,
    ) -> Result<Self> {
        let Some(field) = definition.column(column) else {
            return Err(Error::not_found("column", column, "; it was dropped while it was filled"));
        };
        let all = DFSchema::try_from(definition.schema().as_ref().clone())?;
        let value = db.context().state().create_logical_expr(text, &all)?;
        let value = row_keys::known_in(value, definition)?;
        let mut inputs: Vec<String> =
            value.column_refs().into_iter().map(|read| read.name.clone()).collect();
        inputs.sort();
        if inputs.is_empty() {
            // A constant still needs to know how many rows there are.
            inputs.extend(definition.names().find(|name| *name != column).map(str::to_string));
        }
        let fields: Vec<Field> =
            inputs.iter().filter_map(|name| definition.column(name).cloned()).collect();
        let schema = DFSchema::try_from(Schema::new(fields))?;
        let value = cast(value, field.data_type().clone());
        let mut state = db.context().state();
        state.config_mut().options_mut().extensions.insert(work.clone());
        // Functions get the options from here, which are those of when the state was made.
        let options = state.config().options().clone();
        state.execution_props_mut().config_options = Some(options);
        let expression = state.create_physical_expr(value, &schema)?;
        Ok(Self { field: field.clone(), inputs, expression })
    }

    /// The column for `rows` of a fragment, the first being its row `start`. Deleted rows are not
    /// computed: what is wrong with them no longer matters.
    fn of(
        &self,
        rows: &RecordBatch,
        start: u64,
        deleted: Option<&DeletionVector>,
    ) -> Result<ArrayRef> {
        let Some(deleted) = deleted else {
            return Ok(self.expression.evaluate(rows)?.into_array(rows.num_rows())?);
        };
        let mut live: Vec<u64> = Vec::with_capacity(rows.num_rows());
        let places: UInt64Array = (0..rows.num_rows() as u64)
            .map(|row| {
                let gone = u32::try_from(start + row).is_ok_and(|row| deleted.contains(row));
                (!gone).then(|| {
                    live.push(row);
                    live.len() as u64 - 1
                })
            })
            .collect();
        let live = UInt64Array::from(live);
        let columns = rows
            .columns()
            .iter()
            .map(|column| take(column.as_ref(), &live, None))
            .collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_new(rows.schema(), columns)?;
        let values = self.expression.evaluate(&batch)?.into_array(batch.num_rows())?;
        Ok(take(values.as_ref(), &places, None)?)
    }
}

async fn write(
    db: &Database,
    fragment: &FileFragment,
    definition: &Definition,
    value: &Value,
) -> Result<DataReplacementGroup> {
    let inputs: Vec<&str> = value.inputs.iter().map(String::as_str).collect();
    let projection = fragment.dataset().schema().project(&inputs)?;
    let written = fragment.dataset().schema().project(&[value.field.name().as_str()])?;
    let rows = fragment.physical_rows().await? as u64;
    let deleted = fragment.get_deletion_vector().await?;
    let batches = fragment.read_physical_slice(0..rows, &projection, BATCH_ROWS).boxed().await?;
    let schema = Arc::new(Schema::new(vec![
        definition.column(value.field.name()).cloned().unwrap_or_else(|| value.field.clone()),
    ]));
    let progress = db.progress().clone();
    let mut start = 0;
    let value = Arc::new(Value {
        field: value.field.clone(),
        inputs: value.inputs.clone(),
        expression: value.expression.clone(),
    });
    let stream = batches
        .buffered(2)
        .map_ok(move |batch| {
            let (value, deleted, schema) = (value.clone(), deleted.clone(), schema.clone());
            let progress = progress.clone();
            let first = start;
            start += batch.num_rows() as u64;
            async move {
                // Off the async threads: the expression may run a model.
                let computed = SpawnedTask::spawn_blocking(move || {
                    let ordered = value
                        .inputs
                        .iter()
                        .map(|name| batch.schema().index_of(name))
                        .collect::<Result<Vec<_>, _>>()?;
                    let batch = batch.project(&ordered)?;
                    let column = value.of(&batch, first, deleted.as_deref())?;
                    Ok::<_, Error>(RecordBatch::try_new(schema, vec![column])?)
                });
                let batch = computed.join_unwind().await.map_err(lance::Error::from)?;
                let batch = batch.map_err(|error| lance::Error::from(error.through_lance()))?;
                progress.advance(batch.num_rows() as u64);
                Ok(batch)
            }
        })
        .try_buffered(2);
    Ok(fragment.write_columns(stream.boxed(), &written).boxed().await?)
}

/// Whether the fragment was still there to be given its file.
async fn commit(
    db: &Database,
    name: &TableName,
    fragment: &FileFragment,
    group: DataReplacementGroup,
    column: &str,
    text: &str,
) -> Result<bool> {
    let dataset = db.catalog().table(name).await?.dataset().clone();
    let still_there = unfilled(&dataset, column).iter().any(|other| other.id() == fragment.id());
    if !still_there {
        // Rewritten by someone else meanwhile; the loop looks again.
        return Ok(false);
    }
    let operation = Operation::DataReplacement { replacements: vec![group] };
    let mut transaction = Transaction::new(fragment.dataset().version_id(), operation, None);
    transaction.transaction_properties = properties(text);
    let committed = CommitBuilder::new(dataset).execute(transaction).boxed().await?;
    db.catalog().storage().remember(name, committed);
    Ok(true)
}

/// Another client's compaction, or an update by one, may have written NULLs where values belong:
/// those rows are computed once more. In the fragments of this run there are none: what is NULL there
/// failed or is meant to be, and a model, or a server, is not asked for it twice.
async fn fill_gaps(
    db: &Database,
    name: &TableName,
    column: &str,
    expression: &str,
    filled: &BTreeSet<usize>,
) -> Result<()> {
    let table = db.catalog().table(name).await?;
    if table.dataset().get_fragments().iter().all(|fragment| filled.contains(&fragment.id())) {
        return Ok(());
    }
    let gaps = table.dataset().count_rows(Some(format!("`{column}` IS NULL"))).boxed().await?;
    if gaps == 0 {
        return Ok(());
    }
    let definition = table.definition();
    // Setting an input to itself makes UPDATE compute the column again.
    let schema = DFSchema::try_from(definition.schema().as_ref().clone())?;
    let value = db.context().state().create_logical_expr(expression, &schema)?;
    let Some(input) = value.column_refs().into_iter().map(|read| read.name.clone()).next() else {
        return Ok(());
    };
    // A row's address begins with its fragment.
    let mut gap = format!("{} IS NULL", quoted(column));
    if !filled.is_empty() {
        let filled: Vec<String> = filled.iter().map(usize::to_string).collect();
        gap.push_str(&format!(" AND (\"_rowaddr\" >> 32) NOT IN ({})", filled.join(", ")));
    }
    // CASE computes the value of gaps alone, where AND would of all rows. What is NULL again stays.
    let update = format!(
        "UPDATE {}.{} SET {2} = {2} WHERE {gap} AND (CASE WHEN {gap} THEN ({expression}) END) IS NOT NULL",
        quoted(&name.schema),
        quoted(&name.table),
        quoted(&input),
    );
    db.follow_up(update).await
}
