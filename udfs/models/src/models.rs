//! The models of a database: found, loaded once however many partitions and databases use them, and
//! run here or on a server.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::cache::Cache;
use crate::device::Device;
use crate::embedded::Embedded;
use crate::embedder::{Conditions, TextEmbedder, TextRequest, Unwatched, Watch};
use crate::error::{Error, Result};
use crate::image_embedder::ImageEmbedder;
use crate::manifest::{Architecture, LongText, Manifest, Task};
use crate::once::{Kept, Recipe, embed_once};
use crate::registry::{Environment, Located, Options, Registry};
use crate::remote::{self, InferenceMode, RemoteEmbedder, RemoteOptions};
use crate::text::TextModel;
use crate::vision::{
    Clip, Conse, DeviceNomicVision, EfficientNet, ImageModel, NomicVision, Siglip,
};

/// What a session wants of models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Preferences {
    /// A folder of models that is searched first.
    pub model_dir: Option<PathBuf>,
    /// Whether nothing may be downloaded.
    pub offline: bool,
    /// Where models run.
    pub device: Device,
    /// Here or on a server.
    pub mode: InferenceMode,
    /// The server's address.
    pub remote_url: Option<String>,
    /// The environment variable that holds its key.
    pub remote_key_env: Option<String>,
    /// Seconds in which it must have answered a request; 120 where it is not said.
    pub remote_timeout: Option<u64>,
    /// Tokens of a run.
    pub run_tokens: Option<usize>,
    /// Bytes that the cache may grow to; no cache is used without.
    pub cache_limit: Option<u64>,
}

/// The models of a database, or of a session without one.
pub struct Models {
    environment: Environment,
    cache_folder: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    registries: HashMap<(Option<PathBuf>, bool), Registry>,
    texts: HashMap<Place, Arc<TextEmbedder>>,
    images: HashMap<Place, Arc<ImageEmbedder>>,
    remotes: HashMap<RemoteKey, Arc<RemoteEmbedder>>,
    cache: Option<Opened>,
}

enum Opened {
    Cache(Arc<Cache>),
    /// It could not be opened, and nobody has been told yet.
    Failed(Option<Error>),
}

/// What a loaded model is found by: its name, folder and revision, and where it runs.
type Place = (String, PathBuf, String, Device);

/// Address, key variable, seconds to answer, and model of a remote embedder.
type RemoteKey = (String, Option<String>, Option<u64>, String);

/// Models that are loaded in this process, for databases to share.
type Loaded<T> = LazyLock<Mutex<HashMap<Place, Weak<T>>>>;

static TEXTS: Loaded<TextEmbedder> = LazyLock::new(Mutex::default);
static IMAGES: Loaded<ImageEmbedder> = LazyLock::new(Mutex::default);

/// The model of a place, loaded if it is not yet. Whoever comes second waits, and finds it loaded.
fn shared<T>(
    loaded: &Mutex<HashMap<Place, Weak<T>>>,
    place: &Place,
    load: impl FnOnce() -> Result<T>,
) -> Result<Arc<T>> {
    let mut loaded = loaded.lock();
    if let Some(model) = loaded.get(place).and_then(Weak::upgrade) {
        return Ok(model);
    }
    let model = Arc::new(load()?);
    loaded.retain(|_, model| model.strong_count() > 0);
    loaded.insert(place.clone(), Arc::downgrade(&model));
    Ok(model)
}

