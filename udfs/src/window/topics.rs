//! `topics(v, text …)` and `topic_label(v, text …)`: what rows are about.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion_common::Result;
use datafusion_expr::{DocSection, Documentation};
use portolan_kernels::graph::NONE;
use portolan_kernels::labels::{self, Label};
use portolan_kernels::neighbours::Metric;
use portolan_kernels::topics::{self, Options, Topics};
use portolan_kernels::{Error, watch::Watch};

use super::finding::{Call, Find, FindingKind, Second};
use super::partition::Partition;
use crate::naming::Namer;

/// Depths that are told.
const DEPTHS: usize = 3;
/// Topics of a depth under one of the depth above, if the call says how many there are at one depth.
const BELOW: usize = 8;
/// Rows that a topic of a deeper depth has on average, at least.
const LEAST: usize = 40;
/// Neighbours that say how sure a topic is.
const NEIGHBOURS: usize = 15;

/// Topics at all depths.
pub static TOPICS: FindingKind = FindingKind {
    name: "topics",
    parameters: &["v", "text", "n_topics", "metric", "seed", "label"],
    second: Second::Text,
    returns: |_| {
        DataType::Struct(Fields::from(vec![
            Field::new("topic_1", DataType::Utf8, true),
            Field::new("topic_2", DataType::Utf8, true),
            Field::new("topic_3", DataType::Utf8, true),
            Field::new("topic_id", DataType::Int32, true),
            Field::new("noise", DataType::Boolean, true),
        ]))
    },
    recipe: |call| recipe(call, None),
    documentation: topics_documentation,
};

/// The topic at one depth.
pub static TOPIC_LABEL: FindingKind = FindingKind {
    name: "topic_label",
    parameters: &["v", "text", "depth", "n_topics", "metric", "seed", "label"],
    second: Second::Text,
    returns: |_| DataType::Utf8,
    recipe: |call| recipe(call, Some(call.whole("depth", 1..=DEPTHS)?.unwrap_or(1))),
    documentation: label_documentation,
};

#[derive(Debug)]
struct Recipe {
    /// The one that is told; all of them if there is none.
    depth: Option<usize>,
    /// How many topics are wanted there, or at the first.
    count: Option<usize>,
    metric: Metric,
    seed: u64,
    /// Whether the second column labels rows, and is no text.
    labelled: bool,
    /// Who names them, where their words alone do not.
    namer: Option<Namer>,
}

fn recipe(call: &Call, depth: Option<usize>) -> Result<Box<dyn Find>> {
    let count = call.whole("n_topics", 1..=10_000)?;
    let labelled = call.labelled;
    // Labels are names already.
    let namer = if labelled { None } else { Namer::of(call.function, call.settings())? };
    let (metric, seed) = (call.metric()?, call.seed()?);
    Ok(Box::new(Recipe { depth, count, metric, seed, labelled, namer }))
}

/// Topics and their names.
struct Named {
    topics: Topics,
    labels: Vec<Vec<Label>>,
}

impl Named {
    fn bytes(&self) -> usize {
        let depths = self.topics.depths.iter().map(|depth| depth.topics.len() * 12);
        // A name with its description, terms and exemplars.
        let labels = self.labels.iter().map(|labels| labels.len() * 1024);
        depths.chain(labels).sum()
    }

    /// The name of a topic.
    fn name(&self, depth: usize, topic: u32) -> Option<&str> {
        let label = self.labels.get(depth)?.get(topic as usize)?;
        Some(label.short.as_str())
    }
}

/// A number of the kernels' as people count, from 1; NULL for none.
pub fn counted(number: u32) -> Option<i32> {
    if number == NONE { None } else { i32::try_from(number + 1).ok() }
}

