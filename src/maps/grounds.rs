//! The maps that functions place vectors on: read when a statement first asks for one, and kept for the
//! next one that does.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::error::{DataFusionError, Result as DFResult};
use datafusion::prelude::SessionContext;
use parking_lot::Mutex;
use portolan_models::remote;
use portolan_udfs::map::{Given, Ground, Maps, Stored};

use super::facts::{Facts, POINTS, TOPICS};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::tables::{Bundle, Definition, Table};

/// Maps by their names. Clones share them.
#[derive(Clone)]
pub struct Grounds {
    catalog: Arc<Catalog>,
    known: Arc<Mutex<HashMap<String, Known>>>,
    /// Counts statements: what the latest did not ask for is let go, since it holds all vectors.
    statements: Arc<AtomicU64>,
}

struct Known {
    ground: Arc<Ground>,
    bundle: Bundle,
    /// The version of the table that it was read from.
    version: (Option<String>, u64),
    statement: u64,
}

impl fmt::Debug for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grounds").finish_non_exhaustive()
    }
}

impl Grounds {
    /// Those of a database.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, known: Arc::default(), statements: Arc::default() }
    }

    /// A statement begins: it sees what is there now.
    pub fn look_again(&self) {
        let last = self.statements.fetch_add(1, Ordering::Relaxed);
        self.known.lock().retain(|_, known| known.statement == last);
    }

    /// A map as it is now, in small letters if there is none as it is written.
    async fn find(self, name: String) -> Result<Arc<Ground>> {
        let lower = name.to_lowercase();
        for name in [&name, &lower] {
            if let Some(bundle) = self.catalog.bundle(name) {
                return self.exactly(name, bundle).await;
            }
        }
        Err(self.catalog.missing_map(&name))
    }

    async fn exactly(&self, name: &str, bundle: Bundle) -> Result<Arc<Ground>> {
        let facts = Facts::of(name, &bundle)?;
        let table = self.catalog.table(&facts.source()).await?;
        let id = Definition::id(&table.dataset().schema().metadata).map(str::to_string);
        let version = (id, table.dataset().version_id());
        let statement = self.statements.load(Ordering::Relaxed);
        if let Some(known) = self.known.lock().get_mut(name)
            && known.bundle == bundle
            && known.version == version
        {
            known.statement = statement;
            return Ok(known.ground.clone());
        }
        let ground = Arc::new(self.read(name, &facts, &bundle, &table).await?);
        let known = Known { ground: ground.clone(), bundle, version, statement };
        self.known.lock().insert(name.to_string(), known);
        Ok(ground)
    }

    async fn read(
        &self,
        name: &str,
        facts: &Facts,
        bundle: &Bundle,
        table: &Table,
    ) -> Result<Ground> {
        let of_map = |part: &'static str| async move {
            match self.catalog.map_table(name, bundle, part).await? {
                Some(table) => rows(table, &[]).await,
                None => Err(self.catalog.missing_map(name)),
            }
        };
        let (points, topics) = (of_map(POINTS).await?, of_map(TOPICS).await?);
        let id = facts.key.as_deref().unwrap_or("_rowid");
        let definition = table.definition();
        if let Some(column) = [&facts.column]
            .into_iter()
            .chain(&facts.key)
            .find(|column| definition.column(column).is_none())
        {
            return Err(Error::Invalid(format!(
                "map '{name}' is made of column '{column}' of table '{}', which has it no longer; CREATE OR REPLACE MAP makes it of another one",
                facts.source()
            )));
        }
        let now = rows(table.with_row_ids(), &[id, &facts.column]).await?;
        let (ids, vectors) = (now.column(0), std::slice::from_ref(now.column(1)));
        let stored = Stored {
            points: &points,
            topics: &topics,
            neighbors: &topics,
            projection: facts.projection,
            recall: facts.recall,
        };
        let given = Given { ids, row_ids: ids, vectors, texts: None, labels: None };
        Ok(Ground::new(name, &stored, &given, &facts.wanted, facts.fingerprint.clone())?)
    }
}

/// Columns of a table, or all.
async fn rows(table: Table, columns: &[&str]) -> Result<RecordBatch> {
    let frame = SessionContext::new().read_table(Arc::new(table))?;
    let frame = if columns.is_empty() { frame } else { frame.select_columns(columns)? };
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await?;
    let schema = batches.first().map_or(schema, RecordBatch::schema);
    Ok(concat_batches(&schema, &batches)?)
}

impl Maps for Grounds {
    fn map(&self, name: &str) -> DFResult<Arc<Ground>> {
        let found = self.clone().find(name.to_string());
        // What the planner asks for cannot be waited for in its own task.
        let found = remote::block_on(async { Ok(found.await) }, &|| false);
        match found {
            Ok(found) => Ok(found?),
            Err(error) => Err(DataFusionError::External(Box::new(error))),
        }
    }
}
