//! UPDATE, DELETE and TRUNCATE. Planned here and not by the table provider: DataFusion hands a
//! provider a WHERE with a subquery as no filter at all, which means every row.

use std::future::Future;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{LogicalPlanBuilder, cast, col, lit};
use datafusion::sql::sqlparser::ast::{
    Delete, Expr as SqlExpr, FromTable, Statement as Sql, TableFactor, TableWithJoins, Truncate,
    Update, UpdateTableFromKind,
};

use crate::catalog::{Pin, Relation};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::statements::change::{ADDRESS, CHANGE, Change, ID, Twice};
use crate::statements::columns::with_generated;
use crate::statements::merge::assignments;
use crate::statements::names::{self, quoted};
use crate::statements::text::sql_text;
use crate::statements::{backfill, row_keys};
use crate::tables::{Definition, RowChange, TableName, retrying};
use futures::{FutureExt, TryStreamExt};
use portolan_udfs::Fingerprint;

/// The table that a statement changes, and what the statement calls it.
struct Target {
    name: TableName,
    alias: String,
}

fn target(db: &Database, table: &TableWithJoins, verb: &str) -> Result<Target> {
    if !table.joins.is_empty() {
        return Err(Error::Unsupported(format!(
            "{verb} changes one table; bring others in with {} and WHERE",
            if verb == "DELETE" { "USING" } else { "FROM" }
        )));
    }
    let TableFactor::Table { name: object, alias, .. } = &table.relation else {
        return Err(Error::sql(format!("{verb} changes a table; name it directly")));
    };
    let name = names::table(db, object)?;
    let alias = match alias {
        Some(alias) => names::identifier(db, &alias.name),
        None => name.table.clone(),
    };
    Ok(Target { name, alias })
}

/// What becomes of a statement about a table of the session.
enum Session {
    /// The table is not of the session but stored.
    Stored,
    /// Its rows are in memory; we change them.
    Memory(Arc<dyn TableProvider>),
    /// DataFusion says what can be done with it.
    Engine,
}

async fn session_table(db: &Database, target: &Target) -> Result<Session> {
    let Some(Relation::Session(provider)) = db.catalog().relation(&target.name).await? else {
        return Ok(Session::Stored);
    };
    Ok(if in_memory(&provider).is_some() { Session::Memory(provider) } else { Session::Engine })
}

fn in_memory(table: &Arc<dyn TableProvider>) -> Option<&MemTable> {
    let table: &dyn std::any::Any = table.as_ref();
    table.downcast_ref()
}

/// The rows of a table in memory, by partition.
async fn get_rows(table: &Arc<dyn TableProvider>) -> Vec<Vec<RecordBatch>> {
    let mut partitions = Vec::new();
    for partition in in_memory(table).into_iter().flat_map(|table| &table.batches) {
        partitions.push(partition.read().await.clone());
    }
    partitions
}

/// Gives a table in memory these rows and no others.
async fn put_rows(table: &Arc<dyn TableProvider>, rows: Vec<Vec<RecordBatch>>) {
    let mut rows = rows.into_iter();
    for partition in in_memory(table).into_iter().flat_map(|table| &table.batches) {
        *partition.write().await = rows.next().unwrap_or_default();
    }
}

/// DataFusion changes a table in memory while it plans the change, also for EXPLAIN: the rows are
/// put back when it has explained.
pub async fn explain_in_memory(
    db: &Database,
    sql: &Sql,
    explain: impl Future<Output = Result<ResultSet>>,
) -> Result<ResultSet> {
    let target = match sql {
        Sql::Update(update) => target(db, &update.table, "UPDATE")?,
        Sql::Delete(delete) => target_of(db, delete)?,
        _ => return explain.await,
    };
    let Session::Memory(table) = session_table(db, &target).await? else { return explain.await };
    let rows = get_rows(&table).await;
    let explained = explain.await;
    put_rows(&table, rows).await;
    explained
}

/// Changes a table in memory: what is left of its rows after the change takes their place. DataFusion
/// would do this too, but takes a condition that it has simplified away for one that is always true.
async fn replace_rows(
    db: &Database,
    target: &Target,
    table: &Arc<dyn TableProvider>,
    others: &[TableWithJoins],
    selection: Option<&SqlExpr>,
    values: Option<&[(String, String)]>,
) -> Result<u64> {
    if !others.is_empty() {
        return Err(Error::Unsupported(format!(
            "'{}' is a temporary table: bring other tables in with a subquery in WHERE",
            target.name
        )));
    }
    let schema = table.schema();
    let alias = quoted(&target.alias);
    let pin = db.catalog().pin(table.clone());
    let from = from_text(db, &pin, target, &[]);
    let chosen = selection.map_or("TRUE".to_string(), |selection| {
        format!("coalesce(CAST(({}) AS BOOLEAN), FALSE)", sql_text(selection))
    });
    let columns = |changed: bool| -> String {
        let columns = schema.fields().iter().map(|field| {
            let new =
                values.and_then(|values| values.iter().find(|(name, _)| name == field.name()));
            match new {
                Some((_, value)) if changed => format!("({value}) AS {}", quoted(field.name())),
                _ => format!("{alias}.{}", quoted(field.name())),
            }
        });
        columns.collect::<Vec<_>>().join(", ")
    };
    let kept = format!("SELECT {} FROM {from} WHERE NOT {chosen}", columns(false));
    let mut rows = typed_rows(db, &kept, &schema).await?;
    let changed = format!("SELECT {} FROM {from} WHERE {chosen}", columns(true));
    let changed = typed_rows(db, &changed, &schema).await?;
    let count: usize = changed.iter().map(RecordBatch::num_rows).sum();
    if values.is_some() {
        rows.extend(changed);
    }
    put_rows(table, vec![rows]).await;
    Ok(count as u64)
}

