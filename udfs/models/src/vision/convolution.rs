//! Convolutions over maps whose pixels lie row by row, each with all its channels together, so that a
//! convolution of single pixels is a product of matrices. Edges are filled as TensorFlow's "same".

use crate::error::Result;
use crate::nn::{Linear, Table, Tensors, vectorised};

/// Channels that are held in registers at a time.
const LANES: usize = 16;
const NORM_EPSILON: f32 = 1e-3;

/// A batch norm, as the factor and the sum that it is once it is trained.
pub struct Norm {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Norm {
    /// The norm under a name.
    pub fn load(tensors: &Tensors, name: &str, channels: usize) -> Result<Self> {
        let part = |part: &str| tensors.vector(&format!("{name}.{part}"), channels);
        let (weight, bias) = (part("weight")?, part("bias")?);
        let (mean, variance) = (part("running_mean")?, part("running_var")?);
        let scale: Vec<f32> =
            weight.iter().zip(&variance).map(|(w, v)| w / (v + NORM_EPSILON).sqrt()).collect();
        let shift = bias.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok(Self { scale, shift })
    }
}

/// A convolution of single pixels with the norm after it.
pub fn pointwise(
    tensors: &Tensors,
    name: &str,
    norm: &str,
    inputs: usize,
    outputs: usize,
) -> Result<Linear> {
    let mut weight = tensors.vector(&format!("{name}.weight"), inputs * outputs)?;
    let norm = Norm::load(tensors, norm, outputs)?;
    for (row, scale) in weight.chunks_exact_mut(inputs).zip(&norm.scale) {
        row.iter_mut().for_each(|w| *w *= scale);
    }
    Ok(Linear::new(Table::owned(weight, inputs), norm.shift))
}

/// A convolution with the norm after it, and values held to 0 to 6 after that.
pub struct Convolution {
    kernel: usize,
    stride: usize,
    /// Channels of a pixel that each output is made of: all, or only its own.
    inputs: usize,
    outputs: usize,
    /// For every place of the kernel, and every input, one weight for each output.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Convolution {
    /// Of weights by output, input, row and column.
    pub fn load(
        tensors: &Tensors,
        name: &str,
        norm: &str,
        (kernel, stride): (usize, usize),
        (inputs, outputs): (usize, usize),
    ) -> Result<Self> {
        let places = kernel * kernel;
        let given = tensors.vector(&format!("{name}.weight"), outputs * inputs * places)?;
        let norm = Norm::load(tensors, norm, outputs)?;
        let mut weight = vec![0.0; given.len()];
        for (output, (weights, scale)) in
            given.chunks_exact(inputs * places).zip(&norm.scale).enumerate()
        {
            for (input, weights) in weights.chunks_exact(places).enumerate() {
                for (place, w) in weights.iter().enumerate() {
                    weight[(place * inputs + input) * outputs + output] = w * scale;
                }
            }
        }
        Ok(Self { kernel, stride, inputs, outputs, weight, bias: norm.shift })
    }

    /// Channels of a pixel that it makes.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Length of a side of what it makes of a map with sides of this length.
    pub fn side(&self, side: usize) -> usize {
        side.div_ceil(self.stride)
    }

    /// Multiplications and additions for a map with sides of this length.
    pub fn flops(&self, side: usize) -> u64 {
        2 * (self.side(side).pow(2) * self.weight.len()) as u64
    }

    /// Rows and columns of zeros before a map.
    fn before(&self, side: usize) -> usize {
        ((self.side(side) - 1) * self.stride + self.kernel).saturating_sub(side) / 2
    }

    /// The row after the last one that is needed for the output rows before `end`.
    pub fn needs(&self, end: usize, side: usize) -> usize {
        ((end - 1) * self.stride + self.kernel - self.before(side)).min(side)
    }

    /// The first row that is needed for an output row.
    pub fn needs_from(&self, row: usize, side: usize) -> usize {
        (row * self.stride).saturating_sub(self.before(side))
    }

    /// Output rows from `first` on, as many as `out` has room for. `rows` begins with row `from` of
    /// a map with sides of length `side`, and has all that are needed.
    pub fn apply(&self, rows: &[f32], from: usize, side: usize, first: usize, out: &mut [f32]) {
        convolve(self, rows, from, side, first, out);
    }

    /// Which places of the kernel lie on the map when it begins `start - before`.
    #[inline(always)]
    fn places(&self, start: usize, before: usize, side: usize) -> (usize, usize) {
        (before.saturating_sub(start), self.kernel.min(side + before - start))
    }
}

vectorised! {
    fn convolve(
        map: &Convolution,
        rows: &[f32],
        from: usize,
        side: usize,
        first: usize,
        out: &mut [f32],
    ) {
        let (width, before) = (map.side(side), map.before(side));
        let depthwise = map.inputs == 1;
        let channels = if depthwise { map.outputs } else { map.inputs };
        for (y, out) in out.chunks_exact_mut(width * map.outputs).enumerate() {
            let (top, down) = map.places((first + y) * map.stride, before, side);
            for (x, out) in out.chunks_exact_mut(map.outputs).enumerate() {
                let (left, right) = map.places(x * map.stride, before, side);
                let corner = ((first + y) * map.stride + top - before - from) * side
                    + (x * map.stride + left - before);
                for (block, out) in out.chunks_exact_mut(LANES).enumerate() {
                    let lanes = block * LANES;
                    let mut sums = [0f32; LANES];
                    sums.copy_from_slice(&map.bias[lanes..lanes + LANES]);
                    for row in top..down {
                        let pixels = &rows[(corner + (row - top) * side) * channels..];
                        for column in left..right {
                            let pixel = &pixels[(column - left) * channels..][..channels];
                            let place = (row * map.kernel + column) * map.inputs;
                            if depthwise {
                                let weight = &map.weight[place * map.outputs + lanes..][..LANES];
                                let pixel = &pixel[lanes..lanes + LANES];
                                for ((sum, x), w) in sums.iter_mut().zip(pixel).zip(weight) {
                                    *sum = x.mul_add(*w, *sum);
                                }
                            } else {
                                for (input, x) in pixel.iter().enumerate() {
                                    let at = (place + input) * map.outputs + lanes;
                                    let weight = &map.weight[at..at + LANES];
                                    for (sum, w) in sums.iter_mut().zip(weight) {
                                        *sum = x.mul_add(*w, *sum);
                                    }
                                }
                            }
                        }
                    }
                    for (out, sum) in out.iter_mut().zip(sums) {
                        *out = sum.clamp(0.0, 6.0);
                    }
                }
            }
        }
    }
}