impl Models {
    /// Models found by what `environment` says, whose vectors are kept in a folder, if there is to
    /// be one. Nothing is read yet.
    pub fn new(environment: Environment, cache_folder: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self { environment, cache_folder, state: Mutex::default() })
    }

    /// The registry of a session.
    pub fn registry(&self, preferences: &Preferences) -> Registry {
        let key = (preferences.model_dir.clone(), preferences.offline);
        let mut state = self.state.lock();
        let registry = state.registries.entry(key).or_insert_with(|| {
            Registry::new(Options {
                model_dir: preferences.model_dir.clone(),
                offline: preferences.offline,
                environment: self.environment.clone(),
            })
        });
        registry.clone()
    }

    /// What is known of a model.
    pub fn manifest(&self, name: &str, preferences: &Preferences) -> Result<Manifest> {
        self.registry(preferences).manifest(name)
    }

    /// What tells a model's weights from others; unknown where a server may run them.
    pub fn revision(
        &self,
        manifest: &Manifest,
        preferences: &Preferences,
    ) -> Result<Option<String>> {
        let served = match preferences.mode {
            InferenceMode::Local => false,
            InferenceMode::Remote => true,
            InferenceMode::Dynamic => preferences.remote_url.is_some(),
        };
        if served {
            return Ok(None);
        }
        Ok(Some(self.registry(preferences).find(&manifest.name)?.revision))
    }

    /// A text model, loaded when it is first asked for.
    pub fn text(&self, name: &str, preferences: &Preferences) -> Result<Arc<TextEmbedder>> {
        preferences.device.check()?;
        let mut located = self.registry(preferences).find(name)?;
        if located.manifest.architecture == Architecture::Conse {
            located = text_part(located)?;
        }
        let place = place_of(&located, device_of(&located, preferences));
        if let Some(embedder) = self.state.lock().texts.get(&place) {
            return Ok(embedder.clone());
        }
        let embedder = shared(&TEXTS, &place, || load_text(&located, place.3))?;
        self.state.lock().texts.insert(place, embedder.clone());
        Ok(embedder)
    }

    /// An image model, loaded when it is first asked for.
    pub fn image(&self, name: &str, preferences: &Preferences) -> Result<Arc<ImageEmbedder>> {
        preferences.device.check()?;
        let located = self.registry(preferences).find(name)?;
        let place = place_of(&located, device_of(&located, preferences));
        if let Some(embedder) = self.state.lock().images.get(&place) {
            return Ok(embedder.clone());
        }
        let embedder = shared(&IMAGES, &place, || {
            let model = self.load_image(&located, preferences)?;
            Ok(ImageEmbedder::new(model, fingerprint_of(&located)))
        })?;
        self.state.lock().images.insert(place, embedder.clone());
        Ok(embedder)
    }

    fn load_image(
        &self,
        located: &Located,
        preferences: &Preferences,
    ) -> Result<Box<dyn ImageModel>> {
        let folder = &located.folder;
        Ok(match located.manifest.architecture {
            Architecture::NomicVision => match preferences.device.open()? {
                None => Box::new(NomicVision::open(folder)?),
                Some(device) => Box::new(DeviceNomicVision::open(folder, &device)?),
            },
            Architecture::Clip => Box::new(Clip::open(folder)?),
            Architecture::Siglip => Box::new(Siglip::open(folder)?),
            Architecture::EfficientNetLite0 => Box::new(EfficientNet::open(&weights(located)?)?),
            Architecture::Conse => {
                let mut parts = located.parts.iter();
                let image = parts
                    .find(|part| part.manifest.text.is_none())
                    .ok_or_else(|| no_part(located, "images"))?;
                let network = EfficientNet::open(&weights(image)?)?;
                let text = self.text(&located.manifest.name, preferences)?;
                Box::new(Conse::new(network, |names| {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    let request = TextRequest {
                        task: Task::SearchDocument,
                        dims: text.dims(),
                        long: LongText::Truncate,
                    };
                    let alone = Conditions { run_tokens: None, kept: None, watch: &Unwatched };
                    Ok(text.embed(&names, request, &alone)?.values)
                })?)
            }
            Architecture::Bert | Architecture::NomicBert | Architecture::XlmRoberta => {
                let name = &located.manifest.name;
                return Err(Error::Argument(format!("model '{name}' takes texts, not images")));
            }
        })
    }

    /// The vectors of some images' files, made here or where the session says.
    pub fn embed_images(
        &self,
        manifest: &Manifest,
        images: &[Bytes],
        dims: usize,
        preferences: &Preferences,
        watch: &dyn Watch,
    ) -> Result<Embedded> {
        let cache = self.cache(preferences);
        let limit = preferences.cache_limit.unwrap_or(0);
        let kept = cache.as_deref().map(|cache| Kept { cache, limit });
        match place(preferences, images.len(), watch)? {
            remote::Place::Local => {
                let conditions = Conditions { run_tokens: preferences.run_tokens, kept, watch };
                let embedder = self.image(&manifest.name, preferences)?;
                if preferences.device != Device::Cpu && !embedder.is_on_device() {
                    watch.tell(&on_processor(&manifest.name, preferences.device));
                }
                embedder.embed(images, dims, &conditions)
            }
            remote::Place::Remote => {
                let server = self.server(manifest, preferences)?;
                embed_images_remotely(&server, manifest, images, dims, kept, watch)
            }
        }
    }

    /// The vectors of some texts, made here or where the session says.
    pub fn embed_texts(
        &self,
        manifest: &Manifest,
        texts: &[&str],
        request: TextRequest,
        preferences: &Preferences,
        watch: &dyn Watch,
    ) -> Result<Embedded> {
        let cache = self.cache(preferences);
        let limit = preferences.cache_limit.unwrap_or(0);
        let kept = cache.as_deref().map(|cache| Kept { cache, limit });
        match place(preferences, texts.len(), watch)? {
            remote::Place::Local => {
                let conditions = Conditions { run_tokens: preferences.run_tokens, kept, watch };
                let embedder = self.text(&manifest.name, preferences)?;
                if preferences.device != Device::Cpu && !embedder.is_on_device() {
                    watch.tell(&on_processor(&manifest.name, preferences.device));
                }
                embedder.embed(texts, request, &conditions)
            }
            remote::Place::Remote => {
                let server = self.server(manifest, preferences)?;
                embed_texts_remotely(&server, manifest, texts, request, kept, watch)
            }
        }
    }

    /// The server that the session has set.
    fn server(
        &self,
        manifest: &Manifest,
        preferences: &Preferences,
    ) -> Result<Arc<RemoteEmbedder>> {
        let url = preferences.remote_url.clone().unwrap_or_default();
        let key = (
            url.clone(),
            preferences.remote_key_env.clone(),
            preferences.remote_timeout,
            manifest.name.clone(),
        );
        if let Some(server) = self.state.lock().remotes.get(&key) {
            return Ok(server.clone());
        }
        let mut options = RemoteOptions::new(url, &manifest.name);
        options.key_env = preferences.remote_key_env.clone();
        if let Some(seconds) = preferences.remote_timeout {
            options.timeout = Duration::from_secs(seconds);
        }
        let server = Arc::new(RemoteEmbedder::new(options, |name| std::env::var(name).ok())?);
        self.state.lock().remotes.insert(key, server.clone());
        Ok(server)
    }

    /// The cache, if the session wants one and it can be had.
    pub fn cache(&self, preferences: &Preferences) -> Option<Arc<Cache>> {
        preferences.cache_limit?;
        let folder = self.cache_folder.as_ref()?;
        let mut state = self.state.lock();
        let opened = state.cache.get_or_insert_with(|| match Cache::open(folder) {
            Ok(cache) => Opened::Cache(cache),
            Err(error) => Opened::Failed(Some(error)),
        });
        match opened {
            Opened::Cache(cache) => Some(cache.clone()),
            Opened::Failed(_) => None,
        }
    }

    /// Why there is no cache, said once.
    pub fn take_cache_error(&self) -> Option<Error> {
        match self.state.lock().cache.as_mut()? {
            Opened::Failed(error) => error.take(),
            Opened::Cache(_) => None,
        }
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models").field("cache_folder", &self.cache_folder).finish_non_exhaustive()
    }
}

