//! Which format a file has, told by the end of its name.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::config::{CsvOptions, JsonOptions};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::error::DataFusionError;
use object_store_datafusion::memory::InMemory;
use object_store_datafusion::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::listing::Listing;
use crate::error::{Error, Result};

/// How many bytes of a file tell whether its JSON is a list.
const SNIFFED: u64 = 64 * 1024;
/// How many bytes of a remote file of JSON lines tell the types.
const SAMPLED: u64 = 1 << 20;
/// How many remote files tell the types.
const SAMPLED_FILES: usize = 16;

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values.
    Csv,
    /// Tab-separated values.
    Tsv,
    /// JSON: one value a line, or one list of values.
    Json,
    /// JSON: one value a line.
    JsonLines,
    /// Arrow IPC, file or stream.
    Arrow,
    /// A NumPy array.
    Npy,
}

/// What is in a file, and how it is packed.
#[derive(Debug, Clone, PartialEq)]
pub struct FileKind {
    /// What is in it.
    pub content: Content,
    /// How it is packed.
    pub compression: FileCompressionType,
}

/// The ends of names that we know, for messages.
pub const KNOWN: &str = ".parquet, .csv, .tsv, .json, .jsonl, .ndjson, .arrow, .feather, .ipc, .npy and .lance, the text formats also \
     with .gz, .zst, .bz2 or .xz";

impl FileKind {
    /// The kind of a file of this name.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let packed = [
            (".gz", FileCompressionType::GZIP),
            (".zst", FileCompressionType::ZSTD),
            (".bz2", FileCompressionType::BZIP2),
            (".xz", FileCompressionType::XZ),
        ];
        let (stem, compression) = packed
            .iter()
            .find_map(|(end, compression)| Some((name.strip_suffix(end)?, *compression)))
            .unwrap_or((&name, FileCompressionType::UNCOMPRESSED));
        let (_, end) = stem.rsplit_once('.')?;
        let content = match end {
            "parquet" | "pq" => Content::Parquet,
            "csv" => Content::Csv,
            "tsv" => Content::Tsv,
            "json" => Content::Json,
            "jsonl" | "ndjson" => Content::JsonLines,
            "arrow" | "feather" | "ipc" => Content::Arrow,
            "npy" => Content::Npy,
            _ => return None,
        };
        let is_text =
            matches!(content, Content::Csv | Content::Tsv | Content::Json | Content::JsonLines);
        (is_text || !compression.is_compressed()).then_some(Self { content, compression })
    }

    /// The one kind of all files of a listing.
    pub fn of_all(listing: &Listing) -> Result<Self> {
        let mut kinds: Vec<(Self, String)> = Vec::new();
        for file in &listing.files {
            let name = listing.display(&file.location);
            let kind = Self::of(&name).ok_or_else(|| unknown(&name))?;
            if !kinds.iter().any(|(other, _)| *other == kind) {
                kinds.push((kind, name));
            }
        }
        match kinds.as_slice() {
            [(kind, _)] => Ok(kind.clone()),
            [(_, one), (_, other), ..] => Err(Error::Invalid(format!(
                "'{}' holds files of several formats, like '{one}' and '{other}'; name one format, as in '*.{}'",
                listing.location,
                one.rsplit_once('.').map_or(one.as_str(), |(_, end)| end)
            ))),
            [] => Err(Error::Invalid(format!("'{}' holds no file", listing.location))),
        }
    }
}

fn unknown(name: &str) -> Error {
    let lower = name.to_ascii_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| lower.ends_with(end));
    let hint = if ends(&[
        ".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic",
    ]) {
        format!("images are read by read_images('{name}')")
    } else if ends(&[".txt", ".md", ".html", ".xml", ".log"]) {
        format!("text is read by read_text('{name}')")
    } else {
        format!(
            "read it with read_csv('{name}'), read_json or read_parquet if it is one of them under another name"
        )
    };
    Error::Unsupported(format!("cannot tell the format of '{name}': known are {KNOWN}; {hint}"))
}

/// Options of CSV files that differ from the usual.
#[derive(Debug, Clone, Default)]
pub struct CsvChoices {
    /// Between values.
    pub delimiter: Option<u8>,
    /// Whether the first line names the columns.
    pub header: Option<bool>,
    /// Around values.
    pub quote: Option<u8>,
    /// Before a quote within quotes.
    pub escape: Option<u8>,
    /// Before lines that are left out.
    pub comment: Option<u8>,
    /// How many lines are looked at to find the types.
    pub sample: Option<usize>,
    /// Whether lines may be short of values.
    pub short_rows: Option<bool>,
}

/// DataFusion's reader of CSV.
pub fn csv(kind: &FileKind, choices: CsvChoices) -> Arc<dyn FileFormat> {
    let usual = if kind.content == Content::Tsv { b'\t' } else { b',' };
    let mut format = CsvFormat::default()
        .with_options(CsvOptions::default())
        .with_has_header(choices.header.unwrap_or(true))
        .with_delimiter(choices.delimiter.unwrap_or(usual))
        .with_escape(choices.escape)
        .with_comment(choices.comment)
        .with_truncated_rows(choices.short_rows.unwrap_or(false))
        // Reviews and articles have line ends within quotes; cutting a file at any line end would tear
        // them apart.
        .with_newlines_in_values(true)
        .with_file_compression_type(kind.compression);
    if let Some(quote) = choices.quote {
        format = format.with_quote(quote);
    }
    if let Some(sample) = choices.sample {
        format = format.with_schema_infer_max_rec(sample);
    }
    Arc::new(format)
}

