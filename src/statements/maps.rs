//! CREATE, REFRESH and DROP MAP.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::EmptyRecordBatchStream;
use datafusion::physical_plan::memory::MemoryStream;
use futures::future::{FutureExt, try_join_all};
use futures::try_join;
use portolan_udfs::map::{self, Given, Map, Shelf, Stored};
use portolan_udfs::{Fingerprint, Namer, Settings, Work};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::map_export;
use crate::maps::{Facts, INFO, NEIGHBORS, POINTS, TAGS, TOPICS};
use crate::memory::Pool;
use crate::result::ResultSet;
use crate::statements::map_grammar::{CreateMap, MapStatement};
use crate::statements::map_options::MapOptions;
use crate::statements::map_stages::Stages;
use crate::statements::names::{self, quoted};
use crate::statements::parts::{pieces, whole};
use crate::statements::{aligned, map_options, map_tags, show_maps, unknown_column};
use crate::system::SYSTEM_SCHEMA;
use crate::tables::{
    Bundle, ColumnRole, Definition, Storage, Table, TableName, create, is_conflict,
};
use crate::watched::Watched;

/// Runs one of them.
pub async fn run(db: &Database, statement: &MapStatement, text: &str) -> Result<ResultSet> {
    match statement {
        MapStatement::Create(create) => create_map(db, create, text).boxed().await,
        MapStatement::Refresh { name, full } => {
            refresh(db, &names::identifier(db, name), *full, text).boxed().await
        }
        MapStatement::Tag(tag) => map_tags::run(db, tag, text).boxed().await,
        MapStatement::Export { name, place, options } => {
            let name = names::identifier(db, name);
            map_export::export(db, &name, place, options).boxed().await?;
            Ok(ResultSet::done("EXPORT MAP"))
        }
        MapStatement::Show => show_maps::show(db).boxed().await,
        MapStatement::Drop { names, if_exists } => {
            for name in names {
                let name = names::identifier(db, name);
                if db.catalog().bundle(&name).is_some() {
                    db.catalog().storage().drop_bundle(&name).await?;
                } else if *if_exists {
                    db.catalog().storage().clear_stages(&name).await?;
                    db.notice(format!("map '{name}' does not exist, skipping"));
                } else {
                    return Err(db.catalog().missing_map(&name));
                }
            }
            db.catalog().refresh().await?;
            Ok(ResultSet::done("DROP MAP"))
        }
    }
}

async fn create_map(db: &Database, create: &CreateMap, text: &str) -> Result<ResultSet> {
    let done = || Ok(ResultSet::done("CREATE MAP"));
    if create.replace && create.if_not_exists {
        return Err(Error::sql(
            "OR REPLACE and IF NOT EXISTS contradict each other; write one of them",
        ));
    }
    let name = names::identifier(db, &create.name);
    names::check_new("map", &name)?;
    let taken = |kind, remedy| Error::AlreadyExists { kind, name: name.clone(), remedy };
    if db.catalog().bundle(&name).is_some() && !create.replace {
        if create.if_not_exists {
            db.notice(format!("map '{name}' already exists, skipping"));
            return done();
        }
        return Err(taken("map", "CREATE OR REPLACE makes it anew, or give another name"));
    }
    check_free(db, &name).await?;
    let place = names::table(db, &create.table)?;
    let table = db.catalog().table(&place).await?;
    let definition = table.definition();
    let column = names::identifier(db, &create.column);
    let Some(field) = definition.column(&column) else {
        return Err(unknown_column(&definition, &place.to_string(), &column));
    };
    map_options::check_vectors(field, &definition, &place)?;
    let options = map_options::options(db, &create.options, &definition, &place)?;
    let made = laid_out(db, &name, &table, &column, options).await?;
    if !store(db, &name, made, create.replace, text).await? {
        return Err(taken("map", "another process has just made it; use CREATE OR REPLACE MAP"));
    }
    done()
}

/// An error if a map's name is that of something else: `FROM m` and `m.points` must mean the map.
async fn check_free(db: &Database, name: &str) -> Result<()> {
    let taken = |kind| Error::AlreadyExists {
        kind,
        name: name.to_string(),
        remedy: "give the map another name",
    };
    if db.catalog().has_schema(name) || [SYSTEM_SCHEMA, "information_schema"].contains(&name) {
        return Err(taken("schema"));
    }
    let schema = crate::tables::MAIN_SCHEMA.to_string();
    let main = TableName { schema, table: name.to_string() };
    match db.catalog().relation(&main).await? {
        None | Some(crate::catalog::Relation::Map) => Ok(()),
        Some(crate::catalog::Relation::View) => Err(taken("view")),
        Some(_) => Err(taken("table")),
    }
}

