//! One commit that deletes rows, rewrites rows under their old ids, and adds rows: what UPDATE,
//! DELETE, MERGE and an upsert all come down to.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt};
use lance::Dataset;
use lance::dataset::CommitBuilder;
use lance::dataset::transaction::{Operation, Transaction, UpdateMode};
use lance_select::RowAddrTreeMap;
use lance_table::format::key_existence::{
    FilterType, KeyExistenceFilter, KeyExistenceFilterBuilder, KeyValue,
};
use lance_table::format::{Fragment, RowIdMeta};
use lance_table::rowids::{RowIdSequence, rechunk_sequences, write_row_ids};
use roaring::RoaringTreemap;

use crate::error::{Error, Result};
use crate::tables::TableName;
use crate::tables::write::properties;

/// How often a statement is run again when another process changed the same rows meanwhile.
const ATTEMPTS: u32 = 12;

/// The most keys whose hashes a commit carries.
const MOST_KEYS_TOLD: usize = 65_536;

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowChange {
    /// Nothing.
    Keep,
    /// Its new values take the place of the old ones; the row id stays.
    Update,
    /// It goes.
    Delete,
    /// It is new.
    Insert,
}

/// All that one statement changes in one table.
#[derive(Debug, Default)]
pub struct Mutation {
    /// Addresses of the rows that go: deleted ones and the old versions of rewritten ones.
    pub removed: RoaringTreemap,
    /// The new versions of rewritten rows.
    pub rewritten: Vec<Fragment>,
    /// The ids of the rewritten rows, in the order of `rewritten`.
    pub rewritten_ids: Vec<u64>,
    /// New rows.
    pub inserted: Vec<Fragment>,
    /// Hashes of the primary keys that this statement brings into the table, with the key's
    /// field ids. Two statements that bring the same key at once must not both succeed.
    pub new_keys: Option<(Vec<i32>, HashSet<u64>)>,
}

impl Mutation {
    /// Whether there is anything to commit.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.rewritten.is_empty() && self.inserted.is_empty()
    }

    /// Commits on top of `dataset`, the version that the statement has read.
    pub async fn commit(mut self, dataset: Arc<Dataset>, sql: &str) -> Result<Dataset> {
        let (updated_fragments, removed_fragment_ids) =
            without_rows(&dataset, &self.removed).await?;
        let affected = RowAddrTreeMap::from(std::mem::take(&mut self.removed));
        let operation = if self.rewritten.is_empty() && self.inserted.is_empty() {
            Operation::Delete {
                updated_fragments,
                deleted_fragment_ids: removed_fragment_ids,
                predicate: sql.to_string(),
            }
        } else {
            carry_row_ids(&mut self.rewritten, &self.rewritten_ids)?;
            let mut new_fragments = self.rewritten;
            new_fragments.extend(self.inserted);
            Operation::Update {
                removed_fragment_ids,
                updated_fragments,
                new_fragments,
                fields_modified: Vec::new(),
                compacted_sstables: Vec::new(),
                // Every column may have changed: no index covers the new fragments.
                fields_for_preserving_frag_bitmap: all_field_ids(&dataset),
                update_mode: Some(UpdateMode::RewriteRows),
                inserted_rows_filter: match self.new_keys {
                    Some((field_ids, hashes)) => Some(key_filter(field_ids, hashes)?),
                    None => None,
                },
                updated_fragment_offsets: None,
            }
        };
        let mut transaction = Transaction::new(dataset.version_id(), operation, None);
        transaction.transaction_properties = properties(sql);
        Ok(CommitBuilder::new(dataset)
            .with_affected_rows(affected)
            .with_skip_auto_cleanup(true)
            .execute(transaction)
            .boxed()
            .await?)
    }
}