/// DataFusion's reader of JSON; `lines` says whether there is one value a line, else the first file
/// tells.
pub async fn json(
    kind: &FileKind,
    listing: &Listing,
    lines: Option<bool>,
    sample: Option<usize>,
) -> Result<Arc<dyn FileFormat>> {
    let lines = match lines {
        Some(lines) => lines,
        None if kind.content == Content::JsonLines => true,
        None => !begins_with_a_list(kind, listing).await?,
    };
    let mut format = JsonFormat::default()
        .with_options(JsonOptions::default())
        .with_newline_delimited(lines)
        .with_file_compression_type(kind.compression);
    if let Some(sample) = sample {
        format = format.with_schema_infer_max_rec(sample);
    }
    Ok(Arc::new(format))
}

/// The beginnings of a few files in memory. DataFusion would fetch whole files from a remote store to
/// find the types of JSON lines.
pub async fn sample(
    format: &dyn FileFormat,
    listing: &Listing,
    files: &[ObjectMeta],
) -> Result<Option<(Arc<dyn ObjectStore>, Vec<ObjectMeta>)>> {
    let is_lines = format.downcast_ref::<JsonFormat>().is_some_and(|json| {
        json.is_newline_delimited()
            && json.options().compression == CompressionTypeVariant::UNCOMPRESSED
    });
    let is_large = files.iter().any(|file| file.size > SAMPLED);
    if !is_lines || !is_large || listing.root.as_str().starts_with("file:") {
        return Ok(None);
    }
    let store = InMemory::new();
    let mut sample = Vec::new();
    for file in files.iter().take(SAMPLED_FILES) {
        let head = head(listing, file, SAMPLED).await?;
        let whole_lines = match head.iter().rposition(|byte| *byte == b'\n') {
            Some(end) if file.size > SAMPLED => head.slice(..=end),
            _ => head,
        };
        let size = whole_lines.len() as u64;
        store.put(&file.location, whole_lines.into()).await.map_err(DataFusionError::from)?;
        sample.push(ObjectMeta { size, ..file.clone() });
    }
    Ok(Some((Arc::new(store), sample)))
}

async fn head(listing: &Listing, file: &ObjectMeta, length: u64) -> Result<Bytes> {
    let range = Some(GetRange::Bounded(0..length.min(file.size)));
    let options = GetOptions { range, ..GetOptions::default() };
    let name = listing.display(&file.location);
    let failed = |error| Error::Invalid(format!("cannot read '{name}': {error}"));
    let got = listing.store.get_opts(&file.location, options).await.map_err(failed)?;
    got.bytes().await.map_err(failed)
}

async fn begins_with_a_list(kind: &FileKind, listing: &Listing) -> Result<bool> {
    let Some(file) = listing.files.iter().find(|file| file.size > 0) else { return Ok(false) };
    let head = head(listing, file, SNIFFED).await?;
    let mut unpacked = kind.compression.convert_read(std::io::Cursor::new(head))?;
    let mut byte = [0u8];
    loop {
        match std::io::Read::read(&mut unpacked, &mut byte) {
            Ok(0) => return Ok(false),
            Ok(_) if byte[0].is_ascii_whitespace() => {}
            Ok(_) => return Ok(byte[0] == b'['),
            Err(error) => {
                let name = listing.display(&file.location);
                return Err(Error::Invalid(format!("cannot read '{name}': {error}")));
            }
        }
    }
}

/// DataFusion's reader of a format that needs no options.
pub async fn plain(kind: &FileKind, listing: &Listing) -> Result<Option<Arc<dyn FileFormat>>> {
    Ok(match kind.content {
        Content::Parquet => Some(Arc::new(ParquetFormat::default())),
        Content::Arrow => Some(Arc::new(ArrowFormat)),
        Content::Csv | Content::Tsv => Some(csv(kind, CsvChoices::default())),
        Content::Json | Content::JsonLines => Some(json(kind, listing, None, None).await?),
        Content::Npy => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_kind() {
        for (name, content, compression) in [
            ("a.parquet", Content::Parquet, FileCompressionType::UNCOMPRESSED),
            ("s3://b/A.CSV", Content::Csv, FileCompressionType::UNCOMPRESSED),
            ("a.tsv.gz", Content::Tsv, FileCompressionType::GZIP),
            ("a.jsonl.zst", Content::JsonLines, FileCompressionType::ZSTD),
            ("a.feather", Content::Arrow, FileCompressionType::UNCOMPRESSED),
            ("a.npy", Content::Npy, FileCompressionType::UNCOMPRESSED),
        ] {
            assert_eq!(FileKind::of(name), Some(FileKind { content, compression }), "{name}");
        }
        for name in ["a.parket", "a", "a.gz", "a.parquet.gz", "csv"] {
            assert_eq!(FileKind::of(name), None, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_gets_the_reader_that_fits() {
        assert!(unknown("a/b.JPG").to_string().contains("read_images('a/b.JPG')"));
        assert!(unknown("a.md").to_string().contains("read_text('a.md')"));
        assert!(unknown("a.dat").to_string().contains("read_csv('a.dat')"));
    }
}
