//! nomic-embed-vision: a vision transformer after EVA-02, with rotary positions in two directions, a
//! gated feed-forward that has a norm inside, and a query that pools.

use std::path::Path;

use portolan_math::{Attention, add_bias, silu_times, turn_pairs};
use serde::Deserialize;

use super::config::{CLIP_MEAN, CLIP_STD};
use super::vit::{Patches, Pool, sequences};
use super::{ImageModel, Workspace, check_inputs, resize, sequences_per_run};
use crate::error::{Error, Result};
use crate::image::{Fit, Input, Layout, Preprocessing};
use crate::nn::{LayerNorm, Linear, Tensors};
use crate::vector;

/// Inner norms have this whatever the file says of the others.
pub(super) const INNER_EPSILON: f32 = 1e-5;
const ROPE_BASE: f64 = 10_000.0;

/// The network with its weights.
pub struct NomicVision {
    preprocessing: Preprocessing,
    flops: u64,
    width: usize,
    patches: Patches,
    rope: GridRope,
    attention: Attention,
    layers: Vec<Layer>,
    pool: Pool,
    pool_norm: LayerNorm,
    pool_feed: Gated,
}

struct Layer {
    attention_norm: LayerNorm,
    qkv: Linear,
    out: Linear,
    feed_norm: LayerNorm,
    feed: Gated,
}

/// A feed-forward whose one half is let through by the other.
struct Gated {
    up: Linear,
    gate: Linear,
    norm: Option<LayerNorm>,
    down: Linear,
}

/// The keys of `config.json` that say something.
#[derive(Deserialize)]
pub(super) struct Config {
    img_size: usize,
    patch_size: usize,
    n_embd: usize,
    n_head: usize,
    n_layer: usize,
    /// Written as 2048.0.
    n_inner: f64,
    layer_norm_epsilon: f32,
    activation_function: String,
    prenorm: bool,
    norm_mlp: bool,
    no_last_ln: bool,
    use_rotary_pos_emb: bool,
    qkv_proj_bias: bool,
    mlp_fc1_bias: bool,
    mlp_fc2_bias: bool,
    ref_feat_shape: Option<[usize; 2]>,
}

impl Config {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let wrong = |reason: String| Error::file(path, reason);
        let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
        let config: Self = serde_json::from_str(&text).map_err(|error| {
            wrong(format!("is no configuration of nomic's vision model: {error}"))
        })?;
        for (key, on) in [
            ("prenorm", config.prenorm),
            ("norm_mlp", config.norm_mlp),
            ("no_last_ln", config.no_last_ln),
            ("use_rotary_pos_emb", config.use_rotary_pos_emb),
            ("qkv_proj_bias", config.qkv_proj_bias),
            ("mlp_fc1_bias", config.mlp_fc1_bias),
            ("mlp_fc2_bias", config.mlp_fc2_bias),
        ] {
            if !on {
                return Err(wrong(format!("has {key} = false; only true can be run")));
            }
        }
        if config.activation_function != "swiglu" {
            let name = &config.activation_function;
            return Err(wrong(format!(
                "has activation_function = '{name}'; only 'swiglu' can be run"
            )));
        }
        let Self { img_size, patch_size, n_embd, n_head, .. } = config;
        if patch_size == 0
            || img_size > 1 << 14
            || !img_size.is_multiple_of(patch_size)
            || img_size == 0
        {
            return Err(wrong(format!(
                "cuts images of {img_size} pixels into patches of {patch_size}"
            )));
        }
        if n_head == 0 || !n_embd.is_multiple_of(4 * n_head) || n_embd > 1 << 20 || n_embd == 0 {
            return Err(wrong(format!("has {n_head} heads for a width of {n_embd}")));
        }
        if config.n_inner.fract() != 0.0 || !(1.0..1e7).contains(&config.n_inner) {
            return Err(wrong(format!("has n_inner = {}, which is not a count", config.n_inner)));
        }
        let side = img_size / patch_size;
        if config.ref_feat_shape.is_some_and(|shape| shape != [side, side]) {
            return Err(wrong(
                "stretches its positions to another ref_feat_shape than its images have"
                    .to_string(),
            ));
        }
        Ok(config)
    }

    /// Length of a hidden state.
    pub(super) fn width(&self) -> usize {
        self.n_embd
    }

    pub(super) fn heads(&self) -> usize {
        self.n_head
    }

    pub(super) fn layers(&self) -> usize {
        self.n_layer
    }

    /// Width inside the feed-forward.
    pub(super) fn inner(&self) -> usize {
        self.n_inner as usize
    }

    pub(super) fn epsilon(&self) -> f32 {
        self.layer_norm_epsilon
    }

    /// Patches along an edge.
    pub(super) fn side(&self) -> usize {
        self.img_size / self.patch_size
    }

    /// Numbers of a patch.
    pub(super) fn patch_numbers(&self) -> usize {
        self.patch_size * self.patch_size * 3
    }

    pub(super) fn preprocessing(&self) -> Preprocessing {
        Preprocessing {
            size: self.img_size,
            fit: Fit::Squash,
            mean: CLIP_MEAN,
            std: CLIP_STD,
            layout: Layout::Patches(self.patch_size),
        }
    }

    /// Multiplications and additions in the linear layers, of one picture.
    pub(super) fn flops(&self) -> u64 {
        let patches = self.side() * self.side();
        let layer = 4 * self.n_embd * self.n_embd + 3 * self.n_embd * self.inner();
        // Keys and values of what pools.
        let row = self.n_layer * layer + 2 * self.n_embd * self.n_embd;
        2 * (patches * self.patch_numbers() * self.n_embd + (patches + 1) * row) as u64
    }
}

