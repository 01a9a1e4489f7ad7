//! Runs a plan that says, row by row, what becomes of a table, and commits it. UPDATE, DELETE,
//! MERGE and upserts all come down to such a plan: a code for the change, the row's id and
//! address, then the table's columns with their new values.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, UInt64Array};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Int64Type, Schema, SchemaRef, UInt64Type};
use datafusion::common::runtime::SpawnedTask;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::channel::mpsc;
use futures::{FutureExt, SinkExt, TryStreamExt};
use lance_table::format::Fragment;

use crate::catalog::Pin;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::statements::names::quoted;
use crate::tables::{
    CheckedRows, Definition, Mutation, RowChange, SeenKeys, Table, discard, hash_rows, key_as_text,
    write_fragments,
};

/// The column with the change's code.
pub const CHANGE: &str = "__change";
/// The column with the row's id.
pub const ID: &str = "__rowid";
/// The column with the row's address.
pub const ADDRESS: &str = "__rowaddr";
/// How many of a change plan's first columns are not the table's.
const LEADING: usize = 3;

impl RowChange {
    /// The code in the plan.
    pub fn code(self) -> i64 {
        match self {
            Self::Keep => 0,
            Self::Update => 1,
            Self::Delete => 2,
            Self::Insert => 3,
        }
    }
}

/// What a statement does when it meets a row twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twice {
    /// The first one counts: UPDATE … FROM, ON CONFLICT DO NOTHING.
    First,
    /// It is an error: MERGE, ON CONFLICT DO UPDATE.
    Error,
}

/// A plan over one version of a table, ready to be applied or explained.
pub struct Change {
    /// The version of the table that the plan reads.
    pub table: Table,
    /// The plan.
    pub plan: LogicalPlan,
    /// What to do with a row that comes twice.
    pub twice: Twice,
    /// What the plan reads under names of its own; it must live as long as the plan.
    pub pins: Vec<Pin>,
}

impl Change {
    /// Runs the plan and commits what it says.
    pub async fn apply(self, db: &Database, sql: &str) -> Result<Changed> {
        apply(db, &self.table, self.plan, sql, self.twice).boxed().await
    }
}

/// How many rows a statement changed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changed {
    pub updated: u64,
    pub deleted: u64,
    pub inserted: u64,
}

impl Changed {
    pub fn total(self) -> u64 {
        self.updated + self.deleted + self.inserted
    }
}

/// Runs `plan` over `table` and commits what it says.
async fn apply(
    db: &Database,
    table: &Table,
    plan: LogicalPlan,
    sql: &str,
    twice: Twice,
) -> Result<Changed> {
    let mut work = Work::new(db, table, twice)?;
    let rows = db.stream(plan).boxed().await?;
    let outcome = work.run(rows).await;
    let writers = work.close().await;
    match writers.and(outcome) {
        Ok(()) => {}
        Err(error) => {
            work.discard().await;
            return Err(error);
        }
    }
    if let Err(error) = work.check_keys(db, table).await {
        work.discard().await;
        return Err(error);
    }
    let changed = work.changed;
    if work.mutation.is_empty() {
        return Ok(changed);
    }
    // A commit that failed keeps its files: what the store answered last need not be what it did.
    // VACUUM removes those that no version names.
    let commit = work.mutation.commit(table.dataset().clone(), sql).boxed();
    let dataset = commit.await?;
    if let Some(name) = table.name() {
        db.catalog().storage().remember(name, dataset);
    }
    Ok(changed)
}

/// Rows on their way to the writer of one kind of change.
struct Writer {
    rows: mpsc::Sender<Result<RecordBatch, DataFusionError>>,
    task: SpawnedTask<Result<Vec<Fragment>>>,
}

/// A statement's changes while its plan runs.
struct Work {
    db: Database,
    table: Table,
    definition: Definition,
    twice: Twice,
    key: Vec<usize>,
    seen_keys: Option<SeenKeys>,
    /// Keys that the statement brings into the table, to be looked for among the rows that stay.
    new_keys: Vec<RecordBatch>,
    mutation: Mutation,
    updates: Option<Writer>,
    inserts: Option<Writer>,
    changed: Changed,
}

