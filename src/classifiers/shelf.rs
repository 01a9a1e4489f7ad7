//! The classifiers that a session has at hand: read once, and again when their files have changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use datafusion::error::{DataFusionError, Result as DfResult};
use parking_lot::Mutex;
use portolan_models::remote;
use portolan_udfs::classifier::{Classifier, Classifiers};

use super::store::{Stamp, Store};
use crate::error::{Error, Result};

/// How long a look at a file holds where no statement of ours begins: programs can plan for themselves.
const FRESH: Duration = Duration::from_secs(2);

/// Classifiers that are kept at hand before those are let go that no statement of now asks.
const MOST: usize = 16;

/// Classifiers by their names. Clones share them.
#[derive(Debug, Clone)]
pub struct Shelf {
    store: Store,
    known: Arc<Mutex<HashMap<String, Known>>>,
    /// Counts statements: what an earlier one looked at is looked at again.
    statements: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Known {
    classifier: Arc<Classifier>,
    stamp: Stamp,
    statement: u64,
    looked: Instant,
}

impl Shelf {
    /// Those of a database.
    pub fn new(store: Store) -> Self {
        Self { store, known: Arc::default(), statements: Arc::default() }
    }

    /// Where they lie.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A statement begins: it sees what is there now.
    pub fn look_again(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    fn fresh(&self, name: &str) -> Option<Arc<Classifier>> {
        let known = self.known.lock();
        let known = known.get(name)?;
        let now = self.statements.load(Ordering::Relaxed);
        let fresh = known.statement == now && known.looked.elapsed() < FRESH;
        fresh.then(|| known.classifier.clone())
    }

    /// A classifier as it is now, of exactly that name.
    async fn exactly(&self, name: &str) -> Result<Option<Arc<Classifier>>> {
        let statement = self.statements.load(Ordering::Relaxed);
        let Some(stamp) = self.store.stamp(name).await? else {
            self.known.lock().remove(name);
            return Ok(None);
        };
        if let Some(known) = self.known.lock().get_mut(name)
            && known.stamp == stamp
        {
            (known.statement, known.looked) = (statement, Instant::now());
            return Ok(Some(known.classifier.clone()));
        }
        let Some((classifier, stamp)) = self.store.read(name).await? else { return Ok(None) };
        let classifier = Arc::new(classifier);
        let known =
            Known { classifier: classifier.clone(), stamp, statement, looked: Instant::now() };
        let mut all = self.known.lock();
        if all.len() >= MOST {
            all.retain(|_, known| known.statement == statement);
        }
        all.insert(name.to_string(), known);
        Ok(Some(classifier))
    }

    /// A classifier as it is now, in small letters if there is none as it is written.
    async fn find(self, name: String) -> Result<Arc<Classifier>> {
        if let Some(found) = self.exactly(&name).await? {
            return Ok(found);
        }
        let lower = name.to_lowercase();
        if lower != name
            && let Some(found) = self.exactly(&lower).await?
        {
            return Ok(found);
        }
        Err(self.missing(&name).await)
    }

    /// The error for a name that stands for nothing, with the nearest.
    pub async fn missing(&self, name: &str) -> Error {
        let names = match self.store.names().await {
            Ok(names) => names,
            Err(error) => return error,
        };
        let hint = if names.is_empty() {
            "; CREATE CLASSIFIER makes one".to_string()
        } else {
            let near = names
                .iter()
                .map(|other| (strsim::damerau_levenshtein(other, name), other))
                .filter(|(distance, _)| *distance <= 1 + name.chars().count() / 3)
                .min();
            near.map_or("; SHOW CLASSIFIERS lists them".to_string(), |(_, near)| {
                format!("; did you mean '{near}'?")
            })
        };
        Error::not_found("classifier", name, hint)
    }
}

impl Classifiers for Shelf {
    fn classifier(&self, name: &str) -> DfResult<Arc<Classifier>> {
        if let Some(known) = self.fresh(name) {
            return Ok(known);
        }
        let found = self.clone().find(name.to_string());
        // What the planner asks for cannot be waited for in its own task.
        let found = remote::block_on(async { Ok(found.await) }, &|| false);
        match found {
            Ok(found) => Ok(found?),
            Err(error) => Err(DataFusionError::External(Box::new(error))),
        }
    }
}