/// A map of a table as it is now, which is not stored yet.
async fn laid_out(
    db: &Database,
    name: &str,
    table: &Table,
    column: &str,
    options: MapOptions,
) -> Result<(Map, Facts)> {
    let MapOptions { wanted, text, label, align_to } = options;
    let definition = table.definition();
    let place = table.name().cloned().unwrap_or_else(|| Storage::bundled(name, "source"));
    let key = key(table, &definition)?;
    let other = match &align_to {
        Some(other) => Some(aligned::other(db, other, table, &place, key.as_deref()).await?),
        None => None,
    };
    let (align_to, there) = other.unzip();
    let said = text.as_deref().map(Said::Text).or(label.as_deref().map(Said::Label));
    let rows = Rows::read(db, table, key.as_deref(), column, said).await?;
    let asked = wanted.clone();
    let namer = match db.context().state().config().options().extensions.get::<Settings>() {
        Some(settings) => Namer::of("CREATE MAP", settings)?,
        None => None,
    };
    let stages = Stages::of(db, name);
    let making = move |work: &Work| {
        let shelf = stages.as_ref().map(|stages| stages as &dyn Shelf);
        map::build(&rows.given(), &asked, there.as_ref(), namer.as_ref(), shelf, work)
    };
    let made = aside(db, making).await?;
    let field = definition.column(column);
    let now = Utc::now().timestamp_micros();
    let facts = Facts {
        schema: place.schema.clone(),
        table: place.table.clone(),
        table_id: table_id(table),
        table_version: table.dataset().version_id(),
        column: column.to_string(),
        dims: field.and_then(|field| match field.data_type() {
            DataType::FixedSizeList(_, dims) => u64::try_from(*dims).ok(),
            _ => None,
        }),
        fingerprint: field.and_then(Fingerprint::of),
        text,
        label,
        key,
        align_to,
        wanted,
        projection: made.projection,
        recall: made.recall,
        rows: made.points.num_rows() as u64,
        left_out: made.left_out,
        topics: made.topics.num_rows() as u64,
        placed: 0,
        created: now,
        refreshed: now,
        release: env!("CARGO_PKG_VERSION").to_string(),
    };
    Ok((made, facts))
}

/// What tells a table from a later one of its name.
pub fn table_id(table: &Table) -> Option<String> {
    Definition::id(&table.dataset().schema().metadata).map(str::to_string)
}

/// The column that rows are called by: the primary key if it is one column, else none, and then their
/// lasting numbers are.
fn key(table: &Table, definition: &Definition) -> Result<Option<String>> {
    match definition.primary_key().as_slice() {
        [key] => Ok(Some(key.clone())),
        _ if table.dataset().manifest().uses_stable_row_ids() => Ok(None),
        _ => Err(Error::Unsupported(format!(
            "rows of {} have neither a primary key of one column nor lasting numbers, by which a map would find them again; CREATE TABLE … AS SELECT makes a table that has",
            table.label()
        ))),
    }
}

/// The column that topics are called by.
#[derive(Clone, Copy)]
enum Said<'a> {
    Text(&'a str),
    Label(&'a str),
}

/// The rows of a table that are mapped.
struct Rows {
    ids: ArrayRef,
    row_ids: ArrayRef,
    /// In as many pieces as they came: put together they would be there twice.
    vectors: Vec<ArrayRef>,
    text: Option<ArrayRef>,
    label: Option<ArrayRef>,
}

impl Rows {
    async fn read(
        db: &Database,
        table: &Table,
        key: Option<&str>,
        vector: &str,
        said: Option<Said<'_>>,
    ) -> Result<Self> {
        let pin = db.catalog().pin(Arc::new(table.with_row_ids()));
        let mut columns = vec!["_rowid".to_string(), quoted(vector)];
        columns.extend(key.map(quoted));
        columns.extend(said.map(|(Said::Text(name) | Said::Label(name))| quoted(name)));
        // A column may be asked for as two things.
        let columns: Vec<String> =
            columns.iter().zip(0..).map(|(name, at)| format!("{name} AS c{at}")).collect();
        let text = format!("SELECT {} FROM {}", columns.join(", "), db.pinned(&pin));
        let pieces = pieces(db, &text).await?;
        let row_ids = pieces.column(0)?;
        let ids = if key.is_some() { pieces.column(2)? } else { row_ids.clone() };
        let last = 2 + usize::from(key.is_some());
        let (text, label) = match said {
            Some(Said::Text(_)) => (Some(pieces.column(last)?), None),
            Some(Said::Label(_)) => (None, Some(pieces.column(last)?)),
            None => (None, None),
        };
        Ok(Self { ids, row_ids, vectors: pieces.of(1), text, label })
    }

    fn given(&self) -> Given<'_> {
        Given {
            ids: &self.ids,
            row_ids: &self.row_ids,
            vectors: &self.vectors,
            texts: self.text.as_ref(),
            labels: self.label.as_ref(),
        }
    }
}

