//! Files of any store of the session, for functions, which cannot wait for a future themselves.

use bytes::Bytes;
use object_store::ObjectStoreExt;
use portolan_models::{Error, remote};
use portolan_udfs::Files;

use super::stores::Stores;

/// The files that a session can reach.
#[derive(Debug, Clone)]
pub struct StoredFiles {
    stores: Stores,
}

impl StoredFiles {
    /// Those of these stores.
    pub fn new(stores: Stores) -> Self {
        Self { stores }
    }
}

impl Files for StoredFiles {
    fn read(&self, location: &str, stopped: &dyn Fn() -> bool) -> Result<Bytes, String> {
        let located = self.stores.open(location).map_err(|error| error.to_string())?;
        let future = async move {
            let failed = |error: object_store::Error| Error::Input(error.to_string());
            let file = located.store.get(&located.path).await.map_err(failed)?;
            file.bytes().await.map_err(failed)
        };
        remote::block_on(future, stopped).map_err(|error| error.to_string())
    }
}
