//! `read_csv('x.csv', header => false)` and its kind in FROM. Their columns are known only after a look
//! at the files, which DataFusion's table functions, planned without waiting, cannot take. So a call is
//! rewritten to a table whose name is the call, and a table of such a name is opened like a file.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, Ident, ObjectName, TableAlias, TableFactor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::content::ContentTable;
use super::format::{self, Content, CsvChoices, FileKind};
use super::images::{self, ImageReader};
use super::listing::{self, Listing};
use super::npy::NpyTable;
use super::table::FilesTable;
use super::text::TextReader;
use crate::error::{Error, Result};
use crate::session::Stores;
use crate::statements::function_arguments::visit;
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

static FUNCTIONS: &[&Signature] =
    &[&READ_PARQUET, &READ_CSV, &READ_JSON, &READ_IMAGES, &READ_TEXT, &READ_NPY];

/// Rewrites every call of these functions in a statement.
pub fn rewrite(statement: &mut Statement) -> Result<()> {
    visit(statement, &mut Rewriter)
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match as_table(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn as_table(factor: &mut TableFactor) -> Result<()> {
    let TableFactor::Table { name, alias, args, .. } = factor else { return Ok(()) };
    let Some(list) = args else { return Ok(()) };
    let Some(signature) = known(&name.to_string()) else { return Ok(()) };
    // Checked here, while the whole statement is at hand.
    let arguments = signature.bind(&list.args)?.positional();
    let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    let call = format!("{}({})", signature.function, arguments.join(", "));
    *name = ObjectName::from(vec![Ident::with_quote('"', call)]);
    *args = None;
    alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::new(signature.function),
        columns: vec![],
        at: None,
    });
    Ok(())
}

fn known(name: &str) -> Option<&'static Signature> {
    FUNCTIONS.iter().copied().find(|signature| signature.function.eq_ignore_ascii_case(name))
}

/// The table of a name that is a call.
pub async fn open(
    stores: &Stores,
    state: &dyn Session,
    name: &str,
) -> Option<Result<Arc<dyn TableProvider>>> {
    let (function, _) = name.split_once('(')?;
    let signature = known(function)?;
    let call = Parser::new(&GenericDialect {})
        .try_with_sql(name)
        .and_then(|mut parser| parser.parse_expr());
    let Ok(Expr::Function(call)) = call else { return None };
    let FunctionArguments::List(list) = call.args else { return None };
    let arguments = match signature.bind(&list.args) {
        Ok(arguments) => arguments,
        Err(error) => return Some(Err(error)),
    };
    Some(read(stores, state, signature.function, &arguments).await)
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

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParser;

    use super::*;

    fn rewritten(sql: &str) -> Result<String> {
        let mut statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
        rewrite(&mut statement)?;
        Ok(statement.to_string())
    }

    #[test]
    fn calls_become_tables_wherever_they_stand() {
        assert_eq!(
            rewritten("SELECT * FROM read_csv('a''b.csv', header => false, delim => ';')").unwrap(),
            r#"SELECT * FROM "read_csv('a''b.csv', ';', false)" AS read_csv"#
        );
        assert_eq!(
            rewritten("EXPLAIN SELECT * FROM READ_TEXT(path => 'x') AS t JOIN u ON true").unwrap(),
            r#"EXPLAIN SELECT * FROM "read_text('x')" AS t JOIN u ON true"#
        );
        assert_eq!(
            rewritten("COPY (SELECT (SELECT count(*) FROM read_npy('x'))) TO 'y.csv'").unwrap(),
            r#"COPY (SELECT (SELECT count(*) FROM "read_npy('x')" AS read_npy)) TO y.csv"#
        );
        let other = "SELECT * FROM generate_series(1, 2)";
        assert_eq!(rewritten(other).unwrap(), other);
    }

    #[test]
    fn a_wrong_call_is_refused_before_planning() {
        let error =
            rewritten("SELECT * FROM read_csv('x', heder => true)").unwrap_err().to_string();
        assert!(error.contains("did you mean 'header'?"), "{error}");
        let error = rewritten("WITH t AS (SELECT * FROM read_text()) SELECT * FROM t").unwrap_err();
        assert!(error.to_string().contains("'path' is missing"), "{error}");
    }
}
