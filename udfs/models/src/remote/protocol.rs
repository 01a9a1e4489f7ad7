//! What the four APIs have in common, as one trait: how much fits into a request, how it is written
//! and how its answer is read.

use std::borrow::Cow;

use super::answer::Answer;
use crate::manifest::{LongText, Task};

/// How much is asked of a server at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Texts or images in one request.
    pub rows: usize,
    /// Bytes of text or of images in one request; a longer one goes alone.
    pub bytes: usize,
    /// Requests at once.
    pub concurrent: usize,
}

/// The texts of one request and what is wanted of them.
pub(super) struct Ask<'a> {
    pub model: &'a str,
    pub texts: Vec<Cow<'a, str>>,
    pub task: Task,
    /// The length that the server is to cut to; only for a protocol that `cuts`.
    pub dims: Option<usize>,
    pub long_text: LongText,
}

/// What an HTTP status other than success means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may go better in a while.
    Again,
    /// The server does not take what was sent; that may be the fault of a single text.
    Refused,
    /// No other request would fare better.
    Fatal,
}

/// One API.
pub(super) trait Protocol: Send + Sync {
    /// What fits into a request for texts.
    fn limits(&self) -> Limits;

    /// Whether the server puts the model's prefix before each text, having been told the task.
    fn adds_prefix(&self) -> bool {
        false
    }

    /// Whether the server cuts vectors of this model as the model wants it.
    fn cuts(&self, model: &str) -> bool;

    /// Whether the server can do this to texts longer than the model takes.
    fn can(&self, long_text: LongText) -> bool {
        long_text == LongText::Truncate
    }

    /// The request's JSON.
    fn body(&self, ask: &Ask<'_>) -> serde_json::Result<Vec<u8>>;

    /// The vectors of an answer in the order of the request, or what is wrong with it as the end of
    /// a sentence that begins with the server.
    fn read(&self, body: &[u8], model: &str, asked: usize) -> Result<Answer, String>;

    /// What to make of a status that is no success.
    fn verdict(&self, status: u16, _message: &str) -> Verdict {
        Verdict::of(status)
    }
}

impl Verdict {
    /// What a status means in general.
    pub fn of(status: u16) -> Self {
        match status {
            400 | 413 | 422 => Self::Refused,
            408 | 429 | 500.. => Self::Again,
            _ => Self::Fatal,
        }
    }
}