impl NomicVision {
    /// The model in a folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let config = Config::read(&folder.join("config.json"))?;
        Self::load(&config, &Tensors::open(&folder.join("model.safetensors"))?)
    }

    fn load(config: &Config, tensors: &Tensors) -> Result<Self> {
        let (width, heads, inner) = (config.width(), config.heads(), config.inner());
        let epsilon = config.epsilon();
        let linear = |name: &str, outputs, inputs| Linear::load(tensors, name, outputs, inputs);
        let (side, patch) = (config.side(), config.patch_numbers());
        let patches = Patches::new(
            Linear::load_unbiased(tensors, "embeddings.proj", width, patch)?,
            Some(&tensors.vector("embeddings.cls_token", width)?),
            Some(&tensors.vector("embeddings.proj.bias", width)?),
            tensors.vector("embeddings.pos_embed", (side * side + 1) * width)?,
        );
        let layers = (0..config.n_layer)
            .map(|layer| {
                let name = |part: &str| format!("layers.{layer}.{part}");
                Ok(Layer {
                    attention_norm: LayerNorm::load(tensors, &name("norm1"), width, epsilon)?,
                    qkv: linear(&name("attn.Wqkv"), 3 * width, width)?,
                    out: linear(&name("attn.out_proj"), width, width)?,
                    feed_norm: LayerNorm::load(tensors, &name("norm2"), width, epsilon)?,
                    feed: Gated::load(tensors, &name("mlp"), width, inner, true)?,
                })
            })
            .collect::<Result<_>>()?;
        let pool = Pool::new(
            &tensors.vector("selector.attn.latent", width)?,
            &linear("selector.attn.Wq", width, width)?,
            linear("selector.attn.Wkv", 2 * width, width)?,
            linear("selector.attn.out_proj", width, width)?,
            heads,
        );
        let pool_inner = tensors.shape("selector.mlp.fc11.bias")?.iter().product();
        Ok(Self {
            preprocessing: config.preprocessing(),
            flops: config.flops(),
            width,
            patches,
            rope: GridRope::new(width / heads, side),
            attention: Attention { heads, head: width / heads, causal: false },
            layers,
            pool,
            pool_norm: LayerNorm::load(tensors, "selector.norm1", width, epsilon)?,
            pool_feed: Gated::load(tensors, "selector.mlp", width, pool_inner, false)?,
        })
    }
}

impl ImageModel for NomicVision {
    fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    fn dims(&self) -> usize {
        self.width
    }

    fn flops(&self) -> u64 {
        self.flops
    }

    fn pictures(&self) -> usize {
        sequences_per_run(self.patches.rows())
    }

