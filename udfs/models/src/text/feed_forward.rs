//! What follows the attention in each layer: two linear layers with a curve between them, gated or not,
//! or several of them, each for some tokens.

use portolan_math::{gelu, silu_times};

use super::config::{Experts, TextConfig};
use super::encoder::resize;
use super::names::FeedNames;
use super::routing::visits;
use crate::error::Result;
use crate::nn::{Linear, Table, Tensors};

/// The feed-forward of a layer.
pub enum FeedForward {
    /// With a curve in between.
    Gelu { up: Linear, down: Linear },
    /// One half of which says how much of the other goes on.
    Gated { up: Linear, gate: Linear, down: Linear },
    /// Of which each token goes through a few.
    Mixed { router: Linear, experts: Vec<Expert>, shape: Experts, bias: Vec<f32> },
}

/// One of several.
pub struct Expert {
    up: Linear,
    down: Linear,
}

/// Buffers, used again by the next rows.
#[derive(Default)]
pub struct FeedSpace {
    first: Vec<f32>,
    second: Vec<f32>,
    gathered: Vec<f32>,
    answers: Vec<f32>,
    sums: Vec<f32>,
}

impl FeedForward {
    /// That of a layer.
    pub fn load(
        tensors: &Tensors,
        names: &FeedNames,
        config: &TextConfig,
        experts: Option<Experts>,
    ) -> Result<Self> {
        let TextConfig { width, inner, biased, .. } = *config;
        let linear = |name: &str, outputs, inputs| match biased {
            true => Linear::load(tensors, name, outputs, inputs),
            false => Linear::load_unbiased(tensors, name, outputs, inputs),
        };
        Ok(match names {
            FeedNames::Plain { up, down } => {
                Self::Gelu { up: linear(up, inner, width)?, down: linear(down, width, inner)? }
            }
            FeedNames::Gated { up, gate, down } => Self::Gated {
                up: linear(up, inner, width)?,
                gate: linear(gate, inner, width)?,
                down: linear(down, width, inner)?,
            },
            FeedNames::Experts { router, up, down, bias } => {
                let shape = experts.unwrap_or(Experts::ALONE);
                let all = |name: &str| tensors.table(name, shape.count * inner, width);
                let (up, down) = (all(up)?, all(down)?);
                let parts = up.values().chunks_exact(inner * width);
                let experts = parts.zip(down.values().chunks_exact(inner * width));
                Self::Mixed {
                    router: Linear::load_unbiased(tensors, router, shape.count, width)?,
                    experts: experts
                        .map(|(up, down)| Expert {
                            up: Linear::new(&Table::owned(up.to_vec(), width), Vec::new()),
                            down: Linear::new(
                                &Table::owned(turned(down, width), inner),
                                Vec::new(),
                            ),
                        })
                        .collect(),
                    shape,
                    bias: tensors.vector(bias, width)?,
                }
            }
        })
    }

    /// Adds what it makes of some rows to them, without its last bias.
    pub fn apply(&self, rows: &mut [f32], space: &mut FeedSpace) {
        let FeedSpace { first, second, .. } = space;
        match self {
            Self::Gelu { up, down } => {
                resize(first, rows.len() / up.inputs() * up.outputs());
                up.multiply(rows, first);
                gelu(first, up.bias());
                down.multiply_add(first, rows);
            }
            Self::Gated { up, gate, down } => {
                resize(first, rows.len() / up.inputs() * up.outputs());
                resize(second, first.len());
                up.multiply(rows, first);
                gate.multiply(rows, second);
                silu_times(first, up.bias(), second, gate.bias());
                down.multiply_add(first, rows);
            }
            Self::Mixed { router, experts, shape, .. } => {
                mix(rows, router, experts, shape, space);
            }
        }
    }

    /// Its last bias.
    pub fn bias(&self) -> &[f32] {
        match self {
            Self::Gelu { down, .. } | Self::Gated { down, .. } => down.bias(),
            Self::Mixed { bias, .. } => bias,
        }
    }
}

/// Adds to each row what its experts make of it: those of one expert go through it together.
fn mix(
    rows: &mut [f32],
    router: &Linear,
    experts: &[Expert],
    shape: &Experts,
    space: &mut FeedSpace,
) {
    let width = router.inputs();
    let FeedSpace { first, gathered, answers, sums, .. } = space;
    resize(first, rows.len() / width * router.outputs());
    router.multiply(rows, first);
    let visits = visits(first, shape);
    resize(sums, rows.len());
    sums.fill(0.0);
    for (expert, visits) in experts.iter().zip(&visits) {
        if visits.is_empty() {
            continue;
        }
        gathered.clear();
        for visit in visits {
            gathered.extend_from_slice(&rows[visit.row * width..][..width]);
        }
        resize(first, visits.len() * expert.up.outputs());
        expert.up.multiply(gathered, first);
        gelu(first, expert.up.bias());
        resize(answers, gathered.len());
        expert.down.multiply(first, answers);
        for (visit, answer) in visits.iter().zip(answers.chunks_exact(width)) {
            let sum = &mut sums[visit.row * width..][..width];
            for (sum, answer) in sum.iter_mut().zip(answer) {
                *sum += visit.weight * answer;
            }
        }
    }
    for (row, sum) in rows.iter_mut().zip(sums.iter()) {
        *row += sum;
    }
}

/// A matrix of rows of `width`, by columns.
fn turned(rows: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|column| rows.iter().skip(column).step_by(width.max(1)).copied()).collect()
}
