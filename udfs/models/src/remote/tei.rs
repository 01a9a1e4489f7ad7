//! text-embeddings-inference: `/embed`.

use std::borrow::Cow;

use serde::Serialize;

use super::answer::{Answer, Floats, parse};
use super::protocol::{Ask, Limits, Protocol};

pub(super) struct Tei;

#[derive(Serialize)]
struct Request<'a> {
    inputs: &'a [Cow<'a, str>],
    truncate: bool,
    normalize: bool,
}

impl Protocol for Tei {
    /// A server takes 32 texts and 2 MB a request unless it was started otherwise.
    fn limits(&self) -> Limits {
        Limits { rows: 32, bytes: 1 << 20, concurrent: 8 }
    }

    /// It can cut, but knows nothing of a layer norm before.
    fn cuts(&self, _model: &str) -> bool {
        false
    }

    fn body(&self, ask: &Ask<'_>) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Request { inputs: &ask.texts, truncate: true, normalize: true })
    }

    fn read(&self, body: &[u8], _model: &str, _asked: usize) -> Result<Answer, String> {
        let vectors: Vec<Floats> = parse(body)?;
        Ok(Answer { vectors: vectors.into_iter().map(|floats| floats.0).collect(), tokens: None })
    }
}
