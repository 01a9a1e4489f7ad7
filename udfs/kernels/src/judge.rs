//! Many rows, judged by a classifier that is ready: by products of matrices.

use portolan_math::{Onto, Packed};
use rayon::prelude::*;

use crate::boundary::check_labels;
use crate::error::{Error, Result};
use crate::graph::NONE;
use crate::lanes;
use crate::nearest::Nearest;
use crate::rows::Rows;
use crate::steps::Steps;
use crate::watch::Watch;

/// Rows that a thread judges at once.
const BLOCK: usize = 256;
/// Known rows that these are compared with at once.
const PIECE: usize = 2048;
/// The shortest row that has a direction.
const SHORTEST: f64 = 1e-37;

/// A classifier that is ready.
pub struct Judge {
    width: usize,
    classes: usize,
    /// Whether rows are brought to length 1 first.
    unit: bool,
    form: Form,
}

enum Form {
    /// How probable each class is, by a line of weights and an offset each.
    Likely { lines: Packed, offsets: Vec<f32> },
    /// How like a line each row is.
    Alike { lines: Packed },
    /// Which share of the nearest known rows has each class.
    Votes { known: Vec<Packed>, labels: Vec<u32>, k: usize },
}

impl Judge {
    /// By probabilities, as a regression on classes gives them: one line of weights and one offset a
    /// class.
    pub fn likely(lines: Rows, offsets: &[f32], unit: bool) -> Result<Self> {
        if lines.len() != offsets.len() || lines.is_empty() {
            let (lines, offsets) = (lines.len(), offsets.len());
            return Err(Error::Shape(format!("{lines} lines cannot have {offsets} offsets")));
        }
        let packed = Packed::new(&[lines.values()], lines.width());
        let form = Form::Likely { lines: packed, offsets: offsets.to_vec() };
        Ok(Self { width: lines.width(), classes: offsets.len(), unit, form })
    }

    /// By the cosine with each of some rows.
    pub fn alike(lines: Rows) -> Result<Self> {
        let scaled = unit_rows(lines)?;
        let form = Form::Alike { lines: Packed::new(&[&scaled], lines.width()) };
        Ok(Self { width: lines.width(), classes: lines.len(), unit: true, form })
    }

    /// By the labels of the `k` known rows with the largest cosine, of equal ones the first.
    pub fn votes(rows: Rows, labels: &[u32], classes: usize, k: usize) -> Result<Self> {
        if rows.len() != labels.len() || rows.is_empty() || k == 0 {
            return Err(Error::Shape(format!(
                "{k} of {} rows with {} labels cannot vote",
                rows.len(),
                labels.len()
            )));
        }
        check_labels(labels, classes)?;
        let scaled = unit_rows(rows)?;
        let pieces = scaled.chunks(PIECE * rows.width());
        let known = pieces.map(|piece| Packed::new(&[piece], rows.width())).collect();
        let form = Form::Votes { known, labels: labels.to_vec(), k };
        Ok(Self { width: rows.width(), classes, unit: true, form })
    }

    /// How many scores a row has: one a class.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Length of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What someone makes of the scores of every row; nothing of a row that is not finite, or that has
    /// no direction where directions are compared. It does not depend on the rows that come with it.
    pub fn each<T: Send>(
        &self,
        rows: Rows,
        watch: &dyn Watch,
        make: impl Fn(&[f32]) -> T + Sync,
    ) -> Result<Vec<Option<T>>> {
        if rows.width() != self.width && !rows.is_empty() {
            return Err(Error::Shape(format!(
                "vectors of length {} cannot be classified by what was trained on vectors of length {}",
                rows.width(),
                self.width
            )));
        }
        let steps = Steps::within(watch);
        let blocks: Vec<Vec<Option<T>>> = rows
            .values()
            .par_chunks(BLOCK * self.width.max(1))
            .map(|block| {
                steps.go_on()?;
                Ok(self.block(block, &make))
            })
            .collect::<Result<_>>()?;
        Ok(blocks.into_iter().flatten().collect())
    }

    fn block<T>(&self, block: &[f32], make: &impl Fn(&[f32]) -> T) -> Vec<Option<T>> {
        let mut values = Vec::with_capacity(block.len());
        let fit: Vec<bool> = block
            .chunks_exact(self.width)
            .map(|row| {
                let factor = self.factor(row);
                if let Some(factor) = factor {
                    values.extend(row.iter().map(|x| x * factor));
                }
                factor.is_some()
            })
            .collect();
        let scores = self.scores(&values);
        let mut scores = scores.chunks_exact(self.classes);
        fit.into_iter().map(|fit| if fit { scores.next().map(make) } else { None }).collect()
    }

    /// What a row is multiplied by first; nothing if it cannot be judged.
    fn factor(&self, row: &[f32]) -> Option<f32> {
        let squares = lanes::squares(row);
        if !squares.is_finite() {
            return None;
        }
        if !self.unit {
            return Some(1.0);
        }
        // The inverse of a length that is not tiny fits.
        (squares.sqrt() >= SHORTEST).then(|| (1.0 / squares.sqrt()) as f32)
    }

