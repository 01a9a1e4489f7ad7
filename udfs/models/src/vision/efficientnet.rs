//! EfficientNet-Lite0: what an ImageNet classifier sees in a picture, and which of its 1,000 classes
//! it takes it for.

use std::path::Path;

use portolan_math::{add_bias, relu6};

use super::convolution::{Depthwise, Steps, dense};
use super::{ImageModel, Workspace, check_inputs, resize};
use crate::error::{Error, Result};
use crate::image::{Fit, Input, Layout, Preprocessing};
use crate::nn::{Linear, Tensors, read_checkpoint};
use crate::vector;

/// Pixels on each side of the input.
const SIZE: usize = 224;
/// Channels after the first convolution, and before the pooling.
const STEM: usize = 32;
const STEM_STEPS: Steps = Steps { kernel: 3, stride: 2 };
const FEATURES: usize = 1280;
/// Number of classes.
pub const CLASSES: usize = 1000;

/// Blocks, size of their kernels, stride of the first, how much they widen, channels.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
];

/// Numbers of the widened map that are worked on at a time: they should stay in the cache until
/// they have been made few again.
const STRIP: usize = 64 * 1024;

/// From this block on, maps are so small that products of matrices need those of several pictures.
const LATE: usize = 11;
const TOGETHER: usize = 4;

/// The network with its weights.
pub struct EfficientNet {
    preprocessing: Preprocessing,
    stem: Linear,
    blocks: Vec<Block>,
    head: Linear,
    classes: Linear,
}

/// Widens every pixel, mixes neighbours channel by channel, and makes it narrow again.
struct Block {
    expand: Option<Linear>,
    mix: Depthwise,
    project: Linear,
    /// Whether its input is added to its output.
    skip: bool,
}

impl EfficientNet {
    /// The model of a file of weights: PyTorch's old kind, or safetensors.
    pub fn open(path: &Path) -> Result<Self> {
        let safe = path.extension().is_some_and(|extension| extension == "safetensors");
        let tensors = &if safe { Tensors::open(path)? } else { read_checkpoint(path)? };
        let mut blocks = Vec::new();
        let mut inputs = STEM;
        for (count, kernel, stride, widen, outputs) in STAGES {
            for index in 0..count {
                let name = |part: &str| format!("_blocks.{}.{part}", blocks.len());
                let wide = inputs * widen;
                let steps = Steps { kernel, stride: if index == 0 { stride } else { 1 } };
                let one = |part: &str, norm: &str, inputs, outputs| {
                    dense(tensors, (&name(part), &name(norm)), 1, inputs, outputs)
                };
                let block = Block {
                    expand: match widen {
                        1 => None,
                        _ => Some(one("_expand_conv", "_bn0", inputs, wide)?),
                    },
                    mix: Depthwise::load(
                        tensors,
                        (&name("_depthwise_conv"), &name("_bn1")),
                        steps,
                        wide,
                    )?,
                    project: one("_project_conv", "_bn2", wide, outputs)?,
                    skip: steps.stride == 1 && inputs == outputs,
                };
                blocks.push(block);
                inputs = outputs;
            }
        }
        // A picture of whole numbers from 0 to 255, less 127, divided by 128.
        let levels = |level: f32| [level / 255.0; 3];
        Ok(Self {
            preprocessing: Preprocessing {
                size: SIZE,
                fit: Fit::Centre(SIZE as f64 / (SIZE + 32) as f64),
                mean: levels(127.0),
                std: levels(128.0),
                layout: Layout::Pixels,
            },
            stem: dense(tensors, ("_conv_stem", "_bn0"), STEM_STEPS.kernel, 3, STEM)?,
            blocks,
            head: dense(tensors, ("_conv_head", "_bn1"), 1, inputs, FEATURES)?,
            classes: Linear::load(tensors, "_fc", CLASSES, FEATURES)?,
        })
    }

