//! What a picture of a map shows: its points with their colours, the names of its topics, and what the
//! colours mean.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type, Int32Type};
use futures::TryStreamExt;

use super::colours::{CATEGORIES, Colour, DARK, LIGHT, Theme};
use super::meaning::{MISSING, Meaning, OTHER, meaning, printable};
use super::options::Options;
use super::topics::{Topic, Topics};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::map_view::{Column, InOrder, Kind};

/// What is shown.
pub struct Scene {
    /// Where points lie.
    pub places: Vec<[f32; 2]>,
    /// The number of each one's colour.
    pub colours: Vec<u16>,
    palette: Vec<Colour>,
    /// The names of topics, the general and large ones first.
    pub names: Vec<Name>,
    /// What the colours mean, unless they are those of the topics.
    pub legend: Option<Legend>,
    /// What stands above.
    pub title: Option<String>,
    /// What it is drawn on.
    pub theme: Theme,
}

/// The name of a topic.
#[derive(Debug, Clone)]
pub struct Name {
    /// Itself.
    pub text: String,
    /// Where it would stand best.
    pub place: [f32; 2],
    /// How many rows it has.
    pub size: i64,
    /// How general it is, from 1.
    pub depth: i32,
    /// The number of its colour.
    pub colour: Option<u16>,
}

/// What colours mean.
pub struct Legend {
    /// The column's name.
    pub column: String,
    /// Its values.
    pub meaning: Meaning,
}

impl Scene {
    /// A colour by its number.
    pub fn colour(&self, number: u16) -> Colour {
        match number {
            MISSING => self.theme.missing,
            OTHER => self.theme.other,
            number => self.palette.get(usize::from(number)).copied().unwrap_or(self.theme.other),
        }
    }

    /// Reads what a map shows.
    pub async fn read(db: &Database, map: &InOrder, options: &Options) -> Result<Self> {
        let topics = Topics::read(db, map.name()).await?;
        let depth = options.depth.unwrap_or(1);
        if let Some(asked) = options.depth
            && !topics.all.is_empty()
            && topics.at(asked).next().is_none()
        {
            return Err(Error::Invalid(format!(
                "map '{}' has topics of {} depths, and none of depth {asked}",
                map.name(),
                topics.all.iter().map(|topic| topic.depth).max().unwrap_or(0)
            )));
        }
        let mut wanted = vec!["x".to_string(), "y".to_string(), "topic_id".to_string()];
        let column = match &options.colour {
            Some(name) => Some(column(map, name)?),
            None => None,
        };
        // A column may be one of these.
        let at = column.as_ref().map(|(name, _)| {
            wanted.iter().position(|known| known == name).unwrap_or_else(|| {
                wanted.push(name.clone());
                wanted.len() - 1
            })
        });
        let (mut places, mut deepest, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut rows = map.read(db, &wanted, 0, None, Some(CUT)).await?;
        while let Some(batch) = rows.try_next().await? {
            let numbers =
                |at: usize| -> Result<ArrayRef> { Ok(cast(batch.column(at), &DataType::Float32)?) };
            let (x, y) = (numbers(0)?, numbers(1)?);
            let (x, y) = (x.as_primitive::<Float32Type>(), y.as_primitive::<Float32Type>());
            places.extend(x.values().iter().zip(y.values()).map(|(x, y)| [*x, *y]));
            let topic = cast(batch.column(2), &DataType::Int32)?;
            deepest.extend(topic.as_primitive::<Int32Type>().iter());
            values.extend(at.map(|at| batch.column(at).clone()));
        }
        let of_topics = topics.colours(depth);
        let (colours, palette, legend) = match &column {
            Some((name, kind)) => {
                let (colours, palette, meaning) = meaning(name, *kind, &values)?;
                (colours, palette, Some(Legend { column: name.clone(), meaning }))
            }
            None => {
                let colour = |id: &Option<i32>| {
                    let topic = id.and_then(|id| topics.above(id, depth));
                    match topic.and_then(|topic| of_topics.get(&topic)) {
                        Some(colour) => *colour,
                        // A map without topics has one colour, and that is no grey.
                        None if topics.all.is_empty() => 0,
                        None => OTHER,
                    }
                };
                (deepest.iter().map(colour).collect(), CATEGORIES.to_vec(), None)
            }
        };
        let shown = |topic: &&Topic| match options.depth {
            Some(depth) => topic.depth == depth,
            None => topic.depth <= 2,
        };
        let name = |topic: &Topic| {
            let colour = topics.above(topic.id, depth).and_then(|topic| of_topics.get(&topic));
            Some(Name {
                text: printable(&topic.name),
                place: topic.place?,
                size: topic.size,
                depth: if options.depth.is_some() { 1 } else { topic.depth },
                colour: if legend.is_some() { None } else { colour.copied() },
            })
        };
        let names = match options.labels {
            true => topics.all.iter().filter(shown).filter_map(name).collect(),
            false => Vec::new(),
        };
        Ok(Self {
            places,
            colours,
            palette,
            names,
            legend,
            title: options.title.as_deref().map(printable),
            theme: if options.dark { DARK } else { LIGHT },
        })
    }

    /// One without topics and columns, of its points and names.
    #[cfg(test)]
    pub fn of(places: Vec<[f32; 2]>, colours: Vec<u16>, names: Vec<Name>, theme: Theme) -> Self {
        let palette = CATEGORIES.to_vec();
        Self { places, colours, palette, names, legend: None, title: None, theme }
    }

    /// All words that are drawn.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let names = self.names.iter().map(|name| name.text.as_str());
        let (column, categories) = match &self.legend {
            Some(Legend { column, meaning: Meaning::Categories(all) }) => {
                (Some(column.as_str()), all.as_slice())
            }
            Some(Legend { column, .. }) => (Some(column.as_str()), &[][..]),
            None => (None, &[][..]),
        };
        let categories = categories.iter().map(|(name, ..)| name.as_str());
        names.chain(self.title.as_deref()).chain(column).chain(categories)
    }
}

/// Longest text that is a category: the rest of a longer one is not read.
const CUT: usize = 60;

/// A column by its name, in small letters if there is none as it is written.
fn column(map: &InOrder, name: &str) -> Result<(String, Kind)> {
    let all = map.columns();
    let lower = name.to_lowercase();
    let found =
        [name, &lower].into_iter().find_map(|name| all.iter().find(|column| column.name == name));
    let kind = |column: &Column| Kind::of(column.field.data_type());
    let colourful =
        |kind: Kind| matches!(kind, Kind::Text | Kind::Number | Kind::Time | Kind::Flag);
    let Some(column) = found else {
        let fits = all.iter().filter(|column| colourful(kind(column)));
        let names: Vec<&str> = fits.map(|column| column.name.as_str()).collect();
        return Err(Error::Invalid(format!(
            "map '{}' has no column '{name}' to be coloured by, only {}",
            map.name(),
            names.join(", ")
        )));
    };
    let kind = kind(column);
    if !colourful(kind) {
        return Err(Error::Invalid(format!(
            "column '{name}' has no colours; colours are those of texts, numbers, times or yes and no"
        )));
    }
    Ok((column.name.clone(), kind))
}