/// Long work on a thread of its own, which stops when the statement is dropped.
async fn aside<T: Send + 'static>(
    db: &Database,
    work_on: impl FnOnce(&Work) -> datafusion::error::Result<T> + Send + 'static,
) -> Result<T> {
    let work = Work::default();
    work.count_memory(Arc::new(Pool::of(&db.context().state())));
    let watched = Watched::new(db, &work);
    let done = tokio::task::spawn_blocking(move || work_on(&work)).await;
    drop(watched);
    match done {
        Ok(done) => Ok(done?),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Stores a map. False if there is one and it is not to be replaced. Its tables are written first, and
/// nobody looks at these versions of them before the last step.
async fn store(
    db: &Database,
    name: &str,
    (map, facts): (Map, Facts),
    replace: bool,
    text: &str,
) -> Result<bool> {
    let info = facts.row(name)?;
    let about = about(name, &facts)?;
    let parts = [
        (POINTS, map.points.clone()),
        (TOPICS, map.topics),
        (NEIGHBORS, map.neighbors),
        (INFO, info),
    ];
    let written = parts.map(|(table, rows)| async move {
        let version = write(db, &Storage::bundled(name, table), rows, text).await?;
        Ok::<_, Error>((table.to_string(), version))
    });
    let tables: BTreeMap<String, u64> = try_join_all(written).await?.into_iter().collect();
    let mut bundle = Bundle { tables, about };
    loop {
        // Rows may have been tagged while the map was made.
        db.catalog().refresh().await?;
        let was = db.catalog().bundle(name).filter(|_| replace);
        let tags = map_tags::kept(db, name, was.as_ref(), &facts, &map.points).await?;
        let Some(version) = write_alone(db, &Storage::bundled(name, TAGS), tags, text).await?
        else {
            continue;
        };
        bundle.tables.insert(TAGS.to_string(), version);
        let storage = db.catalog().storage();
        let stored = match &was {
            Some(was) => storage.exchange_bundle(name, was, &bundle).await?,
            None => storage.put_bundle(name, &bundle, false).await?,
        };
        if stored || !replace {
            storage.clear_stages(name).await?;
            db.catalog().refresh().await?;
            return Ok(stored);
        }
    }
}

/// Puts other rows in the place of those of one of a map's tables. False if the map is another one by now.
pub async fn exchange(
    db: &Database,
    name: &str,
    was: &Bundle,
    (table, rows): (&str, RecordBatch),
    text: &str,
) -> Result<bool> {
    let place = Storage::bundled(name, table);
    let Some(version) = write_alone(db, &place, rows, text).await? else { return Ok(false) };
    let mut now = was.clone();
    now.tables.insert(table.to_string(), version);
    let stored = db.catalog().storage().exchange_bundle(name, was, &now).await?;
    db.catalog().refresh().await?;
    Ok(stored)
}

/// Stores what is known of a map where its rows stay as they are.
pub async fn restate(db: &Database, name: &str, facts: &Facts, text: &str) -> Result<()> {
    let Some(mut bundle) = db.catalog().bundle(name) else { return Ok(()) };
    let version = write(db, &Storage::bundled(name, INFO), facts.row(name)?, text).await?;
    bundle.tables.insert(INFO.to_string(), version);
    bundle.about = about(name, facts)?;
    db.catalog().storage().put_bundle(name, &bundle, true).await?;
    db.catalog().refresh().await
}

fn about(name: &str, facts: &Facts) -> Result<serde_json::Value> {
    serde_json::to_value(facts)
        .map_err(|error| Error::Invalid(format!("map '{name}' cannot be stored: {error}")))
}

/// Writes a version of a table that has only these rows, whatever is there.
async fn write(db: &Database, name: &TableName, rows: RecordBatch, text: &str) -> Result<u64> {
    let storage = db.catalog().storage();
    let existing = storage.table(name).await?;
    let columns: Vec<_> = (rows.schema().fields().iter())
        .map(|field| (field.as_ref().clone(), ColumnRole::Plain))
        .collect();
    let id = existing.as_ref().and_then(|table| Definition::id(&table.schema().metadata));
    let definition = match id {
        Some(id) => Definition::with_id(columns, &[], id.to_string()),
        None => Definition::new(columns, &[]),
    };
    let schema = definition.schema().clone();
    let rows = RecordBatch::try_new(schema.clone(), rows.columns().to_vec())?;
    let stream: SendableRecordBatchStream = match rows.num_rows() {
        0 => Box::pin(EmptyRecordBatchStream::new(schema)),
        _ => Box::pin(MemoryStream::try_new(vec![rows], schema, None)?),
    };
    let dataset = create(storage, name, existing, stream, text).boxed().await?;
    Ok(dataset.version_id())
}

/// The same, or nothing if someone else writes to the table meanwhile.
async fn write_alone(
    db: &Database,
    name: &TableName,
    rows: RecordBatch,
    text: &str,
) -> Result<Option<u64>> {
    match write(db, name, rows, text).await {
        Ok(version) => Ok(Some(version)),
        Err(error) if is_conflict(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn refresh(db: &Database, name: &str, full: bool, text: &str) -> Result<ResultSet> {
    let done = || Ok(ResultSet::done("REFRESH MAP"));
    let Some(bundle) = db.catalog().bundle(name) else {
        return Err(db.catalog().missing_map(name));
    };
    let facts = Facts::of(name, &bundle)?;
    let table = db.catalog().table(&facts.source()).await?;
    let definition = table.definition();
    let Facts { text: texts, label, key, .. } = &facts;
    for column in [Some(&facts.column), texts.as_ref(), label.as_ref(), key.as_ref()] {
        if let Some(column) = column.filter(|column| definition.column(column).is_none()) {
            return Err(Error::Invalid(format!(
                "map '{name}' is made of column '{column}' of table '{}', which has it no longer; CREATE OR REPLACE MAP makes it of another one",
                facts.source()
            )));
        }
    }
    if full {
        let options = MapOptions {
            wanted: facts.wanted.clone(),
            text: facts.text.clone(),
            label: facts.label.clone(),
            align_to: facts.align_to.clone(),
        };
        let (made, mut anew) = laid_out(db, name, &table, &facts.column, options).await?;
        anew.created = facts.created;
        store(db, name, (made, anew), true, text).await?;
        return done();
    }
    if (table_id(&table), table.dataset().version_id())
        == (facts.table_id.clone(), facts.table_version)
    {
        db.notice(format!("map '{name}' is up to date"));
        return done();
    }
    check_model(name, &facts, &definition)?;
    let part = async |part: &str| match db.catalog().map_table(name, &bundle, part).await? {
        Some(table) => whole(db, table).await,
        None => Err(db.catalog().missing_map(name)),
    };
    let (rows, points, topics, neighbors) = try_join!(
        Rows::read(db, &table, facts.key.as_deref(), &facts.column, None),
        part(POINTS),
        part(TOPICS),
        part(NEIGHBORS)
    )?;
    let (wanted, projection, recall) = (facts.wanted.clone(), facts.projection, facts.recall);
    let made = aside(db, move |work| {
        let stored =
            Stored { points: &points, topics: &topics, neighbors: &neighbors, projection, recall };
        map::refresh(&stored, &rows.given(), &wanted, work)
    });
    let made = made.await?;
    db.notice(format!(
        "map '{name}' has {} rows: {} placed, {} taken away",
        made.map.points.num_rows(),
        made.placed,
        made.gone
    ));
    let facts = Facts {
        table_id: table_id(&table),
        table_version: table.dataset().version_id(),
        rows: made.map.points.num_rows() as u64,
        left_out: made.map.left_out,
        recall: made.map.recall,
        placed: facts.placed + made.placed,
        refreshed: Utc::now().timestamp_micros(),
        ..facts
    };
    store(db, name, (made.map, facts), true, text).await?;
    done()
}

/// An error where the column's vectors are of another model by now: they cannot be compared.
fn check_model(name: &str, facts: &Facts, definition: &Definition) -> Result<()> {
    let now = definition.column(&facts.column).and_then(Fingerprint::of);
    match (&facts.fingerprint, now) {
        (Some(then), Some(now)) if !then.agrees_with(&now) => Err(Error::Invalid(format!(
            "map '{name}' is of vectors of {then}, and column '{}' has those of {now} by now; REFRESH MAP {name} FULL makes it anew",
            facts.column
        ))),
        _ => Ok(()),
    }
}
