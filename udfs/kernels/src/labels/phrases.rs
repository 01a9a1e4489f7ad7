//! Texts as numbers: their words, and the phrases of one to three words that they contain.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::languages::Language;
use super::words::{Piece, joined, pieces};
use crate::error::Result;
use crate::graph::NONE;
use crate::steps::Steps;

/// Texts that a thread reads at once.
const GRAIN: usize = 512;
/// A language counts that has at least this part of the stop words that the first one has.
const SPOKEN: f64 = 0.5;

/// The stems of a phrase's words; `NONE` where it has fewer than three.
pub type Phrase = [u32; 3];

/// Texts, word by word.
pub struct Corpus {
    /// All words in order.
    words: Vec<String>,
    /// Every word's stem; `NONE` for words that say nothing.
    stems: Vec<u32>,
    /// Every text's words; `NONE` where no phrase goes across.
    texts: Vec<Vec<u32>>,
}

impl Corpus {
    /// Reads texts; of languages none given, those that their stop words speak for.
    pub fn read(texts: &[&str], languages: &[Language], steps: &Steps) -> Result<Self> {
        let found: Vec<HashSet<String>> = texts
            .par_chunks(GRAIN)
            .map(|texts| {
                steps.take(texts.len())?;
                let mut words = HashSet::new();
                for text in texts {
                    pieces(text, |piece| {
                        if let Piece::Word(word) = piece {
                            words.insert(word);
                        }
                    });
                }
                Ok(words)
            })
            .collect::<Result<_>>()?;
        let mut words: Vec<String> = found.into_iter().flatten().collect();
        words.par_sort_unstable();
        words.dedup();
        let numbers: HashMap<&str, u32> = words.iter().map(String::as_str).zip(0..).collect();
        let read = |text: &&str| {
            let mut all = Vec::new();
            pieces(text, |piece| {
                all.push(match piece {
                    Piece::Word(word) => numbers.get(word.as_str()).copied().unwrap_or(NONE),
                    Piece::Break => NONE,
                });
            });
            all
        };
        let texts: Vec<Vec<u32>> = texts
            .par_chunks(GRAIN)
            .map(|texts| {
                steps.take(texts.len())?;
                Ok(texts.iter().map(read).collect::<Vec<_>>())
            })
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        let languages =
            if languages.is_empty() { spoken(&numbers, &texts) } else { languages.to_vec() };
        let stems = stems(&words, &languages);
        Ok(Self { words, stems, texts })
    }

    /// The different phrases of a text, each with the place of its first word, as they come.
    pub fn phrases(&self, text: usize, to: &mut Vec<(Phrase, [u32; 3])>) {
        to.clear();
        let words = self.texts.get(text).map_or(&[][..], Vec::as_slice);
        let stem = |word: u32| self.stems.get(word as usize).copied().unwrap_or(NONE);
        for start in 0..words.len() {
            let (mut phrase, mut shown) = ([NONE; 3], [NONE; 3]);
            for (length, &word) in words[start..].iter().take(3).enumerate() {
                let stem = stem(word);
                if stem == NONE || phrase.contains(&stem) {
                    break;
                }
                (phrase[length], shown[length]) = (stem, word);
                to.push((phrase, shown));
            }
        }
        to.sort_unstable();
        to.dedup_by_key(|phrase| phrase.0);
    }

    /// Words as they are written one after another.
    pub fn written(&self, words: [u32; 3]) -> String {
        let mut text = String::new();
        for word in words.iter().filter_map(|&word| self.words.get(word as usize)) {
            if !text.is_empty() && !joined(word) {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }
}

/// The languages of the texts.
fn spoken(numbers: &HashMap<&str, u32>, texts: &[Vec<u32>]) -> Vec<Language> {
    let mut counts = vec![0u64; numbers.len()];
    for &word in texts.iter().flatten().filter(|&&word| word != NONE) {
        counts[word as usize] += 1;
    }
    let said = |language: Language| -> u64 {
        let known = language.stop_words().filter_map(|word| numbers.get(word));
        known.map(|&word| counts[word as usize]).sum()
    };
    let said: Vec<(Language, u64)> = Language::ALL.iter().map(|&one| (one, said(one))).collect();
    let most = said.iter().map(|one| one.1).max().unwrap_or(0);
    // Counts of words are exact in f64.
    let often = |&(_, count): &(Language, u64)| count > 0 && count as f64 >= SPOKEN * most as f64;
    said.into_iter().filter(often).map(|one| one.0).collect()
}

/// Every word's stem, numbered in their order; `NONE` for stop words.
fn stems(words: &[String], languages: &[Language]) -> Vec<u32> {
    let stop: HashSet<&str> = languages.iter().flat_map(|one| one.stop_words()).collect();
    // Of several languages none says how words end.
    let of = |word: &String| match languages {
        [language] => language.stem(word),
        _ => word.clone(),
    };
    let all: Vec<String> = words.par_iter().map(of).collect();
    let mut sorted: Vec<&str> = all.iter().map(String::as_str).collect();
    sorted.par_sort_unstable();
    sorted.dedup();
    let numbers: HashMap<&str, u32> = sorted.into_iter().zip(0..).collect();
    let number = |(word, stem): (&String, &String)| {
        let said = !stop.contains(word.as_str());
        if said { numbers.get(stem.as_str()).copied().unwrap_or(NONE) } else { NONE }
    };
    words.iter().zip(&all).map(number).collect()
}
