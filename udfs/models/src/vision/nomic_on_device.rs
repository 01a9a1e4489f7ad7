//! nomic-embed-vision in tensors of a device: the network of `nomic.rs`.

use std::path::Path;

use candle_core::{D, IndexOp, Result as Made, Tensor};
use parking_lot::Mutex;

use super::nomic::{Config, GridRope, INNER_EPSILON};
use super::{ImageModel, Workspace, check_inputs};
use crate::device::{Accelerator, failure};
use crate::error::{Error, Result};
use crate::image::{Input, Preprocessing};
use crate::nn::Tensors;
use crate::nn::on_device::{Linear, Loader, Norm, attend};
use crate::vector;

/// Pictures of a run: many rows for each product of matrices.
const PICTURES: usize = 64;

/// The network with its weights, on a device.
pub struct DeviceNomicVision {
    preprocessing: Preprocessing,
    device: candle_core::Device,
    flops: u64,
    width: usize,
    heads: usize,
    /// Patches of a picture.
    patches: usize,
    project: Linear,
    /// The row before those of the patches.
    class: Tensor,
    positions: Tensor,
    /// Cosines and sines of each row's pairs.
    turns: (Tensor, Tensor),
    layers: Vec<Layer>,
    /// What asks for the picture's vector.
    latent: Tensor,
    pool_query: Linear,
    pool_keys: Linear,
    pool_out: Linear,
    pool_norm: Norm,
    pool_feed: Gated,
    /// Runs take turns: the device's memory is that of one.
    turn: Mutex<()>,
}

struct Layer {
    attention_norm: Norm,
    qkv: Linear,
    out: Linear,
    feed_norm: Norm,
    feed: Gated,
}

struct Gated {
    up: Linear,
    gate: Linear,
    norm: Option<Norm>,
    down: Linear,
}

impl DeviceNomicVision {
    /// The model in a folder.
    pub fn open(folder: &Path, device: &Accelerator) -> Result<Self> {
        let config = Config::read(&folder.join("config.json"))?;
        let tensors = Tensors::open(&folder.join("model.safetensors"))?;
        let pool_inner = tensors.shape("selector.mlp.fc11.bias")?.iter().product();
        Self::load(&Loader::new(&tensors, device), &config, pool_inner)
    }

    fn load(loader: &Loader<'_>, config: &Config, pool_inner: usize) -> Result<Self> {
        let (width, heads, inner) = (config.width(), config.heads(), config.inner());
        let epsilon = config.epsilon();
        let linear =
            |name: &str, outputs, inputs| loader.linear(&[name.to_string()], outputs, inputs, true);
        let (side, patch) = (config.side(), config.patch_numbers());
        let layers = (0..config.layers())
            .map(|layer| {
                let name = |part: &str| format!("layers.{layer}.{part}");
                Ok(Layer {
                    attention_norm: loader.norm(&name("norm1"), width, epsilon)?,
                    qkv: linear(&name("attn.Wqkv"), 3 * width, width)?,
                    out: linear(&name("attn.out_proj"), width, width)?,
                    feed_norm: loader.norm(&name("norm2"), width, epsilon)?,
                    feed: Gated::load(loader, &name("mlp"), width, inner, true)?,
                })
            })
            .collect::<Result<_>>()?;
        let head = width / heads;
        let rope = GridRope::new(head, side);
        let turns = turns(loader, rope.turns(), head)?;
        Ok(Self {
            preprocessing: config.preprocessing(),
            device: loader.device().clone(),
            flops: config.flops(),
            width,
            heads,
            patches: side * side,
            project: linear("embeddings.proj", width, patch)?,
            class: loader.table("embeddings.cls_token", 1, width)?,
            positions: loader.table("embeddings.pos_embed", side * side + 1, width)?,
            turns,
            layers,
            latent: loader.table("selector.attn.latent", 1, width)?,
            pool_query: linear("selector.attn.Wq", width, width)?,
            pool_keys: linear("selector.attn.Wkv", 2 * width, width)?,
            pool_out: linear("selector.attn.out_proj", width, width)?,
            pool_norm: loader.norm("selector.norm1", width, epsilon)?,
            pool_feed: Gated::load(loader, "selector.mlp", width, pool_inner, false)?,
            turn: Mutex::default(),
        })
    }

    /// A row for each patch, after one that stands for the picture.
    fn embed(&self, images: &[&Input]) -> Made<Tensor> {
        let numbers: Vec<f32> = images.iter().flat_map(|image| image.values()).copied().collect();
        let rows = images.len() * self.patches;
        let patches = Tensor::from_vec(numbers, (rows, ()), &self.device)?;
        let patches = self.project.apply(&patches)?;
        let patches = patches.reshape((images.len(), self.patches, self.width))?;
        let class = self.class.reshape((1, 1, self.width))?;
        let class = class.broadcast_as((images.len(), 1, self.width))?.contiguous()?;
        Tensor::cat(&[class, patches], 1)?.broadcast_add(&self.positions)?.flatten(0, 1)
    }

