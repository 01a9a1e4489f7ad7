//! What topics are called: words that their texts have and those of the topics beside them have not.
//!
//! A topic's phrases of one to three words are weighed by how many of its texts contain them and how
//! few those of its siblings, the topics under the same one (class-based tf-idf, Grootendorst 2022);
//! where there are topics below, also by how many of those say them. What a topic above is called is
//! not said again below it.

mod classes;
mod languages;
mod phrases;
mod weights;
mod words;

pub use classes::by_classes;
pub use languages::Language;

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::NONE;
use crate::steps::Steps;
use crate::topics::{Depth, Topics};
use crate::watch::Watch;
use phrases::{Corpus, Phrase};
use weights::{Counts, Weighed};

/// How topics are named.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The texts' languages; those that are recognised if none are given.
    pub languages: Vec<Language>,
    /// How many terms of each topic are told.
    pub terms: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { languages: Vec::new(), terms: 10 }
    }
}

/// What a topic is called.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Label {
    /// Two or three words.
    pub short: String,
    /// A sentence: its terms and texts that stand for it.
    pub description: String,
    /// Its terms and their weights, the weightiest first.
    pub terms: Vec<(String, f32)>,
}

/// Words of a short name, at most.
const SHORT: usize = 3;
/// What the third word of a short name weighs, at least, as a share of the first one's weight.
const WEIGHTY: f32 = 0.25;
/// Terms that a description tells.
const TOLD: usize = 6;
/// Characters of a text that a description shows.
const SHOWN: usize = 80;

/// Names the topics of every depth by the texts of their rows, one text a row.
pub fn labels(
    texts: &[&str],
    topics: &Topics,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Vec<Vec<Label>>> {
    if let Some(depth) = topics.depths.first()
        && depth.topics.len() != texts.len()
    {
        let rows = depth.topics.len();
        return Err(Error::Shape(format!("{rows} rows cannot have {} texts", texts.len())));
    }
    let steps = Steps::new("names", 2 * texts.len() + 2 * topics.depths.len(), watch);
    let corpus = Corpus::read(texts, &options.languages, &steps)?;
    let counts: Vec<Counts> = topics
        .depths
        .iter()
        .map(|depth| {
            steps.take(1)?;
            Counts::new(&corpus, depth, &steps)
        })
        .collect::<Result<_>>()?;
    let numbers = numbers(topics);
    let mut all: Vec<Vec<Label>> = Vec::new();
    // The stems that each topic of the depth above, and those above it, are called by.
    let mut called: Vec<HashSet<u32>> = vec![HashSet::new()];
    for (i, (depth, own)) in topics.depths.iter().zip(&counts).enumerate() {
        let above = |topic: usize| depth.parents.get(topic).map_or(0, |&parent| parent as usize);
        let children =
            topics.depths.get(i + 1).map_or(Vec::new(), |below| under(below, depth.count));
        let named: Vec<(Label, HashSet<u32>)> = (0..depth.count)
            .into_par_iter()
            .with_max_len(8)
            .map(|topic| {
                steps.go_on()?;
                let below = counts.get(i + 1).zip(children.get(topic).map(Vec::as_slice));
                let weighed = own.weighed(&corpus, topic, above, below);
                let empty = HashSet::new();
                let before = called.get(above(topic)).unwrap_or(&empty);
                let exemplars = depth.exemplars.get(topic).map_or(&[][..], Vec::as_slice);
                let exemplars =
                    exemplars.iter().filter_map(|&row| texts.get(row as usize).copied());
                let number = &numbers[i][topic];
                Ok(name(&corpus, number, &weighed, before, exemplars, options.terms))
            })
            .collect::<Result<_>>()?;
        let (labels, stems): (Vec<Label>, Vec<HashSet<u32>>) = named.into_iter().unzip();
        all.push(labels);
        called = stems;
        steps.take(1)?;
    }
    Ok(all)
}

/// The numbers of topics that have no other name: `2.3` is the third of those under the second.
fn numbers(topics: &Topics) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    for depth in &topics.depths {
        let above = all.last();
        let mut times: HashMap<u32, usize> = HashMap::new();
        let numbers = (0..depth.count).map(|topic| {
            let parent = depth.parents.get(topic).copied().unwrap_or_default();
            let time = times.entry(parent).or_default();
            *time += 1;
            match above.and_then(|above| above.get(parent as usize)) {
                Some(above) => format!("{above}.{time}"),
                None => time.to_string(),
            }
        });
        let numbers = numbers.collect();
        all.push(numbers);
    }
    all
}

/// The topics of a depth under each of those above it.
fn under(below: &Depth, count: usize) -> Vec<Vec<usize>> {
    let mut children = vec![Vec::new(); count];
    for (topic, &parent) in below.parents.iter().enumerate() {
        children[parent as usize].push(topic);
    }
    children
}

/// Names a topic; also all stems that it and those above it are called by.
fn name<'a>(
    corpus: &Corpus,
    number: &str,
    weighed: &[Weighed],
    before: &HashSet<u32>,
    exemplars: impl Iterator<Item = &'a str>,
    terms: usize,
) -> (Label, HashSet<u32>) {
    let mut called = before.clone();
    let mut picked: Vec<&Weighed> = Vec::new();
    let said =
        |phrase: &Phrase| phrase.iter().copied().filter(|&stem| stem != NONE).collect::<Vec<_>>();
    for one in weighed {
        let stems = said(&one.phrase);
        if stems.iter().all(|stem| !called.contains(stem)) {
            called.extend(stems);
            picked.push(one);
        }
        if picked.len() == terms {
            break;
        }
    }
    let mut short: Vec<String> = Vec::new();
    let mut words = 0;
    let mut stems = before.clone();
    for one in &picked {
        let more = said(&one.phrase);
        let first = picked.first().map_or(0.0, |first| first.weight);
        if words + more.len() > SHORT || words >= 2 && one.weight < WEIGHTY * first {
            continue;
        }
        words += more.len();
        stems.extend(more);
        short.push(corpus.written(one.shown));
        if words == SHORT {
            break;
        }
    }
    let terms: Vec<(String, f32)> =
        picked.iter().map(|one| (corpus.written(one.shown), one.weight)).collect();
    let short = if short.is_empty() { format!("topic {number}") } else { short.join(", ") };
    let description = described(&terms, exemplars, &short);
    (Label { short, description, terms }, stems)
}

fn described<'a>(
    terms: &[(String, f32)],
    exemplars: impl Iterator<Item = &'a str>,
    short: &str,
) -> String {
    let told: Vec<&str> = terms.iter().take(TOLD).map(|term| term.0.as_str()).collect();
    let told = if told.is_empty() { short.to_owned() } else { told.join(", ") };
    let shown: Vec<String> = exemplars
        .filter(|text| !text.trim().is_empty())
        .map(|text| format!("“{}”", shortened(text.trim())))
        .collect();
    if shown.is_empty() {
        format!("{told}.")
    } else {
        format!("{told}; such as {}.", shown.join(", "))
    }
}

/// A text that is too long ends at a word.
fn shortened(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(SHOWN) else { return text.to_owned() };
    let cut = text.get(..end).unwrap_or_default();
    // Where there are no spaces it ends anywhere.
    let cut = cut.rsplit_once(' ').map_or(cut, |(whole, _)| whole);
    format!("{}…", cut.trim_end_matches([',', ';', ':', ' ']))
}
