//! The loss of a classifier and its gradient.

use rayon::prelude::*;

use crate::error::Result;
use crate::lanes;
use crate::math;
use crate::rows::Rows;
use crate::steps::Steps;
use crate::tile::{self, COLUMNS, Form, Line, ROWS, Scaled};

/// Rows whose products are summed up in f32.
const BLOCK: usize = 256;
/// Blocks whose sums are one thread's work.
const BLOCKS: usize = 8;
/// Pieces of work whose sums are held together.
const HELD: usize = 32;

/// Labelled rows, in the order in which they are added up.
pub struct Examples<'a> {
    pub rows: Rows<'a>,
    /// Which of the rows.
    pub chosen: &'a [u32],
    /// The class of each of these.
    pub classes: Vec<u32>,
    /// What each is multiplied by; nothing is 1.
    pub factors: Vec<f32>,
    /// How much a row of each class counts.
    pub weights: Vec<f64>,
}

/// What is made small.
pub struct Loss<'a> {
    examples: &'a Examples<'a>,
    /// Rows by their weights.
    all: f64,
    /// How much half the squares of the weights count.
    penalty: f64,
}

/// Where the loss is and which way it rises.
#[derive(Debug, Clone)]
pub struct Slope {
    pub loss: f64,
    pub gradient: Vec<f64>,
}

impl<'a> Loss<'a> {
    pub fn new(examples: &'a Examples<'a>, c: f64) -> Result<Self> {
        let weight = |&class: &u32| examples.weights[class as usize];
        let all: f64 = examples.classes.iter().map(weight).sum();
        Ok(Self { examples, all, penalty: 1.0 / (c * all) })
    }

    /// How many numbers a classifier has: a line for each class, its offset last.
    pub fn size(&self) -> usize {
        self.examples.weights.len() * (self.examples.rows.width() + 1)
    }

    /// The loss of a classifier and its gradient.
    pub fn slope(&self, at: &[f64], steps: &Steps) -> Result<Slope> {
        let width = self.examples.rows.width();
        // What is compared with rows of f32 is one.
        let lines: Vec<Vec<f32>> = at
            .chunks_exact(width + 1)
            .map(|line| line[..width].iter().map(|&x| x as f32).collect())
            .collect();
        let offsets: Vec<f32> = at.chunks_exact(width + 1).map(|line| line[width] as f32).collect();
        let mut packed = Vec::new();
        tile::pack_left(width, lines.iter().map(|line| (line.as_slice(), 1.0)), &mut packed);
        let places: Vec<usize> = (0..self.examples.chosen.len()).step_by(BLOCK * BLOCKS).collect();
        let mut sum = Slope { loss: 0.0, gradient: vec![0.0; self.size()] };
        for some in places.chunks(HELD) {
            let parts: Vec<Slope> = some
                .par_iter()
                .with_max_len(1)
                .map_init(Scratch::default, |scratch, &first| {
                    steps.go_on()?;
                    let mut part = Slope { loss: 0.0, gradient: vec![0.0; self.size()] };
                    let last = (first + BLOCK * BLOCKS).min(self.examples.chosen.len());
                    for first in (first..last).step_by(BLOCK) {
                        let rows = first..last.min(first + BLOCK);
                        scratch.add(self.examples, rows, &packed, &offsets, &mut part);
                    }
                    Ok(part)
                })
                .collect::<Result<_>>()?;
            for part in parts {
                sum.loss += part.loss;
                sum.gradient.iter_mut().zip(part.gradient).for_each(|(sum, x)| *sum += x);
            }
        }
        sum.loss /= self.all;
        sum.gradient.iter_mut().for_each(|x| *x /= self.all);
        let lines = sum.gradient.chunks_exact_mut(width + 1).zip(at.chunks_exact(width + 1));
        for (gradient, line) in lines {
            for (gradient, &x) in gradient.iter_mut().zip(&line[..width]) {
                *gradient += self.penalty * x;
                sum.loss += 0.5 * self.penalty * x * x;
            }
        }
        Ok(sum)
    }
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    panel: Vec<Line>,
    scores: Vec<[f32; COLUMNS]>,
    /// What every row gives to each class's gradient, class by class.
    shares: Vec<f32>,
    packed: Vec<f32>,
}