/// How many topics there are at each depth, if there are so many at one.
pub fn counts(depth: usize, count: usize, rows: usize) -> Vec<usize> {
    let count = count.min(rows);
    let mut counts: Vec<usize> =
        (1..depth).rev().map(|up| (count / BELOW.pow(up as u32)).max(1)).collect();
    counts.push(count);
    while counts.len() < DEPTHS {
        let below = counts.last().map_or(0, |last| last.saturating_mul(BELOW));
        if below > rows / LEAST {
            break;
        }
        counts.push(below);
    }
    counts
}

/// What labels are called that have these numbers.
pub fn label_names(codes: &[Option<u32>], texts: &[&str]) -> Vec<String> {
    let count = codes.iter().flatten().max().map_or(0, |most| *most as usize + 1);
    let mut names = vec![String::new(); count];
    for (code, text) in codes.iter().zip(texts) {
        if let Some(name) = code.and_then(|code| names.get_mut(code as usize))
            && name.is_empty()
        {
            *name = (*text).to_string();
        }
    }
    names
}

impl Recipe {
    /// Topics with their names, found once in a statement.
    fn named(&self, of: &Partition) -> portolan_kernels::Result<Arc<Named>> {
        let options = Options {
            counts: self
                .count
                .map_or_else(Vec::new, |count| counts(self.depth.unwrap_or(1), count, of.len())),
            metric: self.metric,
            seed: self.seed,
            ..Options::default()
        };
        let texts = of.second.as_ref().map(|texts| cast(texts, &DataType::Utf8View)).transpose();
        let texts = texts.map_err(|error| Error::Shape(error.to_string()))?;
        let texts: Vec<&str> = match &texts {
            Some(texts) => texts.as_string_view().iter().map(Option::unwrap_or_default).collect(),
            None => vec![""; of.len()],
        };
        let mut hash = blake3::Hasher::new();
        hash.update(&of.content()?);
        let how = format!("topics {options:?} {:?} {}", self.namer, self.labelled);
        hash.update(how.as_bytes());
        for text in &texts {
            hash.update(&text.len().to_le_bytes());
            hash.update(text.as_bytes());
        }
        of.work.once(of.function, hash.finalize().into(), Named::bytes, || {
            let graph = of.graph(NEIGHBOURS, self.metric, self.seed)?;
            let topics = topics::topics(of.rows()?, &graph, &options, of.work)?;
            let mut labels = if self.labelled {
                let names = label_names(&of.codes, &texts);
                labels::by_classes(&of.codes, &names, &topics, labels::Options::default().terms)?
            } else {
                labels::labels(&texts, &topics, &labels::Options::default(), of.work)?
            };
            if let Some(namer) = &self.namer {
                namer.name(&mut labels, &topics, of.work);
            }
            if Watch::stopped(of.work) { Err(Error::Stopped) } else { Ok(Named { topics, labels }) }
        })
    }
}

impl Find for Recipe {
    fn metric(&self) -> Metric {
        self.metric
    }

    fn neighbours(&self) -> usize {
        NEIGHBOURS
    }

    /// Words and phrases of the texts, several times as long as these; topics and names.
    fn bytes(&self, rows: usize, second: Option<&ArrayRef>, _: usize) -> usize {
        let texts = second.map_or(0, |texts| texts.to_data().get_slice_memory_size().unwrap_or(0));
        texts.saturating_mul(8).saturating_add(rows.saturating_mul(128))
    }

