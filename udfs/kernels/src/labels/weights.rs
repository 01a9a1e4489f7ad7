//! How much phrases say of topics.

use std::collections::HashMap;

use rayon::prelude::*;

use super::phrases::{Corpus, Phrase};
use crate::error::Result;
use crate::graph::NONE;
use crate::steps::Steps;
use crate::topics::Depth;

/// Texts that must contain a phrase.
const LEAST: u32 = 2;
/// Texts by which a topic is named, if there are so many.
const ENOUGH: usize = 20;
/// Phrases of a topic that are looked at for its name.
const KEPT: usize = 200;
/// How much a second and a third word add to a phrase's weight: it says more than each of its words,
/// and fewer texts have it.
const LONGER: f64 = 0.4;

/// A phrase of a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    pub phrase: Phrase,
    /// The words that it is most often written with.
    pub shown: [u32; 3],
    pub weight: f32,
}

/// How many texts of each topic of a depth contain each phrase.
pub struct Counts {
    topics: Vec<Said>,
    /// In how many texts of all topics.
    all: HashMap<Phrase, u32>,
    /// Phrases of all topics together.
    total: u64,
}

/// What the texts of a topic say.
struct Said {
    texts: Vec<u32>,
    counts: HashMap<Phrase, u32>,
    /// Phrases together.
    total: u64,
}

impl Counts {
    /// Counts the texts that are surely in a topic, or all that are in it if hardly any surely is.
    pub fn new(corpus: &Corpus, depth: &Depth, steps: &Steps) -> Result<Self> {
        let topics: Vec<Said> = members(depth)
            .into_par_iter()
            .with_max_len(1)
            .map(|texts| {
                let mut counts: HashMap<Phrase, u32> = HashMap::new();
                let (mut phrases, mut total) = (Vec::new(), 0);
                for (i, &text) in texts.iter().enumerate() {
                    if i % 1024 == 0 {
                        steps.go_on()?;
                    }
                    corpus.phrases(text as usize, &mut phrases);
                    total += phrases.len() as u64;
                    for (phrase, _) in &phrases {
                        *counts.entry(*phrase).or_insert(0) += 1;
                    }
                }
                Ok(Said { texts, counts, total })
            })
            .collect::<Result<_>>()?;
        let mut all: HashMap<Phrase, u32> = HashMap::new();
        for said in &topics {
            for (&phrase, count) in &said.counts {
                *all.entry(phrase).or_insert(0) += count;
            }
        }
        let total = topics.iter().map(|said| said.total).sum();
        Ok(Self { topics, all, total })
    }

    /// The weightiest phrases of a topic among its siblings, which have the same topic above. `below`
    /// is the depth below with the topics that it has under this one.
    pub fn weighed(
        &self,
        corpus: &Corpus,
        topic: usize,
        above: impl Fn(usize) -> usize,
        below: Option<(&Self, &[usize])>,
    ) -> Vec<Weighed> {
        let Some(own) = self.topics.get(topic) else { return Vec::new() };
        let siblings: Vec<&Said> = (0..self.topics.len())
            .filter(|&other| above(other) == above(topic))
            .map(|other| &self.topics[other])
            .collect();
        let sizes: u64 = siblings.iter().map(|said| said.total).sum();
        // Counts of words are exact in f64.
        let mean = sizes as f64 / siblings.len().max(1) as f64;
        let mean_of_all = self.total as f64 / self.topics.len().max(1) as f64;
        let often = |phrase: &Phrase| -> u32 {
            if siblings.len() == self.topics.len() {
                return self.all.get(phrase).copied().unwrap_or(0);
            }
            siblings.iter().filter_map(|said| said.counts.get(phrase)).sum()
        };
        let mut weighed: Vec<Weighed> = Vec::new();
        for (&phrase, &count) in &own.counts {
            let of_all = self.all.get(&phrase).copied().unwrap_or(0);
            if count < LEAST {
                continue;
            }
            let words = phrase.iter().filter(|&&stem| stem != NONE).count();
            let share = f64::from(count) / own.total.max(1) as f64;
            // Against the siblings, and against all: a word that is common everywhere says little even
            // where the siblings lack it.
            let rare = (1.0 + mean / f64::from(often(&phrase).max(1))).ln();
            let rare_of_all = (1.0 + mean_of_all / f64::from(of_all.max(1))).ln();
            let longer = 1.0 + LONGER * (words.max(1) - 1) as f64;
            // What weights are compared by; f32 is enough.
            let weight = (share * rare * rare_of_all.sqrt() * longer) as f32;
            weighed.push(Weighed { phrase, shown: [NONE; 3], weight });
        }
        let heavier =
            |a: &Weighed, b: &Weighed| b.weight.total_cmp(&a.weight).then(a.phrase.cmp(&b.phrase));
        if weighed.len() > KEPT {
            weighed.select_nth_unstable_by(KEPT, heavier);
            weighed.truncate(KEPT);
        }
        if let Some((below, children)) = below {
            for one in &mut weighed {
                one.weight *= below.spread(&one.phrase, children);
            }
        }
        weighed.sort_unstable_by(heavier);
        write(corpus, own, &mut weighed);
        weighed
    }

    /// How evenly a phrase is spread over topics: 1 if all say it as often, one over their number if one
    /// alone does. What one of them says is its name, not that of the topic above.
    fn spread(&self, phrase: &Phrase, topics: &[usize]) -> f32 {
        let share = |&topic: &usize| -> f64 {
            let said = &self.topics[topic];
            let count = said.counts.get(phrase).copied().unwrap_or(0);
            f64::from(count) / said.texts.len().max(1) as f64
        };
        let all: f64 = topics.iter().map(share).sum();
        if all <= 0.0 {
            return 1.0;
        }
        let part = |share: f64| if share > 0.0 { -share * share.ln() } else { 0.0 };
        let entropy: f64 = topics.iter().map(|topic| part(share(topic) / all)).sum();
        (entropy.exp() / topics.len() as f64) as f32
    }
}

/// The rows that name every topic.
pub fn members(depth: &Depth) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); depth.count];
    // Rows are counted in u32.
    for (row, &topic) in (0u32..).zip(&depth.topics) {
        if topic != NONE {
            members[topic as usize].push(row);
        }
    }
    let mut sizes = vec![0usize; depth.count];
    depth.nearest.iter().for_each(|&topic| sizes[topic as usize] += 1);
    let sure = |members: &Vec<u32>, size: usize| members.len() >= ENOUGH.max(size / 5);
    let unsure: Vec<bool> =
        members.iter().zip(sizes).map(|(members, size)| !sure(members, size)).collect();
    for (row, (&topic, &nearest)) in (0u32..).zip(depth.topics.iter().zip(&depth.nearest)) {
        if unsure[nearest as usize] && topic == NONE {
            members[nearest as usize].push(row);
        }
    }
    members
}

/// Finds the words that phrases are most often written with.
fn write(corpus: &Corpus, said: &Said, weighed: &mut [Weighed]) {
    let mut forms: HashMap<Phrase, HashMap<[u32; 3], u32>> =
        weighed.iter().map(|one| (one.phrase, HashMap::new())).collect();
    let mut phrases = Vec::new();
    for &text in &said.texts {
        corpus.phrases(text as usize, &mut phrases);
        for &(phrase, shown) in &phrases {
            if let Some(forms) = forms.get_mut(&phrase) {
                *forms.entry(shown).or_insert(0) += 1;
            }
        }
    }
    for one in weighed {
        let most = forms.get(&one.phrase).and_then(|forms| {
            forms.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|most| *most.0)
        });
        one.shown = most.unwrap_or([NONE; 3]);
    }
}
