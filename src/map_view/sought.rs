//! What is looked for on a map: a score for each point.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Float32Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Schema, UInt64Type};
use datafusion::catalog::TableProvider;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;
use portolan_kernels::distance::Measure;
use portolan_models::Task;
use portolan_udfs::Fingerprint;

use super::in_order::{InOrder, collect, literal, quoted, stream, text};
use crate::catalog::Pin;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::search::{Positions, Scored, Target};
use crate::tables::Table;

/// Points in a batch of scores.
const BATCH: usize = 64 << 10;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// Rows near a text, by the model that made the rows' vectors.
    Meaning(String),
    /// Rows near another one, by its id.
    Like(String),
    /// Rows with all of these words, or words that begin so.
    Words(String),
    /// Rows with exactly this text in theirs.
    Exact(String),
    /// Rows that a regular expression matches.
    Regex(String),
}

impl Sought {
    /// The task that a question is embedded for: questions are embedded as such where rows were embedded as
    /// answers, else as the rows were.
    pub fn task_of_questions(made: &Fingerprint) -> &'static str {
        match made.task {
            Some(Task::SearchDocument) | None => Task::SearchQuery.name(),
            Some(task) => task.name(),
        }
    }

    /// One column, `score`, of all points in their order: the cosine, or 1 where a row has what is looked
    /// for; NULL where it has not.
    pub async fn scores(&self, db: &Database, map: &InOrder) -> Result<SendableRecordBatchStream> {
        let Some(rows) = map.rows() else {
            return Err(Error::not_found("table", map.facts().source().to_string(), ""));
        };
        let score = match self {
            Self::Meaning(about) => {
                by_vector(db, map, rows, near_text(db, map, about).await?).await
            }
            Self::Like(id) => {
                let row = row_of(db, map, rows, id).await?;
                by_vector(db, map, rows, row).await
            }
            Self::Words(words) => {
                let mut all = Vec::new();
                for word in words.split_whitespace() {
                    let starts = if word.starts_with(char::is_alphanumeric) { r"\b" } else { "" };
                    all.push(matches(map, &format!("(?i){starts}{}", escaped(word)))?);
                }
                that(db, rows, &all).await
            }
            Self::Exact(exact) if exact.is_empty() => Err(nothing()),
            Self::Exact(exact) => that(db, rows, &[matches(map, &escaped(exact))?]).await,
            Self::Regex(pattern) if pattern.is_empty() => Err(nothing()),
            Self::Regex(pattern) => that(db, rows, &[matches(map, pattern)?]).await,
        };
        let (score, places) = (score?, db.places().of(db, map, rows).await?);
        Ok(in_order(score, places))
    }
}

/// Scores by the positions of rows as a column of points. No number is NULL.
fn in_order(scores: Vec<f32>, places: Arc<Vec<u32>>) -> SendableRecordBatchStream {
    let schema = Schema::new(vec![Field::new("score", DataType::Float32, true)]);
    let schema = Arc::new(schema);
    let told = schema.clone();
    let starts = (0..places.len()).step_by(BATCH);
    let batches = starts.map(move |start| {
        let places = places.iter().skip(start).take(BATCH);
        let of_points = places.map(|place| {
            let score = scores.get(*place as usize).copied();
            score.filter(|score| !score.is_nan())
        });
        let column: Float32Array = of_points.collect();
        Ok(RecordBatch::try_new(told.clone(), vec![Arc::new(column)])?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches)))
}

fn nothing() -> Error {
    Error::Invalid("there is nothing to look for: q is empty".to_string())
}

/// The vector of a text.
async fn near_text(db: &Database, map: &InOrder, about: &str) -> Result<Vec<f32>> {
    if about.trim().is_empty() {
        return Err(nothing());
    }
    let column = &map.facts().column;
    let Some(made) = map.fingerprint() else {
        return Err(Error::Invalid(format!(
            "column '{column}' does not say which model made its vectors, so no text can be compared with them; search by words"
        )));
    };
    let call = format!(
        "SELECT CAST(embed_text({}, '{}', {dims}, {}) AS VECTOR({dims}))",
        text(about),
        Sought::task_of_questions(&made),
        text(&made.model),
        dims = made.dims,
    );
    let found = collect(db, &call).await?;
    let vector = found.first().and_then(|batch| batch.column(0).as_fixed_size_list_opt());
    let numbers = vector.and_then(|vector| vector.values().as_primitive_opt::<Float32Type>());
    numbers.map(|numbers| numbers.values().to_vec()).ok_or_else(|| {
        Error::Invalid(format!("model '{}' gives no vector of that text", made.model))
    })
}

