//! Models and the cache of their vectors: SHOW MODELS, PULL, VERIFY, DROP and CREATE MODEL, SHOW
//! CACHE, VACUUM CACHE.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array};
use parking_lot::Mutex;
use portolan_models::{Cache, Error as ModelError, Modality, Preferences, Registry};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::statements::grammar::ModelStatement;
use crate::statements::show::{table, texts};

/// Runs one of them.
pub async fn run(db: &Database, statement: &ModelStatement) -> Result<ResultSet> {
    let preferences = db.preferences();
    let registry = db.models().registry(&preferences);
    match statement {
        ModelStatement::Show => show(registry).await,
        ModelStatement::Pull(name) => pull(db, &registry, name).await,
        ModelStatement::Verify(name) => verify(registry, name).await,
        ModelStatement::Drop { name, if_exists } => drop_model(registry, name, *if_exists).await,
        ModelStatement::Create { name, folder, replace } => {
            let (name, folder, replace) = (name.clone(), folder.clone(), *replace);
            blocking(move || registry.create(&name, Path::new(&folder), replace)).await?;
            Ok(ResultSet::done("CREATE MODEL"))
        }
        ModelStatement::ShowCache => show_cache(db, &preferences),
        ModelStatement::VacuumCache => match cache(db, &preferences)? {
            Some(cache) => {
                blocking(move || cache.clear()).await?;
                Ok(ResultSet::done("VACUUM"))
            }
            None => Err(off()),
        },
    }
}

async fn show(registry: Registry) -> Result<ResultSet> {
    let entries = blocking(move || registry.list()).await?;
    let text = |of: fn(&portolan_models::Entry) -> Option<String>| texts(entries.iter().map(of));
    table(vec![
        ("model", text(|entry| Some(entry.manifest.name.clone()))),
        (
            "takes",
            text(|entry| {
                let takes = match entry.manifest.modality {
                    Modality::Text => "text",
                    Modality::Image => "image",
                    Modality::Both => "text, image",
                };
                Some(takes.to_string())
            }),
        ),
        (
            "dims",
            text(|entry| {
                let manifest = &entry.manifest;
                Some(if manifest.min_dims == manifest.dims {
                    manifest.dims.to_string()
                } else {
                    format!("{} to {}", manifest.min_dims, manifest.dims)
                })
            }),
        ),
        (
            "here",
            Arc::new(entries.iter().map(|entry| Some(entry.here)).collect::<BooleanArray>()) as _,
        ),
        (
            "bytes",
            Arc::new(
                entries
                    .iter()
                    .map(|entry| entry.here.then(|| entry.bytes.cast_signed()))
                    .collect::<Int64Array>(),
            ) as _,
        ),
        ("licence", text(|entry| Some(entry.manifest.licence.clone()))),
        ("about", text(|entry| Some(entry.manifest.about.clone()))),
        ("folder", text(|entry| Some(entry.folder.as_ref()?.display().to_string()))),
    ])
}

async fn pull(db: &Database, registry: &Registry, name: &str) -> Result<ResultSet> {
    let progress = db.progress();
    // The file that is being fetched, and how much of it was there when last heard of.
    let state: Mutex<(String, u64)> = Mutex::default();
    let tell = |file: &str, done: u64, total: Option<u64>| {
        let mut state = state.lock();
        if state.0 != file {
            *state = (file.to_string(), 0);
            progress.begin(format!("fetching {file}"), "bytes", total);
        }
        progress.advance(done.saturating_sub(state.1));
        state.1 = done;
    };
    let pulled = registry.pull(name, &tell).await;
    progress.finish();
    let located = pulled?;
    table(vec![
        ("model", texts([Some(located.manifest.name)])),
        ("revision", texts([Some(located.revision)])),
        ("folder", texts([Some(located.folder.display().to_string())])),
    ])
}

async fn verify(registry: Registry, name: &str) -> Result<ResultSet> {
    let model = name.to_string();
    let files = blocking(move || registry.verify(&model)).await?;
    if let Some(file) = files.iter().find(|file| file.wrong.is_some()) {
        let reason = file.wrong.clone().unwrap_or_default();
        return Err(ModelError::File { path: file.path.clone(), reason }.into());
    }
    let path = |file: &portolan_models::Checked| Some(file.path.display().to_string());
    table(vec![
        ("file", texts(files.iter().map(path))),
        ("sha256", texts(files.iter().map(|file| file.sha256.clone()))),
    ])
}

async fn drop_model(registry: Registry, name: &str, if_exists: bool) -> Result<ResultSet> {
    let name = name.to_string();
    match blocking(move || registry.remove(&name)).await {
        Err(Error::Model(ModelError::UnknownModel { .. })) if if_exists => {}
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    Ok(ResultSet::done("DROP MODEL"))
}

fn show_cache(db: &Database, preferences: &Preferences) -> Result<ResultSet> {
    let Some(cache) = cache(db, preferences)? else { return Err(off()) };
    let state = cache.state()?;
    let number = |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![value.cast_signed()])) };
    table(vec![
        ("vectors", number(state.vectors)),
        ("bytes", number(state.bytes)),
        ("limit", number(preferences.cache_limit.unwrap_or_default())),
        ("folder", texts([Some(cache.folder().display().to_string())])),
    ])
}

fn cache(db: &Database, preferences: &Preferences) -> Result<Option<Arc<Cache>>> {
    let cache = db.models().cache(preferences);
    match db.models().take_cache_error() {
        Some(error) => Err(error.into()),
        None => Ok(cache),
    }
}

fn off() -> Error {
    Error::Invalid(
        "no vectors are cached; SET portolan.embed_cache = 'on' to cache them".to_string(),
    )
}

/// Reads and hashes files where that holds nothing else up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> portolan_models::Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