    fn run(
        &self,
        images: &[&Input],
        space: &mut Workspace,
        out: &mut Vec<f32>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<()> {
        check_inputs(images, &self.preprocessing)?;
        let rows = self.patches.rows();
        let sequences = sequences(images.len(), rows);
        let Workspace { hidden, normed, qkv, mixed, up, gate, scratch, .. } = space;
        self.patches.embed(images, hidden);
        resize(normed, hidden.len());
        resize(mixed, hidden.len());
        resize(qkv, 3 * hidden.len());
        for layer in &self.layers {
            if stopped() {
                return Err(Error::Stopped);
            }
            layer.attention_norm.apply_to(hidden, normed);
            layer.qkv.apply(normed, qkv);
            for image in qkv.chunks_exact_mut(3 * rows * self.width) {
                // The first row has no place.
                self.rope.turn(
                    &mut image[3 * self.width..],
                    3 * self.width,
                    2 * self.attention.heads,
                );
            }
            self.attention.apply(qkv, &sequences, scratch, mixed);
            layer.out.multiply_add(mixed, hidden);
            add_bias(hidden, layer.out.bias());
            layer.feed_norm.apply_to(hidden, normed);
            layer.feed.add(normed, up, gate, hidden);
        }
        let from = out.len();
        out.resize(from + images.len() * self.width, 0.0);
        let pooled = &mut out[from..];
        self.pool.apply(hidden, rows, qkv, mixed, scratch, pooled);
        resize(normed, pooled.len());
        self.pool_norm.apply_to(pooled, normed);
        self.pool_feed.add(normed, up, gate, pooled);
        pooled.chunks_exact_mut(self.width).for_each(vector::l2);
        Ok(())
    }
}

impl Gated {
    fn load(tensors: &Tensors, name: &str, width: usize, inner: usize, norm: bool) -> Result<Self> {
        let part = |part: &str| format!("{name}.{part}");
        Ok(Self {
            up: Linear::load(tensors, &part("fc11"), inner, width)?,
            gate: Linear::load(tensors, &part("fc12"), inner, width)?,
            norm: match norm {
                true => Some(LayerNorm::load(tensors, &part("norm"), inner, INNER_EPSILON)?),
                false => None,
            },
            down: Linear::load(tensors, &part("fc2"), width, inner)?,
        })
    }

    /// Adds what it makes of the rows of `x` to those of `to`.
    fn add(&self, x: &[f32], up: &mut Vec<f32>, gate: &mut Vec<f32>, to: &mut [f32]) {
        let length = x.len() / self.up.inputs() * self.up.outputs();
        resize(up, length);
        resize(gate, length);
        self.up.multiply(x, up);
        self.gate.multiply(x, gate);
        silu_times(up, self.up.bias(), gate, self.gate.bias());
        if let Some(norm) = &self.norm {
            norm.apply(up);
        }
        self.down.multiply_add(up, to);
        add_bias(to, self.down.bias());
    }
}

/// Rotary positions of a square of patches: of each head's pairs of neighbours, the first half is
/// turned by the row, the second half by the column.
pub(super) struct GridRope {
    head: usize,
    /// For every patch the cosines, then the sines, of a head's pairs.
    turns: Vec<f32>,
}

impl GridRope {
    pub(super) fn new(head: usize, side: usize) -> Self {
        let quarter = head / 4;
        let angle =
            |place: usize, i: usize| place as f64 * ROPE_BASE.powf(-(i as f64) / quarter as f64);
        let mut turns = Vec::with_capacity(side * side * head);
        for row in 0..side {
            for column in 0..side {
                for function in [f64::cos, f64::sin] {
                    for place in [row, column] {
                        turns.extend((0..quarter).map(|i| function(angle(place, i)) as f32));
                    }
                }
            }
        }
        Self { head, turns }
    }

    /// For every patch the cosines, then the sines, of a head's pairs.
    pub(super) fn turns(&self) -> &[f32] {
        &self.turns
    }

    /// Turns the first `heads` heads of each patch's row; the rows are `stride` apart.
    fn turn(&self, rows: &mut [f32], stride: usize, heads: usize) {
        turn_pairs(&self.turns, self.head, rows, stride, heads);
    }
}
