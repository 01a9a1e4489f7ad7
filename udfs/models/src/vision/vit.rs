//! What vision transformers share: patches as rows, pre-norm layers, and attention that pools.

use std::ops::Range;

use portolan_math::{Attention, Scratch, add_bias, gelu, gelu_tanh, quick_gelu};

use super::config::{Activation, Tower};
use super::{Workspace, resize};
use crate::error::{Error, Result};
use crate::image::Input;
use crate::nn::{LayerNorm, Linear, Tensors};

/// Makes a row of each patch of a picture, and puts the first row before them where there is one.
pub struct Patches {
    project: Linear,
    /// What each row has before its patch is added: its position, and the bias or the first row.
    start: Vec<f32>,
    /// Rows before those of the patches.
    first: usize,
}

impl Patches {
    /// `class` is the first row, `positions` one row for each, `project` without its bias.
    pub fn new(
        project: Linear,
        class: Option<&[f32]>,
        bias: Option<&[f32]>,
        mut positions: Vec<f32>,
    ) -> Self {
        let width = project.outputs();
        let first = usize::from(class.is_some());
        for (row, position) in positions.chunks_exact_mut(width).enumerate() {
            let more = if row < first { class } else { bias };
            for (x, y) in position.iter_mut().zip(more.into_iter().flatten()) {
                *x += y;
            }
        }
        Self { project, start: positions, first }
    }

    /// Rows of one picture.
    pub fn rows(&self) -> usize {
        self.start.len() / self.project.outputs()
    }

    /// Multiplications and additions for one picture.
    pub fn flops(&self) -> u64 {
        2 * ((self.rows() - self.first) * self.project.inputs() * self.project.outputs()) as u64
    }

    /// The rows of some pictures, one after another, in `hidden`.
    pub fn embed(&self, images: &[&Input], hidden: &mut Vec<f32>) {
        resize(hidden, images.len() * self.start.len());
        let from = self.first * self.project.outputs();
        for (rows, image) in hidden.chunks_exact_mut(self.start.len()).zip(images) {
            rows.copy_from_slice(&self.start);
            self.project.multiply_add(image.values(), &mut rows[from..]);
        }
    }
}

/// The layers of CLIP and SigLIP: norm, attention, norm, feed-forward.
pub struct Transformer {
    layers: Vec<Layer>,
    attention: Attention,
    activation: Activation,
}

struct Layer {
    attention_norm: LayerNorm,
    qkv: Linear,
    out: Linear,
    feed_norm: LayerNorm,
    feed: Feed,
}

/// Two linear layers with an activation between them.
pub struct Feed {
    up: Linear,
    down: Linear,
}

impl Transformer {
    /// The layers under a name.
    pub fn load(tensors: &Tensors, name: &str, tower: &Tower, causal: bool) -> Result<Self> {
        let Tower { width, inner, heads, epsilon, activation, .. } = *tower;
        let layers = (0..tower.layers)
            .map(|layer| {
                let name = |part: &str| format!("{name}.encoder.layers.{layer}.{part}");
                Ok(Layer {
                    attention_norm: LayerNorm::load(tensors, &name("layer_norm1"), width, epsilon)?,
                    qkv: Linear::load_stack(
                        tensors,
                        &["q", "k", "v"].map(|part| name(&format!("self_attn.{part}_proj"))),
                        width,
                        width,
                    )?,
                    out: Linear::load(tensors, &name("self_attn.out_proj"), width, width)?,
                    feed_norm: LayerNorm::load(tensors, &name("layer_norm2"), width, epsilon)?,
                    feed: Feed::load(tensors, &name("mlp"), width, inner)?,
                })
            })
            .collect::<Result<_>>()?;
        let attention = Attention { heads, head: width / heads, causal };
        Ok(Self { layers, attention, activation })
    }

