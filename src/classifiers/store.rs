//! Classifiers in a database's folder, each one file under `_classifiers`. A file is put there whole,
//! in one step: whoever looks sees the old one or the new one.

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Error as StoreError, ObjectMeta, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use portolan_udfs::classifier::{self, Classifier, Facts, Head, Weights};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::tables::Storage;

/// The folder.
const FOLDER: &str = "_classifiers";
/// What names of files end with.
const SUFFIX: &str = ".classifier";
/// Bytes that mostly hold what is known of a classifier.
const BEGINNING: u64 = 16 << 10;
/// Files that are read at once.
const AT_ONCE: usize = 16;

/// The classifiers of a database.
#[derive(Debug, Clone)]
pub struct Store {
    storage: Arc<Storage>,
}

/// What tells one content of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    tag: Option<String>,
    size: u64,
    micros: i64,
}

impl From<&ObjectMeta> for Stamp {
    fn from(meta: &ObjectMeta) -> Self {
        Self {
            tag: meta.e_tag.clone(),
            size: meta.size,
            micros: meta.last_modified.timestamp_micros(),
        }
    }
}

impl Store {
    /// Those of a database.
    pub fn new(storage: Arc<Storage>) -> Self {
        Self { storage }
    }

    fn path(&self, name: &str) -> Path {
        self.storage.folder(FOLDER).join(format!("{name}{SUFFIX}"))
    }

    /// What a classifier's file is now; `None` if there is none.
    pub async fn stamp(&self, name: &str) -> Result<Option<Stamp>> {
        found(self.storage.files().head(&self.path(name)).await.map(|meta| Stamp::from(&meta)))
    }

    /// A classifier.
    pub async fn read(&self, name: &str) -> Result<Option<(Classifier, Stamp)>> {
        let Some(file) = found(self.storage.files().get(&self.path(name)).await)? else {
            return Ok(None);
        };
        let stamp = Stamp::from(&file.meta);
        let bytes = file.bytes().await?;
        let (facts, weights) =
            classifier::decode(&bytes).map_err(|reason| damaged(name, &reason))?;
        Ok(Some((Classifier::new(name, facts, &weights)?, stamp)))
    }

    /// Stores a classifier. False if there is one and `replace` is not given.
    pub async fn write(
        &self,
        name: &str,
        facts: &Facts,
        weights: &Weights,
        replace: bool,
    ) -> Result<bool> {
        self.storage.mark_format().await?;
        let bytes = classifier::encode(facts, weights).map_err(|error| {
            Error::Invalid(format!("classifier '{name}' cannot be stored: {error}"))
        })?;
        let mode = if replace { PutMode::Overwrite } else { PutMode::Create };
        let options = PutOptions { mode, ..Default::default() };
        let payload = PutPayload::from(bytes);
        match self.storage.files().put_opts(&self.path(name), payload, options).await {
            Ok(_) => Ok(true),
            Err(StoreError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Drops a classifier.
    pub async fn remove(&self, name: &str) -> Result<()> {
        found(self.storage.files().delete(&self.path(name)).await)?;
        Ok(())
    }

    /// The names of all, in order.
    pub async fn names(&self) -> Result<Vec<String>> {
        Ok(self.files().await?.into_iter().map(|(name, _)| name).collect())
    }

    async fn files(&self) -> Result<Vec<(String, ObjectMeta)>> {
        let folder = self.storage.folder(FOLDER);
        let listed = self.storage.files().list_with_delimiter(Some(&folder)).await?;
        let mut files: Vec<(String, ObjectMeta)> = listed
            .objects
            .into_iter()
            .filter_map(|meta| {
                let name = meta.location.filename()?.strip_suffix(SUFFIX)?.to_string();
                Some((name, meta))
            })
            .collect();
        files.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(files)
    }

    /// What is known of all, in the order of their names. One that is dropped meanwhile is not there.
    pub async fn list(&self) -> Result<Vec<(String, Facts)>> {
        let files = self.files().await?;
        let all: Vec<Option<(String, Facts)>> = futures::stream::iter(files)
            .map(|(name, meta)| async move {
                let facts = self.facts(&name, &meta).await?;
                Ok::<_, Error>(facts.map(|facts| (name, facts)))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(all.into_iter().flatten().collect())
    }

    /// What the beginning of a file says.
    async fn facts(&self, name: &str, meta: &ObjectMeta) -> Result<Option<Facts>> {
        let mut wanted = BEGINNING.min(meta.size);
        loop {
            let part = self.storage.files().get_range(&meta.location, 0..wanted).await;
            let Some(part) = found(part)? else { return Ok(None) };
            match classifier::head(&part, meta.size).map_err(|reason| damaged(name, &reason))? {
                Head::Whole(facts, _) => return Ok(Some(*facts)),
                // More than there was, and no more than the file has.
                Head::Needs(more) if more as u64 > wanted => wanted = more as u64,
                Head::Needs(_) => return Err(damaged(name, "it ends too early")),
            }
        }
    }
}

/// What was found, if anything was.
fn found<T>(answer: Result<T, StoreError>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn damaged(name: &str, reason: &str) -> Error {
    Error::Invalid(format!(
        "the file of classifier '{name}' cannot be read: {reason}; CREATE OR REPLACE CLASSIFIER makes it anew"
    ))
}
