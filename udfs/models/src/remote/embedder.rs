//! Embedding any number of rows by requests of the right size, and finding the rows to blame where
//! the server refuses some.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tokio::sync::OnceCell;
use url::Url;

use super::answer::{Answer, not_finite};
use super::client::{Client, Failure};
use super::protocol::{Ask, Limits, Protocol, Verdict};
use super::rows::{Rows, harmless, prefixed};
use super::{Api, RemoteOptions, address, nomic};
use crate::embedded::Embedded;
use crate::error::{Error, Result};
use crate::manifest::{LongText, Task, TextRecipe};
use crate::vector;

/// The longest vector that is reckoned with where its length is not known beforehand.
const LONGEST_VECTOR: usize = 8192;

/// The most bytes that a number takes in JSON, with its comma and its share of white space.
const NUMBER_BYTES: usize = 32;

/// Embeds through a server. Limits on requests at once and a minute hold for all calls together, so
/// make one for each server and model and keep it; it is meant for one runtime, such as that of
/// [`block_on`](super::block_on).
pub struct RemoteEmbedder {
    api: Api,
    protocol: &'static dyn Protocol,
    model: String,
    texts: Url,
    images: Url,
    batch: Option<usize>,
    concurrent: usize,
    client: Client,
}

/// What is wanted of texts.
///
/// A server that knows the model's prefixes and how its vectors are cut is told `task` and `dims`.
/// For another one the prefix is put before each text here, and layer norm, cut and length 1 are done
/// here: for that, a model that has a manifest comes with its `full_dims` and its `recipe`.
#[derive(Debug, Clone, Copy)]
pub struct TextRequest<'a> {
    /// What the texts are embedded for.
    pub task: Task,
    /// Length of the vectors; the model's own where it is not given.
    pub dims: Option<usize>,
    /// Length of the model's whole vectors, where it is known: any other is an error.
    pub full_dims: Option<usize>,
    /// How the model makes vectors of texts, where that is known.
    pub recipe: Option<&'a TextRecipe>,
    /// What becomes of texts that are longer than the model takes.
    pub long_text: LongText,
}

impl<'a> TextRequest<'a> {
    /// Whole vectors of a model of which nothing is known.
    pub fn new(task: Task) -> Self {
        Self { task, dims: None, full_dims: None, recipe: None, long_text: LongText::Truncate }
    }

    /// What is put before each text.
    pub(super) fn prefix(&self) -> &'a str {
        self.recipe.map_or("", |recipe| recipe.prefixes.of(self.task))
    }
}

/// One call: its rows, and what is to come of them.
struct Call<'a> {
    rows: Rows<'a>,
    /// Length of the vectors that the server is to send.
    sent: Option<usize>,
    /// Length of the vectors that the caller wants.
    dims: Option<usize>,
    layer_norm: bool,
    /// Set once the server has embedded anything for this call.
    works: OnceCell<()>,
}

/// What came of some rows of a call.
#[derive(Default)]
struct Batch {
    vectors: Vec<(usize, Vec<f32>)>,
    failures: Vec<(usize, Error)>,
    tokens: Option<u64>,
}

impl RemoteEmbedder {
    /// Connects to nothing yet. `variable` looks up an environment variable: the key is read here,
    /// once.
    pub fn new(options: RemoteOptions, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let url = address::parse(&options.url)?;
        let api = options.api.map_or_else(|| address::recognise(&url), Ok)?;
        let texts = address::texts(api, &url);
        let protocol = api.protocol();
        let concurrent = options.concurrency.unwrap_or(protocol.limits().concurrent).clamp(1, 1000);
        Ok(Self {
            api,
            protocol,
            model: options.model.clone(),
            images: address::images(&texts),
            texts,
            batch: options.batch,
            concurrent,
            client: Client::new(options, &url, protocol, concurrent, variable)?,
        })
    }

    /// What the server speaks.
    pub fn api(&self) -> Api {
        self.api
    }

    /// Host and port of the server, for messages.
    pub fn host(&self) -> &str {
        self.client.host()
    }

