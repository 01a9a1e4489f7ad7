//! Products of rows with weights that were put into order once: how nearly all time of a network is
//! spent.
//!
//! Weights lie in panels, each as many outputs wide as two vectors hold, input by input, so that the
//! innermost loop reads them in the order in which they lie. A tile of a few rows and one panel is
//! summed up in registers. Every output is one sum over its inputs in their order, so it is the same
//! wherever its row stands and whatever rows stand beside it.

use pulp::{Arch, Simd, WithSimd};

/// Vectors in a row of a panel.
const VECTORS: usize = 2;

/// Most floats in a row of a panel, with vectors of 512 bits.
const WIDEST: usize = 32;

/// Inputs that are summed up at once: that much of a panel stays in the nearest cache while all rows
/// of a block pass by.
const DEPTH: usize = 384;

/// Rows of a block, which stays in the second cache while all panels pass by.
const BLOCK: usize = 48;

/// Floats in a line of the cache.
const LINE: usize = 16;

/// Weights in the order in which products read them.
pub struct Packed {
    /// Panels, with zeros for outputs that are not there; the first begins where a line does.
    values: Vec<f32>,
    begin: usize,
    inputs: usize,
    outputs: usize,
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub enum Onto<'a> {
    /// Nothing.
    Zero,
    /// The same numbers in every row.
    Row(&'a [f32]),
    /// What is there.
    Itself,
}

impl Packed {
    /// Of matrices that are stored as checkpoints do, a row for every output, one below another.
    pub fn new(parts: &[&[f32]], inputs: usize) -> Self {
        let rows = || parts.iter().flat_map(|part| part.chunks_exact(inputs));
        let outputs = rows().count();
        let width = units().dispatch(Width);
        let mut values = vec![0.0; outputs.next_multiple_of(width) * inputs + LINE];
        let begin = values.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        for (output, row) in rows().enumerate() {
            let panel = begin + output / width * width * inputs + output % width;
            let column = values[panel..].iter_mut().step_by(width);
            for (to, &value) in column.zip(row) {
                *to = value;
            }
        }
        Self { values, begin, inputs, outputs }
    }

    /// Length of an input row.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Length of an output row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// `out = x Wᵀ`, or added to something, for the rows of `x`.
    pub fn multiply(&self, x: &[f32], onto: Onto<'_>, out: &mut [f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let rows = x.len() / inputs.max(1);
        assert!(
            x.len() == rows * inputs && out.len() == rows * outputs,
            "a product of matrices whose sizes do not fit"
        );
        if let Onto::Row(row) = onto {
            assert_eq!(row.len(), outputs, "a row that does not fit is added to a product");
        }
        let panels = &self.values[self.begin..];
        units().dispatch(Product { x, inputs, panels, outputs, onto, out });
    }
}

/// The vector units that products are made with. Where there are both, tiles of 512 bits reach a third of what the
/// machine can do at most, those of 256 bits eight tenths (measured with `benches/product.rs` on an EPYC with AVX-512).
/// Sums are the same: each is made in the order of its numbers.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn units() -> Arch {
    pulp::x86::V3::try_new().map_or_else(Arch::new, Arch::V3)
}

/// The vector units that products are made with.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn units() -> Arch {
    Arch::new()
}

/// How wide panels are on this machine.
struct Width;

impl WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        VECTORS * S::F32_LANES
    }
}

/// A product, to be compiled for each vector unit.
struct Product<'a> {
    x: &'a [f32],
    inputs: usize,
    panels: &'a [f32],
    outputs: usize,
    onto: Onto<'a>,
    out: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, inputs, panels, outputs, onto, out } = self;
        let width = VECTORS * S::F32_LANES;
        let rows = x.len() / inputs.max(1);
        let depth = inputs.div_ceil(inputs.div_ceil(DEPTH).max(1)).max(1);
        for from in (0..inputs).step_by(depth) {
            let depth = depth.min(inputs - from);
            let onto = if from == 0 { onto } else { Onto::Itself };
            for first in (0..rows).step_by(BLOCK) {
                let last = rows.min(first + BLOCK);
                for (panel, column) in (0..outputs).step_by(width).enumerate() {
                    let panel = &panels[(panel * inputs + from) * width..][..depth * width];
                    let columns = width.min(outputs - column);
                    let mut row = first;
                    while row < last {
                        let tile = Tile {
                            x: &x[row * inputs + from..],
                            inputs,
                            panel,
                            out: &mut out[row * outputs + column..],
                            outputs,
                            columns,
                            onto: match onto {
                                Onto::Row(added) => Onto::Row(&added[column..][..columns]),
                                other => other,
                            },
                        };
                        row += tile.run_of(simd, last - row);
                    }
                }
            }
        }
    }
}

/// A few rows and one panel.
struct Tile<'a> {
    /// From the first input of the first row on.
    x: &'a [f32],
    inputs: usize,
    panel: &'a [f32],
    /// From the first output of the first row on.
    out: &'a mut [f32],
    outputs: usize,
    /// Outputs that are there.
    columns: usize,
    onto: Onto<'a>,
}

