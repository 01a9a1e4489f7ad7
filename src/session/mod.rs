//! One DataFusion session, put together: settings, runtime, object stores, files in place, secrets.

mod late_embedding;
mod passes;
pub mod secrets;
mod short_plans;
mod stored_files;
pub mod stores;
mod vector_casts;
mod vector_types;
mod yielding;

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::optimizer::{Analyzer, AnalyzerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};
use url::Url;

pub use passes::two_are_enough;
use portolan_models::{Environment, Models};
use portolan_udfs::Files;
use portolan_udfs::classifier::Classifiers;
use portolan_udfs::map::Maps;
pub use portolan_udfs::{Settings, parse_bytes};
pub use secrets::Secrets;
pub use short_plans::short;
pub use stores::Stores;
pub use yielding::yielding;

use crate::catalog::Catalog;
use crate::classifiers::{Shelf, Store};
use crate::database::OpenOptions;
use crate::error::Result;
use crate::files;
use crate::functions::register_with;
use crate::maps::Grounds;
use crate::search::{Columns, SearchRule};
use crate::tables::{MAIN_SCHEMA, Storage};
use crate::windows::WindowRule;
use late_embedding::LateEmbedding;
use short_plans::UnlessSearched;
use stored_files::StoredFiles;
use vector_casts::VectorCasts;
pub use vector_casts::cast_in;
use vector_types::VectorTypes;

/// The location of a database that lives in memory.
pub const IN_MEMORY: &str = "memory://database";

/// Caches of indexes and metadata, where no memory limit says otherwise.
const CACHE_BYTES: usize = 1 << 30;

/// Columns of vectors that searches keep decoded, where no memory limit says otherwise.
const VECTOR_BYTES: usize = 4 << 30;

/// The session of a database, and what it shares with it.
pub struct Opened {
    /// The session.
    pub context: SessionContext,
    /// The tables.
    pub catalog: Arc<Catalog>,
    /// The models that functions run.
    pub models: Arc<Models>,
    /// The columns of vectors that searches keep decoded.
    pub columns: Arc<Columns>,
    /// The classifiers that functions ask.
    pub shelf: Shelf,
    /// The maps that functions place vectors on.
    pub grounds: Grounds,
}

/// Opens the session of a database.
pub async fn open(location: &str, options: &OpenOptions, stores: &Stores) -> Result<Opened> {
    let cache_bytes =
        options.memory_limit.map_or(CACHE_BYTES, |limit| (limit / 4).min(CACHE_BYTES));
    let url = stores.open(location)?.url;
    let storage = Storage::open(
        url.as_str(),
        stores.lance_registry(),
        stores.lance_params(&url),
        cache_bytes,
    )
    .await?;
    let storage = Arc::new(storage);
    let shelf = Shelf::new(Store::new(storage.clone()));
    let catalog = Arc::new(Catalog::new(storage));
    let models = models(&url, options.read_only);
    let vectors = options.memory_limit.map_or(VECTOR_BYTES, |limit| (limit / 2).min(VECTOR_BYTES));
    let columns = Arc::new(Columns::new(vectors));
    let grounds = Grounds::new(catalog.clone());
    let context = build(options, stores, &models, &columns, &shelf, &grounds)?;
    context.register_catalog(&options.catalog, catalog.clone());
    if options.tables_only {
        stores.close_to_statements();
    }
    Ok(Opened { context, catalog, models, columns, shelf, grounds })
}

/// The models of a database. Their vectors are cached in its folder, or in the user's cache folder
/// where it has none that can be written to.
fn models(url: &Url, read_only: bool) -> Arc<Models> {
    let environment = Environment::of_process();
    let folder = url.to_file_path().ok().filter(|_| url.scheme() == "file" && !read_only);
    let cache = folder.map(|folder| folder.join("_cache")).or_else(|| environment.vectors.clone());
    Models::new(environment, cache)
}

/// The engine's rules about physical plans, and ours.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = Vec::new();
    for rule in PhysicalOptimizer::new().rules {
        rules.push(Arc::new(UnlessSearched(rule)));
    }
    rules.push(Arc::new(LateEmbedding));
    rules.push(Arc::new(WindowRule));
    rules
}

/// The session, without a catalog.
fn build(
    options: &OpenOptions,
    stores: &Stores,
    models: &Arc<Models>,
    columns: &Arc<Columns>,
    shelf: &Shelf,
    grounds: &Grounds,
) -> Result<SessionContext> {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_default_catalog_and_schema(&options.catalog, MAIN_SCHEMA)
        .with_create_default_catalog_and_schema(false);
    let sql = &mut config.options_mut().sql_parser;
    sql.collect_spans = true;
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
        .with_type_planner(Arc::new(VectorTypes))
        .with_physical_optimizer_rules(physical_rules())
        .with_optimizer_rule(Arc::new(SearchRule::new(columns.clone())));
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(VectorCasts)];
    rules.extend(Analyzer::new().rules);
    let state = state.with_analyzer_rules(rules).build();
    let context = SessionContext::new_with_state(state);
    let files: Arc<dyn Files> = Arc::new(StoredFiles::new(stores.clone()));
    let classifiers: Arc<dyn Classifiers> = Arc::new(shelf.clone());
    let maps: Arc<dyn Maps> = Arc::new(grounds.clone());
    register_with(&context, models, &files, &classifiers, &maps);
    files::enable(&context, stores, columns);
    Ok(context)
}
