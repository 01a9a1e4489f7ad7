//! What is looked for on a map: a score for each point.

use datafusion::execution::SendableRecordBatchStream;
use portolan_models::Task;
use portolan_udfs::Fingerprint;

use super::in_order::{InOrder, quoted, stream, text};
use crate::database::Database;
use crate::error::{Error, Result};

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
        let named = map.named(db);
        let Some(rows) = named.rows.as_ref().map(|pin| db.pinned(pin)) else {
            return Err(Error::not_found("table", map.facts().source().to_string(), ""));
        };
        let score = match self {
            Self::Meaning(about) => near_text(map, about)?,
            Self::Like(id) => near_row(db, map, id, &rows, &db.pinned(&named.points)).await?,
            Self::Words(words) => {
                let mut all = Vec::new();
                for word in words.split_whitespace() {
                    let starts = if word.starts_with(char::is_alphanumeric) { r"\b" } else { "" };
                    all.push(matches(map, &format!("(?i){starts}{}", escaped(word)))?);
                }
                has(&all)?
            }
            Self::Exact(exact) if exact.is_empty() => return Err(nothing()),
            Self::Exact(exact) => has(&[matches(map, &escaped(exact))?])?,
            Self::Regex(pattern) if pattern.is_empty() => return Err(nothing()),
            Self::Regex(pattern) => has(&[matches(map, pattern)?])?,
        };
        // Scored before they are joined, so that no vector and no text goes through the join.
        let text = format!(
            "SELECT s.score FROM {points} AS p
             LEFT JOIN (SELECT {key} AS k, CAST({score} AS REAL) AS score FROM {rows}) AS s ON s.k = {id}
             ORDER BY p._rowaddr",
            points = db.pinned(&named.points),
            key = map.row_key(),
            id = map.point_key(),
        );
        stream(db, &text).await
    }
}

fn nothing() -> Error {
    Error::Invalid("there is nothing to look for: q is empty".to_string())
}

/// The cosine with a text.
fn near_text(map: &InOrder, about: &str) -> Result<String> {
    if about.trim().is_empty() {
        return Err(nothing());
    }
    let column = &map.facts().column;
    let Some(made) = map.fingerprint() else {
        return Err(Error::Invalid(format!(
            "column '{column}' does not say which model made its vectors, so no text can be compared with them; search by words"
        )));
    };
    Ok(format!(
        "cosine({}, embed_text({}, '{}', {}, {}))",
        quoted(column),
        text(about),
        Sought::task_of_questions(&made),
        made.dims,
        text(&made.model),
    ))
}

/// The cosine with a row's vector.
async fn near_row(
    db: &Database,
    map: &InOrder,
    id: &str,
    rows: &str,
    points: &str,
) -> Result<String> {
    let column = quoted(&map.facts().column);
    let query = format!(
        "SELECT t.{column} FROM {points} AS p JOIN {rows} AS t ON {} WHERE CAST(p.id AS VARCHAR) = {}",
        map.same("t"),
        text(id),
    );
    let found = db.sql(&query).await.map_err(Error::without_place)?.collect().await?;
    if found.iter().all(|batch| batch.num_rows() == 0) {
        return Err(Error::not_found("row", id, format!(" on map '{}'", map.name())));
    }
    Ok(format!("cosine({column}, ({query}))"))
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

/// 1 where all conditions hold.
fn has(conditions: &[String]) -> Result<String> {
    if conditions.is_empty() {
        return Err(nothing());
    }
    Ok(format!("CASE WHEN {} THEN 1 END", conditions.join(" AND ")))
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

    #[test]
    fn nothing_is_not_looked_for() {
        assert!(has(&[]).is_err());
        assert!(has(&["a".to_string()]).is_ok());
    }
}
