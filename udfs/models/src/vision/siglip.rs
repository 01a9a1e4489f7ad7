//! SigLIP: an image and a text tower whose vectors meet. A learnt query pools the image's rows.

use std::path::Path;

use super::config::{Activation, TowersConfig, preprocessing};
use super::text::{Speaker, TextEncoder};
use super::vit::{Feed, Patches, Pool, Transformer, sequences};
use super::{ImageModel, TextTower, Workspace, check_inputs, resize, sequences_per_run};
use crate::error::Result;
use crate::image::{Input, Preprocessing};
use crate::nn::{LayerNorm, Linear, Table, Tensors};
use crate::vector;

/// What texts are filled up with where the file does not say it.
const FILLING: u32 = 1;

/// Both towers with their weights.
pub struct Siglip {
    preprocessing: Preprocessing,
    width: usize,
    patches: Patches,
    transformer: Transformer,
    last_norm: LayerNorm,
    pool: Pool,
    pool_norm: LayerNorm,
    pool_feed: Feed,
    activation: Activation,
    text: TextEncoder,
}

impl Siglip {
    /// The model in a folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let config = TowersConfig::read(&folder.join("config.json"), "siglip")?;
        let tensors = Tensors::open(&folder.join("model.safetensors"))?;
        let (image, text) = (&config.image, &config.text);
        let (width, epsilon) = (image.tower.width, image.tower.epsilon);
        let side = image.image_size / image.patch_size;
        let patch = image.patch_size * image.patch_size * 3;
        let name = |part: &str| format!("vision_model.{part}");
        let vector = |part: &str, count| tensors.vector(&name(part), count);
        let norm = |part: &str| LayerNorm::load(&tensors, &name(part), width, epsilon);
        let patches = Patches::new(
            Linear::load_unbiased(&tensors, &name("embeddings.patch_embedding"), width, patch)?,
            None,
            Some(&vector("embeddings.patch_embedding.bias", width)?),
            vector("embeddings.position_embedding.weight", side * side * width)?,
        );
        let speaker = Speaker::Last(text.padding.unwrap_or(FILLING));
        let project =
            Linear::load(&tensors, "text_model.head", text.tower.width, text.tower.width)?;
        Ok(Self {
            preprocessing: preprocessing(folder, &config)?,
            width,
            patches,
            transformer: Transformer::load(&tensors, "vision_model", &image.tower, false)?,
            last_norm: norm("post_layernorm")?,
            pool: pool(&tensors, width, image.tower.heads)?,
            pool_norm: norm("head.layernorm")?,
            pool_feed: Feed::load(&tensors, &name("head.mlp"), width, image.tower.inner)?,
            activation: image.tower.activation,
            text: TextEncoder::load(folder, &tensors, text, speaker, project)?,
        })
    }
}

/// The pooling attention, whose three layers are stored as one.
fn pool(tensors: &Tensors, width: usize, heads: usize) -> Result<Pool> {
    let name = |part: &str| format!("vision_model.head.{part}");
    let mut weight = tensors.vector(&name("attention.in_proj_weight"), 3 * width * width)?;
    let mut bias = tensors.vector(&name("attention.in_proj_bias"), 3 * width)?;
    let kv =
        Linear::new(&Table::owned(weight.split_off(width * width), width), bias.split_off(width));
    let query = Linear::new(&Table::owned(weight, width), bias);
    let out = Linear::load(tensors, &name("attention.out_proj"), width, width)?;
    Ok(Pool::new(&tensors.vector(&name("probe"), width)?, &query, kv, out, heads))
}

impl ImageModel for Siglip {
    fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    fn dims(&self) -> usize {
        self.width
    }

    fn flops(&self) -> u64 {
        let row = self.transformer.flops() + self.pool.flops();
        self.patches.flops() + self.patches.rows() as u64 * row
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
        self.patches.embed(images, &mut space.hidden);
        self.transformer.run(&sequences(images.len(), rows), space, stopped)?;
        let Workspace { hidden, normed, qkv, mixed, up, scratch, .. } = space;
        self.last_norm.apply(hidden);
        let from = out.len();
        out.resize(from + images.len() * self.width, 0.0);
        let pooled = &mut out[from..];
        self.pool.apply(hidden, rows, qkv, mixed, scratch, pooled);
        resize(normed, pooled.len());
        self.pool_norm.apply_to(pooled, normed);
        self.pool_feed.add(normed, self.activation, up, pooled);
        pooled.chunks_exact_mut(self.width).for_each(vector::l2);
        Ok(())
    }

    fn text(&self) -> Option<&dyn TextTower> {
        Some(&self.text)
    }
}
