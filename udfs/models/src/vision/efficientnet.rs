//! EfficientNet-Lite0: what an ImageNet classifier sees in a picture, and which of its 1,000 classes
//! it takes it for.

use std::path::Path;

use super::convolution::{Convolution, pointwise};
use super::{ImageModel, Workspace, check_inputs, resize};
use crate::error::{Error, Result};
use crate::image::{Fit, Input, Layout, Preprocessing};
use crate::nn::{Linear, Tensors, add_bias, read_checkpoint, relu6};
use crate::vector;

/// Pixels on each side of the input.
const SIZE: usize = 224;
/// Channels after the first convolution, and before the pooling.
const STEM: usize = 32;
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
const STRIP: usize = 96 * 1024;

/// The network with its weights.
pub struct EfficientNet {
    preprocessing: Preprocessing,
    stem: Convolution,
    blocks: Vec<Block>,
    head: Linear,
    classes: Linear,
}

/// Widens every pixel, mixes neighbours channel by channel, and makes it narrow again.
struct Block {
    expand: Option<Linear>,
    mix: Convolution,
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
                let stride = if index == 0 { stride } else { 1 };
                let one = |part: &str, norm: &str, inputs, outputs| {
                    pointwise(tensors, &name(part), &name(norm), inputs, outputs)
                };
                let block = Block {
                    expand: match widen {
                        1 => None,
                        _ => Some(one("_expand_conv", "_bn0", inputs, wide)?),
                    },
                    mix: Convolution::load(
                        tensors,
                        &name("_depthwise_conv"),
                        &name("_bn1"),
                        (kernel, stride),
                        (1, wide),
                    )?,
                    project: one("_project_conv", "_bn2", wide, outputs)?,
                    skip: stride == 1 && inputs == outputs,
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
            stem: Convolution::load(tensors, "_conv_stem", "_bn0", (3, 2), (3, STEM))?,
            blocks,
            head: pointwise(tensors, "_conv_head", "_bn1", inputs, FEATURES)?,
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
        for image in images {
            let mut side = self.stem.side(SIZE);
            resize(&mut space.hidden, side * side * STEM);
            self.stem.apply(image.values(), 0, SIZE, 0, &mut space.hidden);
            for block in &self.blocks {
                if stopped() {
                    return Err(Error::Stopped);
                }
                side = block.run(side, space);
            }
            let Workspace { hidden, up, .. } = &mut *space;
            resize(up, side * side * FEATURES);
            self.head.multiply(hidden, up);
            relu6(up, self.head.bias());
            let from = out.len();
            out.resize(from + FEATURES, 0.0);
            let share = 1.0 / (side * side) as f32;
            for row in up.chunks_exact(FEATURES) {
                for (sum, x) in out[from..].iter_mut().zip(row) {
                    *sum += x * share;
                }
            }
        }
        Ok(())
    }

    /// How likely each class is, before the softmax, of the features of some pictures.
    pub fn logits(&self, features: &[f32]) -> Vec<f32> {
        let mut logits = vec![0.0; features.len() / FEATURES * CLASSES];
        self.classes.apply(features, &mut logits);
        logits
    }
}

impl Block {
    /// Replaces the hidden map, with sides of this length, by the next; gives its sides' length.
    fn run(&self, side: usize, space: &mut Workspace) -> usize {
        let Workspace { hidden, normed: next, up: wide, gate: mixed, .. } = space;
        let (channels, outputs) = (self.mix.outputs(), self.project.outputs());
        let made = self.mix.side(side);
        resize(next, made * made * outputs);
        if self.skip {
            next.copy_from_slice(hidden);
        } else {
            next.fill(0.0);
        }
        // A strip of output rows at a time, for which a strip of rows is widened.
        let strip = (STRIP / (side * channels)).clamp(1, made);
        let (mut begun, mut done) = (0, 0);
        for (index, next) in next.chunks_mut(strip * made * outputs).enumerate() {
            let first = index * strip;
            let rows = next.len() / (made * outputs);
            resize(mixed, rows * made * channels);
            let end = self.mix.needs(first + rows, side);
            match &self.expand {
                None => self.mix.apply(hidden, 0, side, first, mixed),
                Some(expand) => {
                    // Rows that the last strip needed too are moved to the front.
                    let from = self.mix.needs_from(first, side);
                    let (row, narrow) = (side * channels, side * expand.inputs());
                    wide.copy_within((from - begun) * row..(done - begun) * row, 0);
                    wide.resize((end - from) * row, 0.0);
                    let fresh = &mut wide[(done - from) * row..];
                    expand.multiply(&hidden[done * narrow..end * narrow], fresh);
                    relu6(fresh, expand.bias());
                    self.mix.apply(wide, from, side, first, mixed);
                    (begun, done) = (from, end);
                }
            }
            self.project.multiply_add(mixed, next);
            add_bias(next, self.project.bias());
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
        expand + self.mix.flops(side) + linear(&self.project, self.mix.side(side))
    }
}

impl ImageModel for EfficientNet {
    fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    fn dims(&self) -> usize {
        FEATURES
    }

    fn flops(&self) -> u64 {
        let mut side = self.stem.side(SIZE);
        let mut flops = self.stem.flops(SIZE);
        for block in &self.blocks {
            flops += block.flops(side);
            side = block.mix.side(side);
        }
        flops + 2 * (self.head.inputs() * FEATURES * side * side) as u64
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
