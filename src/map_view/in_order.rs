//! A map as those see it who look at it: its points in the order in which they are stored, with what their
//! rows say. Everything that is read of one version is in the same order, so that columns which are read one
//! after another belong together.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema, UInt64Type};
use datafusion::catalog::TableProvider;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use portolan_udfs::Fingerprint;

use crate::catalog::{Pin, Relation};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::maps::Facts;
use crate::tables::Table;

/// Rows in a batch of points: enough for a first look.
const BATCH: usize = 8 << 10;

/// What is told of a point; the other columns say how it is stored.
const TOLD: [&str; 12] = [
    "id",
    "x",
    "y",
    "topic_1",
    "topic_2",
    "topic_3",
    "topic_id",
    "noise",
    "duplicate_class",
    "cluster_id",
    "distance_to_retained",
    "row_id",
];

/// One version of a map.
pub struct InOrder {
    name: String,
    facts: Facts,
    points: Table,
    /// The table that it is of, unless that is gone.
    rows: Option<Table>,
}

/// What a column belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// What the map knows of a point.
    Point,
    /// What the table says of its row.
    Row,
}

/// What can be done with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Words, or names of classes.
    Text,
    /// Quantities.
    Number,
    /// Points in time.
    Time,
    /// Yes or no.
    Flag,
    /// Vectors.
    Vector,
    /// Bytes, lists, …
    Other,
}

/// A column of a map's points or of their rows.
pub struct Column {
    /// What it is called beside all others.
    pub name: String,
    /// Its name in its own table.
    pub own_name: String,
    /// What `FROM m` calls it, if it is there.
    pub selected: Option<String>,
    /// Whose it is.
    pub whose: Whose,
    /// What it holds.
    pub field: FieldRef,
}

impl Kind {
    /// That of a type.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Boolean => Self::Flag,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Self::Time,
            DataType::FixedSizeList(..) => Self::Vector,
            number if number.is_numeric() => Self::Number,
            _ => Self::Other,
        }
    }

    /// As clients read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Time => "time",
            Self::Flag => "flag",
            Self::Vector => "vector",
            Self::Other => "other",
        }
    }
}

/// Tables under names that statements find, until this is dropped.
pub struct Named {
    /// The points.
    pub points: Pin,
    /// The rows, if their table is there.
    pub rows: Option<Pin>,
}

impl InOrder {
    /// The map of that name as it is now.
    pub async fn open(db: &Database, map: &str) -> Result<Self> {
        db.catalog().refresh_if_old().await?;
        let bundle = db.catalog().bundle(map).ok_or_else(|| db.catalog().missing_map(map))?;
        let facts = Facts::of(map, &bundle)?;
        let points = db.catalog().points_of(map).await?;
        let points = points.ok_or_else(|| db.catalog().missing_map(map))?;
        let rows = match db.catalog().relation(&facts.source()).await? {
            Some(Relation::Table(table)) => Some(table),
            _ => None,
        };
        Ok(Self { name: map.to_string(), facts, points, rows })
    }

    /// What is known of it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table of its points. It is written whole, so none of its rows is ever removed.
    pub fn points(&self) -> &Table {
        &self.points
    }

    /// The table that it is of, unless that is gone.
    pub fn rows(&self) -> Option<&Table> {
        self.rows.as_ref()
    }

    /// What tells this version from all others of that name.
    pub fn version(&self) -> String {
        format!("{:x}", self.facts.refreshed)
    }

    /// The column that tells rows of `FROM map` apart as points' ids do, if there is one.
    pub fn key(&self) -> Option<&str> {
        let own = |name: &str| self.rows.as_ref()?.schema().field_with_name(name).ok().map(|_| ());
        match &self.facts.key {
            Some(key) => Some(key),
            None if own("id").is_none() => Some("id"),
            None => None,
        }
    }

