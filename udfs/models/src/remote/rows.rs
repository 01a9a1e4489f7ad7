//! The rows of a call: how they are put into requests.

use std::borrow::Cow;
use std::io::Cursor;
use std::ops::Range;

use bytes::Bytes;
use image::{ImageFormat, RgbImage};

use super::TextRequest;
use super::protocol::Limits;
use crate::error::{Error, Result};

/// What is to be embedded.
#[derive(Clone, Copy)]
pub(super) enum Rows<'a> {
    Texts(&'a [&'a str], &'a TextRequest<'a>),
    Images(&'a [Bytes]),
}

impl Rows<'_> {
    pub fn len(self) -> usize {
        match self {
            Self::Texts(texts, _) => texts.len(),
            Self::Images(images) => images.len(),
        }
    }

    /// What one of them is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Texts(..) => "text",
            Self::Images(_) => "image",
        }
    }

    /// Runs of rows that each fit into a request.
    pub fn batches(self, limits: Limits) -> Vec<Range<usize>> {
        let mut batches = Vec::new();
        let (mut start, mut bytes) = (0, 0);
        for row in 0..self.len() {
            let size = self.size(row);
            if row > start && (row - start == limits.rows || bytes + size > limits.bytes) {
                batches.push(start..row);
                (start, bytes) = (row, 0);
            }
            bytes += size;
        }
        if start < self.len() {
            batches.push(start..self.len());
        }
        batches
    }

    fn size(self, row: usize) -> usize {
        match self {
            Self::Texts(texts, request) => {
                request.prefix().len() + texts.get(row).map_or(0, |text| text.len())
            }
            Self::Images(images) => images.get(row).map_or(0, Bytes::len),
        }
    }
}

/// A text as it is sent.
pub(super) fn prefixed<'a>(prefix: &str, text: &'a str) -> Cow<'a, str> {
    match (prefix, text) {
        ("", "") => " ".into(),
        ("", text) => text.into(),
        (prefix, text) => format!("{prefix}{text}").into(),
    }
}

/// A picture that no server has a reason to refuse.
pub(super) fn harmless() -> Result<Bytes> {
    let mut file = Cursor::new(Vec::new());
    RgbImage::new(32, 32)
        .write_to(&mut file, ImageFormat::Png)
        .map_err(|error| Error::Remote(format!("a picture could not be written ({error})")))?;
    Ok(file.into_inner().into())
}
