//! Layer norms.

use portolan_math::norm_rows;

use super::tensors::Tensors;
use crate::error::Result;

/// A layer norm with its weights.
pub struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    /// `{name}.weight` and `{name}.bias`.
    pub fn load(tensors: &Tensors, name: &str, width: usize, epsilon: f32) -> Result<Self> {
        Ok(Self {
            weight: tensors.vector(&format!("{name}.weight"), width)?,
            bias: tensors.vector(&format!("{name}.bias"), width)?,
            epsilon,
        })
    }

    /// Every row, in place.
    pub fn apply(&self, rows: &mut [f32]) {
        self.apply_biased(rows, &[]);
    }

    /// Every row plus a bias, in place.
    pub fn apply_biased(&self, rows: &mut [f32], bias: &[f32]) {
        norm_rows(rows, bias, &self.weight, &self.bias, self.epsilon);
    }

    /// Every row of `from`, into `to`.
    pub fn apply_to(&self, from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
        self.apply(to);
    }
}
