//! Ollama: `/api/embed`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::answer::{Answer, Floats, parse};
use super::protocol::{Ask, Limits, Protocol, Verdict};

pub(super) struct Ollama;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [Cow<'a, str>],
    truncate: bool,
}

#[derive(Deserialize)]
struct Response {
    embeddings: Vec<Floats>,
    prompt_eval_count: Option<u64>,
}

impl Protocol for Ollama {
    /// It often runs without a GPU: small requests keep each within its time-out.
    fn limits(&self) -> Limits {
        Limits { rows: 32, bytes: 256 << 10, concurrent: 2 }
    }

    /// It can cut, but knows nothing of a layer norm before.
    fn cuts(&self, _model: &str) -> bool {
        false
    }

    fn body(&self, ask: &Ask<'_>) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Request { model: ask.model, input: &ask.texts, truncate: true })
    }

    fn read(&self, body: &[u8], _model: &str, _asked: usize) -> Result<Answer, String> {
        let response: Response = parse(body)?;
        Ok(Answer {
            vectors: response.embeddings.into_iter().map(|floats| floats.0).collect(),
            tokens: response.prompt_eval_count,
        })
    }

    /// A text whose vector is not a number, or that is too long after all, comes back as 500.
    fn verdict(&self, status: u16, message: &str) -> Verdict {
        let of_a_text = ["NaN", "context length"].iter().any(|cause| message.contains(cause));
        if status == 500 && of_a_text { Verdict::Refused } else { Verdict::of(status) }
    }
}
