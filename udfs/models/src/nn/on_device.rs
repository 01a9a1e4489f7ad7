//! The same layers in tensors of a device.

use candle_core::{D, Device, Result as Made, Shape, Tensor};

use super::tensors::Tensors;
use crate::device::{Accelerator, failure};
use crate::error::Result;

/// `y = x Wᵀ + b`.
pub struct Linear {
    /// A column for each output.
    weight: Tensor,
    bias: Option<Tensor>,
}

/// A layer norm with its weights.
pub struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

/// Puts weights from a file onto a device.
pub struct Loader<'a> {
    tensors: &'a Tensors,
    device: &'a Device,
}

/// What queries find: of some sequences, for each of some heads, numbers for each place. `mask` is added
/// to what the places are worth to each other. The answer is by sequence, place and head.
pub fn attend(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    mask: Option<&Tensor>,
) -> Made<Tensor> {
    let scale = 1.0 / (queries.dim(D::Minus1)? as f64).sqrt();
    let mut scores = (queries * scale)?.matmul(&keys.t()?)?;
    if let Some(mask) = mask {
        scores = scores.broadcast_add(mask)?;
    }
    softmax(&scores)?.matmul(values)?.transpose(1, 2)?.contiguous()
}

fn softmax(scores: &Tensor) -> Made<Tensor> {
    let highest = scores.max_keepdim(D::Minus1)?;
    let raised = scores.broadcast_sub(&highest)?.exp()?;
    raised.broadcast_div(&raised.sum_keepdim(D::Minus1)?)
}

impl Linear {
    /// From what is on the device already: a column for each output.
    pub fn unbiased(weight: Tensor) -> Self {
        Self { weight, bias: None }
    }

    /// What it makes of some rows.
    pub fn apply(&self, rows: &Tensor) -> Made<Tensor> {
        let made = rows.matmul(&self.weight)?;
        match &self.bias {
            Some(bias) => made.broadcast_add(bias),
            None => Ok(made),
        }
    }
}

impl Norm {
    /// Every row, with mean 0 and variance 1 before the weights.
    pub fn apply(&self, rows: &Tensor) -> Made<Tensor> {
        let centred = rows.broadcast_sub(&rows.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centred.broadcast_div(&(variance + self.epsilon)?.sqrt()?)?;
        normed.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)
    }
}

impl<'a> Loader<'a> {
    /// From a file onto a device.
    pub fn new(tensors: &'a Tensors, device: &'a Accelerator) -> Self {
        Self { tensors, device: device.tensors() }
    }

    /// Where the tensors go.
    pub fn device(&self) -> &Device {
        self.device
    }

    /// Layers over the same input as one, each of `outputs`.
    pub fn linear(
        &self,
        names: &[String],
        outputs: usize,
        inputs: usize,
        biased: bool,
    ) -> Result<Linear> {
        let weights =
            names.iter().map(|name| self.table(&format!("{name}.weight"), outputs, inputs));
        let weights: Vec<Tensor> = weights.collect::<Result<_>>()?;
        let bias = match biased {
            false => None,
            true => {
                let mut bias = Vec::with_capacity(names.len() * outputs);
                for name in names {
                    bias.extend(self.tensors.vector(&format!("{name}.bias"), outputs)?);
                }
                Some(self.tensor(&bias, bias.len())?)
            }
        };
        let weight = Tensor::cat(&weights, 0).and_then(|rows| rows.t()).map_err(failure)?;
        Ok(Linear { weight, bias })
    }

    /// `{name}.weight` and `{name}.bias`.
    pub fn norm(&self, name: &str, width: usize, epsilon: f32) -> Result<Norm> {
        let part = |part: &str| self.vector(&format!("{name}.{part}"), width);
        Ok(Norm { weight: part("weight")?, bias: part("bias")?, epsilon: epsilon.into() })
    }

    /// All numbers of a tensor that has that many.
    pub fn vector(&self, name: &str, count: usize) -> Result<Tensor> {
        self.tensor(&self.tensors.vector(name, count)?, count)
    }

    /// A tensor as a matrix.
    pub fn table(&self, name: &str, rows: usize, width: usize) -> Result<Tensor> {
        self.tensor(self.tensors.table(name, rows, width)?.values(), (rows, width))
    }

    /// Numbers at hand.
    pub fn tensor(&self, values: &[f32], shape: impl Into<Shape>) -> Result<Tensor> {
        Tensor::from_slice(values, shape.into(), self.device).map_err(failure)
    }
}
