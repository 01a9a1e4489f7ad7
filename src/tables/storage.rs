//! Where a database lives: a folder, an object-store prefix or memory. Opens its tables, lists
//! them, and keeps the caches that they share.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt};
use lance::dataset::builder::DatasetBuilder;
use lance::session::Session;
use lance::{Dataset, Error as LanceError};
use lance_io::object_store::{ObjectStore, ObjectStoreParams, ObjectStoreRegistry};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions, PutPayload};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tables::Definition;

/// The format of the folder that this release writes, and the newest that it reads.
const FORMAT: u64 = 1;
const FORMAT_FILE: &str = "_portolan.json";
const VIEWS: &str = "_views";
const SCHEMA_FILE: &str = "_schema.json";
const SUFFIX: &str = ".lance";
/// The schema whose tables lie in the database's own folder, where other clients look for them.
pub const MAIN_SCHEMA: &str = "public";

/// A table's (or view's) place in a database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.schema == MAIN_SCHEMA {
            write!(f, "{}", self.table)
        } else {
            write!(f, "{}.{}", self.schema, self.table)
        }
    }
}

/// The tables and views of one schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Names of tables.
    pub tables: BTreeSet<String>,
    /// Names of views, with the statement that made each.
    pub views: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FormatFile {
    format: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct ViewFile {
    sql: String,
}

/// A database's place and shared caches.
#[derive(Debug)]
pub struct Storage {
    location: String,
    root: Path,
    store: Arc<ObjectStore>,
    params: ObjectStoreParams,
    registry: Arc<ObjectStoreRegistry>,
    session: Mutex<Arc<Session>>,
    cache_bytes: usize,
    /// The tables as they were last seen; opening one again reads only what is new.
    open: Mutex<HashMap<TableName, Arc<Dataset>>>,
    /// Held by whoever exchanges a bundle for another one.
    pub(super) exchanging: tokio::sync::Mutex<()>,
}

impl Storage {
    /// The database at a URL. Nothing is written before the first table is made.
    pub async fn open(
        location: &str,
        registry: Arc<ObjectStoreRegistry>,
        params: ObjectStoreParams,
        cache_bytes: usize,
    ) -> Result<Self> {
        let (store, root) =
            ObjectStore::from_uri_and_params(registry.clone(), location, &params).boxed().await?;
        let storage = Self {
            location: location.trim_end_matches('/').to_string(),
            root,
            store,
            params,
            session: Mutex::new(new_session(&registry, cache_bytes)),
            registry,
            cache_bytes,
            open: Mutex::default(),
            exchanging: tokio::sync::Mutex::default(),
        };
        storage.check_format().await?;
        Ok(storage)
    }

    async fn check_format(&self) -> Result<()> {
        let Some(bytes) = self.read(&self.root.clone().join(FORMAT_FILE)).await? else {
            return Ok(());
        };
        let file: FormatFile = serde_json::from_slice(&bytes).map_err(|error| {
            Error::Invalid(format!(
                "'{}/{FORMAT_FILE}' is damaged ({error}); restore it from a copy, or write {{\"format\":{FORMAT}}} to it",
                self.location
            ))
        })?;
        if file.format > FORMAT {
            return Err(Error::NewerFormat {
                location: self.location.clone(),
                found: file.format,
                known: FORMAT,
            });
        }
        Ok(())
    }

    /// Marks the folder as ours, before the first thing is stored in it.
    pub async fn mark_format(&self) -> Result<()> {
        let file = serde_json::to_vec(&FormatFile { format: FORMAT }).unwrap_or_default();
        self.put_if_absent(&self.root.clone().join(FORMAT_FILE), file).await?;
        Ok(())
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        match self.store.inner.get(path).await {
            Ok(found) => Ok(Some(found.bytes().await?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a small file whole. False if it was there.
    async fn put_if_absent(&self, path: &Path, bytes: Vec<u8>) -> Result<bool> {
        let options = PutOptions { mode: PutMode::Create, ..Default::default() };
        match self.store.inner.put_opts(path, PutPayload::from(bytes), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn schema_path(&self, schema: &str) -> Path {
        if schema == MAIN_SCHEMA { self.root.clone() } else { self.root.clone().join(schema) }
    }

    fn table_path(&self, name: &TableName) -> Path {
        self.schema_path(&name.schema).join(format!("{}{SUFFIX}", name.table))
    }

    fn view_path(&self, name: &TableName) -> Path {
        self.schema_path(&name.schema).join(VIEWS).join(format!("{}.json", name.table))
    }

    /// The URI by which Lance knows a table.
    pub fn table_uri(&self, name: &TableName) -> String {
        if name.schema == MAIN_SCHEMA {
            format!("{}/{}{SUFFIX}", self.location, name.table)
        } else {
            format!("{}/{}/{}{SUFFIX}", self.location, name.schema, name.table)
        }
    }

    /// Where the database's files are.
    pub fn files(&self) -> &dyn object_store::ObjectStore {
        self.store.inner.as_ref()
    }

    /// The path of a folder in the database's own.
    pub fn folder(&self, name: &str) -> Path {
        self.root.clone().join(name)
    }

    /// The path of the database's own folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether what is stored outlasts the process.
    pub fn is_lasting(&self) -> bool {
        !self.location.starts_with("memory:")
    }

    /// Whether each look costs a request.
    pub fn is_remote(&self) -> bool {
        self.store.is_cloud()
    }

    /// The caches that all tables share.
    pub fn session(&self) -> Arc<Session> {
        self.session.lock().clone()
    }

    /// How to reach the store, for Lance's builders.
    pub fn params(&self) -> ObjectStoreParams {
        self.params.clone()
    }

    /// The names of the schemas.
    pub async fn schemas(&self) -> Result<BTreeSet<String>> {
        let mut schemas = BTreeSet::from([MAIN_SCHEMA.to_string()]);
        let listed = self.store.inner.list_with_delimiter(Some(&self.root)).await?;
        for prefix in listed.common_prefixes {
            let Some(name) = prefix.filename() else { continue };
            let is_schema = !name.ends_with(SUFFIX) && !name.starts_with(['_', '.']);
            if is_schema && self.read(&prefix.clone().join(SCHEMA_FILE)).await?.is_some() {
                schemas.insert(name.to_string());
            }
        }
        Ok(schemas)
    }

    /// The tables and views of a schema. A table whose creation was cut off is not one.
    pub async fn list(&self, schema: &str) -> Result<Listing> {
        let path = self.schema_path(schema);
        let mut listing = Listing::default();
        let folders = self.store.inner.list_with_delimiter(Some(&path)).await?.common_prefixes;
        let tables: Vec<Option<String>> = futures::stream::iter(folders)
            .map(|folder| async move {
                let table = folder.filename().and_then(|name| name.strip_suffix(SUFFIX));
                let Some(table) = table.map(str::to_string) else { return Ok(None) };
                Ok::<_, Error>(self.has_versions(&folder).await?.then_some(table))
            })
            .buffer_unordered(16)
            .try_collect()
            .await?;
        listing.tables.extend(tables.into_iter().flatten());
        let views = path.join(VIEWS);
        for object in self.store.inner.list_with_delimiter(Some(&views)).await?.objects {
            let name = object.location.filename().and_then(|name| name.strip_suffix(".json"));
            if let Some(name) = name
                && let Some(sql) = self.read_view(&object.location).await?
            {
                listing.views.insert(name.to_string(), sql);
            }
        }
        Ok(listing)
    }

    async fn has_versions(&self, table: &Path) -> Result<bool> {
        let versions = table.clone().join("_versions");
        Ok(self.store.inner.list(Some(&versions)).try_next().await?.is_some())
    }

    /// A table as it is now.
    pub async fn table(&self, name: &TableName) -> Result<Option<Arc<Dataset>>> {
        let known = self.open.lock().get(name).cloned();
        if let Some(known) = known {
            let mut latest = known.as_ref().clone();
            match latest.checkout_latest().boxed().await {
                Ok(()) if same_table(&known, &latest) => {
                    let latest = Arc::new(latest);
                    self.open.lock().insert(name.clone(), latest.clone());
                    return Ok(Some(latest));
                }
                // Another process made it anew: what the caches hold belongs to the old one.
                Ok(()) => self.forget_caches(),
                Err(error) if is_missing(&error) => self.forget_caches(),
                Err(error) => return Err(error.into()),
            }
        }
        let builder = DatasetBuilder::from_uri(self.table_uri(name))
            .with_session(self.session())
            .with_store_params(self.params());
        match builder.load().boxed().await {
            Ok(dataset) => {
                let dataset = Arc::new(dataset);
                self.open.lock().insert(name.clone(), dataset.clone());
                Ok(Some(dataset))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Remembers a table after a commit, so that the next statement need not read it again.
    pub fn remember(&self, name: &TableName, dataset: Dataset) -> Arc<Dataset> {
        let dataset = Arc::new(dataset);
        self.open.lock().insert(name.clone(), dataset.clone());
        dataset
    }

    fn forget_caches(&self) {
        self.open.lock().clear();
        *self.session.lock() = new_session(&self.registry, self.cache_bytes);
    }

    /// Whatever a killed CREATE TABLE left at a table's place.
    pub async fn sweep(&self, name: &TableName) -> Result<()> {
        let path = self.table_path(name);
        if !self.has_versions(&path).await? {
            self.remove_all(&path).await?;
        }
        self.mark_format().await
    }

    /// Removes a folder with all that is in it, if it is there.
    pub async fn remove_folder(&self, path: &Path) -> Result<()> {
        self.remove_all(path).await?;
        self.forget_caches();
        Ok(())
    }

    pub(super) async fn remove_all(&self, path: &Path) -> Result<()> {
        match self.store.remove_dir_all(path.clone()).await {
            Ok(()) => Ok(()),
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Drops a table. The newest version's file goes last of the versions, so that whoever looks
    /// in between sees the whole table or none.
    pub async fn drop_table(&self, name: &TableName) -> Result<()> {
        let path = self.table_path(name);
        let versions = path.clone().join("_versions");
        let mut manifests: Vec<Path> = self
            .store
            .inner
            .list(Some(&versions))
            .map_ok(|object| object.location)
            .try_collect()
            .await?;
        // The names count down: the newest version sorts first.
        manifests.sort();
        for manifest in manifests.iter().rev() {
            self.store.inner.delete(manifest).await?;
        }
        self.remove_all(&path).await?;
        self.forget_caches();
        Ok(())
    }

    /// Gives a table another name (or schema).
    pub async fn rename_table(&self, from: &TableName, to: &TableName) -> Result<()> {
        let (source, target) = (self.table_path(from), self.table_path(to));
        if self.store.is_local() {
            let path = |p: &Path| format!("/{p}");
            std::fs::rename(path(&source), path(&target))
                .map_err(|error| Error::io(format!("renaming table '{from}' to '{to}'"), error))?;
            self.forget_caches();
            return Ok(());
        }
        let mut files: Vec<Path> = self
            .store
            .inner
            .list(Some(&source))
            .map_ok(|object| object.location)
            .try_collect()
            .await?;
        // Versions last: until then the copy is no table.
        files.sort_by_key(|file| file.as_ref().contains("/_versions/"));
        for file in &files {
            let Some(rest) = file.prefix_match(&source) else { continue };
            let copy = rest.fold(target.clone(), |path, part| path.join(part));
            self.store.copy(file, &copy).await?;
        }
        self.drop_table(from).await
    }

    /// Makes a schema. False if it was there.
    pub async fn create_schema(&self, schema: &str) -> Result<bool> {
        self.mark_format().await?;
        let path = self.schema_path(schema).join(SCHEMA_FILE);
        self.put_if_absent(&path, b"{}".to_vec()).await
    }

    /// Drops an empty schema.
    pub async fn drop_schema(&self, schema: &str) -> Result<()> {
        self.remove_all(&self.schema_path(schema)).await
    }

    async fn read_view(&self, path: &Path) -> Result<Option<String>> {
        let Some(bytes) = self.read(path).await? else { return Ok(None) };
        let view: ViewFile = serde_json::from_slice(&bytes).map_err(|error| {
            Error::Invalid(format!(
                "the view's file '{path}' is damaged ({error}); drop the view and make it again"
            ))
        })?;
        Ok(Some(view.sql))
    }

    /// The query of a view.
    pub async fn view(&self, name: &TableName) -> Result<Option<String>> {
        self.read_view(&self.view_path(name)).await
    }

    /// Stores a view's query. False if there is one and `replace` is not given.
    pub async fn create_view(&self, name: &TableName, sql: &str, replace: bool) -> Result<bool> {
        self.mark_format().await?;
        let view = ViewFile { sql: sql.to_string() };
        let bytes = serde_json::to_vec(&view)
            .map_err(|error| Error::Invalid(format!("view '{name}' cannot be stored: {error}")))?;
        if replace {
            self.store.inner.put(&self.view_path(name), PutPayload::from(bytes)).await?;
            return Ok(true);
        }
        self.put_if_absent(&self.view_path(name), bytes).await
    }

    /// Drops a view.
    pub async fn drop_view(&self, name: &TableName) -> Result<()> {
        Ok(self.store.inner.delete(&self.view_path(name)).await?)
    }
}

fn new_session(registry: &Arc<ObjectStoreRegistry>, cache_bytes: usize) -> Arc<Session> {
    Arc::new(Session::new(cache_bytes / 4 * 3, cache_bytes / 4, registry.clone()))
}

fn same_table(a: &Dataset, b: &Dataset) -> bool {
    Definition::id(&a.schema().metadata) == Definition::id(&b.schema().metadata)
}

fn is_missing(error: &LanceError) -> bool {
    matches!(error, LanceError::DatasetNotFound { .. } | LanceError::NotFound { .. })
}
