//! Tables that are one thing, such as those of a map: a file in their folder says which version of each
//! belongs together. It is put there whole, in one step and last of all, so that whoever looks sees the
//! old thing or the new one; what a killed statement wrote meanwhile is not seen.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    Error as StoreError, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tables::{Storage, TableName};

/// What names of folders end with. No schema's name has a dot.
const SUFFIX: &str = ".map";
const FILE: &str = "_map.json";
const STAGES: &str = "_stages";
/// Files that are read at once.
const AT_ONCE: usize = 16;

/// The tables, and what is known of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// The version of each.
    pub tables: BTreeMap<String, u64>,
    /// For whoever made them.
    pub about: serde_json::Value,
}

impl Storage {
    /// The place of a table of a bundle.
    pub fn bundled(bundle: &str, table: &str) -> TableName {
        TableName { schema: format!("{bundle}{SUFFIX}"), table: table.to_string() }
    }

    /// All bundles by their names. One whose file is damaged is there, and empty.
    pub async fn bundles(&self) -> Result<BTreeMap<String, Bundle>> {
        let listed = self.files().list_with_delimiter(Some(self.root())).await?;
        let names = listed.common_prefixes.into_iter().filter_map(|folder| {
            Some(
                folder
                    .filename()?
                    .strip_suffix(SUFFIX)
                    .filter(|name| !name.is_empty())?
                    .to_string(),
            )
        });
        let found: Vec<Option<(String, Bundle)>> = futures::stream::iter(names)
            .map(|name| async move {
                let bundle = self.bundle(&name).await?;
                Ok::<_, Error>(bundle.map(|bundle| (name, bundle)))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn bundle(&self, name: &str) -> Result<Option<Bundle>> {
        match self.files().get(&self.bundle_file(name)).await {
            Ok(file) => Ok(Some(serde_json::from_slice(&file.bytes().await?).unwrap_or_default())),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn bundle_folder(&self, name: &str) -> object_store::path::Path {
        self.folder(&format!("{name}{SUFFIX}"))
    }

    fn bundle_file(&self, name: &str) -> object_store::path::Path {
        self.bundle_folder(name).join(FILE)
    }

    /// Makes the versions of tables that were written count. False if there is a bundle of that name
    /// and `replace` is not given.
    pub async fn put_bundle(&self, name: &str, bundle: &Bundle, replace: bool) -> Result<bool> {
        let bytes = serde_json::to_vec(bundle)
            .map_err(|error| Error::Invalid(format!("'{name}' cannot be stored: {error}")))?;
        let mode = if replace { PutMode::Overwrite } else { PutMode::Create };
        let options = PutOptions { mode, ..Default::default() };
        let payload = PutPayload::from(bytes);
        match self.files().put_opts(&self.bundle_file(name), payload, options).await {
            Ok(_) => Ok(true),
            Err(StoreError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes other versions of tables count in the place of those that were read. False if these count no
    /// longer, because someone else was faster.
    pub async fn exchange_bundle(&self, name: &str, was: &Bundle, now: &Bundle) -> Result<bool> {
        let bytes = serde_json::to_vec(now)
            .map_err(|error| Error::Invalid(format!("'{name}' cannot be stored: {error}")))?;
        let place = self.bundle_file(name);
        let _alone = self.exchanging.lock().await;
        let found = match self.files().get(&place).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let version =
            UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let there: Bundle = serde_json::from_slice(&found.bytes().await?).unwrap_or_default();
        if there != *was {
            return Ok(false);
        }
        let put = |mode| {
            let options = PutOptions { mode, ..Default::default() };
            self.files().put_opts(&place, PutPayload::from(bytes.clone()), options)
        };
        match put(PutMode::Update(version)).await {
            Ok(_) => Ok(true),
            Err(StoreError::Precondition { .. }) => Ok(false),
            // A local disk cannot: between the look and the step there is next to no time, and nobody else
            // of this process.
            Err(StoreError::NotImplemented { .. }) => {
                put(PutMode::Overwrite).await?;
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Something that was made of a bundle which is not there yet.
    pub async fn stage(&self, bundle: &str, name: &str) -> Result<Option<Bytes>> {
        match self.files().get(&self.stages(bundle).join(name)).await {
            Ok(file) => Ok(Some(file.bytes().await?)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps such a thing, whole or not at all.
    pub async fn put_stage(&self, bundle: &str, name: &str, made: Bytes) -> Result<()> {
        let place = self.stages(bundle).join(name);
        self.files().put(&place, PutPayload::from(made)).await?;
        Ok(())
    }

    /// Removes all of them.
    pub async fn clear_stages(&self, bundle: &str) -> Result<()> {
        self.remove_all(&self.stages(bundle)).await
    }

    fn stages(&self, bundle: &str) -> object_store::path::Path {
        self.bundle_folder(bundle).join(STAGES)
    }

    /// Drops a bundle with its tables. The file goes first: from then on there is none.
    pub async fn drop_bundle(&self, name: &str) -> Result<()> {
        match self.files().delete(&self.bundle_file(name)).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.remove_folder(&self.bundle_folder(name)).await
    }
}
