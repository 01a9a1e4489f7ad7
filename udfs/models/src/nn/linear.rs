//! Linear layers: one large matrix product over all packed rows.

use gemm::Parallelism;

use super::tensors::{Table, Tensors};
use crate::error::Result;

/// `y = x Wᵀ + b`, with W as checkpoints store it: a row for every output.
pub struct Linear {
    weight: Table,
    bias: Vec<f32>,
}

impl Linear {
    /// `{name}.weight` and `{name}.bias`.
    pub fn load(tensors: &Tensors, name: &str, outputs: usize, inputs: usize) -> Result<Self> {
        Ok(Self {
            weight: tensors.table(&format!("{name}.weight"), outputs, inputs)?,
            bias: tensors.vector(&format!("{name}.bias"), outputs)?,
        })
    }

    /// `{name}.weight` alone.
    pub fn load_unbiased(
        tensors: &Tensors,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Self> {
        Ok(Self {
            weight: tensors.table(&format!("{name}.weight"), outputs, inputs)?,
            bias: Vec::new(),
        })
    }

    /// From what is at hand already.
    pub fn new(weight: Table, bias: Vec<f32>) -> Self {
        Self { weight, bias }
    }

    /// Several layers over the same input as one.
    pub fn stack(layers: Vec<Self>) -> Self {
        let inputs = layers.first().map_or(0, Self::inputs);
        let (mut rows, mut bias) = (Vec::new(), Vec::new());
        for layer in layers {
            rows.extend_from_slice(layer.weight.values());
            bias.extend(layer.bias);
        }
        Self { weight: Table::owned(rows, inputs), bias }
    }

    /// Length of an input row.
    pub fn inputs(&self) -> usize {
        self.weight.width()
    }

    /// Length of an output row.
    pub fn outputs(&self) -> usize {
        self.weight.rows()
    }

    /// What is added to each output row; empty where nothing is.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// `out = x Wᵀ` for the rows of `x`, without the bias, which whatever comes next adds in
    /// passing.
    pub fn multiply(&self, x: &[f32], out: &mut [f32]) {
        product(x, self.weight.values(), self.inputs(), self.outputs(), out, false);
    }

    /// `out += x Wᵀ`, without the bias.
    pub fn multiply_add(&self, x: &[f32], out: &mut [f32]) {
        product(x, self.weight.values(), self.inputs(), self.outputs(), out, true);
    }

    /// `out = x Wᵀ + b`.
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        if self.bias.is_empty() {
            return self.multiply(x, out);
        }
        for row in out.chunks_exact_mut(self.bias.len()) {
            row.copy_from_slice(&self.bias);
        }
        self.multiply_add(x, out);
    }
}

/// `out = x wᵀ`: rows of `inputs` against rows of `inputs`, giving rows of `outputs`.
pub fn multiply(x: &[f32], w: &[f32], inputs: usize, outputs: usize, out: &mut [f32]) {
    product(x, w, inputs, outputs, out, false);
}

/// `out += x wᵀ`.
pub fn multiply_add(x: &[f32], w: &[f32], inputs: usize, outputs: usize, out: &mut [f32]) {
    product(x, w, inputs, outputs, out, true);
}

fn product(x: &[f32], w: &[f32], inputs: usize, outputs: usize, out: &mut [f32], add: bool) {
    let rows = x.len() / inputs.max(1);
    assert!(
        x.len() == rows * inputs && w.len() == outputs * inputs && out.len() == rows * outputs,
        "a product of matrices whose sizes do not fit"
    );
    let (inputs, outputs) = (inputs.cast_signed(), outputs.cast_signed());
    // SAFETY: the sizes are those that the strides below walk through; `out` is borrowed mutably,
    // so it overlaps neither input.
    unsafe {
        gemm::gemm(
            rows,
            outputs.cast_unsigned(),
            inputs.cast_unsigned(),
            out.as_mut_ptr(),
            1,
            outputs,
            add,
            x.as_ptr(),
            1,
            inputs,
            w.as_ptr(),
            inputs,
            1,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_its_sums() {
        let w: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let layer = Linear::new(Table::owned(w.clone(), 3), vec![10.0, 20.0]);
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut out = [0.0; 4];
        layer.apply(&x, &mut out);
        assert_eq!(out, [8.0 + 10.0, 26.0 + 20.0, 17.0 + 10.0, 62.0 + 20.0]);
        layer.multiply(&x, &mut out);
        assert_eq!(out, [8.0, 26.0, 17.0, 62.0]);
        layer.multiply_add(&x, &mut out);
        assert_eq!(out, [16.0, 52.0, 34.0, 124.0]);
    }

    #[test]
    fn a_stack_gives_what_its_layers_give() {
        let a = Linear::new(Table::owned(vec![1.0, 2.0], 2), vec![1.0]);
        let b = Linear::new(Table::owned(vec![3.0, 4.0, 5.0, 6.0], 2), vec![2.0, 3.0]);
        let both = Linear::stack(vec![a, b]);
        let mut out = [0.0; 3];
        both.apply(&[1.0, 1.0], &mut out);
        assert_eq!(out, [4.0, 9.0, 14.0]);
    }
}