impl Tile<'_> {
    /// Computes as many of so many rows as registers hold sums for, and says how many.
    #[inline(always)]
    fn run_of<S: Simd>(self, simd: S, rows: usize) -> usize {
        match rows {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            3 => self.run::<S, 3>(simd),
            4 => self.run::<S, 4>(simd),
            5 => self.run::<S, 5>(simd),
            12.. if S::REGISTER_COUNT >= 32 => self.run::<S, 12>(simd),
            _ => self.run::<S, 6>(simd),
        }
    }

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) -> usize {
        let Self { x, inputs, panel, out, outputs, columns, onto } = self;
        let (panel, _) = S::as_simd_f32s(panel);
        let (panel, _) = panel.as_chunks::<VECTORS>();
        assert!(x.len() >= (ROWS - 1) * inputs + panel.len(), "rows end before their inputs do");
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        let (fours, rest) = panel.as_chunks::<4>();
        for (four, weights) in fours.iter().enumerate() {
            for (k, weights) in weights.iter().enumerate() {
                // SAFETY: k is below the length of the panel, and the last row of x has as many
                // inputs, as has just been asserted.
                unsafe { step(simd, x, inputs, 4 * four + k, weights, &mut sums) };
            }
        }
        for (k, weights) in rest.iter().enumerate() {
            // SAFETY: as above.
            unsafe { step(simd, x, inputs, 4 * fours.len() + k, weights, &mut sums) };
        }
        let whole = VECTORS * S::F32_LANES;
        for (sums, row) in sums.iter().zip(out.chunks_mut(outputs)) {
            let row = &mut row[..columns];
            if columns == whole {
                add(simd, sums, onto, S::as_mut_simd_f32s(row).0);
                continue;
            }
            // Outputs that are not there are summed up beside the matrix.
            let mut padded = [0.0; WIDEST];
            let mut added = [0.0; WIDEST];
            padded[..columns].copy_from_slice(row);
            let onto = match onto {
                Onto::Row(given) => {
                    added[..columns].copy_from_slice(given);
                    Onto::Row(&added[..whole])
                }
                other => other,
            };
            add(simd, sums, onto, S::as_mut_simd_f32s(&mut padded[..whole]).0);
            row.copy_from_slice(&padded[..columns]);
        }
        ROWS
    }
}

/// Adds the products of one input of each row with its weights.
///
/// With checks of each index the sums would not stay in registers, and a product would take three
/// times as long.
///
/// # Safety
///
/// The rows of `x` lie `inputs` apart and each must have more than `k`.
#[inline(always)]
unsafe fn step<S: Simd, const ROWS: usize>(
    simd: S,
    x: &[f32],
    inputs: usize,
    k: usize,
    weights: &[S::f32s; VECTORS],
    sums: &mut [[S::f32s; VECTORS]; ROWS],
) {
    for (r, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the caller has made sure.
        let input = simd.splat_f32s(unsafe { *x.get_unchecked(r * inputs + k) });
        for (sum, &weight) in sums.iter_mut().zip(weights) {
            *sum = simd.mul_add_e_f32s(input, weight, *sum);
        }
    }
}

#[inline(always)]
fn add<S: Simd>(simd: S, sums: &[S::f32s], onto: Onto<'_>, to: &mut [S::f32s]) {
    match onto {
        Onto::Zero => to.copy_from_slice(sums),
        Onto::Itself => {
            for (to, &sum) in to.iter_mut().zip(sums) {
                *to = simd.add_f32s(*to, sum);
            }
        }
        Onto::Row(row) => {
            let (row, _) = S::as_simd_f32s(row);
            for ((to, &sum), &added) in to.iter_mut().zip(sums).zip(row) {
                *to = simd.add_f32s(sum, added);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    fn plain(x: &[f32], w: &[f32], inputs: usize) -> Vec<f64> {
        let dot = |x: &[f32], w: &[f32]| {
            x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum::<f64>()
        };
        x.chunks(inputs).flat_map(|x| w.chunks(inputs).map(move |w| dot(x, w))).collect()
    }

    #[test]
    fn a_product_is_its_sums_whatever_its_sizes() {
        for rows in [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 97, 205] {
            for inputs in [1, 3, 16, 383, 385, 800] {
                for outputs in [1, 7, 8, 16, 17, 33, 64] {
                    let (x, w) = (noise(rows * inputs, 1), noise(outputs * inputs, 2));
                    let there = noise(rows * outputs, 3);
                    let row = noise(outputs, 4);
                    let packed = Packed::new(&[&w], inputs);
                    let right = plain(&x, &w, inputs);
                    for onto in [Onto::Zero, Onto::Itself, Onto::Row(&row)] {
                        let mut out = there.clone();
                        packed.multiply(&x, onto, &mut out);
                        for (place, (&got, &right)) in out.iter().zip(&right).enumerate() {
                            let added = match onto {
                                Onto::Zero => 0.0,
                                Onto::Itself => there[place],
                                Onto::Row(row) => row[place % outputs],
                            };
                            let right = right + f64::from(added);
                            assert!(
                                (f64::from(got) - right).abs() < 2e-5 * (inputs as f64).sqrt(),
                                "{rows} x {inputs} x {outputs} at {place}: {got} {right}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_output_is_the_same_wherever_its_row_stands() {
        let (inputs, outputs) = (500, 40);
        let (x, w) = (noise(61 * inputs, 5), noise(outputs * inputs, 6));
        let packed = Packed::new(&[&w], inputs);
        let mut all = vec![0.0; 61 * outputs];
        packed.multiply(&x, Onto::Zero, &mut all);
        for (row, right) in x.chunks(inputs).zip(all.chunks(outputs)) {
            let mut alone = vec![0.0; outputs];
            packed.multiply(row, Onto::Zero, &mut alone);
            assert_eq!(alone, right);
        }
    }

    #[test]
    fn matrices_lie_one_below_another() {
        let (a, b) = (noise(20 * 30, 7), noise(5 * 30, 8));
        let x = noise(4 * 30, 9);
        let whole = [&a[..], &b[..]].concat();
        let (mut one, mut two) = (vec![0.0; 100], vec![0.0; 100]);
        Packed::new(&[&a, &b], 30).multiply(&x, Onto::Zero, &mut one);
        Packed::new(&[&whole], 30).multiply(&x, Onto::Zero, &mut two);
        assert_eq!(one, two);
    }
}
