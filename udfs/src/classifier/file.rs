//! A classifier as one file: a line that says what it is, what is known of it as JSON, then its numbers.

use super::{Facts, Method};

/// The first line.
const FIRST: &[u8] = b"portolan classifier 1\n";
/// What every such line begins with.
const ANY: &[u8] = b"portolan classifier ";

/// The numbers of a classifier.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    /// Vectors: a class's weights, a text's embedding, a known row.
    pub lines: Vec<f32>,
    /// A class's offset.
    pub offsets: Vec<f32>,
    /// A known row's class.
    pub labels: Vec<u32>,
}

/// What the beginning of a file says.
#[derive(Debug, PartialEq)]
pub enum Head {
    /// What is known of the classifier, and where its numbers begin.
    Whole(Box<Facts>, usize),
    /// So many bytes are needed to know.
    Needs(usize),
}

/// The file.
pub fn encode(facts: &Facts, weights: &Weights) -> Result<Vec<u8>, String> {
    let json = serde_json::to_vec(facts).map_err(|error| error.to_string())?;
    let numbers = weights.lines.len() + weights.offsets.len() + weights.labels.len();
    let mut bytes = Vec::with_capacity(FIRST.len() + 8 + json.len() + 4 * numbers);
    bytes.extend_from_slice(FIRST);
    bytes.extend_from_slice(&(json.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&json);
    let floats = weights.lines.iter().chain(&weights.offsets);
    floats.for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    weights.labels.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    Ok(bytes)
}

/// What the first bytes of a file say, of which it has `size`.
pub fn head(bytes: &[u8], size: u64) -> Result<Head, String> {
    let begin = FIRST.len() + 8;
    if bytes.starts_with(ANY) && !bytes.starts_with(FIRST) && bytes.len() >= FIRST.len() {
        return Err("a newer release wrote it; upgrade portolan".to_string());
    }
    if !FIRST.starts_with(bytes) && !bytes.starts_with(FIRST) {
        return Err("its first line is not that of a classifier".to_string());
    }
    let length = bytes.get(FIRST.len()..begin).and_then(|length| length.try_into().ok());
    let Some(length) = length.map(u64::from_le_bytes) else {
        return if size < begin as u64 { Err(cut()) } else { Ok(Head::Needs(begin)) };
    };
    if length > size.saturating_sub(begin as u64) {
        return Err(cut());
    }
    // No longer than the file, which fits.
    let end = begin + length as usize;
    match bytes.get(begin..end) {
        None => Ok(Head::Needs(end)),
        Some(json) => {
            let facts = serde_json::from_slice(json).map_err(|error| error.to_string())?;
            Ok(Head::Whole(Box::new(facts), end))
        }
    }
}

/// What a whole file says.
pub fn decode(bytes: &[u8]) -> Result<(Facts, Weights), String> {
    let (facts, begin) = match head(bytes, bytes.len() as u64)? {
        Head::Whole(facts, begin) => (facts, begin),
        Head::Needs(_) => return Err(cut()),
    };
    let (words, rest) = bytes[begin..].as_chunks::<4>();
    let classes = facts.classes.len();
    // Lines of f32, and what each has beside.
    let (lines, offsets, labels) = match facts.method {
        Method::Logistic => (classes, classes, 0),
        Method::Text => (facts.texts.len(), 0, 0),
        Method::Knn => {
            // More than can be counted are more than there are.
            let rows = usize::try_from(facts.rows.unwrap_or_default()).unwrap_or(usize::MAX);
            (rows, 0, rows)
        }
    };
    let floats = lines.checked_mul(facts.dims).and_then(|lines| lines.checked_add(offsets));
    let whole = floats.and_then(|floats| floats.checked_add(labels));
    let (Some(floats), true) = (floats, rest.is_empty() && whole == Some(words.len())) else {
        return Err(cut());
    };
    let (numbers, labels) = words.split_at(floats);
    let (lines, offsets) = numbers.split_at(floats - offsets);
    let float = |words: &[[u8; 4]]| words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    let weights = Weights {
        lines: float(lines),
        offsets: float(offsets),
        labels: labels.iter().map(|word| u32::from_le_bytes(*word)).collect(),
    };
    Ok((*facts, weights))
}

fn cut() -> String {
    "it ends too early".to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Label;

    fn facts(method: Method) -> Facts {
        Facts {
            method,
            dims: 2,
            classes: vec![Label::Truth(false), Label::Truth(true)],
            positive: Some(1),
            threshold: Some(0.5),
            unit: true,
            k: Some(3),
            texts: Vec::new(),
            rows: Some(3),
            source: "t (v, label)".to_string(),
            fingerprint: None,
            held: None,
            created: 7,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let logistic = Weights {
            lines: vec![1.0, 2.0, 3.0, 4.0],
            offsets: vec![0.5, f32::NEG_INFINITY],
            labels: Vec::new(),
        };
        let knn = Weights { lines: vec![1.0; 6], offsets: Vec::new(), labels: vec![0, 1, 1] };
        for (method, weights) in [(Method::Logistic, logistic), (Method::Knn, knn)] {
            let bytes = encode(&facts(method), &weights).unwrap();
            assert_eq!(decode(&bytes).unwrap(), (facts(method), weights));
            for end in 0..bytes.len() {
                assert!(decode(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
            }
            let size = bytes.len() as u64;
            let Head::Needs(end) = head(&bytes[..40], size).unwrap() else { panic!("too early") };
            let Head::Whole(found, _) = head(&bytes[..end], size).unwrap() else {
                panic!("not enough")
            };
            assert_eq!(*found, facts(method));
        }
    }

    #[test]
    fn what_is_no_classifier_is_told() {
        for (bytes, expected) in [
            (b"PAR1 and so on, for a while it goes on".to_vec(), "first line"),
            (b"portolan classifier 2\n{}              ".to_vec(), "upgrade portolan"),
            (b"portolan classifier 1\n\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "too early"),
            (b"portolan classifier 1\n\x02\0\0\0\0\0\0\0{}".to_vec(), "missing field"),
        ] {
            let error = decode(&bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
