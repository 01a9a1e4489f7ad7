//! One DataFusion session, put together: settings, runtime, object stores, files in place, secrets.

mod settings;
mod vector_casts;
mod vector_types;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::optimizer::{Analyzer, AnalyzerRule};
use datafusion::prelude::{SessionConfig, SessionContext};

pub use settings::{Settings, parse_bytes};

use crate::catalog::Catalog;
use crate::database::OpenOptions;
use crate::error::{Error, Result};
use crate::tables::{MAIN_SCHEMA, Storage};
use vector_casts::VectorCasts;
use vector_types::VectorTypes;

/// The location of a database that lives in memory.
pub const IN_MEMORY: &str = "memory://database";

/// Caches of indexes and metadata, where no memory limit says otherwise.
const CACHE_BYTES: usize = 1 << 30;

/// The session of a database, and its catalog.
pub async fn open(location: &str, options: &OpenOptions) -> Result<(SessionContext, Arc<Catalog>)> {
    let location = absolute(location)?;
    let cache_bytes =
        options.memory_limit.map_or(CACHE_BYTES, |limit| (limit / 4).min(CACHE_BYTES));
    let storage = Storage::open(&location, HashMap::new(), cache_bytes).await?;
    let catalog = Arc::new(Catalog::new(Arc::new(storage)));
    let context = build(options)?;
    context.register_catalog(&options.catalog, catalog.clone());
    Ok((context, catalog))
}

/// A local path from the root; a URL as it is.
fn absolute(location: &str) -> Result<String> {
    if location.contains("://") {
        return Ok(location.to_string());
    }
    let path = std::path::absolute(location)
        .map_err(|error| Error::io(format!("opening '{location}'"), error))?;
    Ok(path.to_string_lossy().into_owned())
}

/// The session, without a catalog.
fn build(options: &OpenOptions) -> Result<SessionContext> {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_default_catalog_and_schema(&options.catalog, MAIN_SCHEMA)
        .with_create_default_catalog_and_schema(false);
    let sql = &mut config.options_mut().sql_parser;
    sql.collect_spans = true;
    config.options_mut().extensions.insert(Settings::default());
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(limit) = options.memory_limit {
        runtime = runtime.with_memory_limit(limit, 1.0);
    }
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::new(runtime.build()?))
        .with_default_features()
        .with_type_planner(Arc::new(VectorTypes));
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(VectorCasts)];
    rules.extend(Analyzer::new().rules);
    let state = state.with_analyzer_rules(rules).build();
    let context = SessionContext::new_with_state(state);
    portolan_udfs::register_functions(&context);
    Ok(context)
}
