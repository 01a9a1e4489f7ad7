//! Labels that are probably wrong, by confident learning (Northcutt, Jiang, Chuang, 2021).

use crate::doubt;
use crate::error::Result;
use crate::graph::NONE;

/// What is said of every row's label.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelIssues {
    /// Whether it is probably wrong: the row is confidently of another class.
    pub issues: Vec<bool>,
    /// The class that the row is confidently of, else the most likely one.
    pub suggested: Vec<u32>,
    /// How good the label is, from 0 to 1: (p - the largest of the other classes' p + 1) / 2, where p is
    /// the label's probability; NaN if the row has no label.
    pub quality: Vec<f32>,
    /// How many rows of each label are confidently of each class, row by row.
    pub confident: Vec<u64>,
}

/// Looks for wrong labels by out-of-fold probabilities, `classes` a row. A row is confidently of a
/// class if that is at least as probable as it is on average where it is the label; of several the
/// most probable counts.
pub fn label_issues(probabilities: &[f32], classes: usize, labels: &[u32]) -> Result<LabelIssues> {
    doubt::check(probabilities, classes, labels)?;
    let rows = || probabilities.chunks_exact(classes).zip(labels);
    let (mut sums, mut counts) = (vec![0f64; classes], vec![0u32; classes]);
    for (row, &label) in rows().filter(|(_, label)| **label != NONE) {
        sums[label as usize] += f64::from(row[label as usize]);
        counts[label as usize] += 1;
    }
    // Classes that are nobody's label are never confident.
    let mean = |(sum, &count): (&f64, &u32)| {
        if count == 0 { f64::INFINITY } else { sum / f64::from(count) }
    };
    let least: Vec<f64> = sums.iter().zip(&counts).map(mean).collect();
    let mut found = LabelIssues {
        issues: Vec::with_capacity(labels.len()),
        suggested: Vec::with_capacity(labels.len()),
        quality: Vec::with_capacity(labels.len()),
        confident: vec![0; classes * classes],
    };
    for (row, &label) in rows() {
        let best = |of: &dyn Fn(u32) -> bool| {
            let mut best = (NONE, -1.0);
            for (class, &p) in (0u32..).zip(row).filter(|(class, _)| of(*class)) {
                if p > best.1 {
                    best = (class, p);
                }
            }
            best
        };
        let confident = best(&|class| f64::from(row[class as usize]) >= least[class as usize]).0;
        let other = best(&|class| class != label).1.max(0.0);
        let known = label != NONE;
        if known && confident != NONE {
            found.confident[label as usize * classes + confident as usize] += 1;
        }
        let likeliest = best(&|_| true).0;
        found.issues.push(known && confident != NONE && confident != label);
        found.suggested.push(if confident == NONE { likeliest } else { confident });
        let quality = if known { (row[label as usize] - other + 1.0) / 2.0 } else { f32::NAN };
        found.quality.push(quality);
    }
    Ok(found)
}
