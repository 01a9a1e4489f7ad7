//! The database folder seen as schemas and tables: what DataFusion's planner asks for names.
//!
//! DataFusion asks for lists of names without waiting, but a folder on an object store can only be
//! listed with waiting. So the lists are kept, refreshed before each statement that may read them;
//! a single table is always looked up afresh.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result as DFResult};
use datafusion::logical_expr::TableType;
use parking_lot::{Mutex, RwLock};

use crate::error::{Error, Result};
use crate::maps::{Facts, POINTS, joined};
use crate::system::SYSTEM_SCHEMA;
use crate::tables::{Bundle, Listing, MAIN_SCHEMA, Storage, Table, TableName, checkout};

/// Between a table's name and a version or pin: `t@v3`, `t@pin1`. No table's own name has it.
pub const MARK: char = '@';

/// How old the lists of names may be before a query reads them again from an object store, where
/// each costs a request.
const LISTING_AGE: Duration = Duration::from_secs(10);

/// Turns the query of a view into a table; the session does it, since only it can plan.
#[async_trait]
pub trait ViewPlanner: Send + Sync {
    /// The view's table.
    async fn plan_view(&self, name: &TableName, sql: &str) -> Result<Arc<dyn TableProvider>>;
}

/// The database as a DataFusion catalog.
pub struct Catalog {
    shared: Arc<Shared>,
}

struct Shared {
    storage: Arc<Storage>,
    listings: RwLock<BTreeMap<String, Listing>>,
    /// The maps of the database.
    maps: RwLock<BTreeMap<String, Bundle>>,
    refreshed: Mutex<Option<Instant>>,
    /// Tables of this session only: temporary and external ones, and what programs register.
    session: RwLock<HashMap<TableName, Arc<dyn TableProvider>>>,
    /// Schemas that programs have registered.
    registered: RwLock<HashMap<String, Arc<dyn SchemaProvider>>>,
    /// Versions that a running statement holds on to.
    pinned: Mutex<HashMap<String, Arc<dyn TableProvider>>>,
    pins: AtomicU64,
    views: RwLock<Option<Arc<dyn ViewPlanner>>>,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("storage", &self.shared.storage).finish_non_exhaustive()
    }
}

/// A version of a table that a statement reads under a name of its own, until this is dropped.
pub struct Pin {
    shared: Arc<Shared>,
    name: String,
}

impl Pin {
    /// The name that finds it, in the same schema.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.shared.pinned.lock().remove(&self.name);
    }
}

/// What a name stands for.
pub enum Relation {
    /// A table of the database.
    Table(Table),
    /// A view of the database.
    View,
    /// A map, or a table of one.
    Map,
    /// A table of this session only.
    Session(Arc<dyn TableProvider>),
}

impl Catalog {
    /// The catalog of a database.
    pub fn new(storage: Arc<Storage>) -> Self {
        Self {
            shared: Arc::new(Shared {
                storage,
                listings: RwLock::new(BTreeMap::from([(
                    MAIN_SCHEMA.to_string(),
                    Listing::default(),
                )])),
                maps: RwLock::default(),
                refreshed: Mutex::new(None),
                session: RwLock::default(),
                registered: RwLock::default(),
                pinned: Mutex::default(),
                pins: AtomicU64::new(0),
                views: RwLock::new(None),
            }),
        }
    }

    /// Where the tables are.
    pub fn storage(&self) -> &Arc<Storage> {
        &self.shared.storage
    }

    /// Says who plans views.
    pub fn set_view_planner(&self, planner: Arc<dyn ViewPlanner>) {
        *self.shared.views.write() = Some(planner);
    }

    /// Reads the lists again where that is cheap, or where they have grown old. A statement whose
    /// answer is these lists, or which changes them, asks for [`Catalog::refresh`] instead.
    pub async fn refresh_if_old(&self) -> Result<()> {
        let old = self.shared.refreshed.lock().is_none_or(|at| at.elapsed() > LISTING_AGE);
        if old || !self.shared.storage.is_remote() {
            return self.refresh().await;
        }
        Ok(())
    }