/// The vector of a row that is on a map.
async fn row_of(db: &Database, map: &InOrder, rows: &Table, id: &str) -> Result<Vec<f32>> {
    let missing = || Error::not_found("row", id, format!(" on map '{}'", map.name()));
    let id_type = map.points().schema().field_with_name("id")?.data_type().clone();
    let named = map.named(db);
    let query = format!(
        "SELECT _rowaddr FROM {} WHERE id = {}",
        db.pinned(&named.points),
        literal(id, &id_type).ok_or_else(missing)?,
    );
    let found = collect(db, &query).await?;
    let address = found
        .iter()
        .find_map(|batch| batch.column(0).as_primitive::<UInt64Type>().values().first().copied());
    let point =
        address.and_then(|address| Positions::of(map.points().dataset()).of_address(address));
    let places = db.places().of(db, map, rows).await?;
    let place = point.and_then(|point| places.get(point).copied()).ok_or_else(missing)?;
    let address = Positions::of(rows.dataset()).address(place as usize).ok_or_else(missing)?;
    if let Some(target) = Target::new(rows.dataset(), &map.facts().column) {
        return scored(db, &target).vector(address).await?.ok_or_else(missing);
    }
    let (named, column) = (all_of(db, rows), quoted(&map.facts().column));
    let query = format!(
        "SELECT CAST({column} AS REAL[]) FROM {} WHERE _rowaddr = {address}",
        db.pinned(&named)
    );
    let found = collect(db, &query).await?;
    let numbers = found.first().and_then(|batch| {
        let row = batch.column(0).as_list_opt::<i32>()?.value(0);
        Some(row.as_primitive_opt::<Float32Type>()?.values().to_vec())
    });
    numbers.ok_or_else(missing)
}

/// The cosines of all rows with a vector.
async fn by_vector(
    db: &Database,
    map: &InOrder,
    rows: &Table,
    vector: Vec<f32>,
) -> Result<Vec<f32>> {
    let column = &map.facts().column;
    match Target::new(rows.dataset(), column) {
        Some(target) => scored(db, &target).by_position(Measure::Cosine, &vector).await,
        // Numbers that searches do not keep, such as doubles.
        None => {
            let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
            let (width, numbers) = (vector.len(), numbers.join(", "));
            let score = format!("cosine({}, '[{numbers}]'::VECTOR({width}))", quoted(column));
            by_statement(db, rows, &score, "true").await
        }
    }
}

fn scored<'a>(db: &'a Database, target: &'a Target) -> Scored<'a> {
    let pool = db.context().runtime_env().memory_pool.clone();
    Scored { target, columns: db.columns(), pool }
}

/// 1 for all rows that meet all conditions.
async fn that(db: &Database, rows: &Table, conditions: &[String]) -> Result<Vec<f32>> {
    if conditions.is_empty() {
        return Err(nothing());
    }
    by_statement(db, rows, "1", &conditions.join(" AND ")).await
}

/// What an expression says of the rows that meet a condition.
async fn by_statement(
    db: &Database,
    rows: &Table,
    score: &str,
    condition: &str,
) -> Result<Vec<f32>> {
    let named = all_of(db, rows);
    let query = format!(
        "SELECT _rowaddr, CAST({score} AS REAL) FROM {} WHERE {condition}",
        db.pinned(&named)
    );
    let positions = Positions::of(rows.dataset());
    let mut scores = vec![f32::NAN; positions.len()];
    let mut found = stream(db, &query).await?;
    while let Some(batch) = found.try_next().await? {
        let addresses = batch.column(0).as_primitive::<UInt64Type>().values();
        let told = batch.column(1).as_primitive::<Float32Type>();
        for (address, score) in addresses.iter().zip(told) {
            let position = positions.of_address(*address);
            if let Some(place) = position.and_then(|position| scores.get_mut(position)) {
                *place = score.unwrap_or(f32::NAN);
            }
        }
    }
    Ok(scores)
}

/// A table under a name that statements find; its rows show where they lie.
fn all_of(db: &Database, rows: &Table) -> Pin {
    db.catalog().pin(Arc::new(rows.with_row_ids()))
}

/// The condition that a row's texts match a pattern.
fn matches(map: &InOrder, pattern: &str) -> Result<String> {
    let texts: Vec<String> = map.texts().iter().map(|text| quoted(text)).collect();
    if texts.is_empty() {
        return Err(Error::Invalid(format!(
            "table '{}' has no texts to search",
            map.facts().source()
        )));
    }
    let subject = match texts.as_slice() {
        [one] => one.clone(),
        several => format!("concat_ws(' ', {})", several.join(", ")),
    };
    Ok(format!("regexp_like({subject}, {})", text(pattern)))
}

/// A text as the regular expression of itself.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_pattern_of_itself() {
        assert_eq!(escaped("a.b (c)"), r"a\.b \(c\)");
        assert_eq!(escaped("naïve-été"), r"naïve\-été");
    }
}
