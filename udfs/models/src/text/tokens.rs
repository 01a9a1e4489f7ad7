//! Texts as tokens: with a task's prefix, cut at the model's limit, in windows, in chunks.

use std::path::Path;

use tokenizers::Tokenizer;

use crate::error::{Error, Result};

/// Tokens that neighbouring windows of a long text share.
const OVERLAP: usize = 8;

/// Characters of a text that are looked at for every token that is wanted; more where that was too
/// few.
const CHARACTERS_PER_TOKEN: usize = 12;

/// A model's tokenizer.
pub struct Tokens {
    tokenizer: Tokenizer,
    /// What stands around every text: [CLS] and [SEP], for instance.
    before: Vec<u32>,
    after: Vec<u32>,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Its first byte in the text.
    pub start: usize,
    /// Its end, in bytes.
    pub end: usize,
    /// Its tokens.
    pub tokens: usize,
}

impl Tokens {
    /// Reads a `tokenizer.json`.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(Error::file(path, "is missing; it says how texts become tokens"));
        }
        let mut tokenizer = Tokenizer::from_file(path)
            .map_err(|error| Error::file(path, format!("is not a tokenizer: {error}")))?;
        // Checkpoints come with the limits of their training.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| Error::file(path, error))?;
        let encode = |special| {
            let encoding = tokenizer.encode_fast("a", special);
            encoding.map(|tokens| tokens.get_ids().to_vec()).map_err(|e| Error::file(path, e))
        };
        let (plain, framed) = (encode(false)?, encode(true)?);
        let place = framed.windows(plain.len().max(1)).position(|window| window == plain);
        let (before, after) = match place {
            Some(place) => (framed[..place].to_vec(), framed[place + plain.len()..].to_vec()),
            None => (framed, Vec::new()),
        };
        Ok(Self { tokenizer, before, after })
    }

    /// The token that the vocabulary has for a piece of text.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// A text's tokens, without any around them.
    pub fn plain(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.encode(text)?.get_ids().to_vec())
    }

    /// Prefix and text in their frame, at most `limit` tokens; what comes later is left out.
    pub fn first(&self, prefix: &str, text: &str, limit: usize) -> Result<Vec<u32>> {
        let room = limit.saturating_sub(self.before.len() + self.after.len());
        // Only so much of the text as can matter.
        let mut characters = room.saturating_mul(CHARACTERS_PER_TOKEN);
        loop {
            let head = head_of(text, characters);
            let tokens = if prefix.is_empty() {
                self.encode(head)?
            } else {
                self.encode(&format!("{prefix}{head}"))?
            };
            let ids = tokens.get_ids();
            if ids.len() >= room || head.len() == text.len() {
                return Ok(self.framed(&[&ids[..ids.len().min(room)]]));
            }
            characters = characters.saturating_mul(4);
        }
    }

    /// Prefix and text in as many windows of at most `limit` tokens as the text needs, each with
    /// the prefix and the frame, overlapping by a few tokens.
    pub fn windows(&self, prefix: &str, text: &str, limit: usize) -> Result<Vec<Vec<u32>>> {
        let prefix = self.plain(prefix)?;
        let text = self.plain(text)?;
        let frame = self.before.len() + self.after.len() + prefix.len();
        let room = limit.saturating_sub(frame).max(OVERLAP + 1);
        let mut windows = Vec::new();
        let mut start = 0;
        loop {
            let end = text.len().min(start + room);
            windows.push(self.framed(&[&prefix, &text[start..end]]));
            if end == text.len() {
                return Ok(windows);
            }
            start = end - OVERLAP;
        }
    }

    /// Number of tokens of a text alone.
    pub fn count(&self, text: &str) -> Result<usize> {
        let mut count = 0;
        let mut rest = text;
        // In pieces, so that a text of any length needs little memory.
        while !rest.is_empty() {
            let head = head_of(rest, 1 << 16);
            count += self.encode(head)?.len();
            rest = &rest[head.len()..];
        }
        Ok(count)
    }

    /// A text in pieces of at most `most` tokens, each beginning `overlap` tokens before the end
    /// of the one before. Pieces end between words where they can, and nothing but white space is
    /// left out.
    pub fn chunks(&self, text: &str, most: usize, overlap: usize) -> Result<Vec<Chunk>> {
        let places = self.places(text)?;
        let mut chunks = Vec::new();
        let mut first = 0;
        while first < places.len() {
            let mut end = places.len().min(first + most);
            if end < places.len() {
                // Back to where a word begins, but never so far that nothing is gained.
                let least = first + overlap.max(most / 2) + 1;
                end = (least..=end)
                    .rev()
                    .find(|&next| begins_word(text, &places, next))
                    .unwrap_or(end);
            }
            let (Some(&(start, _)), Some(&(_, stop))) = (places.get(first), places.get(end - 1))
            else {
                break;
            };
            chunks.push(Chunk { start, end: stop, tokens: end - first });
            if end == places.len() {
                break;
            }
            first = end - overlap;
        }
        Ok(chunks)
    }

    /// Where in the text each token lies, in bytes. Tokens without a place are left out.
    fn places(&self, text: &str) -> Result<Vec<(usize, usize)>> {
        let mut places = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let head = head_of(&text[start..], 1 << 16);
            let encoding = self
                .tokenizer
                .encode(head, false)
                .map_err(|error| Error::Input(error.to_string()))?;
            for &(from, to) in encoding.get_offsets() {
                let piece = text.get(start + from..start + to).unwrap_or_default();
                let from = from + piece.len() - piece.trim_start().len();
                if from < to {
                    places.push((start + from, start + to));
                }
            }
            start += head.len();
        }
        Ok(places)
    }

    fn encode(&self, text: &str) -> Result<tokenizers::Encoding> {
        self.tokenizer.encode_fast(text, false).map_err(|error| Error::Input(error.to_string()))
    }

    fn framed(&self, parts: &[&[u32]]) -> Vec<u32> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut tokens = Vec::with_capacity(self.before.len() + length + self.after.len());
        tokens.extend_from_slice(&self.before);
        for part in parts {
            tokens.extend_from_slice(part);
        }
        tokens.extend_from_slice(&self.after);
        tokens
    }
}

