//! OpenAI's API, `/v1/embeddings`, which many servers speak.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::answer::{Answer, Floats, parse};
use super::protocol::{Ask, Limits, Protocol, Verdict};

pub(super) struct OpenAi;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Response {
    data: Vec<Item>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Floats,
}

#[derive(Deserialize)]
struct Usage {
    total_tokens: Option<u64>,
}

impl Protocol for OpenAi {
    /// A request may hold 300,000 tokens. No token is shorter than a byte, so that many bytes are
    /// never too many.
    fn limits(&self) -> Limits {
        Limits { rows: 2048, bytes: 300_000, concurrent: 4 }
    }

    /// The third generation is trained to be cut; others refuse to be asked.
    fn cuts(&self, model: &str) -> bool {
        name(model).starts_with("text-embedding-3-")
    }

    /// Base64 is a quarter of the same numbers as text, but only OpenAI's own models are sure to be
    /// behind a server that knows it. Answers are read in either form.
    fn body(&self, ask: &Ask<'_>) -> serde_json::Result<Vec<u8>> {
        let own = name(ask.model).starts_with("text-embedding-");
        serde_json::to_vec(&Request {
            model: ask.model,
            input: &ask.texts,
            dimensions: ask.dims,
            encoding_format: if own { "base64" } else { "float" },
        })
    }

    fn read(&self, body: &[u8], _model: &str, asked: usize) -> Result<Answer, String> {
        let response: Response = parse(body)?;
        let sent = response.data.len();
        if sent != asked {
            return Err(format!("sent {sent} vectors where {asked} were asked for"));
        }
        let mut places: Vec<Option<Vec<f32>>> = vec![None; asked];
        for Item { index, embedding } in response.data {
            match places.get_mut(index) {
                Some(place @ None) => *place = Some(embedding.0),
                Some(_) => return Err(format!("sent two vectors of index {index}")),
                None => {
                    return Err(format!("sent a vector of index {index} of {asked} texts"));
                }
            }
        }
        Ok(Answer {
            vectors: places.into_iter().flatten().collect(),
            tokens: response.usage.and_then(|usage| usage.total_tokens),
        })
    }

    /// An account without credit answers 429 as well, and waiting does not fill it.
    fn verdict(&self, status: u16, message: &str) -> Verdict {
        if status == 429 && message.contains("quota") {
            Verdict::Fatal
        } else {
            Verdict::of(status)
        }
    }
}

/// The model's own name: gateways put the maker's before it.
fn name(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}