    fn find(&self, of: &Partition) -> portolan_kernels::Result<Vec<ArrayRef>> {
        let found = self.named(of)?;
        let depths = &found.topics.depths;
        if let Some(depth) = self.depth {
            // Where there are fewer depths, rows have no topic there.
            let names: StringArray = match depths.get(depth - 1) {
                Some(at) => at.topics.iter().map(|topic| found.name(depth - 1, *topic)).collect(),
                None => StringArray::new_null(of.len()),
            };
            return Ok(vec![Arc::new(names)]);
        }
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(DEPTHS + 2);
        for depth in 0..DEPTHS {
            let names: StringArray = match depths.get(depth) {
                Some(at) => at.nearest.iter().map(|topic| found.name(depth, *topic)).collect(),
                None => StringArray::new_null(of.len()),
            };
            columns.push(Arc::new(names));
        }
        // Topics are numbered through all depths, those of the first one first.
        let told = depths.len().min(DEPTHS);
        let before: usize = depths.iter().take(told.saturating_sub(1)).map(|at| at.count).sum();
        let ids: Int32Array = match depths.get(told.saturating_sub(1)) {
            Some(at) => {
                let id = |topic: &u32| i32::try_from(before + *topic as usize + 1).ok();
                at.nearest.iter().map(id).collect()
            }
            None => Int32Array::new_null(of.len()),
        };
        let noise: BooleanArray = match depths.first() {
            Some(at) => at.topics.iter().map(|topic| Some(*topic == NONE)).collect(),
            None => BooleanArray::new_null(of.len()),
        };
        columns.extend([Arc::new(ids) as ArrayRef, Arc::new(noise)]);
        Ok(columns)
    }
}

const V: &str = "The vector.";
const TEXT: &str = "The row's text, from whose words topics have their names; a row where it is NULL has the topic of its vector. Without it topics are numbered, 'topic 2.3' within 'topic 2'.";
const LABEL: &str = "The row's label, a text, a whole number or a boolean, in the place of a text: topics are called as most of their rows are labelled, and numbered where several are called the same.";
const METRIC: &str =
    "What near means: 'cosine' (default for vectors) or 'l2' (default for places); a constant.";
const SEED: &str = "Where chance begins; portolan.seed if not given; a constant.";

fn topics_documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "What a map says", description: None },
            "What the row is about, struct(topic_1, topic_2, topic_3, topic_id, noise): the names of its nearest topics, the most general first, each of the others within the one before it. Where few rows make two depths of topics, topic_3 is NULL. topic_id is the number of the last of them; topics are numbered from 1, by depth and by size. Where noise is true the row's neighbours lie in other topics, and its own are a guess; that is so for three rows in ten at most. The same rows and seed have the same topics in whichever order they come. Rows without a vector, with NaN or infinity, or of zeros (with the metric 'cosine') have NULL.",
            "topics(v [, text [, n_topics [, metric [, seed [, label]]]]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nSELECT topic['topic_1'] AS topic, topic['topic_2'] AS below, count(*) AS rows\nFROM (SELECT topics(embedding, body) OVER () AS topic FROM reviews)\nWHERE NOT topic['noise'] GROUP BY 1, 2 ORDER BY rows DESC;\n```",
        )
        .with_argument("v", V)
        .with_argument("text", TEXT)
        .with_argument(
            "n_topics",
            "How many topics there are at the first depth, 1 to 10000, and about eight times as many at each further one; if not given, up to 8, 64 and 512; a constant.",
        )
        .with_argument("metric", METRIC)
        .with_argument("seed", SEED)
        .with_argument("label", LABEL)
        .build()
    });
    &DOCUMENTATION
}

fn label_documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "What a map says", description: None },
            "The name of the row's topic at one depth; NULL where its neighbours lie in other topics (topics tells the nearest one all the same), and where there are not so many depths. Two depths in one query are those of the same topics.",
            "topic_label(v [, text [, depth [, n_topics [, metric [, seed [, label]]]]]]) OVER ([PARTITION BY …])",
        )
        .with_sql_example(
            "```sql\nSELECT topic, count(*) FROM (SELECT topic_label(embedding, body) OVER () AS topic FROM reviews)\nGROUP BY topic;\n```",
        )
        .with_argument("v", V)
        .with_argument("text", TEXT)
        .with_argument(
            "depth",
            "Which depth, 1 (the most general, the default) to 3; a constant.",
        )
        .with_argument(
            "n_topics",
            "How many topics there are at that depth, 1 to 10000; an eighth at the depth above, eight times as many at the depth below. If not given, up to 8, 64 and 512; a constant.",
        )
        .with_argument("metric", METRIC)
        .with_argument("seed", SEED)
        .with_argument("label", LABEL)
        .build()
    });
    &DOCUMENTATION
}