    fn layer(&self, layer: &Layer, hidden: &Tensor) -> Made<Tensor> {
        let qkv = layer.qkv.apply(&layer.attention_norm.apply(hidden)?)?;
        let qkv = self.parts(&qkv, 3)?;
        let (queries, keys) = (self.turned(&qkv.i(0)?)?, self.turned(&qkv.i(1)?)?);
        let mixed = attend(&queries, &keys, &qkv.i(2)?.contiguous()?, None)?;
        let mixed = mixed.reshape(hidden.shape())?;
        let hidden = (hidden + layer.out.apply(&mixed)?)?;
        &hidden + layer.feed.apply(&layer.feed_norm.apply(&hidden)?)?
    }

    /// Rows that hold several parts, as part, picture, head, place and number.
    fn parts(&self, rows: &Tensor, parts: usize) -> Made<Tensor> {
        let places = self.patches + 1;
        let head = self.width / self.heads;
        let shape = (rows.dim(0)? / places, places, parts, self.heads, head);
        rows.reshape(shape)?.permute((2, 0, 3, 1, 4))?.contiguous()
    }

    /// Turns the pairs of neighbours of each head by the place of its patch.
    fn turned(&self, heads: &Tensor) -> Made<Tensor> {
        let (cosines, sines) = &self.turns;
        let (pictures, count, places, head) = heads.dims4()?;
        let pairs = heads.reshape((pictures, count, places, head / 2, 2))?;
        let (x, y) = (pairs.i((.., .., .., .., 0))?, pairs.i((.., .., .., .., 1))?);
        let turned_x = (x.broadcast_mul(cosines)? - y.broadcast_mul(sines)?)?;
        let turned_y = (y.broadcast_mul(cosines)? + x.broadcast_mul(sines)?)?;
        Tensor::stack(&[turned_x, turned_y], D::Minus1)?.reshape(heads.shape())
    }

    /// One vector for each picture.
    fn pool(&self, hidden: &Tensor, pictures: usize) -> Made<Vec<Vec<f32>>> {
        let head = self.width / self.heads;
        let query = self.pool_query.apply(&self.latent)?;
        let query = query.reshape((1, self.heads, 1, head))?;
        let queries = query.broadcast_as((pictures, self.heads, 1, head))?.contiguous()?;
        let keys = self.parts(&self.pool_keys.apply(hidden)?, 2)?;
        let mixed = attend(&queries, &keys.i(0)?, &keys.i(1)?, None)?;
        let pooled = self.pool_out.apply(&mixed.reshape((pictures, self.width))?)?;
        let fed = self.pool_feed.apply(&self.pool_norm.apply(&pooled)?)?;
        (pooled + fed)?.to_vec2()
    }
}

impl ImageModel for DeviceNomicVision {
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
        PICTURES
    }

    fn is_on_device(&self) -> bool {
        true
    }

    fn run(
        &self,
        images: &[&Input],
        _: &mut Workspace,
        out: &mut Vec<f32>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<()> {
        check_inputs(images, &self.preprocessing)?;
        let _turn = self.turn.lock();
        let mut hidden = self.embed(images).map_err(failure)?;
        for layer in &self.layers {
            if stopped() {
                return Err(Error::Stopped);
            }
            hidden = self.layer(layer, &hidden).map_err(failure)?;
        }
        for mut pooled in self.pool(&hidden, images.len()).map_err(failure)? {
            vector::l2(&mut pooled);
            out.extend(pooled);
        }
        Ok(())
    }
}

/// Cosines and sines of each row's pairs. The row that stands for the picture is not turned.
fn turns(loader: &Loader<'_>, patches: &[f32], head: usize) -> Result<(Tensor, Tensor)> {
    let half = head / 2;
    let (mut cosines, mut sines) = (vec![1.0; half], vec![0.0; half]);
    for turn in patches.chunks_exact(head.max(1)) {
        let (cosine, sine) = turn.split_at(half);
        cosines.extend_from_slice(cosine);
        sines.extend_from_slice(sine);
    }
    let rows = patches.len() / head.max(1) + 1;
    Ok((loader.tensor(&cosines, (rows, half))?, loader.tensor(&sines, (rows, half))?))
}

impl Gated {
    fn load(
        loader: &Loader<'_>,
        name: &str,
        width: usize,
        inner: usize,
        norm: bool,
    ) -> Result<Self> {
        let linear = |part: &str, outputs, inputs| {
            loader.linear(&[format!("{name}.{part}")], outputs, inputs, true)
        };
        Ok(Self {
            up: linear("fc11", inner, width)?,
            gate: linear("fc12", inner, width)?,
            norm: match norm {
                true => Some(loader.norm(&format!("{name}.norm"), inner, INNER_EPSILON)?),
                false => None,
            },
            down: linear("fc2", width, inner)?,
        })
    }

    fn apply(&self, rows: &Tensor) -> Made<Tensor> {
        let mut made = (self.up.apply(rows)? * self.gate.apply(rows)?.silu()?)?;
        if let Some(norm) = &self.norm {
            made = norm.apply(&made)?;
        }
        self.down.apply(&made)
    }
}