    /// Multiplications and additions for one row.
    pub fn flops(&self) -> u64 {
        let layer = |layer: &Layer| {
            [&layer.qkv, &layer.out, &layer.feed.up, &layer.feed.down]
                .map(|linear| 2 * (linear.inputs() * linear.outputs()) as u64)
                .iter()
                .sum::<u64>()
        };
        self.layers.iter().map(layer).sum()
    }

    /// All layers over the hidden rows, which are cut into sequences.
    pub fn run(
        &self,
        sequences: &[Range<usize>],
        space: &mut Workspace,
        stopped: &dyn Fn() -> bool,
    ) -> Result<()> {
        let Workspace { hidden, normed, qkv, mixed, up, scratch, .. } = space;
        resize(normed, hidden.len());
        resize(mixed, hidden.len());
        resize(qkv, 3 * hidden.len());
        for layer in &self.layers {
            if stopped() {
                return Err(Error::Stopped);
            }
            layer.attention_norm.apply_to(hidden, normed);
            layer.qkv.apply(normed, qkv);
            self.attention.apply(qkv, sequences, scratch, mixed);
            layer.out.multiply_add(mixed, hidden);
            add_bias(hidden, layer.out.bias());
            layer.feed_norm.apply_to(hidden, normed);
            layer.feed.add(normed, self.activation, up, hidden);
        }
        Ok(())
    }
}

impl Feed {
    /// `fc1` and `fc2` under a name.
    pub fn load(tensors: &Tensors, name: &str, width: usize, inner: usize) -> Result<Self> {
        Ok(Self {
            up: Linear::load(tensors, &format!("{name}.fc1"), inner, width)?,
            down: Linear::load(tensors, &format!("{name}.fc2"), width, inner)?,
        })
    }

    /// Adds what it makes of the rows of `x` to those of `to`.
    pub fn add(&self, x: &[f32], activation: Activation, up: &mut Vec<f32>, to: &mut [f32]) {
        resize(up, x.len() / self.up.inputs() * self.up.outputs());
        self.up.multiply(x, up);
        match activation {
            Activation::Gelu => gelu(up, self.up.bias()),
            Activation::GeluTanh => gelu_tanh(up, self.up.bias()),
            Activation::QuickGelu => quick_gelu(up, self.up.bias()),
        }
        self.down.multiply_add(up, to);
        add_bias(to, self.down.bias());
    }
}

/// Makes one row of all rows of a picture: those that answer a learnt query.
pub struct Pool {
    query: Vec<f32>,
    kv: Linear,
    out: Linear,
    attention: Attention,
}

impl Pool {
    /// `probe` is what the query is made of.
    pub fn new(probe: &[f32], query: &Linear, kv: Linear, out: Linear, heads: usize) -> Self {
        let width = query.outputs();
        let mut asked = vec![0.0; width];
        query.apply(probe, &mut asked);
        let attention = Attention { heads, head: width / heads, causal: false };
        Self { query: asked, kv, out, attention }
    }

    /// Multiplications and additions for one row.
    pub fn flops(&self) -> u64 {
        2 * (self.kv.inputs() * self.kv.outputs()) as u64
    }

    /// One row in `out` for every `rows` rows of `hidden`.
    pub fn apply(
        &self,
        hidden: &[f32],
        rows: usize,
        kv: &mut Vec<f32>,
        mixed: &mut Vec<f32>,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let width = self.query.len();
        resize(kv, 2 * hidden.len());
        self.kv.apply(hidden, kv);
        resize(mixed, out.len());
        for (kv, mixed) in kv.chunks_exact(2 * rows * width).zip(mixed.chunks_exact_mut(width)) {
            self.attention.cross(&self.query, kv, scratch, mixed);
        }
        self.out.apply(mixed, out);
    }
}

/// Ranges of `rows` rows each, for so many pictures.
pub fn sequences(images: usize, rows: usize) -> Vec<Range<usize>> {
    (0..images).map(|image| image * rows..(image + 1) * rows).collect()
}
