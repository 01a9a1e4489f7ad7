//! Object stores: one credential setting for DataFusion's files and for Lance's tables.

mod bridge;
pub mod location;
mod options;
mod redacted;
mod remote;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datafusion::common::DataFusionError;
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use lance_io::object_store::{
    ObjectStore as LanceStore, ObjectStoreParams, ObjectStoreRegistry as LanceRegistry,
    StorageOptionsAccessor,
};
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ClientOptions, HeaderMap, HeaderValue, ObjectStore, RetryConfig};
use object_store_datafusion::ObjectStore as DfObjectStore;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use url::Url;

use self::bridge::Bridge;
use self::location::Scheme;
use self::redacted::Redactor;
use self::remote::Remote;
use super::secrets::{Secret, Secrets};
use crate::error::{Error, Result};

/// Every store that a session can reach. Clones share connections and secrets.
#[derive(Clone)]
pub struct Stores {
    shared: Arc<Shared>,
}

struct Shared {
    secrets: Secrets,
    /// One for all, because Lance takes stores of another wrapper for other stores.
    redactor: Arc<Redactor>,
    lance: Arc<LanceRegistry>,
    connections: Mutex<Vec<Connection>>,
    /// By authority: `memory://a/` and `memory://b/` are two places.
    memory: Mutex<HashMap<String, Arc<InMemory>>>,
    /// The local file system, and what a program registered itself.
    registered: DefaultObjectStoreRegistry,
    /// Whether statements are refused every place: the database's own tables are read in another way.
    closed: AtomicBool,
}

/// An open store. Another secret is another connection.
struct Connection {
    root: Url,
    secret: Option<Arc<Secret>>,
    store: Arc<OnceCell<Arc<dyn ObjectStore>>>,
}

/// A location and the store that it lies in.
#[derive(Debug, Clone)]
pub struct Located {
    /// The whole URL, in the form that Lance takes.
    pub url: Url,
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The path within the store.
    pub path: Path,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("secrets", &self.shared.secrets).finish_non_exhaustive()
    }
}

impl Stores {
    /// Stores that are opened with these secrets, or with the environment's credentials.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            shared: Arc::new(Shared {
                redactor: Arc::new(Redactor::new(secrets.clone())),
                secrets,
                lance: Arc::default(),
                connections: Mutex::default(),
                memory: Mutex::default(),
                registered: DefaultObjectStoreRegistry::new(),
                closed: AtomicBool::new(false),
            }),
        }
    }

    /// The secrets, for the statements that make and drop them.
    pub fn secrets(&self) -> &Secrets {
        &self.shared.secrets
    }

    /// From now on no statement reads or writes a file by its name.
    pub fn close_to_statements(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
    }

    fn check_open(&self) -> Result<()> {
        if self.shared.closed.load(Ordering::Relaxed) {
            return Err(Error::Unsupported(
                "files cannot be read or written here, only the tables of this database"
                    .to_string(),
            ));
        }
        Ok(())
    }

    /// The place of a local path or a URL. Nothing is asked of the store yet.
    pub fn open(&self, location: &str) -> Result<Located> {
        self.check_open()?;
        self.at(location::parse(location)?)
    }

    /// The place of a URL, whatever is open to statements.
    pub fn at(&self, url: Url) -> Result<Located> {
        Ok(Located { store: self.store(&url)?, path: location::path_of(&url)?, url })
    }

    /// What Lance must be told to open the same place as [`Stores::open`]: credentials, endpoint,
    /// retries, and to keep credentials out of its errors.
    pub fn lance_params(&self, url: &Url) -> ObjectStoreParams {
        self.params(url, self.secret_for(url).as_deref())
    }

    fn params(&self, url: &Url, secret: Option<&Secret>) -> ObjectStoreParams {
        let options = storage_options(url, secret);
        ObjectStoreParams {
            // Said apart, or a session token of the environment would join the secret's key.
            #[cfg(feature = "aws")]
            aws_credentials: secret.and_then(aws_credentials),
            object_store_wrapper: Some(self.shared.redactor.clone()),
            storage_options_accessor: Some(Arc::new(StorageOptionsAccessor::with_static_options(
                options,
            ))),
            ..ObjectStoreParams::default()
        }
    }

    /// Lance's side of the stores: a Lance session over it shares their connections.
    pub fn lance_registry(&self) -> Arc<LanceRegistry> {
        self.shared.lance.clone()
    }

    /// The store of a URL.
    pub fn store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        Ok(match Scheme::of(url)? {
            Scheme::Local => Arc::new(LocalFileSystem::new()),
            Scheme::Memory => {
                self.shared.memory.lock().entry(url.authority().to_string()).or_default().clone()
            }
            Scheme::S3 | Scheme::Gcs | Scheme::Azure | Scheme::Http => {
                Arc::new(Remote::new(url, self.clone()))
            }
        })
    }

    fn secret_for(&self, url: &Url) -> Option<Arc<Secret>> {
        let path = location::path_of(url).unwrap_or_default();
        self.secret_at(url, &path)
    }

    /// Scopes are compared with names as users write them, not as URLs encode them.
    fn secret_at(&self, root: &Url, path: &Path) -> Option<Arc<Secret>> {
        let place = format!("{}://{}/{path}", root.scheme(), root.authority());
        self.shared.secrets.for_url(&place)
    }

    /// The open store for a path below a root.
    async fn connect(&self, root: &Url, path: &Path) -> object_store::Result<Arc<dyn ObjectStore>> {
        let secret = self.secret_at(root, path);
        let slot = {
            let mut connections = self.shared.connections.lock();
            // A secret that was dropped or replaced takes its connections along.
            connections.retain(|open| {
                open.secret.as_ref().is_none_or(|secret| self.shared.secrets.holds(secret))
            });
            let same_secret = |open: &Connection| match (&open.secret, &secret) {
                (None, None) => true,
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                _ => false,
            };
            match connections.iter().find(|open| open.root == *root && same_secret(open)) {
                Some(open) => open.store.clone(),
                None => {
                    let store = Arc::default();
                    let root = root.clone();
                    connections.push(Connection {
                        root,
                        secret: secret.clone(),
                        store: Arc::clone(&store),
                    });
                    store
                }
            }
        };
        slot.get_or_try_init(|| self.open_remote(root, secret)).await.cloned().map_err(|error| {
            object_store::Error::Generic {
                store: "remote",
                source: self.secrets().redact(&format!("cannot open {root}: {error}")).into(),
            }
        })
    }

    async fn open_remote(
        &self,
        root: &Url,
        secret: Option<Arc<Secret>>,
    ) -> Result<Arc<dyn ObjectStore>> {
        if Scheme::of(root)? == Scheme::Http {
            let token = secret.and_then(|secret| secret.get("bearer_token").map(str::to_string));
            return Ok(self.shared.redactor.store(Arc::new(web_server(root, token)?)));
        }
        let params = self.params(root, secret.as_deref());
        if Scheme::of(root)? == Scheme::Azure && root.username().is_empty() {
            let named = params
                .storage_options()
                .is_some_and(|options| options.contains_key("azure_storage_account_name"));
            if !named && std::env::var_os("AZURE_STORAGE_ACCOUNT_NAME").is_none() {
                return Err(Error::Invalid(
                    "no account is named; use CREATE SECRET (TYPE azure, ACCOUNT_NAME '…', …) or the variable \
                     AZURE_STORAGE_ACCOUNT_NAME"
                        .to_string(),
                ));
            }
        }
        let store: Arc<LanceStore> = self.shared.lance.get_store(root.clone(), &params).await?;
        Ok(store.inner.clone())
    }
}