    /// A vector of length 1 for every text, in their order. An empty text is sent as a space, which
    /// tokenisers take for nothing: some servers refuse the empty one. A text that is there twice is
    /// sent twice.
    ///
    /// A text that the server refuses, or of which it makes something else than finite numbers, is a
    /// failure of its row; everything else that goes wrong ends the call with an error. Dropping the
    /// future ends its requests.
    pub async fn embed_texts(&self, texts: &[&str], request: &TextRequest<'_>) -> Result<Embedded> {
        let TextRequest { dims, full_dims, long_text, .. } = *request;
        if dims == Some(0) || full_dims.is_some_and(|full| dims.is_some_and(|dims| dims > full)) {
            return Err(Error::Argument(format!(
                "a vector of model '{}' can have 1 to {} numbers, not {}",
                self.model,
                full_dims.map_or_else(|| "all of its".into(), |full| full.to_string()),
                dims.unwrap_or_default()
            )));
        }
        if !self.protocol.can(long_text) {
            return Err(Error::Argument(format!(
                "the server {} cannot average the pieces of a long text; use the mode 'truncate', \
                 or embed on this machine",
                self.host()
            )));
        }
        let cuts = self.protocol.cuts(&self.model);
        self.embed(&Call {
            rows: Rows::Texts(texts, request),
            sent: dims.filter(|_| cuts).or(full_dims),
            dims: dims.or(full_dims),
            layer_norm: !cuts && request.recipe.is_some_and(|recipe| recipe.layer_norm),
            works: OnceCell::new(),
        })
        .await
    }

    /// A vector of length 1 for every image, each a file of a format that the server reads, in their
    /// order; `dims` is the length of the model's vectors where it is known. Nomic's API alone takes
    /// images. Failures are those of [`Self::embed_texts`].
    pub async fn embed_images(&self, images: &[Bytes], dims: Option<usize>) -> Result<Embedded> {
        if self.api != Api::Nomic {
            return Err(Error::Argument(format!(
                "the server {} cannot embed images: of the APIs only Nomic's can",
                self.host()
            )));
        }
        self.embed(&Call {
            rows: Rows::Images(images),
            sent: dims,
            dims,
            layer_norm: false,
            works: OnceCell::new(),
        })
        .await
    }

    async fn embed(&self, call: &Call<'_>) -> Result<Embedded> {
        let limits = match call.rows {
            Rows::Texts(..) => self.protocol.limits(),
            Rows::Images(_) => nomic::IMAGES,
        };
        let limits = Limits { rows: self.batch.unwrap_or(limits.rows).max(1), ..limits };
        let rows = call.rows.len();
        let mut embedded = Embedded { dims: call.dims.unwrap_or(0), ..Embedded::default() };
        let mut tokens = Some(0);
        let mut batches = stream::iter(call.rows.batches(limits))
            .map(|rows| self.batch(call, rows))
            .buffer_unordered(self.concurrent);
        while let Some(batch) = batches.try_next().await? {
            tokens = tokens.zip(batch.tokens).map(|(sum, some)| sum + some);
            embedded.failures.extend(batch.failures);
            for (row, vector) in batch.vectors {
                if embedded.values.is_empty() {
                    embedded.dims = vector.len();
                    embedded.values = vec![0.0; rows * vector.len()];
                }
                match embedded.values.chunks_exact_mut(embedded.dims).nth(row) {
                    Some(place) if place.len() == vector.len() => place.copy_from_slice(&vector),
                    _ => {
                        return Err(self.client.error(format!(
                            "sent vectors of {} and of {} numbers",
                            embedded.dims,
                            vector.len()
                        )));
                    }
                }
            }
        }
        if embedded.values.is_empty() {
            embedded.values = vec![0.0; rows * embedded.dims];
        }
        embedded.failures.sort_unstable_by_key(|(row, _)| *row);
        embedded.tokens = tokens;
        Ok(embedded)
    }

