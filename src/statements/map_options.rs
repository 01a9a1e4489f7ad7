//! The options of CREATE MAP.

use datafusion::arrow::datatypes::{DataType, Field};
use portolan_udfs::map::{Nearness, Projection, Wanted};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::statements::unknown_column;
use crate::tables::{Definition, TableName};

const KNOWN: [&str; 13] = [
    "text",
    "label",
    "projection",
    "n_neighbors",
    "n_epochs",
    "min_dist",
    "metric",
    "seed",
    "topics",
    "n_topics",
    "duplicates",
    "duplicate_cutoff",
    "align_to",
];

/// What a map is to be.
pub struct MapOptions {
    /// What is said of all maps.
    pub wanted: Wanted,
    /// The column of texts.
    pub text: Option<String>,
    /// The column of labels, where there are no texts.
    pub label: Option<String>,
    /// The map that it is to be compared with, as it was written.
    pub align_to: Option<String>,
}

/// What a map is to be. What is not said is as it usually is, the seed that of the session.
pub fn options(
    db: &Database,
    given: &[(String, String)],
    definition: &Definition,
    table: &TableName,
) -> Result<MapOptions> {
    let seed = db.setting("seed").and_then(|seed| seed.parse().ok());
    let usual = Wanted::default();
    let mut wanted = Wanted { seed: seed.unwrap_or(usual.seed), ..usual };
    let (mut text, mut label, mut align_to) = (None, None, None);
    for (at, (option, value)) in given.iter().enumerate() {
        if given[..at].iter().any(|(other, _)| other == option) {
            return Err(Error::Invalid(format!("option {option} is given twice; give it once")));
        }
        let whole = |from: usize, to: usize| {
            let number = value.parse().ok().filter(|number| (from..=to).contains(number));
            number
                .ok_or_else(|| wrong(option, value, &format!("a whole number from {from} to {to}")))
        };
        let share = || {
            let number = value.parse().ok().filter(|number: &f64| (0.0..=1.0).contains(number));
            number.ok_or_else(|| wrong(option, value, "a number from 0 to 1"))
        };
        let flag = || match value.to_ascii_lowercase().as_str() {
            "true" | "on" => Ok(true),
            "false" | "off" => Ok(false),
            _ => Err(wrong(option, value, "true or false")),
        };
        match option.as_str() {
            "text" => text = Some(text_column(value, definition, table)?),
            "label" => label = Some(label_column(value, definition, table)?),
            "projection" => wanted.projection = named(option, value, &Projection::ALL)?,
            "metric" => wanted.metric = named(option, value, &Nearness::ALL)?,
            "n_neighbors" => wanted.n_neighbors = whole(2, 255)?,
            "n_epochs" => wanted.n_epochs = Some(whole(1, 1_000_000)?),
            "min_dist" => wanted.min_dist = Some(share()?),
            "seed" => {
                let seed = value.parse::<u64>();
                wanted.seed = seed.map_err(|_| wrong(option, value, "a whole number from 0"))?;
            }
            "topics" => wanted.topics = flag()?,
            "n_topics" => wanted.n_topics = Some(whole(1, 10_000)?),
            "duplicates" => wanted.duplicates = flag()?,
            "duplicate_cutoff" => wanted.duplicate_cutoff = share()?,
            "align_to" => align_to = Some(value.clone()),
            other => return Err(unknown(other)),
        }
    }
    if text.is_some() && label.is_some() {
        return Err(Error::Invalid(
            "options text and label both say how topics are called; give one of them".to_string(),
        ));
    }
    Ok(MapOptions { wanted, text, label, align_to })
}

fn named_column<'a>(
    name: &str,
    definition: &'a Definition,
    table: &TableName,
) -> Result<&'a Field> {
    let lower = name.to_lowercase();
    let found = definition.column(name).or_else(|| definition.column(&lower));
    found.ok_or_else(|| unknown_column(definition, &table.to_string(), name))
}

fn label_column(name: &str, definition: &Definition, table: &TableName) -> Result<String> {
    let field = named_column(name, definition, table)?;
    let kind = field.data_type();
    if !(kind.is_string() || kind.is_integer() || *kind == DataType::Boolean) {
        return Err(Error::Invalid(format!(
            "option label is a column of texts, whole numbers or booleans, and '{}' is {}",
            field.name(),
            Definition::sql_type(kind)
        )));
    }
    Ok(field.name().clone())
}

fn text_column(name: &str, definition: &Definition, table: &TableName) -> Result<String> {
    let field = named_column(name, definition, table)?;
    if !matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        return Err(Error::Invalid(format!(
            "option text is a column of texts, and '{}' is {}",
            field.name(),
            Definition::sql_type(field.data_type())
        )));
    }
    Ok(field.name().clone())
}

fn named<T: Copy>(option: &str, value: &str, known: &[(&str, T)]) -> Result<T> {
    match known.iter().find(|(name, _)| name.eq_ignore_ascii_case(value)) {
        Some((_, meant)) => Ok(*meant),
        None => {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            Err(wrong(option, value, &format!("one of '{}'", names.join("', '"))))
        }
    }
}

fn wrong(option: &str, value: &str, wanted: &str) -> Error {
    Error::Invalid(format!("option {option} is {wanted}, not '{value}'"))
}

fn unknown(option: &str) -> Error {
    let near = KNOWN.iter().min_by_key(|known| strsim::damerau_levenshtein(known, option));
    Error::Invalid(format!(
        "a map has no option '{option}'; did you mean '{}'? It has {}",
        near.unwrap_or(&""),
        KNOWN.join(", ")
    ))
}

/// An error unless a column holds vectors; its name is one that the table has.
pub fn check_vectors(field: &Field, definition: &Definition, table: &TableName) -> Result<()> {
    if is_vector(field) {
        return Ok(());
    }
    let vectors: Vec<&str> = definition
        .schema()
        .fields()
        .iter()
        .filter(|field| is_vector(field))
        .map(|field| field.name().as_str())
        .collect();
    let remedy = match vectors.as_slice() {
        [] => "embed_text makes vectors of texts, embed_image of images".to_string(),
        names => format!("its vectors are in {}", names.join(", ")),
    };
    Err(Error::Invalid(format!(
        "a map is made of vectors, and column '{}' of table '{table}' is {}; {remedy}",
        field.name(),
        Definition::sql_type(field.data_type())
    )))
}

fn is_vector(field: &Field) -> bool {
    match field.data_type() {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            item.data_type().is_floating()
        }
        _ => false,
    }
}
