//! Nomic's API: `/v1/embedding/text` and `/v1/embedding/image`. The server adds the prefix, cuts as
//! the model wants it and averages long texts.

use bytes::Bytes;
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Floats, parse};
use super::protocol::{Ask, Limits, Protocol};
use crate::manifest::LongText;

pub(super) struct Nomic;

/// What fits into a request for images.
pub(super) const IMAGES: Limits = Limits { rows: 10, bytes: 8 << 20, concurrent: 10 };

#[derive(Serialize)]
struct Request<'a> {
    texts: &'a [std::borrow::Cow<'a, str>],
    model: &'a str,
    task_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensionality: Option<usize>,
    long_text_mode: &'a str,
}

#[derive(Deserialize)]
struct Response {
    embeddings: Vec<Floats>,
    model: Option<String>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Usage {
    total_tokens: Option<u64>,
}

impl Protocol for Nomic {
    fn limits(&self) -> Limits {
        Limits { rows: 10, bytes: 1 << 20, concurrent: 10 }
    }

    fn adds_prefix(&self) -> bool {
        true
    }

    fn cuts(&self, _model: &str) -> bool {
        true
    }

    fn can(&self, _long_text: LongText) -> bool {
        true
    }

    fn body(&self, ask: &Ask<'_>) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Request {
            texts: &ask.texts,
            model: ask.model,
            task_type: ask.task.name(),
            dimensionality: ask.dims,
            long_text_mode: ask.long_text.name(),
        })
    }

    fn read(&self, body: &[u8], model: &str, _asked: usize) -> Result<Answer, String> {
        let response: Response = parse(body)?;
        match response.model {
            Some(used) if used != model => {
                Err(format!("used the model '{used}' where '{model}' was asked for"))
            }
            _ => Ok(Answer {
                vectors: response.embeddings.into_iter().map(|floats| floats.0).collect(),
                tokens: response.usage.and_then(|usage| usage.total_tokens),
            }),
        }
    }
}

/// A request for images. The server takes a part for a file only where it has a file's name.
pub(super) fn form(model: &str, images: &[Bytes]) -> Form {
    images.iter().enumerate().fold(
        Form::new().text("model", model.to_owned()),
        |form, (place, image)| {
            let part = Part::stream(Body::from(image.clone())).file_name(format!("image{place}"));
            form.part("images", part)
        },
    )
}
