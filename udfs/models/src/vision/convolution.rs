//! Convolutions over maps whose pixels lie row by row, each with all its channels together, so that a
//! convolution of single pixels is a product of matrices. Edges are filled with zeros as TensorFlow's
//! "same" does it: more behind than before.

use portolan_math::{LANES, Lanes, depthwise};

use crate::error::Result;
use crate::nn::{Linear, Table, Tensors};

const NORM_EPSILON: f32 = 1e-3;

/// Where a kernel goes on a square map.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Sides of the kernel.
    pub kernel: usize,
    /// Pixels from one place to the next.
    pub stride: usize,
}

impl Steps {
    /// Sides of what it makes of a map with sides of this length.
    pub fn made(self, side: usize) -> usize {
        side.div_ceil(self.stride)
    }

    /// Sides of the map with its zeros.
    pub fn padded(self, side: usize) -> usize {
        (self.made(side) - 1) * self.stride + self.kernel
    }

    /// Rows, and columns, of zeros before the map.
    pub fn before(self, side: usize) -> usize {
        self.padded(side).saturating_sub(side) / 2
    }
}

/// A batch norm, as the factors and sums that it is once it is trained.
fn norm(tensors: &Tensors, name: &str, channels: usize) -> Result<(Vec<f32>, Vec<f32>)> {
    let part = |part: &str| tensors.vector(&format!("{name}.{part}"), channels);
    let (weight, bias) = (part("weight")?, part("bias")?);
    let (mean, variance) = (part("running_mean")?, part("running_var")?);
    let scale: Vec<f32> =
        weight.iter().zip(&variance).map(|(w, v)| w / (v + NORM_EPSILON).sqrt()).collect();
    let shift = bias.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
    Ok((scale, shift))
}

/// A convolution of all channels with the norm after it, for pixels that lie together as its kernel
/// covers them: row by row.
pub fn dense(
    tensors: &Tensors,
    (name, norm_name): (&str, &str),
    kernel: usize,
    inputs: usize,
    outputs: usize,
) -> Result<Linear> {
    let places = kernel * kernel;
    let given = tensors.vector(&format!("{name}.weight"), outputs * inputs * places)?;
    let (scale, shift) = norm(tensors, norm_name, outputs)?;
    let mut weight = Vec::with_capacity(given.len());
    for (channels, scale) in given.chunks_exact(inputs * places).zip(scale) {
        for place in 0..places {
            weight.extend(channels.iter().skip(place).step_by(places).map(|w| w * scale));
        }
    }
    Ok(Linear::new(&Table::owned(weight, inputs * places), shift))
}

/// A convolution of each channel on its own with the norm after it, held to 0 to 6.
pub struct Depthwise {
    steps: Steps,
    /// For each few channels, the weights of every place of the kernel.
    weight: Vec<Lanes>,
    bias: Vec<Lanes>,
}

impl Depthwise {
    /// The channels must be a multiple of 16.
    pub fn load(
        tensors: &Tensors,
        (name, norm_name): (&str, &str),
        steps: Steps,
        channels: usize,
    ) -> Result<Self> {
        let places = steps.kernel * steps.kernel;
        let given = tensors.vector(&format!("{name}.weight"), channels * places)?;
        let (scale, shift) = norm(tensors, norm_name, channels)?;
        let mut weight = Vec::with_capacity(channels / LANES * places);
        for (given, scale) in given.chunks_exact(LANES * places).zip(scale.chunks_exact(LANES)) {
            let at = |place, lane: usize| given[lane * places + place] * scale[lane];
            weight.extend((0..places).map(|place| std::array::from_fn(|lane| at(place, lane))));
        }
        Ok(Self { steps, weight, bias: shift.as_chunks().0.to_vec() })
    }

    /// Where its kernel goes.
    pub fn steps(&self) -> Steps {
        self.steps
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.bias.len() * LANES
    }

    /// Multiplications and additions for a map with sides of this length.
    pub fn flops(&self, side: usize) -> u64 {
        2 * (self.steps.made(side).pow(2) * self.weight.len() * LANES) as u64
    }

    /// The rows of `out`, of `made` pixels each, of the rows of a map with its zeros.
    pub fn apply(&self, padded: &[f32], made: usize, out: &mut [f32]) {
        let Steps { kernel, stride } = self.steps;
        depthwise(kernel, stride, padded, &self.weight, &self.bias, made, out);
    }
}