/// The first `characters` of a text, up to where a word ends if there is such a place in their
/// second half.
fn head_of(text: &str, characters: usize) -> &str {
    // A character is at least a byte.
    if text.len() <= characters {
        return text;
    }
    let Some((end, _)) = text.char_indices().nth(characters) else { return text };
    let head = &text[..end];
    match head.rfind(char::is_whitespace) {
        Some(space) if space >= end / 2 => &head[..space],
        _ => head,
    }
}

/// Whether a new word begins with a token.
fn begins_word(text: &str, places: &[(usize, usize)], index: usize) -> bool {
    let (Some(&(_, before)), Some(&(start, _))) =
        (index.checked_sub(1).and_then(|before| places.get(before)), places.get(index))
    else {
        return true;
    };
    before < start && text.get(before..start).is_some_and(|gap| gap.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words and letters, with [CLS] and [SEP] around them.
    fn tokens() -> (tempfile::TempDir, Tokens) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let mut vocab = serde_json::Map::new();
        let mut add = |word: &str| {
            let next = vocab.len();
            vocab.insert(word.to_string(), next.into());
        };
        for word in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "query", ":", "the", "ship"] {
            add(word);
        }
        for letter in 'a'..='z' {
            add(&letter.to_string());
            add(&format!("##{letter}"));
        }
        let json = serde_json::json!({
            "version": "1.0", "truncation": {"max_length": 3, "strategy": "LongestFirst",
                "stride": 0, "direction": "Right"},
            "padding": {"strategy": {"Fixed": 16}, "direction": "Right",
                "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
            "added_tokens": [],
            "normalizer": {"type": "BertNormalizer", "clean_text": true,
                "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                    {"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                    {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                    "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
            "decoder": null,
            "model": {"type": "WordPiece", "unk_token": "[UNK]",
                "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                "vocab": vocab}
        });
        std::fs::write(&path, json.to_string()).unwrap();
        (folder, Tokens::open(&path).unwrap())
    }

    #[test]
    fn a_text_stands_in_its_frame_and_is_cut_in_it() {
        let (_folder, tokens) = tokens();
        assert_eq!(tokens.first("", "The ship", 8).unwrap(), [2, 6, 7, 3]);
        assert_eq!(tokens.first("query: ", "the ship", 8).unwrap(), [2, 4, 5, 6, 7, 3]);
        assert_eq!(tokens.first("", "the ship the ship", 4).unwrap(), [2, 6, 7, 3]);
        assert_eq!(tokens.first("", "", 8).unwrap(), [2, 3]);
    }

    #[test]
    fn the_beginning_of_a_long_text_decides() {
        let (_folder, tokens) = tokens();
        let many = "the ship ".repeat(200_000);
        let few = "the ship ".repeat(20);
        assert_eq!(tokens.first("", &many, 16).unwrap(), tokens.first("", &few, 16).unwrap());
        // What counts may come after much that does not.
        let late = format!("{}the ship", " ".repeat(1_000_000));
        assert_eq!(tokens.first("", &late, 16).unwrap(), [2, 6, 7, 3]);
    }

    #[test]
    fn windows_overlap_and_leave_nothing_out() {
        let (_folder, tokens) = tokens();
        let text = "the ship ".repeat(30);
        let windows = tokens.windows("query: ", &text, 24).unwrap();
        let plain = tokens.plain(&text).unwrap();
        let mut seen = Vec::new();
        for (i, window) in windows.iter().enumerate() {
            assert!(window.len() <= 24);
            assert_eq!(window[..3], [2, 4, 5]);
            assert_eq!(window.last(), Some(&3));
            let inner = &window[3..window.len() - 1];
            seen.extend_from_slice(if i == 0 { inner } else { &inner[8..] });
        }
        assert_eq!(seen, plain);
        assert_eq!(tokens.windows("", "the ship", 24).unwrap(), [vec![2, 6, 7, 3]]);
        assert_eq!(tokens.windows("", "", 24).unwrap(), [vec![2, 3]]);
    }

    #[test]
    fn chunks_keep_to_their_size_and_cover_the_text() {
        let (_folder, tokens) = tokens();
        let text = "The  ship sails.\n\nA crew of zen men; the ship: lost — ünknown wörds too. "
            .repeat(40);
        for (most, overlap) in [(5, 0), (16, 0), (16, 4), (1000, 10), (1, 0), (2, 1)] {
            let chunks = tokens.chunks(&text, most, overlap).unwrap();
            let mut end = 0;
            for chunk in &chunks {
                assert!(chunk.tokens <= most);
                assert!(chunk.start < chunk.end && text.is_char_boundary(chunk.start));
                if chunk.start > end {
                    assert!(text[end..chunk.start].chars().all(char::is_whitespace));
                }
                assert!(chunk.end > end);
                end = chunk.end;
            }
            assert_eq!(text.trim_end().len(), end);
        }
        assert_eq!(tokens.chunks("", 5, 0).unwrap(), []);
        assert_eq!(tokens.chunks(" \n", 5, 0).unwrap(), []);
    }

    #[test]
    fn counting_in_pieces_is_counting() {
        let (_folder, tokens) = tokens();
        let text = "the ship sails ".repeat(20_000);
        assert_eq!(tokens.count(&text).unwrap(), tokens.plain(&text).unwrap().len());
        assert_eq!(tokens.count("").unwrap(), 0);
    }
}
