//! One DataFusion session, put together: settings, runtime, object stores, files in place, secrets.

pub mod secrets;
mod settings;
pub mod stores;

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

pub use secrets::Secrets;
pub use settings::{Settings, parse_bytes};
pub use stores::Stores;

use crate::database::OpenOptions;
use crate::error::Result;
use crate::files;

/// The session of a database.
pub fn build(options: &OpenOptions, stores: &Stores) -> Result<SessionContext> {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_default_catalog_and_schema(&options.catalog, "public")
        .with_create_default_catalog_and_schema(true);
    config.options_mut().extensions.insert(Settings::default());
    let mut runtime = RuntimeEnvBuilder::new()
        .with_object_store_registry(Arc::new(stores.clone()))
        // A remembered listing would hide files that others add.
        .with_object_list_cache_limit(0);
    if let Some(limit) = options.memory_limit {
        runtime = runtime.with_memory_limit(limit, 1.0);
    }
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::new(runtime.build()?))
        .with_default_features()
        .build();
    let context = SessionContext::new_with_state(state);
    portolan_udfs::register_functions(&context);
    files::enable(&context, stores);
    Ok(context)
}
