//! Convolutions of maps whose pixels lie row by row, each with all its channels together.

use crate::vectorised::vectorised;

/// Channels, and pixels of a row, that are worked on together.
pub const LANES: usize = 16;
const PIXELS: usize = 4;

/// A number for each of the channels that are worked on together.
pub type Lanes = [f32; LANES];

/// Convolves each channel on its own, with a square kernel of 3 or 5 that goes 1 or 2 pixels at a
/// time, adds its bias, and holds it to 0 to 6: the rows of `out`, of `made` pixels each, of the rows
/// of a map with its zeros around it. For each few channels there are the weights of every place of
/// the kernel. There must be at least 4 pixels in a row of `out`.
pub fn depthwise(
    kernel: usize,
    stride: usize,
    padded: &[f32],
    weight: &[Lanes],
    bias: &[Lanes],
    made: usize,
    out: &mut [f32],
) {
    match (kernel, stride) {
        (3, 1) => depthwise_3_1(padded, weight, bias, made, out),
        (3, _) => depthwise_3_2(padded, weight, bias, made, out),
        (_, 1) => depthwise_5_1(padded, weight, bias, made, out),
        (_, _) => depthwise_5_2(padded, weight, bias, made, out),
    }
}

vectorised! {
    fn depthwise_3_1(x: &[f32], w: &[Lanes], bias: &[Lanes], made: usize, out: &mut [f32]) {
        convolve::<3, 1>(x, w, bias, made, out);
    }

    fn depthwise_3_2(x: &[f32], w: &[Lanes], bias: &[Lanes], made: usize, out: &mut [f32]) {
        convolve::<3, 2>(x, w, bias, made, out);
    }

    fn depthwise_5_1(x: &[f32], w: &[Lanes], bias: &[Lanes], made: usize, out: &mut [f32]) {
        convolve::<5, 1>(x, w, bias, made, out);
    }

    fn depthwise_5_2(x: &[f32], w: &[Lanes], bias: &[Lanes], made: usize, out: &mut [f32]) {
        convolve::<5, 2>(x, w, bias, made, out);
    }
}

#[inline(always)]
fn convolve<const KERNEL: usize, const STRIDE: usize>(
    padded: &[f32],
    weight: &[Lanes],
    bias: &[Lanes],
    made: usize,
    out: &mut [f32],
) {
    let channels = bias.len() * LANES;
    let row = ((made - 1) * STRIDE + KERNEL) * channels;
    for (y, out) in out.chunks_exact_mut(made * channels).enumerate() {
        let rows: [&[f32]; KERNEL] =
            std::array::from_fn(|k| &padded[(y * STRIDE + k) * row..][..row]);
        for (block, (weight, bias)) in weight.chunks_exact(KERNEL * KERNEL).zip(bias).enumerate() {
            for x in (0..made).step_by(PIXELS) {
                // The last few are some of those before once more.
                let x = x.min(made.saturating_sub(PIXELS));
                let first = x * STRIDE * channels + block * LANES;
                let mut sums = [*bias; PIXELS];
                for (row, weight) in rows.iter().zip(weight.chunks_exact(KERNEL)) {
                    for (column, weight) in weight.iter().enumerate() {
                        for (pixel, sum) in sums.iter_mut().enumerate() {
                            let at = first + (pixel * STRIDE + column) * channels;
                            let values = &row[at..at + LANES];
                            for ((sum, x), w) in sum.iter_mut().zip(values).zip(weight) {
                                *sum = x.mul_add(*w, *sum);
                            }
                        }
                    }
                }
                for (pixel, sum) in sums.iter().enumerate() {
                    let out = &mut out[(x + pixel) * channels + block * LANES..][..LANES];
                    for (out, sum) in out.iter_mut().zip(sum) {
                        *out = sum.clamp(0.0, 6.0);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_is_its_sums() {
        let channels = 2 * LANES;
        for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2)] {
            for made in [4usize, 5, 7] {
                let side = (made - 1) * stride + kernel;
                let value = |i: usize| ((i * 37 + 11) % 101) as f32 / 101.0;
                let map: Vec<f32> = (0..side * side * channels).map(value).collect();
                let weight: Vec<Lanes> = (0..2 * kernel * kernel)
                    .map(|i| std::array::from_fn(|lane| value(i * LANES + lane + 5) - 0.3))
                    .collect();
                let bias: Vec<Lanes> = vec![[0.25; LANES], [-0.5; LANES]];
                let mut out = vec![f32::NAN; made * made * channels];
                depthwise(kernel, stride, &map, &weight, &bias, made, &mut out);
                for (place, got) in out.iter().enumerate() {
                    let (pixel, channel) = (place / channels, place % channels);
                    let (y, x) = (pixel / made * stride, pixel % made * stride);
                    let (block, lane) = (channel / LANES, channel % LANES);
                    let mut right = f64::from(bias[block][lane]);
                    for (row, column) in (0..kernel * kernel).map(|i| (i / kernel, i % kernel)) {
                        let at = ((y + row) * side + x + column) * channels + channel;
                        let w = weight[block * kernel * kernel + row * kernel + column][lane];
                        right += f64::from(map[at]) * f64::from(w);
                    }
                    let right = right.clamp(0.0, 6.0);
                    assert!((f64::from(*got) - right).abs() < 1e-4, "{got} {right}");
                }
            }
        }
    }
}
