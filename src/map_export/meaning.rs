//! What colours mean: which value has which, and how that is told.

use std::collections::HashMap;

use chrono::DateTime;
use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};

use super::colours::{self, CATEGORIES, Colour, STEPS};
use crate::error::{Error, Result};
use crate::map_view::Kind;

/// The number of the colour of what is in no large category.
pub const OTHER: u16 = 0xfffe;
/// The number of the colour of what has no value.
pub const MISSING: u16 = 0xffff;

/// Values of colours.
pub enum Meaning {
    /// Names, how many rows have each, and the number of its colour.
    Categories(Vec<(String, u64, u16)>),
    /// From low to high.
    Scale(String, String),
}

/// A text that XML can hold: without characters that stand for nothing.
pub fn printable(text: &str) -> String {
    let said = |c: char| match c {
        '\u{fffe}' | '\u{ffff}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    text.chars().map(said).collect()
}

/// The numbers of values' colours, the colours, and what they mean.
pub type Coloured = (Vec<u16>, Vec<Colour>, Meaning);

/// The colours of the values of a column.
pub fn meaning(name: &str, kind: Kind, values: &[ArrayRef]) -> Result<Coloured> {
    match kind {
        Kind::Number | Kind::Time => {
            let numbers = numbers(kind, values)?;
            let few = few(&numbers).filter(|_| kind == Kind::Number);
            match few {
                Some(texts) => Ok(categories(texts)),
                None => scale(name, kind, &numbers),
            }
        }
        _ => {
            let mut texts = Vec::new();
            for column in values {
                let column = cast(column, &DataType::Utf8)?;
                texts.extend(column.as_string::<i32>().iter().map(|text| text.map(str::to_string)));
            }
            Ok(categories(texts))
        }
    }
}

fn numbers(kind: Kind, values: &[ArrayRef]) -> Result<Vec<Option<f64>>> {
    let mut numbers = Vec::new();
    for column in values {
        if kind == Kind::Time {
            let times = cast(column, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
            let times = cast(&times, &DataType::Int64)?;
            // Milliseconds of any date are whole in f64.
            numbers.extend(times.as_primitive::<Int64Type>().iter().map(|t| t.map(|t| t as f64)));
        } else {
            let column = cast(column, &DataType::Float64)?;
            let finite = |number: Option<f64>| number.filter(|number| number.is_finite());
            numbers.extend(column.as_primitive::<Float64Type>().iter().map(finite));
        }
    }
    Ok(numbers)
}

/// Whole numbers of which there are so few different ones that they are names.
fn few(numbers: &[Option<f64>]) -> Option<Vec<Option<String>>> {
    let mut seen: Vec<f64> = Vec::new();
    for number in numbers.iter().flatten() {
        if number.fract() != 0.0 {
            return None;
        }
        if !seen.contains(number) {
            seen.push(*number);
            if seen.len() > CATEGORIES.len() {
                return None;
            }
        }
    }
    if seen.is_empty() {
        return None;
    }
    Some(numbers.iter().map(|number| number.map(|number| number.to_string())).collect())
}

fn categories(texts: Vec<Option<String>>) -> Coloured {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for text in texts.iter().flatten() {
        *counts.entry(text).or_default() += 1;
    }
    let mut sorted: Vec<(&str, u64)> = counts.iter().map(|(text, count)| (*text, *count)).collect();
    sorted.sort_by(|(a, many), (b, more)| more.cmp(many).then(a.cmp(b)));
    let ranks: HashMap<&str, u16> = sorted
        .iter()
        .take(CATEGORIES.len())
        .zip(0u16..)
        .map(|((text, _), at)| (*text, at))
        .collect();
    let colour = |text: &Option<String>| match text {
        None => MISSING,
        Some(text) => ranks.get(text.as_str()).copied().unwrap_or(OTHER),
    };
    let colours: Vec<u16> = texts.iter().map(colour).collect();
    let entries = sorted.iter().take(CATEGORIES.len()).zip(0u16..);
    let mut entries: Vec<(String, u64, u16)> =
        entries.map(|((text, count), at)| (printable(text), *count, at)).collect();
    let rest = sorted.iter().skip(CATEGORIES.len());
    let (others, rows) = rest.fold((0u64, 0), |(n, sum), (_, count)| (n + 1, sum + count));
    if others > 0 {
        entries.push((format!("{others} others"), rows, OTHER));
    }
    let none = texts.iter().filter(|text| text.is_none()).count() as u64;
    if none > 0 {
        entries.push(("none".to_string(), none, MISSING));
    }
    (colours, CATEGORIES.to_vec(), Meaning::Categories(entries))
}

fn scale(name: &str, kind: Kind, numbers: &[Option<f64>]) -> Result<Coloured> {
    let known = || numbers.iter().flatten().copied();
    let (low, high) =
        (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        return Err(Error::Invalid(format!(
            "no row has a value in column '{name}', so there is nothing to be coloured"
        )));
    }
    let steps = f64::from(STEPS);
    let share = if high > low { steps / (high - low) } else { 0.0 };
    // Not negative, and not above the number of steps.
    let step = |number: f64| (((number - low) * share) as u16).min(STEPS - 1);
    let colours = numbers.iter().map(|number| number.map_or(MISSING, step)).collect();
    let shown = |number: f64| match kind {
        Kind::Time => DateTime::from_timestamp_millis(number as i64)
            .map_or_else(String::new, |time| time.format("%Y-%m-%d").to_string()),
        _ => short(number),
    };
    Ok((colours, colours::quantities(), Meaning::Scale(shown(low), shown(high))))
}

/// As many digits as matter.
fn short(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return number.to_string();
    }
    if number.abs() >= 1e6 || number.abs() < 1e-4 {
        return format!("{number:.3e}");
    }
    // Few digits before the point, or few behind it.
    let digits = (3 - number.abs().log10().floor() as i32).clamp(0, 8) as usize;
    format!("{number:.digits$}")
}