    /// All columns. A row's column that is called as one of the points' has its table's name before it.
    pub fn columns(&self) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::new();
        let rows = self.rows.iter().flat_map(|rows| rows.schema().fields().to_vec());
        let rows: Vec<FieldRef> = rows.collect();
        let has_id = rows.iter().any(|field| field.name() == "id");
        for field in self.points.schema().fields() {
            let name = field.name().clone();
            let is_selected =
                TOLD.contains(&name.as_str()) && name != "row_id" && !(has_id && name == "id");
            columns.push(Column {
                own_name: name.clone(),
                selected: is_selected.then(|| name.clone()),
                name,
                whose: Whose::Point,
                field: field.clone(),
            });
        }
        for field in rows {
            let own_name = field.name().clone();
            let apart = |taken: &dyn Fn(&Column, &str) -> bool| {
                let mut name = own_name.clone();
                while columns.iter().any(|column| taken(column, &name)) {
                    name = format!("{}_{name}", self.facts.table);
                }
                name
            };
            let name = apart(&|column, name| column.name == name);
            let selected = apart(&|column, name| column.selected.as_deref() == Some(name));
            let selected = Some(selected);
            columns.push(Column { name, own_name, selected, whose: Whose::Row, field });
        }
        columns
    }

    /// What made the vectors, as their column says now.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        Fingerprint::of(self.rows.as_ref()?.definition().column(&self.facts.column)?)
    }

    /// The texts of a row that are searched for words: those the topics have their names from, else all.
    pub fn texts(&self) -> Vec<String> {
        let Some(rows) = &self.rows else { return Vec::new() };
        let schema = rows.schema();
        match &self.facts.text {
            Some(text) if schema.field_with_name(text).is_ok() => vec![text.clone()],
            _ => {
                let texts = schema.fields().iter();
                let texts = texts.filter(|field| Kind::of(field.data_type()) == Kind::Text);
                texts.map(|field| field.name().clone()).collect()
            }
        }
    }

    /// Some columns of some points. Texts are cut to `cut` characters.
    pub async fn read(
        &self,
        db: &Database,
        wanted: &[String],
        from: usize,
        count: Option<usize>,
        cut: Option<usize>,
    ) -> Result<SendableRecordBatchStream> {
        let all = self.columns();
        let mut columns = Vec::with_capacity(wanted.len());
        for name in wanted {
            let column = all.iter().find(|column| column.name == *name).ok_or_else(|| {
                let names: Vec<&str> = all.iter().map(|column| column.name.as_str()).collect();
                Error::Invalid(format!(
                    "map '{}' has no column '{name}', only {}",
                    self.name,
                    names.join(", ")
                ))
            })?;
            columns.push(column);
        }
        if columns.iter().all(|column| column.whose == Whose::Point) {
            return self.scan(wanted, from, count).boxed().await;
        }
        let shown = columns.iter().map(|column| {
            let own = quoted(&column.own_name);
            let text = match (column.whose, cut) {
                (Whose::Point, _) => format!("p.{own}"),
                (Whose::Row, Some(cut)) if Kind::of(column.field.data_type()) == Kind::Text => {
                    format!("left(t.{own}, {cut})")
                }
                (Whose::Row, _) => format!("t.{own}"),
            };
            format!("{text} AS {}", quoted(&column.name))
        });
        let shown: Vec<String> = shown.collect();
        let count = count.map(|count| format!(" LIMIT {count}")).unwrap_or_default();
        let named = self.named(db);
        let rows = named.rows.as_ref().map(|pin| db.pinned(pin)).unwrap_or_default();
        let text = format!(
            "SELECT {} FROM {} AS p LEFT JOIN {rows} AS t ON {} ORDER BY p._rowaddr{count} OFFSET {from}",
            shown.join(", "),
            db.pinned(&named.points),
            self.same("t"),
        );
        stream(db, &text).await
    }

    /// Columns of the points alone, as they come from the files.
    async fn scan(
        &self,
        columns: &[String],
        from: usize,
        count: Option<usize>,
    ) -> Result<SendableRecordBatchStream> {
        let mut scan = self.points.dataset().scan();
        scan.project(columns)?;
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        scan.limit(count.map(whole), (from > 0).then(|| whole(from)))?;
        scan.batch_size(BATCH);
        scan.scan_in_order(true);
        let rows = scan.try_into_stream().await?;
        // Lance's fields carry its own metadata.
        let all = self.points.schema();
        let fields = columns.iter().map(|name| all.field_with_name(name).cloned());
        let schema = Arc::new(Schema::new(fields.collect::<Result<Vec<_>, _>>()?));
        let promised = schema.clone();
        let rows = rows.map(move |batch| {
            let batch = batch.map_err(Error::from)?;
            Ok(RecordBatch::try_new(promised.clone(), batch.columns().to_vec())?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    /// What is known of points, and what their rows say, without vectors and bytes: the points first, each in
    /// any order.
    pub async fn content(
        &self,
        db: &Database,
        ids: &[String],
    ) -> Result<(Vec<RecordBatch>, Vec<RecordBatch>)> {
        let id_type = self.points.schema().field_with_name("id")?.data_type().clone();
        let ids: Vec<String> = ids.iter().filter_map(|id| literal(id, &id_type)).collect();
        if ids.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let ids = ids.join(", ");
        let named = self.named(db);
        let told: Vec<String> = TOLD.iter().map(|name| quoted(name)).collect();
        let points = db.pinned(&named.points);
        let points = format!("SELECT {} FROM {points} WHERE id IN ({ids})", told.join(", "));
        let points = collect(db, &points).await?;
        let Some(rows) = named.rows.as_ref().map(|pin| db.pinned(pin)) else {
            return Ok((points, Vec::new()));
        };
        let (key, keys) = match &self.facts.key {
            Some(key) => (quoted(key), ids),
            None => ("_rowid".to_string(), row_ids(&points)),
        };
        if keys.is_empty() {
            return Ok((points, Vec::new()));
        }
        let readable = |column: &&Column| {
            let kind = Kind::of(column.field.data_type());
            column.whose == Whose::Row
                && kind != Kind::Vector
                && !is_bytes(column.field.data_type())
        };
        let all = self.columns();
        let shown: Vec<String> =
            all.iter().filter(readable).map(|column| quoted(&column.own_name)).collect();
        let text = format!(
            "SELECT {key} AS {}{} FROM {rows} WHERE {key} IN ({keys})",
            quoted(KEY),
            shown.iter().map(|column| format!(", {column}")).collect::<String>(),
        );
        Ok((points, collect(db, &text).await?))
    }

    /// The columns of the rows that are of some types.
    pub fn columns_of(&self, types: fn(&DataType) -> bool) -> Vec<String> {
        let columns = self.columns().into_iter();
        let some =
            columns.filter(|column| column.whose == Whose::Row && types(column.field.data_type()));
        some.map(|column| column.name).collect()
    }

    /// What rows have in a column of bytes or of texts; those without are left out.
    pub async fn bytes(&self, db: &Database, column: &str, ids: &[String]) -> Result<Vec<Bytes>> {
        let id_type = self.points.schema().field_with_name("id")?.data_type().clone();
        let ids: Vec<String> = ids.iter().filter_map(|id| literal(id, &id_type)).collect();
        let named = self.named(db);
        let all = self.columns();
        let column = all.iter().find(|known| known.name == column);
        let (Some(rows), Some(column), false) = (&named.rows, column, ids.is_empty()) else {
            return Ok(Vec::new());
        };
        let keys = match &self.facts.key {
            Some(_) => ids.join(", "),
            None => {
                let points = db.pinned(&named.points);
                let text = format!("SELECT row_id FROM {points} WHERE id IN ({})", ids.join(", "));
                row_ids(&collect(db, &text).await?)
            }
        };
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!(
            "SELECT {} AS bytes FROM {} WHERE {} IN ({keys})",
            quoted(&column.own_name),
            db.pinned(rows),
            self.row_key(),
        );
        let mut all = Vec::new();
        for batch in collect(db, &text).await? {
            let bytes = cast(batch.column(0), &DataType::Binary)?;
            all.extend(bytes.as_binary::<i32>().iter().flatten().map(Bytes::copy_from_slice));
        }
        Ok(all)
    }

    /// What the first points are called.
    pub async fn first(&self, count: usize) -> Result<Vec<String>> {
        let mut rows = self.scan(&["id".to_string()], 0, Some(count)).boxed().await?;
        let mut ids = Vec::new();
        while let Some(batch) = rows.next().await {
            let batch = cast(batch.map_err(Error::from)?.column(0), &DataType::Utf8)?;
            ids.extend(batch.as_string::<i32>().iter().flatten().map(str::to_string));
        }
        Ok(ids)
    }

    /// The tables, under names for statements. Both show where their rows lie.
    pub fn named(&self, db: &Database) -> Named {
        let pin = |table: &Table| db.catalog().pin(Arc::new(table.with_row_ids()));
        Named { points: pin(&self.points), rows: self.rows.as_ref().map(pin) }
    }

    /// The condition that `p` is the point of a row.
    pub fn same(&self, rows: &str) -> String {
        format!("{rows}.{} = {}", self.row_key(), self.point_key())
    }

    /// What rows are called by.
    pub fn row_key(&self) -> String {
        self.facts.key.as_deref().map_or("_rowid".to_string(), quoted)
    }

    /// The same of points.
    pub fn point_key(&self) -> &'static str {
        if self.facts.key.is_some() { "p.id" } else { "p.row_id" }
    }
}

/// The column beside a row's content that says which it is: nobody calls his own column so.
pub const KEY: &str = " key";

/// Whether a type's values are bytes.
pub fn is_bytes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    )
}