    /// Reads the lists of schemas, tables and views again.
    pub async fn refresh(&self) -> Result<()> {
        let mut listings = BTreeMap::new();
        for schema in self.shared.storage.schemas().await? {
            let listing = self.shared.storage.list(&schema).await?;
            listings.insert(schema, listing);
        }
        let maps = self.shared.storage.bundles().await?;
        *self.shared.listings.write() = listings;
        *self.shared.maps.write() = maps;
        *self.shared.refreshed.lock() = Some(Instant::now());
        Ok(())
    }

    /// Whether there is a schema of that name.
    pub fn has_schema(&self, schema: &str) -> bool {
        self.shared.listings.read().contains_key(schema)
    }

    /// What a map's tables are; `None` if there is no such map.
    pub fn bundle(&self, map: &str) -> Option<Bundle> {
        self.shared.maps.read().get(map).cloned()
    }

    /// A map's points, in the version that belongs to its other tables; `None` if there is no such map.
    pub async fn points_of(&self, map: &str) -> Result<Option<Table>> {
        match self.bundle(map) {
            Some(bundle) => self.shared.map_table(map, &bundle, POINTS).await,
            None => Ok(None),
        }
    }

    /// All maps by their names.
    pub fn all_bundles(&self) -> BTreeMap<String, Bundle> {
        self.shared.maps.read().clone()
    }

    /// A table of a map, in the version that belongs to the others of this bundle.
    pub async fn map_table(
        &self,
        map: &str,
        bundle: &Bundle,
        table: &str,
    ) -> Result<Option<Table>> {
        self.shared.map_table(map, bundle, table).await
    }

    /// The error for a map that is not there, with the nearest.
    pub fn missing_map(&self, name: &str) -> Error {
        let maps = self.shared.maps.read();
        let near = maps
            .keys()
            .map(|other| (strsim::damerau_levenshtein(other, name), other))
            .filter(|(distance, _)| *distance <= 1 + name.chars().count() / 3)
            .min();
        let hint = match near {
            Some((_, near)) => format!("; did you mean '{near}'?"),
            None if maps.is_empty() => "; CREATE MAP makes one".to_string(),
            None => "; SHOW MAPS lists them".to_string(),
        };
        Error::not_found("map", name, hint)
    }

    /// What a name stands for now.
    pub async fn relation(&self, name: &TableName) -> Result<Option<Relation>> {
        if let Some(table) = self.shared.session.read().get(name) {
            return Ok(Some(Relation::Session(table.clone())));
        }
        if self.shared.is_of_map(name) {
            return Ok(Some(Relation::Map));
        }
        if let Some(dataset) = self.shared.storage.table(name).await? {
            return Ok(Some(Relation::Table(Table::new(name.clone(), dataset))));
        }
        Ok(self.shared.storage.view(name).await?.map(|_| Relation::View))
    }

    /// A table of the database, or an error that says what else the name is or what is near it.
    pub async fn table(&self, name: &TableName) -> Result<Table> {
        match self.relation(name).await? {
            Some(Relation::Table(table)) => Ok(table),
            Some(Relation::View) => {
                Err(Error::Unsupported(format!("'{name}' is a view; name the table that it reads")))
            }
            Some(Relation::Session(_)) => Err(Error::Unsupported(format!(
                "'{name}' is a temporary or external table; this statement needs a stored one"
            ))),
            Some(Relation::Map) => Err(Error::Unsupported(format!(
                "'{name}' is a map, or part of one, which REFRESH MAP changes; name the table that it is of"
            ))),
            None => Err(self.missing("table", name)),
        }
    }

    /// The error for a name that stands for nothing, with the nearest names.
    pub fn missing(&self, kind: &'static str, name: &TableName) -> Error {
        let hint = match self.nearest(name) {
            Some(nearest) => format!("; did you mean '{nearest}'?"),
            None => String::new(),
        };
        Error::not_found(kind, name.to_string(), hint)
    }

    fn nearest(&self, name: &TableName) -> Option<String> {
        let listings = self.shared.listings.read();
        let session = self.shared.session.read();
        let stored = listings.iter().flat_map(|(schema, listing)| {
            listing
                .tables
                .iter()
                .chain(listing.views.keys())
                .map(|table| TableName { schema: schema.clone(), table: table.clone() })
        });
        let maps = self.shared.maps.read();
        let maps = maps
            .keys()
            .map(|map| TableName { schema: MAIN_SCHEMA.to_string(), table: map.clone() });
        stored
            .chain(session.keys().cloned())
            .chain(maps)
            .map(|candidate| {
                (strsim::damerau_levenshtein(&candidate.table, &name.table), candidate)
            })
            .filter(|(distance, _)| *distance <= 1 + name.table.chars().count() / 3)
            .min()
            .map(|(_, candidate)| candidate.to_string())
    }

