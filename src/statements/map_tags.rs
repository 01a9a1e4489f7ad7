//! ALTER MAP m TAG 'x' WHERE …: names that people give to rows of a map.

use std::sync::Arc;

use chrono::Utc;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray, new_empty_array,
};
use datafusion::arrow::compute::{cast, concat_batches, filter, filter_record_batch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::sql::sqlparser::ast::{Expr, Ident};
use portolan_udfs::map::among;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::maps::{Facts, POINT, POINTS, TAGS, joined};
use crate::result::ResultSet;
use crate::statements::maps;
use crate::statements::names::{self, quoted};
use crate::statements::parts::{query, whole};
use crate::statements::text::sql_text;
use crate::tables::Bundle;

/// Statements that change the same map at the same time, at most, before one gives up.
const TRIES: usize = 50;

/// ALTER MAP … TAG and UNTAG.
#[derive(Debug, Clone)]
pub struct TagMap {
    /// The map.
    pub map: Ident,
    /// What its rows are called.
    pub tag: String,
    /// Whether that is taken away.
    pub away: bool,
    /// Which rows; all if there is no condition.
    pub condition: Option<Expr>,
}

/// Tags rows of a map, or takes their tag away; how many it was.
pub async fn run(db: &Database, statement: &TagMap, text: &str) -> Result<ResultSet> {
    let map = names::identifier(db, &statement.map);
    if statement.tag.trim().is_empty() {
        return Err(Error::sql("a tag is a text with something in it, as 'to read'"));
    }
    for _ in 0..TRIES {
        let Some(was) = db.catalog().bundle(&map) else {
            return Err(db.catalog().missing_map(&map));
        };
        let (tags, changed) = changed(db, &map, &was, statement).await?;
        if changed == 0 || maps::exchange(db, &map, &was, (TAGS, tags), text).await? {
            return Ok(ResultSet::count("ALTER MAP", changed));
        }
        db.catalog().refresh().await?;
    }
    Err(Error::Invalid(format!(
        "map '{map}' was changed by others all the while; run the statement again"
    )))
}

/// The tags of a map as the statement leaves them, and of how many rows it changes them.
async fn changed(
    db: &Database,
    map: &str,
    was: &Bundle,
    TagMap { tag, away, condition, .. }: &TagMap,
) -> Result<(RecordBatch, u64)> {
    let facts = Facts::of(map, was)?;
    let Some(points) = db.catalog().map_table(map, was, POINTS).await? else {
        return Err(db.catalog().missing_map(map));
    };
    let known = TableProvider::schema(&points);
    let id = known.field_with_name("id").map_or(&DataType::Null, |id| id.data_type());
    let source = db.catalog().table(&facts.source()).await?;
    let pin = db.catalog().pin(joined(map, &facts, points, &source, true)?);
    let wanted = condition.as_ref().map(|text| format!(" WHERE {}", sql_text(text)));
    let wanted = wanted.unwrap_or_default();
    let meant = format!("SELECT {POINT} AS id FROM {} AS {}{wanted}", db.pinned(&pin), quoted(map));
    // A map of an older release has no such table yet.
    let before = match db.catalog().map_table(map, was, TAGS).await? {
        Some(tags) => whole(db, tags).await?,
        None => none(id)?,
    };
    let before = plain(&before, id)?;
    let found = match query(db, &meant).await {
        Ok(found) => found,
        Err(error) => {
            // What is wrong with the map itself tells of no column that only we see.
            query(db, &format!("SELECT 1 FROM {}{wanted} LIMIT 0", quoted(map))).await?;
            return Err(error);
        }
    };
    let found = cast(found.column(0), id)?;
    let tagged: BooleanArray =
        texts(&before).iter().map(|known| Some(known == Some(tag.as_str()))).collect();
    if *away {
        // Also of rows that are gone from the table, where all are meant.
        let among = match condition {
            Some(_) => among(before.column(0), &found)?,
            None => vec![true; before.num_rows()],
        };
        let leaves = tagged.values().iter().zip(among).map(|(tagged, among)| tagged && among);
        let stays: BooleanArray = leaves.map(|leaves| Some(!leaves)).collect();
        let after = filter_record_batch(&before, &stays)?;
        let changed = before.num_rows() - after.num_rows();
        return Ok((after, changed as u64));
    }
    let have = filter_record_batch(&before, &tagged)?;
    let have = among(&found, have.column(0))?;
    let new: BooleanArray = have.into_iter().map(|has| Some(!has)).collect();
    let new = filter(&found, &new)?;
    let rows = new.len();
    let columns: Vec<ArrayRef> = vec![
        new,
        Arc::new(StringArray::from(vec![tag.as_str(); rows])),
        Arc::new(TimestampMicrosecondArray::from(vec![Utc::now().timestamp_micros(); rows])),
    ];
    let new = RecordBatch::try_new(schema(id), columns)?;
    Ok((concat_batches(&schema(id), [&before, &new])?, rows as u64))
}

/// The tags of a map whose place another one takes, of rows that are on that too.
pub async fn kept(
    db: &Database,
    map: &str,
    was: Option<&Bundle>,
    facts: &Facts,
    points: &RecordBatch,
) -> Result<RecordBatch> {
    let ids = points.column_by_name("id");
    let id = ids.map_or(&DataType::Null, |ids| ids.data_type());
    let same_rows = |was: &&Bundle| {
        was.tables.contains_key(TAGS)
            && Facts::of(map, was).is_ok_and(|then| {
                let (key, id) = (facts.key.as_deref(), facts.table_id.as_deref());
                then.calls_rows_of(&facts.source(), key, id)
            })
    };
    let (Some(was), Some(ids)) = (was.filter(same_rows), ids) else { return none(id) };
    let tags = match db.catalog().map_table(map, was, TAGS).await {
        Ok(Some(tags)) => tags,
        Ok(None) => return none(id),
        // Its files are gone, and who makes the map anew wants a whole one.
        Err(Error::Invalid(problem)) => {
            db.notice(format!("the tags are lost: {problem}"));
            return none(id);
        }
        Err(error) => return Err(error),
    };
    let tags = plain(&whole(db, tags).await?, id)?;
    let there = BooleanArray::from(among(tags.column(0), ids)?);
    Ok(filter_record_batch(&tags, &there)?)
}

/// No tags, of rows that are called by values of this type.
pub fn none(id: &DataType) -> Result<RecordBatch> {
    Ok(RecordBatch::new_empty(schema(id)))
}

fn texts(tags: &RecordBatch) -> StringArray {
    let column = tags.column(1).as_any().downcast_ref::<StringArray>();
    column.cloned().unwrap_or_else(|| StringArray::new_null(tags.num_rows()))
}

/// Tags with the types that their table has, however they were read.
fn plain(tags: &RecordBatch, id: &DataType) -> Result<RecordBatch> {
    let schema = schema(id);
    let columns = schema.fields().iter().map(|field| match tags.column_by_name(field.name()) {
        Some(column) => cast(column, field.data_type()),
        None => Ok(new_empty_array(field.data_type())),
    });
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn schema(id: &DataType) -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new("id", id.clone(), true),
        Field::new("tag", DataType::Utf8, true),
        Field::new("tagged", DataType::Timestamp(TimeUnit::Microsecond, None), true),
    ]))
}
