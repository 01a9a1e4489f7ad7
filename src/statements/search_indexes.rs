//! CREATE VECTOR INDEX and CREATE TEXT INDEX.

use futures::FutureExt;
use lance::Dataset;
use lance::index::{CreateIndexBuilder, DatasetIndexExt};
use lance_index::IndexType;
use lance_index::scalar::InvertedIndexParams;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::search::{Kind, Metric, Wanted, Workshop};
use crate::statements::index_grammar::{SearchIndex, Searched};
use crate::statements::{columns, names};
use crate::tables::{Definition, TableName, retrying};

/// CREATE [OR REPLACE] VECTOR | TEXT INDEX [IF NOT EXISTS] [name] ON t (column) [USING kind] [WITH (…)]
pub async fn create(db: &Database, index: &SearchIndex) -> Result<ResultSet> {
    let table = names::table(db, &index.table)?;
    let column = names::identifier(db, &index.column);
    let name = match &index.name {
        Some(name) => names::identifier(db, name),
        None => format!("{column}_idx"),
    };
    let plan = match index.searched {
        Searched::Vectors => Plan::Vectors(vectors(db, index)?),
        Searched::Words => Plan::Words(Box::new(words(index)?)),
    };
    db.progress().begin(format!("indexing {table}.{column}"), "rows", None);
    let made = retrying(&table, || create_once(db, index, &table, &column, &name, &plan)).await;
    db.progress().finish();
    made?;
    Ok(ResultSet::done("CREATE INDEX"))
}

enum Plan {
    Vectors(Wanted),
    Words(Box<InvertedIndexParams>),
}

async fn create_once(
    db: &Database,
    index: &SearchIndex,
    table: &TableName,
    column: &str,
    name: &str,
    plan: &Plan,
) -> Result<()> {
    let stored = db.catalog().table(table).await?;
    let definition = stored.definition();
    let Some(field) = definition.column(column) else {
        return Err(columns::unknown(&definition, &table.to_string(), column));
    };
    let mut dataset = stored.dataset().as_ref().clone();
    if !may_create(db, index, &dataset, name).await? {
        return Ok(());
    }
    let type_name = Definition::sql_type(field.data_type());
    match plan {
        Plan::Vectors(wanted) => {
            if !portolan_udfs::vector::is_vector(field.data_type()) {
                return Err(Error::Unsupported(format!(
                    "column '{column}' has type {type_name}, and a vector index is on a VECTOR or HALFVEC; {}",
                    if field.data_type().is_string() {
                        "CREATE TEXT INDEX is for text, and embed_text makes vectors of it"
                    } else {
                        "CREATE INDEX is for other columns"
                    }
                )));
            }
            let pool = &db.context().runtime_env().memory_pool;
            let workshop = Workshop { columns: db.columns(), pool, progress: db.progress() };
            workshop.build(&mut dataset, column, name, *wanted, index.replace).boxed().await?;
        }
        Plan::Words(params) => {
            if !field.data_type().is_string() {
                return Err(Error::Unsupported(format!(
                    "column '{column}' has type {type_name}, and a text index is on a TEXT; CREATE INDEX is for other columns"
                )));
            }
            CreateIndexBuilder::new(&mut dataset, &[column], IndexType::Inverted, params.as_ref())
                .name(name.to_string())
                .replace(index.replace)
                .await?;
        }
    }
    db.catalog().storage().remember(table, dataset);
    Ok(())
}

/// Whether there is room for an index of that name, or an error.
async fn may_create(
    db: &Database,
    index: &SearchIndex,
    dataset: &Dataset,
    name: &str,
) -> Result<bool> {
    let known = dataset.load_indices().boxed().await?.iter().any(|known| known.name == name);
    if !known || index.replace {
        return Ok(true);
    }
    if index.if_not_exists {
        db.notice(format!("index '{name}' already exists, skipping"));
        return Ok(false);
    }
    Err(Error::AlreadyExists {
        kind: "index",
        name: name.to_string(),
        remedy: "CREATE OR REPLACE builds it anew, or give another name",
    })
}

