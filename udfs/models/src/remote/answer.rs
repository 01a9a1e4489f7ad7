//! Reading what a server sends, trusting none of it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, SeqAccess, Visitor};

/// The vectors of one request, in its order.
pub(super) struct Answer {
    pub vectors: Vec<Vec<f32>>,
    pub tokens: Option<u64>,
}

/// A vector in JSON: numbers, or base64 of their little-endian bytes. null, which some servers write
/// for what is not a number, becomes NaN, so that one bad vector does not hide the others.
pub(super) struct Floats(pub Vec<f32>);

impl Answer {
    /// One vector a row, all of `length` where it is known; else what is wrong, as the end of a
    /// sentence that begins with the server.
    pub fn check(self, asked: usize, length: Option<usize>) -> Result<Self, String> {
        let sent = self.vectors.len();
        if sent != asked {
            return Err(format!("sent {sent} vectors where {asked} were asked for"));
        }
        let Some(length) = length.or_else(|| self.vectors.first().map(Vec::len)) else {
            return Ok(self);
        };
        if length == 0 {
            return Err("sent an empty vector".into());
        }
        match self.vectors.iter().position(|vector| vector.len() != length) {
            None => Ok(self),
            Some(place) => {
                let found = self.vectors.get(place).map_or(0, Vec::len);
                Err(format!("sent a vector of {found} numbers where {length} were due"))
            }
        }
    }
}

/// Where a vector first has something else than a finite number.
pub(super) fn not_finite(vector: &[f32]) -> Option<usize> {
    vector.iter().position(|number| !number.is_finite())
}

/// An answer's JSON, or what is wrong with it as the end of a sentence.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| {
        if body.trim_ascii_start().starts_with(b"<") {
            "sent a page instead of JSON; check the address".into()
        } else {
            format!("sent an answer that cannot be read ({error})")
        }
    })
}

/// What a server says of an error: the message of the JSON that the four APIs use, or the text
/// itself, in one line.
pub(super) fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Body {
        error: Option<serde_json::Value>,
        detail: Option<serde_json::Value>,
        message: Option<serde_json::Value>,
    }
    let said = serde_json::from_slice(body).ok().and_then(|body: Body| {
        let value = body.error.or(body.detail).or(body.message)?;
        let text = value.get("message").unwrap_or(&value);
        Some(text.as_str().map_or_else(|| text.to_string(), str::to_owned))
    });
    said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}

/// In one line of at most `most` characters.
pub(super) fn shorten(text: &str, most: usize) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > 4 * most {
            break;
        }
    }
    match line.char_indices().nth(most) {
        None => line,
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
    }
}

impl<'de> Deserialize<'de> for Floats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Floats;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers or its base64")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Floats, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = list.next_element::<Option<f32>>()? {
                    numbers.push(number.unwrap_or(f32::NAN));
                }
                Ok(Floats(numbers))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Floats, E> {
                let bytes = STANDARD.decode(text).map_err(E::custom)?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(E::custom("base64 that is not of whole numbers"));
                }
                Ok(Floats(numbers.iter().map(|&number| f32::from_le_bytes(number)).collect()))
            }
        }

        deserializer.deserialize_any(Either)
    }
}
