//! Topics that are called as their rows are labelled, where there are no texts.

use std::collections::HashMap;

use rayon::prelude::*;

use super::weights::members;
use super::{Label, numbers};
use crate::error::{Error, Result};
use crate::topics::Topics;

/// Labels that a topic is called by, at most.
const NAMED: usize = 3;
/// The share of a topic's rows that the labels it is called by have together: with so many, no more.
const ENOUGH: f32 = 0.5;
/// What a further one must have, at least.
const LEAST: f32 = 0.1;

/// Names the topics of every depth by the labels of their rows: each row's is a number of `names`, or
/// none. A topic is called by the labels that most of its rows have; those that are called the same
/// are numbered.
pub fn by_classes(
    classes: &[Option<u32>],
    names: &[String],
    topics: &Topics,
    terms: usize,
) -> Result<Vec<Vec<Label>>> {
    if let Some(depth) = topics.depths.first()
        && depth.topics.len() != classes.len()
    {
        let rows = depth.topics.len();
        return Err(Error::Shape(format!("{rows} rows cannot have {} labels", classes.len())));
    }
    if let Some(class) = classes.iter().flatten().find(|class| **class as usize >= names.len()) {
        let known = names.len();
        return Err(Error::Shape(format!("label {class} is none of {known}")));
    }
    let depths = topics.depths.iter().zip(numbers(topics)).map(|(depth, numbers)| {
        let named = members(depth).into_par_iter().with_max_len(8);
        let mut named: Vec<Label> = named.map(|rows| name(&rows, classes, names, terms)).collect();
        let mut times: HashMap<String, usize> = HashMap::new();
        for (label, number) in named.iter_mut().zip(numbers) {
            if label.short.is_empty() {
                label.short = format!("topic {number}");
                label.description = format!("topic {number}.");
            }
            let time = times.entry(label.short.clone()).or_insert(0);
            *time += 1;
            if *time > 1 {
                label.short = format!("{} ({time})", label.short);
            }
        }
        named
    });
    Ok(depths.collect())
}

/// What a topic of some rows is called; nothing if none of them has a label.
fn name(rows: &[u32], classes: &[Option<u32>], names: &[String], terms: usize) -> Label {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    for class in rows.iter().filter_map(|&row| classes[row as usize]) {
        *counts.entry(class).or_insert(0) += 1;
    }
    let all: usize = counts.values().sum();
    let mut counts: Vec<(u32, usize)> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    // Shares of a few rows: f32 is enough.
    let share = |count: usize| count as f32 / all.max(1) as f32;
    let terms: Vec<(String, f32)> = (counts.iter().take(terms))
        .map(|&(class, count)| (names[class as usize].clone(), share(count)))
        .collect();
    let (mut short, mut together): (Vec<&str>, f32) = (Vec::new(), 0.0);
    for (term, share) in terms.iter().take(NAMED) {
        if together >= ENOUGH || !short.is_empty() && *share < LEAST {
            break;
        }
        short.push(term);
        together += share;
    }
    let told = terms.iter().map(|(term, share)| format!("{term} {:.0} %", 100.0 * share));
    let description = format!("{}.", told.collect::<Vec<_>>().join(", "));
    Label { short: short.join(", "), description, terms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::NONE;
    use crate::topics::Depth;

    #[test]
    fn topics_are_called_as_most_of_their_rows_are_labelled() {
        // Four topics of 40 rows each: one of fours, one of fours and nines, one of fours again, and
        // one without labels. Rows that are noise have no say.
        let nearest: Vec<u32> = (0..160).map(|row| row / 40).collect();
        let topics = nearest.iter().enumerate();
        let topics = topics.map(|(row, &topic)| if row % 10 == 9 { NONE } else { topic }).collect();
        let depth = Depth { count: 4, topics, nearest, ..Depth::default() };
        let topics = Topics { depths: vec![depth] };
        let classes: Vec<Option<u32>> = (0..160)
            .map(|row| match (row / 40, row % 10) {
                (3, _) => None,
                (_, 9) => Some(2),
                (1, digit) => Some(u32::from(digit % 2 == 1 || digit == 8)),
                _ => Some(0),
            })
            .collect();
        let names = ["4", "9", "noise"].map(str::to_string);
        let named = by_classes(&classes, &names, &topics, 10).unwrap();
        let short: Vec<&str> = named[0].iter().map(|label| label.short.as_str()).collect();
        assert_eq!(short, ["4", "9", "4 (2)", "topic 4"]);
        assert_eq!(named[0][1].description, "9 56 %, 4 44 %.");
        assert_eq!(named[0][3].terms, []);
        assert!(by_classes(&classes[1..], &names, &topics, 10).is_err());
        assert!(by_classes(&classes, &names[..1], &topics, 10).is_err());
    }

    #[test]
    fn where_no_label_has_half_of_the_rows_several_name_a_topic() {
        let depth =
            Depth { count: 1, topics: vec![0; 100], nearest: vec![0; 100], ..Depth::default() };
        let topics = Topics { depths: vec![depth] };
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_string).to_vec();
        let dealt = |shares: [usize; 4]| -> Vec<Option<u32>> {
            let all = (0u32..).zip(shares);
            all.flat_map(|(class, rows)| std::iter::repeat_n(Some(class), rows)).collect()
        };
        for (shares, short) in
            [([40, 30, 20, 10], "a, b"), ([45, 9, 9, 37], "a, d"), ([30, 19, 30, 21], "a, c")]
        {
            let named = by_classes(&dealt(shares), &names, &topics, 10).unwrap();
            assert_eq!(named[0][0].short, short, "{shares:?}");
        }
    }
}
