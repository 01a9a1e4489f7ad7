//! Embedding by a server. Four APIs are spoken: Nomic's, OpenAI's, text-embeddings-inference's and
//! Ollama's. A text leaves this machine only for the address that the user has set.

mod address;
mod answer;
mod blocking;
mod chat;
mod client;
mod embedder;
mod mode;
mod nomic;
mod ollama;
mod openai;
mod pace;
mod protocol;
mod rows;
mod tei;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use blocking::block_on;
pub use chat::Chat;
pub use embedder::{RemoteEmbedder, TextRequest};
pub use mode::{DYNAMIC_ROWS, InferenceMode, Place, decide};

use protocol::Protocol;

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// Nomic's, `/v1/embedding/text` and `/v1/embedding/image`.
    Nomic,
    /// OpenAI's, `/v1/embeddings`. Texts that are longer than the model takes are refused.
    OpenAi,
    /// text-embeddings-inference's, `/embed`.
    TextEmbeddingsInference,
    /// Ollama's, `/api/embed`.
    Ollama,
}

/// Which server embeds, and how it is to be treated.
#[derive(Clone)]
pub struct RemoteOptions {
    /// Its address, with or without the end that belongs to its API.
    pub url: String,
    /// The model's name there.
    pub model: String,
    /// What it speaks; recognised from the address where it is not given.
    pub api: Option<Api>,
    /// The name of the environment variable that holds the key; no key is sent without.
    pub key_env: Option<String>,
    /// Texts or images a request; the API's own limit where it is not given: 10 for Nomic's, 2048
    /// for OpenAI's, 32 for the others.
    pub batch: Option<usize>,
    /// Requests at once; where it is not given 10 for Nomic's, 4 for OpenAI's, 8 for
    /// text-embeddings-inference, 2 for Ollama.
    pub concurrency: Option<usize>,
    /// The most requests in a minute, each attempt counted.
    pub requests_per_minute: Option<u32>,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long a request may take from its start to the end of its answer.
    pub timeout: Duration,
    /// How often a request is sent again after a status of 429 or from 500 on, or a connection that
    /// failed.
    pub retries: u32,
    /// The pause before a request is first sent again; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause, even where the server asks for a longer one.
    pub longest_pause: Duration,
}

impl RemoteOptions {
    /// A server and a model on it, and what is right for most of the rest.
    ///
    /// ```
    /// use portolan_models::remote::{RemoteEmbedder, RemoteOptions};
    ///
    /// let mut options = RemoteOptions::new("https://api-atlas.nomic.ai", "nomic-embed-text-v1.5");
    /// options.key_env = Some("NOMIC_API_KEY".into());
    /// let embedder = RemoteEmbedder::new(options, |name| std::env::var(name).ok());
    /// # let _ = embedder;
    /// ```
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            model: model.into(),
            api: None,
            key_env: None,
            batch: None,
            concurrency: None,
            requests_per_minute: None,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(120),
            retries: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
        }
    }
}

/// Shows the host alone of the address, and the name of the key's variable only where it is one: what
/// was put there by mistake may be a secret.
impl fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = address::parse(&self.url).map(|url| address::host(&url));
        f.debug_struct("RemoteOptions")
            .field("host", &host.as_deref().unwrap_or("(no address)"))
            .field("model", &self.model)
            .field("api", &self.api)
            .field("key_env", &self.key_env.as_deref().filter(|name| client::is_variable(name)))
            .field("batch", &self.batch)
            .field("concurrency", &self.concurrency)
            .field("requests_per_minute", &self.requests_per_minute)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .field("first_pause", &self.first_pause)
            .field("longest_pause", &self.longest_pause)
            .finish()
    }
}

impl Api {
    const ALL: [Self; 4] = [Self::Nomic, Self::OpenAi, Self::TextEmbeddingsInference, Self::Ollama];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nomic => "nomic",
            Self::OpenAi => "openai",
            Self::TextEmbeddingsInference => "tei",
            Self::Ollama => "ollama",
        }
    }

    /// The API of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.name() == name)
    }

    fn protocol(self) -> &'static dyn Protocol {
        match self {
            Self::Nomic => &nomic::Nomic,
            Self::OpenAi => &openai::OpenAi,
            Self::TextEmbeddingsInference => &tei::Tei,
            Self::Ollama => &ollama::Ollama,
        }
    }
}
