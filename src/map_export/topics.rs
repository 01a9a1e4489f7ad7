//! The topics of a map, and the colours that they have.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type, Int32Type, Int64Type};

use super::colours;
use crate::database::Database;
use crate::error::Result;
use crate::map_view::quoted;
use crate::statements::query;

/// The topics of a map.
pub struct Topics {
    /// The general ones first, the large ones first among these.
    pub all: Vec<Topic>,
    /// The depth and the parent of each.
    parents: HashMap<i32, (i32, Option<i32>)>,
}

/// A topic.
pub struct Topic {
    /// Its number.
    pub id: i32,
    /// How general it is, from 1.
    pub depth: i32,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// How many rows it has.
    pub size: i64,
    /// Where its name goes.
    pub place: Option<[f32; 2]>,
}

impl Topics {
    /// Those of a map.
    pub async fn read(db: &Database, map: &str) -> Result<Self> {
        let text = format!(
            "SELECT topic_id, depth, parent_id, topic_short, topic_description, size, x, y FROM {}.topics ORDER BY depth, size DESC, topic_id",
            quoted(map)
        );
        let rows = query(db, &text).await?;
        let whole = |at: usize| -> Result<Vec<Option<i32>>> {
            let column = cast(rows.column(at), &DataType::Int32)?;
            Ok(column.as_primitive::<Int32Type>().iter().collect())
        };
        let axis = |at: usize| -> Result<Vec<Option<f32>>> {
            let column = cast(rows.column(at), &DataType::Float32)?;
            Ok(column.as_primitive::<Float32Type>().iter().collect())
        };
        let (ids, depths, parents) = (whole(0)?, whole(1)?, whole(2)?);
        let names = cast(rows.column(3), &DataType::Utf8)?;
        let about = cast(rows.column(4), &DataType::Utf8)?;
        let about = about.as_string::<i32>();
        let sizes = cast(rows.column(5), &DataType::Int64)?;
        let sizes = sizes.as_primitive::<Int64Type>();
        let (x, y) = (axis(6)?, axis(7)?);
        let (mut all, mut above) = (Vec::new(), HashMap::new());
        for (row, name) in names.as_string::<i32>().iter().enumerate() {
            let (Some(id), Some(depth)) = (ids[row], depths[row]) else { continue };
            above.insert(id, (depth, parents[row]));
            all.push(Topic {
                id,
                depth,
                name: name.unwrap_or_default().to_string(),
                description: if about.is_valid(row) { about.value(row) } else { "" }.to_string(),
                size: if sizes.is_valid(row) { sizes.value(row) } else { 0 },
                place: x[row].zip(y[row]).map(|(x, y)| [x, y]),
            });
        }
        Ok(Self { all, parents: above })
    }

    /// The topic that another one is a part of.
    pub fn parent(&self, id: i32) -> Option<i32> {
        self.parents.get(&id)?.1
    }

    /// Those of a depth.
    pub fn at(&self, depth: i32) -> impl Iterator<Item = &Topic> {
        self.all.iter().filter(move |topic| topic.depth == depth)
    }

    /// The topic of a depth that another one lies in, or is.
    pub fn above(&self, id: i32, depth: i32) -> Option<i32> {
        let (mut id, mut at) = (id, *self.parents.get(&id)?);
        while at.0 > depth {
            id = at.1?;
            at = *self.parents.get(&id)?;
        }
        Some(id)
    }

    /// The numbers of the colours of the topics of a depth.
    pub fn colours(&self, depth: i32) -> HashMap<i32, u16> {
        let topics: Vec<(i32, [f32; 2])> =
            self.at(depth).filter_map(|topic| Some((topic.id, topic.place?))).collect();
        let middles: Vec<[f32; 2]> = topics.iter().map(|(_, place)| *place).collect();
        topics.iter().map(|(id, _)| *id).zip(colours::apart(&middles)).collect()
    }
}