    /// Keeps `table` readable under a name of its own.
    pub fn pin(&self, table: Arc<dyn TableProvider>) -> Pin {
        let number = self.shared.pins.fetch_add(1, Ordering::Relaxed);
        let name = format!("{MARK}{number}");
        self.shared.pinned.lock().insert(name.clone(), table);
        Pin { shared: self.shared.clone(), name }
    }

    /// Takes a session table away.
    pub fn drop_session_table(&self, name: &TableName) {
        self.shared.session.write().remove(name);
    }

    /// The names of all tables and views of a schema, those of the session too.
    pub fn names(&self, schema: &str) -> Vec<String> {
        self.shared.names(schema)
    }
}

impl Shared {
    /// Whether a name is that of a map or of one of its tables.
    fn is_of_map(&self, name: &TableName) -> bool {
        let maps = self.maps.read();
        maps.contains_key(&name.schema)
            || name.schema == MAIN_SCHEMA && maps.contains_key(&name.table)
    }

    /// A table of a map, in the version that belongs to the others of this bundle.
    async fn map_table(&self, map: &str, bundle: &Bundle, table: &str) -> Result<Option<Table>> {
        let Some(version) = bundle.tables.get(table).copied() else { return Ok(None) };
        let place = Storage::bundled(map, table);
        let Some(dataset) = self.storage.table(&place).await? else {
            return Err(Error::Invalid(format!(
                "map '{map}' is damaged, its table '{table}' is gone; REFRESH MAP {map} FULL makes it anew"
            )));
        };
        let dataset = checkout(&place, &dataset, version).await?;
        let name = TableName { schema: map.to_string(), table: table.to_string() };
        Ok(Some(Table::new(name, Arc::new(dataset))))
    }

    /// A map as a table: its points with the columns of its table.
    async fn map(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(bundle) = self.maps.read().get(name).cloned() else { return Ok(None) };
        let facts = Facts::of(name, &bundle)?;
        let Some(points) = self.map_table(name, &bundle, POINTS).await? else { return Ok(None) };
        let source = facts.source();
        let Some(dataset) = self.storage.table(&source).await? else {
            return Err(Error::not_found(
                "table",
                source.to_string(),
                format!(", of which map '{name}' is; {name}.points has the points alone"),
            ));
        };
        Ok(Some(joined(name, &facts, points, &Table::new(source, dataset), false)?))
    }

    fn names(&self, schema: &str) -> Vec<String> {
        let listings = self.listings.read();
        let mut names: Vec<String> = listings
            .get(schema)
            .into_iter()
            .flat_map(|listing| listing.tables.iter().chain(listing.views.keys()).cloned())
            .collect();
        let session = self.session.read();
        names.extend(session.keys().filter(|n| n.schema == schema).map(|n| n.table.clone()));
        if schema == MAIN_SCHEMA {
            names.extend(self.maps.read().keys().cloned());
        }
        if let Some(map) = self.maps.read().get(schema) {
            names.extend(map.tables.keys().cloned());
        }
        names.sort();
        names.dedup();
        names
    }
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        let stored = self.shared.listings.read();
        let registered = self.shared.registered.read();
        let listed = registered.keys().filter(|name| *name != SYSTEM_SCHEMA);
        let maps = self.shared.maps.read();
        stored.keys().chain(listed).chain(maps.keys()).cloned().collect()
    }

    fn register_schema(
        &self,
        name: &str,
        schema: Arc<dyn SchemaProvider>,
    ) -> DFResult<Option<Arc<dyn SchemaProvider>>> {
        if self.has_schema(name) {
            return Err(DataFusionError::from(Error::AlreadyExists {
                kind: "schema",
                name: name.to_string(),
                remedy: "register it under another name",
            }));
        }
        Ok(self.shared.registered.write().insert(name.to_string(), schema))
    }

    fn deregister_schema(
        &self,
        name: &str,
        _cascade: bool,
    ) -> DFResult<Option<Arc<dyn SchemaProvider>>> {
        Ok(self.shared.registered.write().remove(name))
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if let Some(registered) = self.shared.registered.read().get(name) {
            return Some(registered.clone());
        }
        let known = self.shared.listings.read().contains_key(name)
            || self.shared.maps.read().contains_key(name);
        known.then(|| {
            Arc::new(Schema { shared: self.shared.clone(), name: name.to_string() })
                as Arc<dyn SchemaProvider>
        })
    }
}