    /// The scores of rows, `classes` each.
    fn scores(&self, values: &[f32]) -> Vec<f32> {
        let rows = values.len() / self.width.max(1);
        let mut scores = vec![0f32; rows * self.classes];
        match &self.form {
            Form::Likely { lines, offsets } => {
                lines.multiply(values, Onto::Row(offsets), &mut scores);
                scores.chunks_exact_mut(self.classes).for_each(softmax);
            }
            Form::Alike { lines } => lines.multiply(values, Onto::Zero, &mut scores),
            Form::Votes { known, labels, k } => {
                let mut nearest = vec![Nearest::new(*k, false); rows];
                let (mut products, mut first) = (Vec::new(), 0);
                for known in known {
                    products.clear();
                    products.resize(rows * known.outputs(), 0.0);
                    known.multiply(values, Onto::Zero, &mut products);
                    let each = nearest.iter_mut().zip(products.chunks_exact(known.outputs()));
                    for (nearest, products) in each {
                        for (row, product) in (first..).zip(products) {
                            nearest.offer(-product, row);
                        }
                    }
                    first += known.outputs() as u64;
                }
                for (nearest, scores) in
                    nearest.into_iter().zip(scores.chunks_exact_mut(self.classes))
                {
                    let found = nearest.into_rows();
                    // A few neighbours: exact in f32.
                    let vote = 1.0 / found.len() as f32;
                    for (_, row) in &found {
                        // Rows were numbered as their labels are.
                        let label = labels[*row as usize];
                        if label != NONE {
                            scores[label as usize] += vote;
                        }
                    }
                }
            }
        }
        scores
    }
}

/// Makes probabilities of scores.
fn softmax(scores: &mut [f32]) {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut all = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - most).exp();
        all += *score;
    }
    scores.iter_mut().for_each(|score| *score /= all);
}

/// The rows with length 1.
fn unit_rows(rows: Rows) -> Result<Vec<f32>> {
    let mut scaled = rows.values().to_vec();
    for (row, values) in scaled.chunks_exact_mut(rows.width().max(1)).enumerate() {
        let length = lanes::squares(values).sqrt();
        if !length.is_finite() {
            return Err(Error::NotFinite { row });
        }
        if length < SHORTEST {
            return Err(Error::Zero { row });
        }
        // The inverse of a length that is not tiny fits.
        let factor = (1.0 / length) as f32;
        values.iter_mut().for_each(|x| *x *= factor);
    }
    Ok(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{Measure, one_to_one};
    use crate::logistic::{Logistic, Options};
    use crate::random::signed;
    use crate::watch::Unwatched;

    const WIDTH: usize = 20;

    fn noise(stream: u64, rows: usize) -> Vec<f32> {
        (0..(rows * WIDTH) as u64).map(|i| signed(7, stream, i)).collect()
    }

    fn scores(judge: &Judge, rows: &[f32]) -> Vec<Option<Vec<f32>>> {
        judge.each(Rows::new(rows, WIDTH).unwrap(), &Unwatched, <[f32]>::to_vec).unwrap()
    }

    #[test]
    fn probabilities_are_those_of_the_regression() {
        let values = noise(1, 700);
        let rows = Rows::new(&values, WIDTH).unwrap();
        let labels: Vec<u32> = (0..700).map(|row| u32::from(rows.row(row)[3] > 0.2)).collect();
        for unit in [false, true] {
            let options = Options { unit, ..Options::default() };
            let model = Logistic::fit(rows, &labels, 2, &options, &Unwatched).unwrap();
            let lines = Rows::new(&model.weights, WIDTH).unwrap();
            let judge = Judge::likely(lines, &model.offsets, unit).unwrap();
            let right = model.probabilities(rows, &Unwatched).unwrap();
            for (got, right) in scores(&judge, &values).iter().zip(right.chunks(2)) {
                let got = got.as_ref().unwrap();
                assert!(got.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-5), "{got:?}");
            }
        }
    }

    #[test]
    fn the_nearest_vote_and_of_equals_the_first() {
        let (known, asked) = (noise(2, 5000), noise(3, 300));
        let rows = Rows::new(&known, WIDTH).unwrap();
        let labels: Vec<u32> = (0..5000).map(|row| row % 3).collect();
        let judge = Judge::votes(rows, &labels, 3, 7).unwrap();
        for (asked, got) in asked.chunks(WIDTH).zip(scores(&judge, &asked)) {
            let mut near: Vec<(f32, u32)> = (0..5000)
                .map(|row| {
                    (one_to_one(Measure::Cosine, asked, rows.row(row as usize)).unwrap(), row)
                })
                .collect();
            near.sort_by(|a, b| b.0.total_cmp(&a.0));
            let votes =
                |class| near[..7].iter().filter(|(_, row)| labels[*row as usize] == class).count();
            let right: Vec<f32> = (0..3).map(|class| votes(class) as f32 / 7.0).collect();
            let got = got.unwrap();
            assert!(got.iter().zip(&right).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} {right:?}");
        }
        let same: Vec<f32> = noise(4, 1).repeat(4);
        let judge = Judge::votes(Rows::new(&same, WIDTH).unwrap(), &[2, 0, 1, 1], 3, 2).unwrap();
        assert_eq!(scores(&judge, &same[..WIDTH]), [Some(vec![0.5, 0.0, 0.5])]);
    }

    #[test]
    fn a_row_is_judged_alone_and_some_not_at_all() {
        let mut values = noise(5, 600);
        let lines = noise(6, 2);
        let judge = Judge::alike(Rows::new(&lines, WIDTH).unwrap()).unwrap();
        values[300 * WIDTH..301 * WIDTH].fill(0.0);
        values[301 * WIDTH] = f32::NAN;
        let all = scores(&judge, &values);
        assert!(all[300].is_none() && all[301].is_none());
        for (row, got) in all.iter().enumerate() {
            let alone = &values[row * WIDTH..][..WIDTH];
            assert_eq!(&scores(&judge, alone)[0], got, "{row}");
            if let Some(got) = got {
                let right = one_to_one(Measure::Cosine, alone, &lines[WIDTH..]).unwrap();
                assert!((got[1] - right).abs() < 1e-5);
            }
        }
        let narrow = Rows::new(&values, WIDTH / 2).unwrap();
        assert!(matches!(judge.each(narrow, &Unwatched, |_| ()), Err(Error::Shape(_))));
    }
}
