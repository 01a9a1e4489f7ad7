//! `read_text('docs/*.md')`: path, content, size, modified.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field};

use super::content::{self, Need, ReadFile, Reader};
use crate::error::{Error, Result};

/// Reads whole files as text.
#[derive(Debug)]
pub struct TextReader;

impl Reader for TextReader {
    fn columns(&self) -> Vec<(Field, Need)> {
        vec![
            content::about("path"),
            (Field::new("content", DataType::Utf8, false), Need::Everything),
            content::about("size"),
            content::about("modified"),
        ]
    }

    fn head(&self) -> u64 {
        0
    }

    fn column(&self, name: &str, files: &[ReadFile]) -> Result<ArrayRef> {
        Ok(match name {
            "content" => {
                let texts = files.iter().map(text).collect::<Result<Vec<_>>>()?;
                Arc::new(StringArray::from_iter_values(texts))
            }
            "size" => {
                let sizes =
                    files.iter().map(|file| i64::try_from(file.meta.size).unwrap_or(i64::MAX));
                Arc::new(Int64Array::from_iter_values(sizes))
            }
            "modified" => {
                let times = files.iter().map(|file| file.meta.last_modified.timestamp_micros());
                Arc::new(TimestampMicrosecondArray::from_iter_values(times))
            }
            _ => Arc::new(StringArray::from_iter_values(files.iter().map(|file| &file.name))),
        })
    }
}

fn text(file: &ReadFile) -> Result<&str> {
    if i32::try_from(file.bytes.len()).is_err() {
        return Err(Error::Unsupported(format!(
            "'{}' is too long for one value ({} bytes, up to 2 GiB); leave it out of the pattern",
            file.name,
            file.bytes.len()
        )));
    }
    let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf".as_slice()).unwrap_or(&file.bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        Error::Invalid(format!(
            "'{}' is not UTF-8 text (byte {}); convert it, or leave it out of the pattern",
            file.name,
            error.valid_up_to()
        ))
    })
}