/// What the commit tells others of the keys that it brings. Many keys are told as a filter that is
/// full: whoever brings keys at the same time then looks again, which is only slower.
fn key_filter(field_ids: Vec<i32>, hashes: HashSet<u64>) -> Result<KeyExistenceFilter> {
    if hashes.len() <= MOST_KEYS_TOLD {
        return Ok(KeyExistenceFilter { field_ids, filter: FilterType::ExactSet(hashes) });
    }
    let mut filter = KeyExistenceFilterBuilder::new(field_ids);
    for hash in hashes {
        filter.insert(KeyValue::UInt64(hash))?;
    }
    Ok(filter.build())
}

/// Commits new fragments to a table without a key: this never conflicts with other appends.
pub async fn commit_append(
    dataset: Arc<Dataset>,
    fragments: Vec<Fragment>,
    sql: &str,
) -> Result<Dataset> {
    let operation = Operation::Append { fragments };
    let mut transaction = Transaction::new(dataset.version_id(), operation, None);
    transaction.transaction_properties = properties(sql);
    Ok(CommitBuilder::new(dataset)
        .with_skip_auto_cleanup(true)
        .execute(transaction)
        .boxed()
        .await?)
}

fn all_field_ids(dataset: &Dataset) -> Vec<u32> {
    dataset.schema().fields_pre_order().filter_map(|field| u32::try_from(field.id).ok()).collect()
}

/// The fragments that lose rows, with their new deletion files, and those that lose all.
async fn without_rows(
    dataset: &Arc<Dataset>,
    rows: &RoaringTreemap,
) -> Result<(Vec<Fragment>, Vec<u64>)> {
    let by_fragment: BTreeMap<u32, _> = rows.bitmaps().collect();
    let changed: Vec<_> = dataset
        .get_fragments()
        .into_iter()
        .filter_map(|fragment| {
            let id = u32::try_from(fragment.id()).ok()?;
            by_fragment.get(&id).map(|rows| (fragment, (*rows).clone()))
        })
        .collect();
    let results: Vec<(u64, Option<Fragment>)> = futures::stream::iter(changed)
        .map(|(fragment, rows)| async move {
            let id = fragment.id() as u64;
            let left = fragment.extend_deletions(&rows).boxed().await?;
            Ok::<_, lance::Error>((id, left.map(|fragment| fragment.metadata().clone())))
        })
        .buffer_unordered(8)
        .try_collect()
        .await?;
    let mut updated = Vec::new();
    let mut removed = Vec::new();
    for (id, left) in results {
        match left {
            Some(fragment) => updated.push(fragment),
            None => removed.push(id),
        }
    }
    Ok((updated, removed))
}

/// Gives rewritten rows the ids that they had.
fn carry_row_ids(fragments: &mut [Fragment], ids: &[u64]) -> Result<()> {
    if fragments.is_empty() {
        return Ok(());
    }
    let sizes: Vec<u64> =
        fragments.iter().map(|fragment| fragment.physical_rows.unwrap_or(0) as u64).collect();
    let sequences = rechunk_sequences([RowIdSequence::from(ids)], sizes, false)?;
    for (fragment, sequence) in fragments.iter_mut().zip(sequences) {
        fragment.row_id_meta = Some(RowIdMeta::Inline(write_row_ids(&sequence).into()));
    }
    Ok(())
}

/// Runs `attempt` until it does not conflict with another process, each time on the table as it
/// is then. The attempts grow apart, so that two processes do not keep meeting.
pub async fn retrying<T, F>(table: &TableName, mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    for round in 0..ATTEMPTS {
        match attempt().await {
            Err(error) if is_conflict(&error) => {
                let jitter = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
                let wait = (10u64 << round.min(7)) + jitter;
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            done => return done,
        }
    }
    Err(Error::Conflict { table: table.to_string(), attempts: ATTEMPTS })
}

/// Whether someone else wrote to the table at the same time.
pub fn is_conflict(error: &Error) -> bool {
    matches!(
        error,
        Error::Lance(inner) if matches!(
            **inner,
            lance::Error::RetryableCommitConflict { .. }
                | lance::Error::CommitConflict { .. }
                | lance::Error::TooMuchWriteContention { .. }
                | lance::Error::IncompatibleTransaction { .. }
        )
    )
}