    /// Appends 1,280 numbers for each picture to `out`: the mean of what it sees at each place.
    pub fn features(
        &self,
        images: &[&Input],
        space: &mut Workspace,
        out: &mut Vec<f32>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<()> {
        check_inputs(images, &self.preprocessing)?;
        let (early, late) = self.blocks.split_at(LATE.min(self.blocks.len()));
        for images in images.chunks(TOGETHER) {
            let mut side = SIZE;
            let mut maps = std::mem::take(&mut space.maps);
            maps.clear();
            for image in images {
                side = self.see(image.values(), space);
                for block in early {
                    if stopped() {
                        return Err(Error::Stopped);
                    }
                    side = block.run(1, side, space);
                }
                maps.extend_from_slice(&space.hidden);
            }
            std::mem::swap(&mut maps, &mut space.hidden);
            space.maps = maps;
            for block in late {
                if stopped() {
                    return Err(Error::Stopped);
                }
                side = block.run(images.len(), side, space);
            }
            let Workspace { hidden, up, .. } = &mut *space;
            resize(up, images.len() * side * side * FEATURES);
            self.head.multiply(hidden, up);
            relu6(up, self.head.bias());
            let share = 1.0 / (side * side) as f32;
            for map in up.chunks_exact(side * side * FEATURES) {
                let from = out.len();
                out.resize(from + FEATURES, 0.0);
                for row in map.chunks_exact(FEATURES) {
                    for (sum, x) in out[from..].iter_mut().zip(row) {
                        *sum += x * share;
                    }
                }
            }
        }
        Ok(())
    }

    /// Replaces the hidden map by what the first convolution makes of a picture; gives its sides'
    /// length.
    fn see(&self, image: &[f32], space: &mut Workspace) -> usize {
        let Workspace { hidden, up: covered, .. } = space;
        let Steps { kernel, stride } = STEM_STEPS;
        let (made, before) = (STEM_STEPS.made(SIZE), STEM_STEPS.before(SIZE));
        resize(hidden, made * made * STEM);
        // For every pixel of a row, what the kernel covers there, together.
        resize(covered, made * self.stem.inputs());
        for (y, out) in hidden.chunks_exact_mut(made * STEM).enumerate() {
            covered.fill(0.0);
            for (x, covered) in covered.chunks_exact_mut(self.stem.inputs()).enumerate() {
                for (row, covered) in covered.chunks_exact_mut(kernel * 3).enumerate() {
                    let (row, column) = (y * stride + row, x * stride);
                    if !(before..before + SIZE).contains(&row) {
                        continue;
                    }
                    let left = column.max(before);
                    let right = (column + kernel).min(before + SIZE);
                    let from = ((row - before) * SIZE + left - before) * 3;
                    covered[(left - column) * 3..(right - column) * 3]
                        .copy_from_slice(&image[from..from + (right - left) * 3]);
                }
            }
            self.stem.multiply(covered, out);
            relu6(out, self.stem.bias());
        }
        made
    }

    /// How likely each class is, before the softmax, of the features of some pictures.
    pub fn logits(&self, features: &[f32]) -> Vec<f32> {
        let mut logits = vec![0.0; features.len() / FEATURES * CLASSES];
        self.classes.apply(features, &mut logits);
        logits
    }
}

impl Block {
    /// Replaces the hidden maps of so many pictures, with sides of this length, by the next; gives
    /// their sides' length.
    fn run(&self, images: usize, side: usize, space: &mut Workspace) -> usize {
        let Workspace { hidden, normed: next, up: wide, gate: padded, mixed, .. } = space;
        let (channels, narrow, outputs) =
            (self.mix.channels(), hidden.len() / (images * side * side), self.project.outputs());
        let steps = self.mix.steps();
        let (made, before, padded_side) =
            (steps.made(side), steps.before(side), steps.padded(side));
        resize(next, images * made * made * outputs);
        match self.skip {
            true => next.copy_from_slice(hidden),
            false => next.fill(0.0),
        }
        // Rows of one picture at a time, or all rows of all.
        let strip = if images > 1 { made } else { (STRIP / (side * channels)).clamp(1, made) };
        // The rows that `padded` has: those of the map with its zeros.
        let (mut begun, mut done) = (0, 0);
        for first in (0..made).step_by(strip) {
            let rows = strip.min(made - first);
            let (from, end) =
                (first * steps.stride, (first + rows - 1) * steps.stride + steps.kernel);
            let row = padded_side * channels;
            // What the last strip needed too.
            padded.copy_within((from - begun) * row..(done - begun) * row, 0);
            padded.resize((end - from) * row, 0.0);
            // Rows of the map that come new, and those of zeros above them.
            let (top, bottom) = (done.saturating_sub(before).min(side), (end - before).min(side));
            let above = before.saturating_sub(done);
            let fresh = &hidden[top * side * narrow..][..images * (bottom - top) * side * narrow];
            let fresh = match &self.expand {
                None => fresh,
                Some(expand) => {
                    resize(wide, images * (bottom - top) * side * channels);
                    expand.multiply(fresh, wide);
                    relu6(wide, expand.bias());
                    &wide[..]
                }
            };
            resize(mixed, images * rows * made * channels);
            let of_one = (bottom - top) * side * channels;
            for (image, mixed) in mixed.chunks_exact_mut(rows * made * channels).enumerate() {
                let map = &fresh[image * of_one..][..of_one];
                let new = &mut padded[(done - from) * row..];
                surround(map, side * channels, (above, before * channels), new, row);
                self.mix.apply(padded, made, mixed);
            }
            let next = &mut next[first * made * outputs..][..images * rows * made * outputs];
            self.project.multiply_add(mixed, next);
            add_bias(next, self.project.bias());
            (begun, done) = (from, end);
        }
        std::mem::swap(hidden, next);
        made
    }

