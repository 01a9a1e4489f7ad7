//! Versions of a table: which one is meant, and older ones.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use futures::FutureExt;
use lance::Dataset;

use crate::error::{Error, Result};
use crate::tables::TableName;

/// What tells a version of a table from all others. A version never changes, so what is found out about one
/// stays true.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VersionKey {
    table: String,
    version: u64,
    /// Tells a table from one of the same name that was dropped.
    written: u128,
}

impl VersionKey {
    /// That of a dataset.
    pub fn of(dataset: &Dataset) -> Self {
        let manifest = dataset.manifest();
        Self {
            table: dataset.uri().to_string(),
            version: manifest.version,
            written: manifest.timestamp_nanos,
        }
    }
}

/// The table at `v3` (a version) or `t2026-01-31 12:00:00` (a time).
pub async fn at_version(name: &TableName, dataset: Arc<Dataset>, at: &str) -> Result<Arc<Dataset>> {
    let number = if let Some(number) = at.strip_prefix('v') {
        number.parse().map_err(|_| {
            Error::sql(format!(
                "'{number}' is not a version of table '{name}'; versions are whole numbers"
            ))
        })?
    } else {
        number_at(name, &dataset, at.strip_prefix('t').unwrap_or(at)).await?
    };
    checkout(name, &dataset, number).await.map(Arc::new)
}

/// The table as version `number` has it.
pub async fn checkout(name: &TableName, dataset: &Dataset, number: u64) -> Result<Dataset> {
    if number == dataset.version_id() {
        return Ok(dataset.clone());
    }
    let known = dataset.version_refs().boxed().await?;
    if !known.iter().any(|version| version.version == number) {
        let (first, last) = (known.first(), known.last());
        let range = match (first, last) {
            (Some(first), Some(last)) => {
                let (low, high) =
                    (first.version.min(last.version), first.version.max(last.version));
                format!("it has versions {low} to {high}")
            }
            _ => "it has none".to_string(),
        };
        return Err(Error::Invalid(format!(
            "version {number} of table '{name}' does not exist; {range}, SHOW VERSIONS OF {name} lists them"
        )));
    }
    Ok(dataset.checkout_version(number).boxed().await?)
}

/// The newest version that was there at a time.
pub async fn number_at(name: &TableName, dataset: &Dataset, text: &str) -> Result<u64> {
    let time = parse_time(text)?;
    let mut versions = dataset.version_refs().boxed().await?;
    versions.sort_by_key(|version| version.version);
    // Lance keeps the times in the versions' own files: search, do not read them all.
    let (mut low, mut high) = (0, versions.len());
    while low < high {
        let middle = (low + high) / 2;
        let number = versions.get(middle).map_or(0, |version| version.version);
        if dataset.checkout_version(number).boxed().await?.version().timestamp <= time {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    match low.checked_sub(1).and_then(|index| versions.get(index)) {
        Some(version) => Ok(version.version),
        None => Err(Error::Invalid(format!(
            "table '{name}' has no version as of '{text}'; it is younger, SHOW VERSIONS OF {name} lists its times"
        ))),
    }
}

fn parse_time(text: &str) -> Result<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Ok(time.with_timezone(&Utc));
        }
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Ok(time.and_utc());
        }
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        && let Some(time) = date.and_hms_opt(0, 0, 0)
    {
        return Ok(time.and_utc());
    }
    Err(Error::Invalid(format!(
        "'{text}' is not a time; write it as '2026-01-31 12:00:00' (UTC) or with a zone as '2026-01-31T12:00:00+02:00'"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_the_usual_forms() {
        let expected = "2026-01-31T10:00:00+00:00";
        for text in [
            "2026-01-31 10:00:00",
            "2026-01-31T10:00:00Z",
            "2026-01-31 12:00:00+02",
            "2026-01-31 12:00:00.000+02:00",
            "2026-01-31 10:00",
        ] {
            assert_eq!(parse_time(text).unwrap().to_rfc3339(), expected, "{text}");
        }
        assert!(
            parse_time("yesterday").unwrap_err().to_string().contains("'yesterday' is not a time")
        );
    }
}
