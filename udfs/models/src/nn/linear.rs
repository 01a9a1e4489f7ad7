//! Linear layers: one large matrix product over all packed rows.

use portolan_math::{Onto, Packed};

use super::tensors::{Table, Tensors};
use crate::error::Result;

/// `y = x Wᵀ + b`.
pub struct Linear {
    weight: Packed,
    bias: Vec<f32>,
}

impl Linear {
    /// `{name}.weight` and `{name}.bias`.
    pub fn load(tensors: &Tensors, name: &str, outputs: usize, inputs: usize) -> Result<Self> {
        Self::load_stack(tensors, &[name.to_string()], outputs, inputs)
    }

    /// `{name}.weight` alone.
    pub fn load_unbiased(
        tensors: &Tensors,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Self> {
        let weight = tensors.table(&format!("{name}.weight"), outputs, inputs)?;
        Ok(Self::new(&weight, Vec::new()))
    }

    /// Several layers over the same input as one, each of `outputs`.
    pub fn load_stack(
        tensors: &Tensors,
        names: &[String],
        outputs: usize,
        inputs: usize,
    ) -> Result<Self> {
        let mut weights = Vec::with_capacity(names.len());
        let mut bias = Vec::with_capacity(names.len() * outputs);
        for name in names {
            weights.push(tensors.table(&format!("{name}.weight"), outputs, inputs)?);
            bias.extend(tensors.vector(&format!("{name}.bias"), outputs)?);
        }
        let weights: Vec<&[f32]> = weights.iter().map(Table::values).collect();
        Ok(Self { weight: Packed::new(&weights, inputs), bias })
    }

    /// From what is at hand already: weights as checkpoints store them, a row for every output.
    pub fn new(weight: &Table, bias: Vec<f32>) -> Self {
        Self { weight: Packed::new(&[weight.values()], weight.width()), bias }
    }

    /// Length of an input row.
    pub fn inputs(&self) -> usize {
        self.weight.inputs()
    }

    /// Length of an output row.
    pub fn outputs(&self) -> usize {
        self.weight.outputs()
    }

    /// What is added to each output row; empty where nothing is.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// `out = x Wᵀ` for the rows of `x`, without the bias, which whatever comes next adds in
    /// passing.
    pub fn multiply(&self, x: &[f32], out: &mut [f32]) {
        self.weight.multiply(x, Onto::Zero, out);
    }

    /// `out += x Wᵀ`, without the bias.
    pub fn multiply_add(&self, x: &[f32], out: &mut [f32]) {
        self.weight.multiply(x, Onto::Itself, out);
    }

    /// `out = x Wᵀ + b`.
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        let onto = if self.bias.is_empty() { Onto::Zero } else { Onto::Row(&self.bias) };
        self.weight.multiply(x, onto, out);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_layer_is_its_sums() {
        let w: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let layer = Linear::new(&Table::owned(w, 3), vec![10.0, 20.0]);
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
        let tensors = HashMap::from([
            ("a.weight".to_string(), (vec![2, 2], vec![1.0, 2.0, 3.0, 4.0])),
            ("a.bias".to_string(), (vec![2], vec![1.0, 2.0])),
            ("b.weight".to_string(), (vec![2, 2], vec![5.0, 6.0, 7.0, 8.0])),
            ("b.bias".to_string(), (vec![2], vec![3.0, 4.0])),
        ]);
        let tensors = Tensors::owned(Path::new("x"), tensors);
        let both = Linear::load_stack(&tensors, &["a".into(), "b".into()], 2, 2).unwrap();
        let mut out = [0.0; 4];
        both.apply(&[1.0, 1.0], &mut out);
        assert_eq!(out, [4.0, 9.0, 14.0, 19.0]);
    }
}