    /// Multiplications and additions for a map with sides of this length.
    fn flops(&self, side: usize) -> u64 {
        let linear = |linear: &Linear, side: usize| {
            2 * (linear.inputs() * linear.outputs() * side * side) as u64
        };
        let expand = self.expand.as_ref().map_or(0, |expand| linear(expand, side));
        expand + self.mix.flops(side) + linear(&self.project, self.mix.steps().made(side))
    }
}

/// Puts the rows of a map, of `length` numbers, among zeros: rows above them, numbers left of them,
/// and what is left of the rows of `width` numbers.
fn surround(
    map: &[f32],
    length: usize,
    (above, left): (usize, usize),
    padded: &mut [f32],
    width: usize,
) {
    let mut rows = padded.chunks_exact_mut(width);
    rows.by_ref().take(above).for_each(|row| row.fill(0.0));
    for (map, row) in map.chunks_exact(length).zip(rows.by_ref()) {
        let (before, row) = row.split_at_mut(left);
        let (row, after) = row.split_at_mut(length);
        before.fill(0.0);
        row.copy_from_slice(map);
        after.fill(0.0);
    }
    rows.for_each(|row| row.fill(0.0));
}

impl ImageModel for EfficientNet {
    fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    fn dims(&self) -> usize {
        FEATURES
    }

    fn flops(&self) -> u64 {
        let mut side = STEM_STEPS.made(SIZE);
        let mut flops = 2 * (side * side * self.stem.inputs() * STEM) as u64;
        for block in &self.blocks {
            flops += block.flops(side);
            side = block.mix.steps().made(side);
        }
        flops + 2 * (self.head.inputs() * FEATURES * side * side) as u64
    }

    fn pictures(&self) -> usize {
        TOGETHER
    }

    fn run(
        &self,
        images: &[&Input],
        space: &mut Workspace,
        out: &mut Vec<f32>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<()> {
        let from = out.len();
        self.features(images, space, out, stopped)?;
        out[from..].chunks_exact_mut(FEATURES).for_each(vector::l2);
        Ok(())
    }
}
