//! The options of EXPORT MAP.

use crate::error::{Error, Result};

const OF_PICTURES: [&str; 7] = ["width", "height", "colour", "labels", "dark", "depth", "title"];
const OF_PAGES: [&str; 1] = ["title"];
/// The most pixels of a side.
pub const MOST: u32 = 8192;

/// What a file is to be, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lines and letters that can be made larger without end.
    Svg,
    /// Pixels.
    Png,
    /// A page that shows the map without a server.
    Html,
}

impl Kind {
    /// That of a file's name.
    pub fn of(place: &str) -> Result<Self> {
        let name = place.rsplit(['/', '\\']).next().unwrap_or(place);
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        match ending.as_deref() {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            Some("html" | "htm") => Ok(Self::Html),
            _ => Err(Error::Invalid(format!(
                "a map is exported as a picture, .svg or .png, or as a page, .html, and '{place}' ends otherwise"
            ))),
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// The column that colours are of; topics are if there is none.
    pub colour: Option<String>,
    /// Whether topics are named.
    pub labels: bool,
    /// Whether the ground is dark.
    pub dark: bool,
    /// The depth of topics that have names and colours.
    pub depth: Option<i32>,
    /// What stands above.
    pub title: Option<String>,
}

impl Options {
    /// By names and values as they were written.
    pub fn new(given: &[(String, String)], kind: Kind) -> Result<Self> {
        let mut options = Self {
            width: 1600,
            height: 1200,
            colour: None,
            labels: true,
            dark: false,
            depth: None,
            title: None,
        };
        let mut seen: Vec<&str> = Vec::new();
        for (written, value) in given {
            let option = if written == "color" { "colour" } else { written.as_str() };
            let wrong = |wanted: &str| {
                Error::Invalid(format!("option {option} is {wanted}, not '{value}'"))
            };
            let side = || {
                let pixels = value.parse().ok().filter(|pixels| (200..=MOST).contains(pixels));
                pixels.ok_or_else(|| wrong(&format!("a whole number from 200 to {MOST}")))
            };
            let flag = || match value.to_ascii_lowercase().as_str() {
                "true" | "on" => Ok(true),
                "false" | "off" => Ok(false),
                _ => Err(wrong("true or false")),
            };
            if seen.contains(&option) {
                return Err(Error::Invalid(format!(
                    "option {option} is given twice; give it once"
                )));
            }
            seen.push(option);
            if !OF_PICTURES.contains(&option) {
                return Err(unknown(option, kind));
            }
            if kind == Kind::Html && !OF_PAGES.contains(&option) {
                return Err(Error::Invalid(format!(
                    "option {option} is one of pictures; a page has {}",
                    OF_PAGES.join(", ")
                )));
            }
            match option {
                "width" => options.width = side()?,
                "height" => options.height = side()?,
                "labels" => options.labels = flag()?,
                "dark" => options.dark = flag()?,
                "depth" => {
                    let depth = value.parse().ok().filter(|depth| (1..=3).contains(depth));
                    options.depth = Some(depth.ok_or_else(|| wrong("a whole number from 1 to 3"))?);
                }
                "colour" => options.colour = Some(value.clone()),
                _ => options.title = Some(value.clone()).filter(|title| !title.is_empty()),
            }
        }
        Ok(options)
    }
}

fn unknown(option: &str, kind: Kind) -> Error {
    let (what, known) = match kind {
        Kind::Html => ("a page", &OF_PAGES[..]),
        Kind::Svg | Kind::Png => ("a picture", &OF_PICTURES[..]),
    };
    let near = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, option));
    Error::Invalid(format!(
        "{what} of a map has no option '{option}'; did you mean '{}'? It has {}",
        near.unwrap_or(&""),
        known.join(", ")
    ))
}
