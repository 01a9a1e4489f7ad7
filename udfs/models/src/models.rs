//! The models of a database: found, loaded once however many partitions and databases use them, and
//! run here or on a server.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Weak};

use parking_lot::Mutex;

use crate::cache::Cache;
use crate::embedded::Embedded;
use crate::embedder::{Conditions, TextEmbedder, TextRequest, Watch};
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::once::{Kept, Recipe, embed_once};
use crate::registry::{Environment, Located, Options, Registry};
use crate::remote::{self, InferenceMode, RemoteEmbedder, RemoteOptions};
use crate::text::TextModel;

/// Where models run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// On the processor.
    #[default]
    Cpu,
    /// On an NVIDIA GPU.
    Cuda,
    /// On Apple's GPU.
    Metal,
}

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
    remotes: HashMap<RemoteKey, Arc<RemoteEmbedder>>,
    cache: Option<Opened>,
}

enum Opened {
    Cache(Arc<Cache>),
    /// It could not be opened, and nobody has been told yet.
    Failed(Option<Error>),
}

/// What a loaded model is found by.
type Place = (String, PathBuf, String);

/// Address, key variable, and model of a remote embedder.
type RemoteKey = (String, Option<String>, String);

/// Models that are loaded in this process, for databases to share.
static LOADED: LazyLock<Mutex<HashMap<Place, Weak<TextEmbedder>>>> = LazyLock::new(Mutex::default);

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

    /// What tells a model's weights from others; unknown where only a server has them.
    pub fn revision(
        &self,
        manifest: &Manifest,
        preferences: &Preferences,
    ) -> Result<Option<String>> {
        match self.registry(preferences).find(&manifest.name) {
            Ok(located) => Ok(Some(located.revision)),
            Err(Error::NotHere { .. }) if preferences.mode == InferenceMode::Remote => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A text model, loaded when it is first asked for.
    pub fn text(&self, name: &str, preferences: &Preferences) -> Result<Arc<TextEmbedder>> {
        preferences.device.check()?;
        let located = self.registry(preferences).find(name)?;
        let place =
            (located.manifest.name.clone(), located.folder.clone(), located.revision.clone());
        if let Some(embedder) = self.state.lock().texts.get(&place) {
            return Ok(embedder.clone());
        }
        // Whoever comes second waits here, and finds the model loaded.
        let mut loaded = LOADED.lock();
        let embedder = match loaded.get(&place).and_then(Weak::upgrade) {
            Some(embedder) => embedder,
            None => {
                let embedder = Arc::new(load(&located)?);
                loaded.retain(|_, model| model.strong_count() > 0);
                loaded.insert(place.clone(), Arc::downgrade(&embedder));
                embedder
            }
        };
        self.state.lock().texts.insert(place, embedder.clone());
        Ok(embedder)
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
        let configured = preferences.remote_url.is_some();
        match remote::decide(preferences.mode, configured, texts.len())? {
            remote::Place::Local => {
                let conditions = Conditions { run_tokens: preferences.run_tokens, kept, watch };
                self.text(&manifest.name, preferences)?.embed(texts, request, &conditions)
            }
            remote::Place::Remote => {
                let server = self.server(manifest, preferences)?;
                embed_remotely(&server, manifest, texts, request, kept, watch)
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
        let key = (url.clone(), preferences.remote_key_env.clone(), manifest.name.clone());
        if let Some(server) = self.state.lock().remotes.get(&key) {
            return Ok(server.clone());
        }
        let mut options = RemoteOptions::new(url, &manifest.name);
        options.key_env = preferences.remote_key_env.clone();
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

impl Device {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }

    /// The device of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Cpu, Self::Cuda, Self::Metal].into_iter().find(|device| device.name() == name)
    }

    /// An error where this build cannot use it.
    fn check(self) -> Result<()> {
        let built = match self {
            Self::Cpu => true,
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Metal => cfg!(feature = "metal"),
        };
        if built {
            return Ok(());
        }
        Err(Error::Device(format!(
            "portolan.device is '{0}', but this program was built without it; build it with --features {0}, or SET portolan.device = 'cpu'",
            self.name()
        )))
    }
}

/// The vectors that a server makes of some texts, each text once.
fn embed_remotely(
    server: &Arc<RemoteEmbedder>,
    manifest: &Manifest,
    texts: &[&str],
    request: TextRequest,
    kept: Option<Kept<'_>>,
    watch: &dyn Watch,
) -> Result<Embedded> {
    let inputs: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    // What a server makes of a model's name is not known to be what this machine makes of it.
    let fingerprint = format!("{} at {}", manifest.name, server.host());
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

fn load(located: &Located) -> Result<TextEmbedder> {
    let name = &located.manifest.name;
    let Some(recipe) = &located.manifest.text else {
        return Err(Error::Argument(format!("model '{name}' takes images, not texts")));
    };
    let model = TextModel::open(&located.folder, recipe)?;
    Ok(TextEmbedder::new(model, format!("{name}@{}", located.revision)))
}
