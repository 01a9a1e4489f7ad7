//! CLIP: an image and a text tower whose vectors meet.

use std::path::Path;

use super::config::{TowersConfig, preprocessing};
use super::text::{Speaker, TextEncoder};
use super::vit::{Patches, Transformer, sequences};
use super::{ImageModel, TextTower, Workspace, check_inputs, resize, sequences_per_run};
use crate::error::Result;
use crate::image::{Input, Preprocessing};
use crate::nn::{LayerNorm, Linear, Tensors};
use crate::vector;

/// The end of a text of which old files say that it is token 2, and do not mean it.
const OLD_END: u32 = 2;
const END: u32 = 49_407;

/// Both towers with their weights.
pub struct Clip {
    preprocessing: Preprocessing,
    patches: Patches,
    first_norm: LayerNorm,
    transformer: Transformer,
    last_norm: LayerNorm,
    project: Linear,
    text: TextEncoder,
}

impl Clip {
    /// The model in a folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let config = TowersConfig::read(&folder.join("config.json"), "clip")?;
        let tensors = Tensors::open(&folder.join("model.safetensors"))?;
        let (image, text) = (&config.image, &config.text);
        let (width, epsilon) = (image.tower.width, image.tower.epsilon);
        let side = image.image_size / image.patch_size;
        let patch = image.patch_size * image.patch_size * 3;
        let name = |part: &str| format!("vision_model.{part}");
        let vector = |part: &str, count| tensors.vector(&name(part), count);
        let norm = |part: &str| LayerNorm::load(&tensors, &name(part), width, epsilon);
        let project =
            |name: &str, width| Linear::load_unbiased(&tensors, name, config.projection, width);
        let patches = Patches::new(
            Linear::load_unbiased(&tensors, &name("embeddings.patch_embedding"), width, patch)?,
            Some(&vector("embeddings.class_embedding", width)?),
            None,
            vector("embeddings.position_embedding.weight", (side * side + 1) * width)?,
        );
        let end = Some(text.end.unwrap_or(END)).filter(|&end| end != OLD_END);
        Ok(Self {
            preprocessing: preprocessing(folder, &config)?,
            patches,
            // So it is spelt in every file.
            first_norm: norm("pre_layrnorm")?,
            transformer: Transformer::load(&tensors, "vision_model", &image.tower, false)?,
            last_norm: norm("post_layernorm")?,
            project: project("visual_projection", width)?,
            text: TextEncoder::load(
                folder,
                &tensors,
                text,
                Speaker::End(end),
                project("text_projection", text.tower.width)?,
            )?,
        })
    }
}

impl ImageModel for Clip {
    fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    fn dims(&self) -> usize {
        self.project.outputs()
    }

    fn flops(&self) -> u64 {
        self.patches.flops() + self.patches.rows() as u64 * self.transformer.flops()
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
        self.first_norm.apply(&mut space.hidden);
        self.transformer.run(&sequences(images.len(), rows), space, stopped)?;
        let Workspace { hidden, normed, .. } = space;
        let width = self.project.inputs();
        resize(normed, images.len() * width);
        for (class, image) in normed.chunks_exact_mut(width).zip(hidden.chunks_exact(rows * width))
        {
            class.copy_from_slice(&image[..width]);
        }
        self.last_norm.apply(normed);
        let from = out.len();
        out.resize(from + images.len() * self.dims(), 0.0);
        self.project.apply(normed, &mut out[from..]);
        out[from..].chunks_exact_mut(self.dims()).for_each(vector::l2);
        Ok(())
    }

    fn text(&self) -> Option<&dyn TextTower> {
        Some(&self.text)
    }
}