/// Where some rows of a statement run: where its first ones did.
fn place(preferences: &Preferences, rows: usize, watch: &dyn Watch) -> Result<remote::Place> {
    let configured = preferences.remote_url.is_some();
    let decided = remote::decide(preferences.mode, configured, rows)?;
    Ok(match preferences.mode {
        InferenceMode::Dynamic => watch.place(decided, rows),
        InferenceMode::Local | InferenceMode::Remote => decided,
    })
}

/// The vectors that a server makes of some images, each image once.
fn embed_images_remotely(
    server: &Arc<RemoteEmbedder>,
    manifest: &Manifest,
    images: &[Bytes],
    dims: usize,
    kept: Option<Kept<'_>>,
    watch: &dyn Watch,
) -> Result<Embedded> {
    let inputs: Vec<&[u8]> = images.iter().map(|image| &image[..]).collect();
    let fingerprint = served(manifest, server);
    let recipe = Recipe { fingerprint: &fingerprint, parts: ["image", ""], dims };
    embed_once(&inputs, &recipe, kept, watch, |places| {
        let images: Vec<Bytes> = places.iter().map(|&place| images[place].clone()).collect();
        let server = server.clone();
        let future = async move { server.embed_images(&images, Some(dims)).await };
        let embedded = remote::block_on(future, &|| watch.stopped())?;
        watch.ran(places.len() as u64, 0);
        Ok(embedded)
    })
}

/// What a server makes of a model's name is not known to be what this machine makes of it.
fn served(manifest: &Manifest, server: &RemoteEmbedder) -> String {
    format!("{} at {}", manifest.name, server.host())
}