impl Work {
    fn new(db: &Database, table: &Table, twice: Twice) -> Result<Self> {
        let definition = table.definition();
        let key = definition.key_columns();
        let seen_keys = if key.is_empty() { None } else { Some(SeenKeys::of(&definition)?) };
        db.progress().begin("changing", "rows", None);
        Ok(Self {
            db: db.clone(),
            table: table.clone(),
            definition,
            twice,
            key,
            seen_keys,
            new_keys: Vec::new(),
            mutation: Mutation::default(),
            updates: None,
            inserts: None,
            changed: Changed::default(),
        })
    }

    async fn run(&mut self, mut rows: SendableRecordBatchStream) -> Result<()> {
        while let Some(batch) = rows.try_next().await? {
            let codes = batch.column(0).as_primitive::<Int64Type>().clone();
            for change in [RowChange::Delete, RowChange::Update, RowChange::Insert] {
                let mask: BooleanArray =
                    codes.iter().map(|code| Some(code == Some(change.code()))).collect();
                if mask.true_count() > 0 {
                    let rows = filter_record_batch(&batch, &mask)?;
                    self.take(change, rows).await?;
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, change: RowChange, rows: RecordBatch) -> Result<()> {
        match change {
            RowChange::Keep => Ok(()),
            RowChange::Delete => {
                let addresses = rows.column(2).as_primitive::<UInt64Type>();
                for address in addresses.iter().flatten() {
                    self.changed.deleted += u64::from(self.mutation.removed.insert(address));
                }
                Ok(())
            }
            RowChange::Update => self.take_updates(rows).await,
            RowChange::Insert => self.take_inserts(rows).await,
        }
    }

    async fn take_updates(&mut self, rows: RecordBatch) -> Result<()> {
        let addresses = rows.column(2).as_primitive::<UInt64Type>();
        let first: BooleanArray = addresses
            .iter()
            .map(|address| Some(address.is_some_and(|a| self.mutation.removed.insert(a))))
            .collect();
        let rows = if first.true_count() == rows.num_rows() {
            rows
        } else if self.twice == Twice::Error {
            return Err(Error::Constraint(format!(
                "a row of table '{}' is matched by more than one source row and would change twice; make the source's keys unique",
                self.name()
            )));
        } else {
            filter_record_batch(&rows, &first)?
        };
        self.mutation
            .rewritten_ids
            .extend(rows.column(1).as_primitive::<UInt64Type>().iter().flatten());
        self.changed.updated += rows.num_rows() as u64;
        let rows = self.table_columns(&rows)?;
        self.bring_keys(&rows, false)?;
        let writer = match &mut self.updates {
            Some(writer) => writer,
            none => none.insert(open_writer(&self.db, &self.table, &self.definition)),
        };
        send(writer, rows).await
    }

    async fn take_inserts(&mut self, rows: RecordBatch) -> Result<()> {
        let rows = self.table_columns(&rows)?;
        let rows = self.bring_keys(&rows, true)?;
        self.changed.inserted += rows.num_rows() as u64;
        let writer = match &mut self.inserts {
            Some(writer) => writer,
            none => none.insert(open_writer(&self.db, &self.table, &self.definition)),
        };
        send(writer, rows).await
    }

    /// Remembers the keys of rows that the statement brings, and leaves out (or refuses) the ones
    /// that it has brought already.
    fn bring_keys(&mut self, rows: &RecordBatch, inserted: bool) -> Result<RecordBatch> {
        let Some(seen) = &mut self.seen_keys else { return Ok(rows.clone()) };
        let key: Vec<ArrayRef> = self.key.iter().map(|&index| rows.column(index).clone()).collect();
        let new: BooleanArray = seen.admit(&key)?.into_iter().map(Some).collect();
        if new.true_count() < rows.num_rows() && !(inserted && self.twice == Twice::First) {
            let row = (0..new.len()).find(|&row| !new.value(row)).unwrap_or(0);
            return Err(self.duplicate(&key, row, "comes twice in this statement"));
        }
        let rows = filter_record_batch(rows, &new)?;
        let columns: Vec<ArrayRef> =
            self.key.iter().map(|&index| rows.column(index).clone()).collect();
        let (field_ids, hashes) =
            self.mutation.new_keys.get_or_insert_with(|| (Vec::new(), HashSet::new()));
        if field_ids.is_empty() {
            let schema = self.table.dataset().schema();
            field_ids.extend(
                self.key
                    .iter()
                    .filter_map(|&index| schema.field(self.definition.schema().field(index).name()))
                    .map(|field| field.id),
            );
        }
        hashes.extend(hash_rows(&columns)?);
        let fields: Vec<_> =
            self.key.iter().map(|&i| self.definition.schema().field(i).clone()).collect();
        self.new_keys.push(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?);
        Ok(rows)
    }

    fn duplicate(&self, key: &[ArrayRef], row: usize, what: &str) -> Error {
        let names = self.definition.primary_key();
        Error::Constraint(format!(
            "primary key {} of table '{}' {what}; use ON CONFLICT to update or skip it",
            key_as_text(&names, key, row),
            self.name()
        ))
    }

    /// No key that the statement brings may be that of a row that stays.
    async fn check_keys(&self, db: &Database, table: &Table) -> Result<()> {
        if self.new_keys.is_empty() {
            return Ok(());
        }
        let schema = self.new_keys[0].schema();
        let brought = db
            .catalog()
            .pin(Arc::new(MemTable::try_new(schema.clone(), vec![self.new_keys.clone()])?));
        let stored = db.catalog().pin(Arc::new(table.with_row_ids()));
        let on: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| format!("s.{0} = b.{0}", quoted(field.name())))
            .collect();
        let keys: Vec<String> =
            schema.fields().iter().map(|field| format!("s.{}", quoted(field.name()))).collect();
        let query = format!(
            "SELECT s.\"_rowaddr\", {} FROM {} AS b JOIN {} AS s ON {}",
            keys.join(", "),
            db.pinned(&brought),
            db.pinned(&stored),
            on.join(" AND "),
        );
        let mut rows = db.context().sql(&query).await?.execute_stream().await?;
        while let Some(batch) = rows.try_next().await? {
            let addresses: &UInt64Array = batch.column(0).as_primitive::<UInt64Type>();
            for (row, address) in addresses.iter().enumerate() {
                if address.is_some_and(|address| !self.mutation.removed.contains(address)) {
                    return Err(self.duplicate(&batch.columns()[1..], row, "is there already"));
                }
            }
        }
        Ok(())
    }

    fn table_columns(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let wanted: Vec<usize> = self
            .definition
            .names()
            .map(|name| {
                (LEADING..rows.num_columns())
                    .find(|&index| rows.schema().field(index).name() == name)
                    .ok_or_else(|| {
                        Error::sql(format!("the statement's plan lacks column '{name}'"))
                    })
            })
            .collect::<Result<_>>()?;
        Ok(rows.project(&wanted)?)
    }

    fn name(&self) -> String {
        self.table.name().map(ToString::to_string).unwrap_or_default()
    }

    /// Waits for the writers; their errors say more than the broken pipe to them.
    async fn close(&mut self) -> Result<()> {
        let mut outcome = Ok(());
        for (writer, rewritten) in [(self.updates.take(), true), (self.inserts.take(), false)] {
            let Some(Writer { rows, task }) = writer else { continue };
            drop(rows);
            match task.join_unwind().await {
                Ok(Ok(fragments)) if rewritten => self.mutation.rewritten = fragments,
                Ok(Ok(fragments)) => self.mutation.inserted = fragments,
                Ok(Err(error)) => outcome = Err(error),
                Err(error) => {
                    outcome = Err(Error::Unsupported(format!("writing stopped: {error}")))
                }
            }
        }
        self.db.progress().finish();
        outcome
    }

    async fn discard(&self) {
        let fragments: Vec<Fragment> =
            self.mutation.rewritten.iter().chain(&self.mutation.inserted).cloned().collect();
        discard(self.table.dataset(), &fragments).await;
    }
}

fn open_writer(db: &Database, table: &Table, definition: &Definition) -> Writer {
    let (rows, receiver) = mpsc::channel(2);
    let schema: SchemaRef = definition.schema().clone();
    let input: SendableRecordBatchStream =
        Box::pin(RecordBatchStreamAdapter::new(schema, receiver));
    let name = table.name().map(ToString::to_string).unwrap_or_default();
    let checked = CheckedRows::new(input, definition, name, db.progress().clone());
    let storage = db.catalog().storage().clone();
    let dataset = table.dataset().clone();
    let task = SpawnedTask::spawn(async move {
        write_fragments(&storage, &dataset, Box::pin(checked)).boxed().await
    });
    Writer { rows, task }
}

async fn send(writer: &mut Writer, rows: RecordBatch) -> Result<()> {
    let sent = writer.rows.send(Ok(rows)).await;
    // Only the writer closes the channel early, and `close` reports why.
    sent.map_err(|_| Error::sql("the rows could not be written"))
}