/// The rows of a query, in the types of a table.
async fn typed_rows(db: &Database, query: &str, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
    let plan = db.context().state().create_logical_plan(query).await?;
    let casts: Vec<_> = plan
        .schema()
        .columns()
        .into_iter()
        .zip(schema.fields())
        .map(|(column, field)| cast(col(column), field.data_type().clone()).alias(field.name()))
        .collect();
    let plan = LogicalPlanBuilder::from(plan).project(casts)?.build()?;
    let rows: Vec<RecordBatch> = db.stream(plan).boxed().await?.try_collect().await?;
    rows.into_iter()
        .map(|batch| Ok(RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?))
        .collect()
}

fn from_text(db: &Database, pin: &Pin, target: &Target, others: &[TableWithJoins]) -> String {
    let mut from = format!("{} AS {}", db.pinned(pin), quoted(&target.alias));
    for other in others {
        from.push_str(&format!(", {}", sql_text(other)));
    }
    from
}

fn others_of(update: &Update) -> &[TableWithJoins] {
    match &update.from {
        Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) => {
            tables
        }
        None => &[],
    }
}

/// What EXPLAIN UPDATE shows.
pub async fn explain_update(db: &Database, update: &Update) -> Result<Option<Change>> {
    let target = target(db, &update.table, "UPDATE")?;
    let others = others_of(update);
    if !matches!(session_table(db, &target).await?, Session::Stored) {
        return Ok(None);
    }
    Ok(Some(plan_update(db, update, &target, others).boxed().await?))
}

/// What EXPLAIN DELETE shows.
pub async fn explain_delete(db: &Database, delete: &Delete) -> Result<Option<Change>> {
    let target = target_of(db, delete)?;
    let others = delete.using.as_deref().unwrap_or_default();
    if !matches!(session_table(db, &target).await?, Session::Stored) {
        return Ok(None);
    }
    let selection = delete.selection.as_ref().map(sql_text);
    Ok(Some(plan_delete(db, &target, others, selection.as_deref()).boxed().await?))
}

fn target_of(db: &Database, delete: &Delete) -> Result<Target> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [table] = from.as_slice() else {
        return Err(Error::Unsupported(
            "DELETE changes one table; bring others in with USING and WHERE".to_string(),
        ));
    };
    target(db, table, "DELETE")
}

/// `None` for a table of the session, which DataFusion changes.
pub async fn update(db: &Database, update: &Update, text: &str) -> Result<Option<ResultSet>> {
    let target = target(db, &update.table, "UPDATE")?;
    let others = others_of(update);
    let session = session_table(db, &target).await?;
    if let Session::Engine = session {
        return Ok(None);
    }
    refuse(
        "UPDATE",
        update.returning.is_some() || update.output.is_some(),
        update.limit.is_some() || !update.order_by.is_empty(),
    )?;
    if let Session::Memory(table) = session {
        let name = target.name.to_string();
        let definition = Definition::of(table.schema());
        let values = assignments(db, &definition, &name, &update.assignments)?;
        let selection = update.selection.as_ref();
        let changed = replace_rows(db, &target, &table, others, selection, Some(&values)).await?;
        return Ok(Some(ResultSet::count("UPDATE", changed)));
    }
    let changed = retrying(&target.name, || async {
        plan_update(db, update, &target, others).boxed().await?.apply(db, text).await
    })
    .await?;
    Ok(Some(ResultSet::count("UPDATE", changed.updated)))
}