impl Scratch {
    fn add(
        &mut self,
        examples: &Examples,
        places: std::ops::Range<usize>,
        lines: &[f32],
        offsets: &[f32],
        to: &mut Slope,
    ) {
        let (width, count, classes) = (examples.rows.width(), places.len(), offsets.len());
        let row = |place: usize| -> Scaled {
            let factor = examples.factors.get(place).copied().unwrap_or(1.0);
            (examples.rows.row(examples.chosen[place] as usize), factor)
        };
        self.scores.resize(classes.next_multiple_of(ROWS), [0.0; COLUMNS]);
        self.shares.clear();
        self.shares.resize(classes * count, 0.0);
        self.panel.resize(width, Line::default());
        for first in (0..count).step_by(COLUMNS) {
            let some = COLUMNS.min(count - first);
            let rows = (0..some).map(|i| row(places.start + first + i));
            tile::pack_right(rows, &mut self.panel);
            tile::scores(Form::Products, lines, &self.panel, &mut self.scores);
            let scores = &mut self.scores[..classes];
            let mut own = [0f32; COLUMNS];
            for (i, own) in own[..some].iter_mut().enumerate() {
                let class = examples.classes[places.start + first + i] as usize;
                *own = scores[class][i] + offsets[class];
            }
            let losses = softmax(scores, offsets, &own);
            for i in 0..some {
                let class = examples.classes[places.start + first + i] as usize;
                let weight = examples.weights[class];
                to.loss += weight * f64::from(losses[i]);
                for (j, scores) in scores.iter().enumerate() {
                    let share = scores[i] - f32::from(u8::from(j == class));
                    // Weights of classes are those of f32.
                    self.shares[j * count + first + i] = share * weight as f32;
                }
            }
        }
        let shares = self.shares.chunks_exact(count);
        for (line, shares) in to.gradient.chunks_exact_mut(width + 1).zip(shares.clone()) {
            line[width] += shares.iter().map(|&x| f64::from(x)).sum::<f64>();
        }
        tile::pack_left(count, shares.map(|shares| (shares, 1.0)), &mut self.packed);
        self.panel.resize(count, Line::default());
        for first in (0..width).step_by(COLUMNS) {
            let some = COLUMNS.min(width - first);
            for (i, line) in self.panel[..count].iter_mut().enumerate() {
                let (values, factor) = row(places.start + i);
                let values = &values[first..first + some];
                line.0[..some].iter_mut().zip(values).for_each(|(to, x)| *to = x * factor);
            }
            tile::scores(Form::Products, &self.packed, &self.panel[..count], &mut self.scores);
            for (line, scores) in to.gradient.chunks_exact_mut(width + 1).zip(&self.scores) {
                for (sum, &score) in line[first..first + some].iter_mut().zip(scores) {
                    *sum += f64::from(score);
                }
            }
        }
    }
}

lanes::vectorised! {
    /// Makes probabilities of sixteen rows' scores, and their losses of these and the scores of their own
    /// classes.
    fn softmax(scores: &mut [[f32; COLUMNS]], offsets: &[f32], own: &[f32; COLUMNS]) -> [f32; COLUMNS] {
        let mut most = [f32::NEG_INFINITY; COLUMNS];
        for (scores, &offset) in scores.iter_mut().zip(offsets) {
            for (score, most) in scores.iter_mut().zip(&mut most) {
                *score += offset;
                *most = if *score > *most { *score } else { *most };
            }
        }
        let mut all = [0f32; COLUMNS];
        for scores in scores.iter_mut() {
            for ((score, most), all) in scores.iter_mut().zip(&most).zip(&mut all) {
                *score = math::exp(*score - most);
                *all += *score;
            }
        }
        for scores in scores.iter_mut() {
            for (score, all) in scores.iter_mut().zip(&all) {
                *score /= all;
            }
        }
        let mut losses = [0f32; COLUMNS];
        for i in 0..COLUMNS {
            losses[i] = math::log2(all[i]) * std::f32::consts::LN_2 + most[i] - own[i];
        }
        losses
    }
}
