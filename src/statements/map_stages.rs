//! What is made of a map before it is stored: who makes it again after a kill goes on from there.

use std::sync::Arc;

use bytes::Bytes;
use portolan_udfs::map::Shelf;
use tokio::runtime::Handle;

use crate::database::Database;
use crate::tables::Storage;

/// The stages of a map, in its folder.
pub struct Stages {
    storage: Arc<Storage>,
    map: String,
    runtime: Handle,
}

impl Stages {
    /// Those of a map; none where nothing outlasts the process.
    pub fn of(db: &Database, map: &str) -> Option<Self> {
        let storage = db.catalog().storage().clone();
        let (map, runtime) = (map.to_string(), Handle::current());
        storage.is_lasting().then_some(Self { storage, map, runtime })
    }
}

/// Called on threads that may wait: none of the engine's.
impl Shelf for Stages {
    fn get(&self, name: &str) -> Option<Bytes> {
        self.runtime.block_on(self.storage.stage(&self.map, name)).ok().flatten()
    }

    fn put(&self, name: &str, made: Bytes) {
        // Without it the map is made all the same.
        let _ = self.runtime.block_on(self.storage.put_stage(&self.map, name, made));
    }
}