async fn plan_update(
    db: &Database,
    update: &Update,
    target: &Target,
    others: &[TableWithJoins],
) -> Result<Change> {
    let table = db.catalog().table(&target.name).await?;
    let definition = table.definition();
    let values = assignments(db, &definition, &target.name.to_string(), &update.assignments)?;
    let pin = db.catalog().pin(Arc::new(table.with_row_ids()));
    let alias = quoted(&target.alias);
    let mut select = vec![
        format!("{alias}.\"_rowid\" AS \"{ID}\""),
        format!("{alias}.\"_rowaddr\" AS \"{ADDRESS}\""),
    ];
    for name in definition.names() {
        let value = values
            .iter()
            .find(|(column, _)| column == name)
            .map_or_else(|| format!("{alias}.{}", quoted(name)), |(_, value)| format!("({value})"));
        select.push(format!("{value} AS {}", quoted(name)));
    }
    let mut query =
        format!("SELECT {} FROM {}", select.join(", "), from_text(db, &pin, target, others));
    if let Some(selection) = &update.selection {
        query.push_str(&format!(" WHERE {}", sql_text(selection)));
    }
    let plan = db.context().state().create_logical_plan(&query).await?;
    for (name, _) in &values {
        let given = plan.schema().field_with_unqualified_name(name)?;
        definition.column(name).map_or(Ok(()), |field| Fingerprint::check(field, given))?;
    }
    let mut columns = vec![
        lit(RowChange::Update.code()).alias(CHANGE),
        col(Column::from_name(ID)).alias(ID),
        col(Column::from_name(ADDRESS)).alias(ADDRESS),
    ];
    columns.extend(definition.schema().fields().iter().map(|field| {
        cast(col(Column::from_name(field.name())), field.data_type().clone()).alias(field.name())
    }));
    let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
    let pending = backfill::pending(table.dataset());
    let plan = with_generated(db.context(), &definition, plan, &|field, inputs, generated| {
        let stale = values.iter().any(|(column, _)| inputs.contains(column));
        Ok((stale || pending.contains(field.name())).then_some(generated))
    })?;
    // A row whose key changes has none by which it can be found.
    let key_changes = values.iter().any(|(column, _)| definition.primary_key().contains(column));
    let plan = if key_changes { plan } else { row_keys::known(plan, &definition)? };
    Ok(Change { table, plan, twice: Twice::First, pins: vec![pin] })
}

/// `None` for a table of the session, which DataFusion changes.
pub async fn delete(db: &Database, delete: &Delete, text: &str) -> Result<Option<ResultSet>> {
    let target = target_of(db, delete)?;
    let others = delete.using.as_deref().unwrap_or_default();
    let session = session_table(db, &target).await?;
    if let Session::Engine = session {
        return Ok(None);
    }
    refuse(
        "DELETE",
        delete.returning.is_some() || delete.output.is_some(),
        delete.limit.is_some() || !delete.order_by.is_empty(),
    )?;
    if let Session::Memory(table) = session {
        let selection = delete.selection.as_ref();
        let changed = replace_rows(db, &target, &table, others, selection, None).await?;
        return Ok(Some(ResultSet::count("DELETE", changed)));
    }
    let selection = delete.selection.as_ref().map(sql_text);
    let changed = retrying(&target.name, || async {
        let change = plan_delete(db, &target, others, selection.as_deref()).boxed().await?;
        change.apply(db, text).await
    })
    .await?;
    Ok(Some(ResultSet::count("DELETE", changed.deleted)))
}

async fn plan_delete(
    db: &Database,
    target: &Target,
    others: &[TableWithJoins],
    selection: Option<&str>,
) -> Result<Change> {
    let table = db.catalog().table(&target.name).await?;
    let pin = db.catalog().pin(Arc::new(table.with_row_ids()));
    let mut query = format!(
        "SELECT CAST({} AS BIGINT) AS \"{CHANGE}\", CAST(NULL AS BIGINT UNSIGNED) AS \"{ID}\", {}.\"_rowaddr\" AS \"{ADDRESS}\" FROM {}",
        RowChange::Delete.code(),
        quoted(&target.alias),
        from_text(db, &pin, target, others)
    );
    if let Some(selection) = selection {
        query.push_str(&format!(" WHERE {selection}"));
    }
    let plan = db.context().state().create_logical_plan(&query).await?;
    Ok(Change { table, plan, twice: Twice::First, pins: vec![pin] })
}

fn refuse(verb: &str, returning: bool, limited: bool) -> Result<()> {
    if returning {
        return Err(Error::Unsupported(format!("{verb} has no RETURNING; SELECT the rows before")));
    }
    if limited {
        return Err(Error::Unsupported(format!(
            "{verb} has no LIMIT; choose the rows with WHERE key IN (SELECT key … LIMIT n)"
        )));
    }
    Ok(())
}

/// TRUNCATE TABLE a, b
///
/// `None` for a table of the session, which DataFusion empties.
pub async fn truncate(db: &Database, truncate: &Truncate, text: &str) -> Result<Option<ResultSet>> {
    for named in &truncate.table_names {
        let name = names::table(db, &named.name)?;
        if let Some(Relation::Session(_)) = db.catalog().relation(&name).await? {
            return Ok(None);
        }
    }
    for named in &truncate.table_names {
        let name = names::table(db, &named.name)?;
        if truncate.if_exists && db.catalog().relation(&name).await?.is_none() {
            db.notice(format!("table '{name}' does not exist, skipping"));
            continue;
        }
        let target = Target { alias: name.table.clone(), name };
        retrying(&target.name, || async {
            plan_delete(db, &target, &[], None).boxed().await?.apply(db, text).await
        })
        .await?;
    }
    Ok(Some(ResultSet::done("TRUNCATE TABLE")))
}