fn vectors(db: &Database, index: &SearchIndex) -> Result<Wanted> {
    let kind = match index.using.as_deref() {
        None => Kind::ALL[0],
        Some(name) => Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            Error::Unsupported(format!(
                "vector index kind '{name}' is not known; USING {}",
                known.join(", ")
            ))
        })?,
    };
    let seed = db.setting("seed").and_then(|seed| seed.parse().ok()).unwrap_or(42);
    let mut wanted = Wanted { kind, metric: Metric::Cosine, cells: None, seed };
    for (option, value) in &index.options {
        match option.as_str() {
            "metric" => {
                wanted.metric = Metric::named(value)
                    .ok_or_else(|| wrong(option, value, "'cosine', 'l2' or 'dot'"))?;
            }
            "partitions" => {
                let cells = value.parse().ok().filter(|cells| (1..=65_536).contains(cells));
                wanted.cells =
                    Some(cells.ok_or_else(|| wrong(option, value, "a number from 1 to 65536"))?);
            }
            "seed" => {
                wanted.seed =
                    value.parse().map_err(|_| wrong(option, value, "a whole number from 0"))?;
            }
            other => return Err(unknown(other, "vector", &["metric", "partitions", "seed"])),
        }
    }
    Ok(wanted)
}

fn words(index: &SearchIndex) -> Result<InvertedIndexParams> {
    if let Some(kind) = &index.using {
        return Err(Error::Unsupported(format!(
            "a text index has one kind, not '{kind}'; leave USING out"
        )));
    }
    let tokenizer = option(index, "tokenizer").unwrap_or("icu");
    // Words of every language, Japanese and Chinese too.
    let known = ["icu", "simple", "whitespace", "ngram", "raw"];
    if !known.contains(&tokenizer) {
        return Err(wrong(
            "tokenizer",
            tokenizer,
            "'icu', 'simple', 'whitespace', 'ngram' or 'raw'",
        ));
    }
    let mut params = InvertedIndexParams::default().base_tokenizer(tokenizer.to_string());
    for (option, value) in &index.options {
        let flag = || match value.as_str() {
            "true" | "on" => Ok(true),
            "false" | "off" => Ok(false),
            _ => Err(wrong(option, value, "true or false")),
        };
        let number = || {
            let number = value.parse::<u32>().ok().filter(|number| *number > 0);
            number.ok_or_else(|| wrong(option, value, "a whole number from 1"))
        };
        params = match option.as_str() {
            "tokenizer" => params,
            "language" => {
                let mut letters = value.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                let name: String = first.into_iter().chain(letters).collect();
                params.language(&name).map_err(|_| {
                    wrong(option, value, "a language in English, as 'german' or 'french'")
                })?
            }
            "stem" => params.stem(flag()?),
            "stop_words" => params.remove_stop_words(!flag()?),
            "ascii_folding" => params.ascii_folding(flag()?),
            "lower_case" => params.lower_case(flag()?),
            "positions" => params.with_position(flag()?),
            "min_ngram" => params.ngram_min_length(number()?),
            "max_ngram" => params.ngram_max_length(number()?),
            other => {
                let options = [
                    "tokenizer",
                    "language",
                    "stem",
                    "stop_words",
                    "ascii_folding",
                    "lower_case",
                    "positions",
                    "min_ngram",
                    "max_ngram",
                ];
                return Err(unknown(other, "text", &options));
            }
        };
    }
    Ok(params)
}

fn option<'a>(index: &'a SearchIndex, name: &str) -> Option<&'a str> {
    index.options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
}

fn wrong(option: &str, value: &str, wanted: &str) -> Error {
    Error::Invalid(format!("option {option} is {wanted}, not '{value}'"))
}

fn unknown(option: &str, kind: &str, known: &[&str]) -> Error {
    Error::Invalid(format!("a {kind} index has no option '{option}'; it has {}", known.join(", ")))
}