    /// Embeds a run of rows by one request; where the server refuses it, by one for each half, until
    /// the rows to blame stand alone.
    async fn batch(&self, call: &Call<'_>, rows: Range<usize>) -> Result<Batch> {
        let mut batch = Batch { tokens: Some(0), ..Batch::default() };
        let mut left = vec![rows];
        while let Some(rows) = left.pop() {
            let answer = match self.request(call, rows.clone()).await {
                Ok(answer) => answer,
                Err(failure) if failure.verdict != Verdict::Refused => {
                    return Err(self.client.error(failure.reason));
                }
                Err(failure) => {
                    call.works.get_or_try_init(|| self.probe(call, &failure)).await?;
                    if rows.len() == 1 {
                        let noun = call.rows.noun();
                        let reason = format!("does not take this {noun}: it {}", failure.reason);
                        let error = Error::Input(self.client.sentence(reason));
                        batch.failures.push((rows.start, error));
                    } else {
                        let middle = rows.start + rows.len() / 2;
                        left.push(middle..rows.end);
                        left.push(rows.start..middle);
                    }
                    continue;
                }
            };
            // Another request may have set it.
            let _ = call.works.set(());
            batch.tokens = batch.tokens.zip(answer.tokens).map(|(sum, some)| sum + some);
            for (row, mut vector) in rows.zip(answer.vectors) {
                if let Some(place) = not_finite(&vector) {
                    let error = self.client.error(format!(
                        "sent a vector for this {} whose number {} is not finite",
                        call.rows.noun(),
                        place + 1
                    ));
                    batch.failures.push((row, error));
                    continue;
                }
                let dims = call.dims.unwrap_or(vector.len());
                vector::finish(&mut vector, call.layer_norm, dims);
                batch.vectors.push((row, vector));
            }
        }
        Ok(batch)
    }

    /// Asks for the vector of something harmless after a first refusal: where the server refuses that
    /// too, no row is to blame but the request (a model it does not have, say), and halving every
    /// batch would only multiply requests.
    async fn probe(&self, call: &Call<'_>, refusal: &Failure) -> Result<()> {
        let picture;
        let rows = match call.rows {
            Rows::Texts(_, request) => Rows::Texts(&["test"], request),
            Rows::Images(_) => {
                picture = [harmless()?];
                Rows::Images(&picture)
            }
        };
        match self.request(&Call { rows, works: OnceCell::new(), ..*call }, 0..1).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.verdict == Verdict::Refused => {
                Err(self.client.error(&refusal.reason))
            }
            Err(failure) => Err(self.client.error(failure.reason)),
        }
    }

    /// One request for a run of rows.
    async fn request(&self, call: &Call<'_>, rows: Range<usize>) -> Result<Answer, Failure> {
        let count = rows.len();
        let length = call.sent.unwrap_or(LONGEST_VECTOR);
        let most = (1 << 20) + count * length * NUMBER_BYTES;
        let body = match call.rows {
            Rows::Texts(texts, request) => {
                let texts = texts.get(rows).unwrap_or_default();
                let prefix = if self.protocol.adds_prefix() { "" } else { request.prefix() };
                let ask = Ask {
                    model: &self.model,
                    texts: texts.iter().map(|text| prefixed(prefix, text)).collect(),
                    task: request.task,
                    dims: request.dims.filter(|_| self.protocol.cuts(&self.model)),
                    long_text: request.long_text,
                };
                let body = self.protocol.body(&ask).map_err(|error| {
                    Failure::fatal(format!("could not be sent a request ({error})"))
                })?;
                let (json, body) =
                    (HeaderValue::from_static("application/json"), Bytes::from(body));
                let fill = move |request: reqwest::RequestBuilder| {
                    request.header(CONTENT_TYPE, &json).body(body.clone())
                };
                self.client.post(&self.texts, fill, most).await?
            }
            Rows::Images(images) => {
                let images = images.get(rows).unwrap_or_default();
                let fill = |request: reqwest::RequestBuilder| {
                    request.multipart(nomic::form(&self.model, images))
                };
                self.client.post(&self.images, fill, most).await?
            }
        };
        let answer = self.protocol.read(&body, &self.model, count);
        let answer = answer.and_then(|answer| answer.check(count, call.sent));
        match (answer, call.dims) {
            (Ok(answer), Some(dims)) if answer.vectors.iter().any(|v| v.len() < dims) => {
                Err(Failure::fatal(format!("sent a vector of fewer than {dims} numbers")))
            }
            (answer, _) => answer.map_err(Failure::fatal),
        }
    }
}

/// Shows no key and no address.
impl fmt::Debug for RemoteEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteEmbedder")
            .field("api", &self.api)
            .field("host", &self.host())
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}
