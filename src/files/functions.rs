//! `read_csv('x.csv', header => false)` and its kind in FROM.

use std::sync::Arc;

use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::parquet::ParquetFormat;

use super::content::ContentTable;
use super::format::{self, Content, CsvChoices, FileKind};
use super::images::{self, ImageReader};
use super::listing::{self, Listing};
use super::npy::NpyTable;
use super::table::FilesTable;
use super::text::TextReader;
use crate::error::{Error, Result};
use crate::session::Stores;
use crate::statements::named_arguments::{Arguments, Signature};

static READ_PARQUET: Signature =
    Signature { function: "read_parquet", required: &["path"], optional: &["binary_as_string"] };
static READ_CSV: Signature = Signature {
    function: "read_csv",
    required: &["path"],
    optional: &[
        "delim",
        "header",
        "quote",
        "escape",
        "comment",
        "sample_size",
        "null_padding",
        "compression",
    ],
};
static READ_JSON: Signature = Signature {
    function: "read_json",
    required: &["path"],
    optional: &["format", "sample_size", "compression"],
};
static READ_IMAGES: Signature =
    Signature { function: "read_images", required: &["path"], optional: &[] };
static READ_TEXT: Signature =
    Signature { function: "read_text", required: &["path"], optional: &[] };
static READ_NPY: Signature = Signature { function: "read_npy", required: &["path"], optional: &[] };

/// All of them.
pub static FUNCTIONS: &[&Signature] =
    &[&READ_PARQUET, &READ_CSV, &READ_JSON, &READ_IMAGES, &READ_TEXT, &READ_NPY];

/// The table that a call of one of them stands for.
pub async fn open(
    stores: &Stores,
    state: &dyn Session,
    function: &str,
    arguments: &Arguments,
) -> Option<Result<Arc<dyn TableProvider>>> {
    if !FUNCTIONS.iter().any(|signature| signature.function == function) {
        return None;
    }
    Some(read(stores, state, function, arguments).await)
}

async fn read(
    stores: &Stores,
    state: &dyn Session,
    function: &str,
    arguments: &Arguments,
) -> Result<Arc<dyn TableProvider>> {
    let ends_with = |ends: &'static [&'static str]| {
        move |name: &str| ends.iter().any(|end| name.to_ascii_lowercase().ends_with(end))
    };
    let of_content = |contents: &'static [Content]| {
        move |name: &str| FileKind::of(name).is_some_and(|kind| contents.contains(&kind.content))
    };
    match function {
        "read_csv" => {
            let listing =
                list(stores, arguments, of_content(&[Content::Csv, Content::Tsv])).await?;
            let kind = kind(&listing, arguments, Content::Csv)?;
            let format = format::csv(&kind, csv_choices(arguments)?);
            Ok(Arc::new(FilesTable::open(state, listing, format).await?))
        }
        "read_json" => {
            let listing =
                list(stores, arguments, of_content(&[Content::Json, Content::JsonLines])).await?;
            let kind = kind(&listing, arguments, Content::Json)?;
            let lines = match arguments.text("format")?.as_deref() {
                None | Some("auto") => None,
                Some("array") => Some(false),
                Some("newline_delimited" | "nd") => Some(true),
                Some(other) => {
                    return Err(Error::sql(format!(
                        "read_json: 'format' is 'auto', 'array' or 'newline_delimited', not '{other}'"
                    )));
                }
            };
            let format = format::json(&kind, &listing, lines, sample(arguments)?).await?;
            Ok(Arc::new(FilesTable::open(state, listing, format).await?))
        }
        "read_parquet" => {
            let listing = list(stores, arguments, of_content(&[Content::Parquet])).await?;
            let as_string = arguments.flag("binary_as_string")?.unwrap_or(false);
            let format = Arc::new(ParquetFormat::default().with_binary_as_string(as_string));
            Ok(Arc::new(FilesTable::open(state, listing, format).await?))
        }
        "read_images" => {
            let listing = list(stores, arguments, ends_with(images::ENDS)).await?;
            Ok(Arc::new(ContentTable::new(listing, Arc::new(ImageReader))))
        }
        "read_text" => {
            let listing = list(stores, arguments, |_| true).await?;
            Ok(Arc::new(ContentTable::new(listing, Arc::new(TextReader))))
        }
        _ => {
            let listing = list(stores, arguments, of_content(&[Content::Npy])).await?;
            Ok(Arc::new(NpyTable::open(listing).await?))
        }
    }
}

/// The files of one path or a list of paths, which must lie in one store.
async fn list(
    stores: &Stores,
    arguments: &Arguments,
    wanted: impl Fn(&str) -> bool + Copy,
) -> Result<Listing> {
    let paths = arguments.texts("path")?.unwrap_or_default();
    let mut all: Option<Listing> = None;
    for path in &paths {
        let listing = listing::list(stores, path, wanted).await?;
        match &mut all {
            None => all = Some(listing),
            Some(all) if all.root == listing.root => all.files.extend(listing.files),
            Some(all) => {
                return Err(Error::Unsupported(format!(
                    "'{}' and '{path}' lie in different stores; read each by itself and UNION ALL them",
                    all.location
                )));
            }
        }
    }
    all.ok_or_else(|| Error::sql("the list of files is empty; name at least one".to_string()))
}

/// How the files are packed: told by the first name, or by the argument.
fn kind(listing: &Listing, arguments: &Arguments, content: Content) -> Result<FileKind> {
    let first = listing.files.first().and_then(|file| FileKind::of(file.location.as_ref()));
    let mut kind =
        first.unwrap_or(FileKind { content, compression: FileCompressionType::UNCOMPRESSED });
    match arguments.text("compression")?.as_deref() {
        None | Some("auto") => {}
        Some(name) => kind.compression = compression(name)?,
    }
    Ok(kind)
}

fn compression(name: &str) -> Result<FileCompressionType> {
    match name {
        "none" => Ok(FileCompressionType::UNCOMPRESSED),
        "gzip" => Ok(FileCompressionType::GZIP),
        "zstd" => Ok(FileCompressionType::ZSTD),
        "bzip2" => Ok(FileCompressionType::BZIP2),
        "xz" => Ok(FileCompressionType::XZ),
        other => Err(Error::sql(format!(
            "'compression' is 'auto', 'none', 'gzip', 'zstd', 'bzip2' or 'xz', not '{other}'"
        ))),
    }
}

fn sample(arguments: &Arguments) -> Result<Option<usize>> {
    let sample = arguments.whole("sample_size", 1)?;
    Ok(sample.map(|sample| usize::try_from(sample).unwrap_or(usize::MAX)))
}

fn csv_choices(arguments: &Arguments) -> Result<CsvChoices> {
    Ok(CsvChoices {
        delimiter: arguments.byte("delim")?,
        header: arguments.flag("header")?,
        quote: arguments.byte("quote")?,
        escape: arguments.byte("escape")?,
        comment: arguments.byte("comment")?,
        sample: sample(arguments)?,
        short_rows: arguments.flag("null_padding")?,
    })
}