/// One schema of the database.
struct Schema {
    shared: Arc<Shared>,
    name: String,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Schema {
    fn name(&self, table: &str) -> TableName {
        TableName { schema: self.name.clone(), table: table.to_string() }
    }

    fn is_view(&self, name: &str) -> bool {
        if self.name == MAIN_SCHEMA && self.shared.maps.read().contains_key(name) {
            return true;
        }
        let listings = self.shared.listings.read();
        listings.get(&self.name).is_some_and(|listing| listing.views.contains_key(name))
    }

    async fn find(&self, table: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(pinned) = self.shared.pinned.lock().get(table) {
            return Ok(Some(pinned.clone()));
        }
        let map = self.shared.maps.read().get(&self.name).cloned();
        if let Some(bundle) = map {
            let table = self.shared.map_table(&self.name, &bundle, table).await?;
            return Ok(table.map(|table| Arc::new(table) as Arc<dyn TableProvider>));
        }
        if let Some((base, at)) = table.split_once(MARK) {
            let name = self.name(base);
            let Some(dataset) = self.shared.storage.table(&name).await? else { return Ok(None) };
            let dataset = crate::tables::at_version(&name, dataset, at).await?;
            return Ok(Some(Arc::new(Table::new(name, dataset))));
        }
        let name = self.name(table);
        if let Some(session) = self.shared.session.read().get(&name) {
            return Ok(Some(session.clone()));
        }
        if self.name == MAIN_SCHEMA
            && let Some(map) = self.shared.map(table).await?
        {
            return Ok(Some(map));
        }
        if let Some(dataset) = self.shared.storage.table(&name).await? {
            return Ok(Some(Arc::new(Table::new(name, dataset))));
        }
        let Some(sql) = self.shared.storage.view(&name).await? else { return Ok(None) };
        let planner = self.shared.views.read().clone();
        match planner {
            Some(planner) => Ok(Some(planner.plan_view(&name, &sql).await?)),
            None => Ok(None),
        }
    }
}

#[async_trait]
impl SchemaProvider for Schema {
    fn table_names(&self) -> Vec<String> {
        self.shared.names(&self.name)
    }

    async fn table(&self, name: &str) -> DFResult<Option<Arc<dyn TableProvider>>> {
        // A path or URL is not a table of ours, nor is a call of a function: others find those.
        if name.contains(['/', '\\', '.', '*', '(']) {
            return Ok(self.shared.session.read().get(&self.name(name)).cloned());
        }
        Ok(self.find(name).await?)
    }

    async fn table_type(&self, name: &str) -> DFResult<Option<TableType>> {
        if self.is_view(name) {
            return Ok(Some(TableType::View));
        }
        if let Some(map) = self.shared.maps.read().get(&self.name) {
            return Ok(map.tables.contains_key(name).then_some(TableType::Base));
        }
        Ok(self.table(name).await?.map(|table| table.table_type()))
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> DFResult<Option<Arc<dyn TableProvider>>> {
        let name = self.name(&name);
        let stored = self.shared.listings.read();
        let taken = stored.get(&self.name).is_some_and(|listing| {
            listing.tables.contains(&name.table) || listing.views.contains_key(&name.table)
        });
        if taken {
            return Err(DataFusionError::from(Error::AlreadyExists {
                kind: "table",
                name: name.to_string(),
                remedy: "choose another name or drop it first",
            }));
        }
        Ok(self.shared.session.write().insert(name, table))
    }

    fn deregister_table(&self, name: &str) -> DFResult<Option<Arc<dyn TableProvider>>> {
        Ok(self.shared.session.write().remove(&self.name(name)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.shared.names(&self.name).iter().any(|known| known == name)
    }
}