/// Whether a type's values are texts.
pub fn is_text(data_type: &DataType) -> bool {
    Kind::of(data_type) == Kind::Text
}

/// A name as SQL writes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL writes it.
pub fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// An id as SQL writes it; nothing if no row can be called so.
pub fn literal(id: &str, data_type: &DataType) -> Option<String> {
    if data_type.is_integer() {
        return id.parse::<i128>().ok().map(|id| id.to_string());
    }
    Some(text(id))
}

/// The lasting numbers of the points' rows, with commas between.
fn row_ids(points: &[RecordBatch]) -> String {
    let columns = points.iter().filter_map(|batch| batch.column_by_name("row_id"));
    let columns = columns.filter_map(|column| column.as_primitive_opt::<UInt64Type>());
    let ids = columns.flat_map(|column| column.iter().flatten());
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    ids.join(", ")
}

/// The rows of a statement of ours: a place in its text is none in one that a user wrote.
/// (Boxed, since a statement may be what asks for them.)
pub fn stream<'a>(
    db: &'a Database,
    text: &'a str,
) -> BoxFuture<'a, Result<SendableRecordBatchStream>> {
    async move { Ok(db.sql(text).await.map_err(Error::without_place)?.into_stream()) }.boxed()
}

/// The same, read to their end.
pub async fn collect(db: &Database, text: &str) -> Result<Vec<RecordBatch>> {
    db.sql(text).boxed().await.map_err(Error::without_place)?.collect().await
}
