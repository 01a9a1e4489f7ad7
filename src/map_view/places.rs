//! Where the rows of a map's points lie in the files of their table.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::UInt64Type;
use futures::TryStreamExt;
use moka::future::Cache;

use super::in_order::{InOrder, stream};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::recent::recent;
use crate::search::Positions;
use crate::tables::{Table, VersionKey};

/// The place of a point whose row is gone.
const GONE: u32 = u32::MAX;

/// Bytes that are kept, where no memory limit says otherwise: those of 16 million points.
const MOST: usize = 64 << 20;

/// For each point of a map the position of its row. Which row is whose is a join of both tables, and so is
/// found once for a version of them: people search a map many times.
#[derive(Debug, Clone)]
pub struct Places(Cache<Versions, Arc<Vec<u32>>>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Versions {
    points: VersionKey,
    rows: VersionKey,
}

impl Places {
    /// Keeps a part of the memory that there is.
    pub fn new(memory_limit: Option<usize>) -> Self {
        let most = memory_limit.map_or(MOST, |limit| (limit / 16).min(MOST));
        Self(recent(most, |_, places: &Vec<u32>| size_of_val(places.as_slice())))
    }

    /// Those of a map's points, whose rows are these.
    pub async fn of(&self, db: &Database, map: &InOrder, rows: &Table) -> Result<Arc<Vec<u32>>> {
        let versions = Versions {
            points: VersionKey::of(map.points().dataset()),
            rows: VersionKey::of(rows.dataset()),
        };
        // Several that want the same wait for one of them to find it.
        let found = self.0.try_get_with(versions, find(db, map, rows)).await;
        found.map_err(|error| Error::Invalid(error.to_string()))
    }
}

async fn find(db: &Database, map: &InOrder, rows: &Table) -> Result<Arc<Vec<u32>>> {
    let named = map.named(db);
    let text = format!(
        "SELECT t._rowaddr FROM {} AS p LEFT JOIN {} AS t ON {} ORDER BY p._rowaddr",
        db.pinned(&named.points),
        named.rows.as_ref().map(|pin| db.pinned(pin)).unwrap_or_default(),
        map.same("t"),
    );
    let mut found = stream(db, &text).await?;
    let positions = Positions::of(rows.dataset());
    let mut places = Vec::with_capacity(Positions::of(map.points().dataset()).len());
    while let Some(batch) = found.try_next().await? {
        for address in batch.column(0).as_primitive::<UInt64Type>() {
            let position = address.and_then(|address| positions.of_address(address));
            places.push(match position.map(u32::try_from) {
                Some(Ok(position)) if position != GONE => position,
                None => GONE,
                Some(_) => {
                    return Err(Error::Invalid(format!(
                        "table '{}' has more rows than can be searched on a map",
                        map.facts().source()
                    )));
                }
            });
        }
    }
    Ok(Arc::new(places))
}