/// The vectors that a server makes of some texts, each text once.
fn embed_texts_remotely(
    server: &Arc<RemoteEmbedder>,
    manifest: &Manifest,
    texts: &[&str],
    request: TextRequest,
    kept: Option<Kept<'_>>,
    watch: &dyn Watch,
) -> Result<Embedded> {
    let inputs: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    let fingerprint = served(manifest, server);
    let recipe = Recipe {
        fingerprint: &fingerprint,
        parts: [request.task.name(), request.long.name()],
        dims: request.dims,
    };
    embed_once(&inputs, &recipe, kept, watch, |places| {
        let texts: Vec<String> = places.iter().map(|&place| texts[place].to_string()).collect();
        let (server, recipe, full_dims) = (server.clone(), manifest.text.clone(), manifest.dims);
        let future = async move {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let request = remote::TextRequest {
                task: request.task,
                dims: Some(request.dims),
                full_dims: Some(full_dims),
                recipe: recipe.as_ref(),
                long_text: request.long,
            };
            server.embed_texts(&texts, &request).await
        };
        let embedded = remote::block_on(future, &|| watch.stopped())?;
        watch.ran(places.len() as u64, embedded.tokens.unwrap_or(0));
        Ok(embedded)
    })
}

fn place_of(located: &Located, device: Device) -> Place {
    (located.manifest.name.clone(), located.folder.clone(), located.revision.clone(), device)
}

/// What is told of a model that runs elsewhere than the session says.
fn on_processor(model: &str, device: Device) -> String {
    format!(
        "{model} runs on the processor: portolan.device = '{}' is for text models and nomic-embed-vision",
        device.name()
    )
}

/// Where a model runs: its network may not have been written for devices.
fn device_of(located: &Located, preferences: &Preferences) -> Device {
    match located.manifest.architecture {
        Architecture::Bert
        | Architecture::NomicBert
        | Architecture::NomicVision
        | Architecture::XlmRoberta => preferences.device,
        Architecture::Clip
        | Architecture::Conse
        | Architecture::EfficientNetLite0
        | Architecture::Siglip => Device::Cpu,
    }
}

fn fingerprint_of(located: &Located) -> String {
    format!("{}@{}", located.manifest.name, located.revision)
}

fn load_text(located: &Located, device: Device) -> Result<TextEmbedder> {
    let name = &located.manifest.name;
    let Some(recipe) = &located.manifest.text else {
        return Err(Error::Argument(format!("model '{name}' takes images, not texts")));
    };
    let fingerprint = fingerprint_of(located);
    match located.manifest.architecture {
        Architecture::Clip => {
            TextEmbedder::of_tower(Box::new(Clip::open(&located.folder)?), fingerprint)
        }
        Architecture::Siglip => {
            TextEmbedder::of_tower(Box::new(Siglip::open(&located.folder)?), fingerprint)
        }
        _ => {
            let model = match device.open()? {
                None => TextModel::open(&located.folder, recipe)?,
                Some(device) => TextModel::open_on(&located.folder, recipe, &device)?,
            };
            Ok(TextEmbedder::new(model, fingerprint))
        }
    }
}

/// The part of a model that takes texts.
fn text_part(located: Located) -> Result<Located> {
    let error = no_part(&located, "texts");
    located.parts.into_iter().find(|part| part.manifest.text.is_some()).ok_or(error)
}

fn no_part(located: &Located, what: &str) -> Error {
    Error::Argument(format!("model '{}' has no part that takes {what}", located.manifest.name))
}

/// The file with a model's weights.
fn weights(located: &Located) -> Result<PathBuf> {
    match located.manifest.weights() {
        Some(file) => Ok(located.folder.join(&file.name)),
        None => Err(Error::file(&located.folder, "has no file with weights")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_a_server_are_not_known() {
        let models = Models::new(Environment::read(|_| None), None);
        let local = Preferences::default();
        let manifest = models.manifest("nomic-embed-text-v1.5", &local).unwrap();
        let remote_url = Some("http://localhost:1/v1".to_string());
        for mode in [InferenceMode::Remote, InferenceMode::Dynamic] {
            let served = Preferences { mode, remote_url: remote_url.clone(), ..local.clone() };
            assert_eq!(models.revision(&manifest, &served).unwrap(), None);
        }
        for mode in [InferenceMode::Local, InferenceMode::Dynamic] {
            let here = Preferences { mode, ..local.clone() };
            assert!(matches!(models.revision(&manifest, &here), Err(Error::NotHere { .. })));
        }
    }
}