fn storage_options(url: &Url, secret: Option<&Secret>) -> HashMap<String, String> {
    match Scheme::of(url) {
        Ok(scheme) => {
            options::storage_options(url, scheme, secret, |name| std::env::var(name).ok())
        }
        Err(_) => HashMap::new(),
    }
}

#[cfg(feature = "aws")]
fn aws_credentials(secret: &Secret) -> Option<object_store::aws::AwsCredentialProvider> {
    use object_store::StaticCredentialProvider;
    use object_store::aws::AwsCredential;
    Some(Arc::new(StaticCredentialProvider::new(AwsCredential {
        key_id: secret.get("key_id")?.to_string(),
        secret_key: secret.get("secret")?.to_string(),
        token: secret.get("session_token").map(str::to_string),
    })))
}

fn web_server(url: &Url, bearer_token: Option<String>) -> Result<impl ObjectStore> {
    let mut client = ClientOptions::new().with_allow_http(url.scheme() == "http");
    if let Some(token) = bearer_token {
        let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            Error::Invalid(
                "the BEARER_TOKEN of this host's secret holds characters that no header can".into(),
            )
        })?;
        header.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert("authorization", header);
        client = client.with_default_headers(headers);
    }
    let retry = RetryConfig {
        max_retries: options::RETRIES,
        retry_timeout: Duration::from_secs(options::RETRY_SECONDS),
        ..RetryConfig::default()
    };
    let root = &url[..url::Position::BeforePath];
    Ok(HttpBuilder::new().with_url(root).with_client_options(client).with_retry(retry).build()?)
}

impl ObjectStoreRegistry for Stores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn DfObjectStore>,
    ) -> Option<Arc<dyn DfObjectStore>> {
        self.shared.registered.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> datafusion::error::Result<Arc<dyn DfObjectStore>> {
        self.shared.registered.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> datafusion::error::Result<Arc<dyn DfObjectStore>> {
        self.check_open().map_err(DataFusionError::from)?;
        if let Ok(registered) = self.shared.registered.get_store(url) {
            return Ok(registered);
        }
        // Statements of DataFusion's own bring URLs as they were written.
        let url = location::parse(url.as_str()).map_err(DataFusionError::from)?;
        let store = self.store(&url).map_err(DataFusionError::from)?;
        Ok(Arc::new(Bridge::new(store)))
    }
}

#[cfg(test)]
mod tests;
