//! A page that shows a map without a server: the built page of `web/export`, and what it shows.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type, Int32Type};
use futures::TryStreamExt;
use serde_json::{Value, json};

use super::bounds;
use super::topics::{Topic, Topics};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::map_view::{InOrder, Whose};

const TEMPLATE: &str = include_str!("../../web/dist/export.html");
/// Where the page looks for what it shows.
const SLOT: &str = "<!--map-->";
/// The most points of a page: more are a file that nobody opens.
const MOST: u64 = 500_000;
/// Characters of a row's text that are in the page.
const CUT: usize = 400;
/// The number of the topic of a row that is in none.
const NONE: u16 = u16::MAX;

/// The page.
pub async fn page(db: &Database, map: &InOrder, title: Option<&str>) -> Result<String> {
    let rows = map.facts().rows;
    if rows > MOST {
        return Err(Error::Invalid(format!(
            "a page holds up to {MOST} points, and map '{}' has {rows}; write a picture, .png or .svg, or look at it with portolan serve",
            map.name()
        )));
    }
    let told = told(db, map, title.unwrap_or(map.name())).await?;
    let Some((before, after)) = TEMPLATE.split_once(SLOT) else {
        return Err(Error::Invalid("the page in this program is damaged".to_string()));
    };
    // Nothing that a row says ends the script that holds it.
    let told = told.to_string().replace('<', "\\u003c");
    Ok(format!("{before}<script type=\"application/json\" id=\"map\">{told}</script>{after}"))
}

async fn told(db: &Database, map: &InOrder, title: &str) -> Result<Value> {
    let topics = Topics::read(db, map.name()).await?;
    let text = map.texts().into_iter().next();
    let mut wanted: Vec<String> = ["x", "y", "topic_id", "id"].map(str::to_string).to_vec();
    let all = map.columns();
    let named = text.as_ref().and_then(|text| {
        all.iter().find(|column| column.whose == Whose::Row && column.own_name == *text)
    });
    wanted.extend(named.map(|column| column.name.clone()));
    let (mut places, mut deepest) = (Vec::new(), Vec::new());
    let (mut ids, mut texts): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut rows = map.read(db, &wanted, 0, None, Some(CUT)).await?;
    while let Some(batch) = rows.try_next().await? {
        let (x, y) = (
            cast(batch.column(0), &DataType::Float32)?,
            cast(batch.column(1), &DataType::Float32)?,
        );
        let (x, y) = (x.as_primitive::<Float32Type>(), y.as_primitive::<Float32Type>());
        places.extend(x.values().iter().zip(y.values()).map(|(x, y)| [*x, *y]));
        let topic = cast(batch.column(2), &DataType::Int32)?;
        deepest.extend(topic.as_primitive::<Int32Type>().iter());
        for (at, into) in [(3, &mut ids), (4, &mut texts)] {
            if at < batch.num_columns() {
                let said = cast(batch.column(at), &DataType::Utf8)?;
                let said = said.as_string::<i32>().iter();
                into.extend(said.map(|text| text.unwrap_or_default().to_string()));
            }
        }
    }
    let frame = Frame::new(&places);
    let place = |topic: &Topic| topic.place.map(|place| frame.unit(place));
    let colours = topics.colours(1);
    let colour = |topic: &Topic| {
        let colour = colours.get(&topics.above(topic.id, 1)?)?;
        Some(super::colours::CATEGORIES.get(usize::from(*colour))?.to_string())
    };
    let shown: Vec<Value> = topics
        .all
        .iter()
        .map(|topic| {
            json!({
                "topic_id": topic.id,
                "depth": topic.depth,
                "parent_id": topics.parent(topic.id),
                "topic_short": topic.name,
                "topic_description": topic.description,
                "size": topic.size,
                "x": place(topic).map(|place| place[0]),
                "y": place(topic).map(|place| place[1]),
                "colour": colour(topic),
            })
        })
        .collect();
    // There are fewer topics than that.
    let numbers: HashMap<i32, u16> = topics.all.iter().map(|topic| topic.id).zip(0..NONE).collect();
    let number = |id: &Option<i32>| id.and_then(|id| numbers.get(&id)).copied().unwrap_or(NONE);
    Ok(json!({
        "title": title,
        "extent": frame.extent,
        "x": packed(places.iter().map(|place| frame.steps(*place)[0])),
        "y": packed(places.iter().map(|place| frame.steps(*place)[1])),
        "topic": packed(deepest.iter().map(number)),
        "topics": shown,
        "ids": ids,
        "texts": texts,
    }))
}

/// Small numbers as text: two bytes each, the lower one first.
fn packed(numbers: impl Iterator<Item = u16>) -> String {
    let bytes: Vec<u8> = numbers.flat_map(u16::to_le_bytes).collect();
    BASE64_STANDARD.encode(bytes)
}

/// The square from -1 to 1 around a map.
struct Frame {
    middle: [f32; 2],
    half: f32,
    /// How far the map reaches from the middle, to the sides and up.
    extent: [f32; 2],
}

impl Frame {
    fn new(places: &[[f32; 2]]) -> Self {
        let [low, high] = bounds(places);
        let half = ((high[0] - low[0]).max(high[1] - low[1]) / 2.0).max(1e-9);
        let middle = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0];
        let extent = [0, 1].map(|axis: usize| ((high[axis] - low[axis]) / 2.0 / half).max(0.01));
        Self { middle, half, extent }
    }

    fn unit(&self, place: [f32; 2]) -> [f32; 2] {
        [0, 1].map(|axis: usize| (place[axis] - self.middle[axis]) / self.half)
    }

    /// In as many steps as two bytes count: finer than any screen.
    fn steps(&self, place: [f32; 2]) -> [u16; 2] {
        // From 0 to the largest.
        self.unit(place).map(|at| ((at + 1.0) / 2.0 * f32::from(u16::MAX)).round() as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_place_for_what_it_shows_and_asks_nobody() {
        assert_eq!(TEMPLATE.matches(SLOT).count(), 1);
        assert_eq!(TEMPLATE.matches("</script>").count(), 1);
        assert!(TEMPLATE.contains("default-src 'none'"));
        assert!(!TEMPLATE.contains("<link") && !TEMPLATE.contains(" src="));
    }

    #[test]
    fn corners_are_the_ends_of_what_is_counted() {
        let frame = Frame::new(&[[-3.0, 1.0], [5.0, 2.0]]);
        assert_eq!(frame.steps([-3.0, 1.0])[0], 0);
        assert_eq!(frame.steps([5.0, 2.0])[0], u16::MAX);
        assert_eq!(frame.extent, [1.0, 0.125]);
    }
}
