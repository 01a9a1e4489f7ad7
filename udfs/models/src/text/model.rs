//! A text model: its tokenizer, its network, and the recipe that makes one vector of a text.

use std::path::Path;

use portolan_math::mean;

use super::config::TextConfig;
use super::encoder::{Encoder, Workspace};
use super::on_device::{DeviceEncoder, Pooled};
use super::tokens::Tokens;
use crate::device::Accelerator;
use crate::error::{Error, Result};
use crate::manifest::{LongText, Pooling, Task, TextRecipe};
use crate::vector;

/// A text model, ready to run.
pub struct TextModel {
    tokens: Tokens,
    encoder: AnyEncoder,
    recipe: TextRecipe,
}

/// Where the network runs.
enum AnyEncoder {
    Processor(Encoder),
    Device(DeviceEncoder),
}

impl TextModel {
    /// The model in a folder, used after a recipe.
    pub fn open(folder: &Path, recipe: &TextRecipe) -> Result<Self> {
        Self::with(folder, recipe, AnyEncoder::Processor(Encoder::open(folder)?))
    }

    /// The same, whose network runs on a device.
    pub fn open_on(folder: &Path, recipe: &TextRecipe, device: &Accelerator) -> Result<Self> {
        Self::with(folder, recipe, AnyEncoder::Device(DeviceEncoder::open(folder, device)?))
    }

    fn with(folder: &Path, recipe: &TextRecipe, encoder: AnyEncoder) -> Result<Self> {
        let tokens = Tokens::open(&folder.join("tokenizer.json"))?;
        if !matches!(recipe.pooling, Pooling::Mean | Pooling::First) {
            return Err(Error::file(
                folder,
                format!("a text encoder has mean or first pooling, not {:?}", recipe.pooling),
            ));
        }
        let mut recipe = recipe.clone();
        recipe.max_tokens = recipe.max_tokens.min(encoder.config().longest());
        Ok(Self { tokens, encoder, recipe })
    }

    /// Length of its whole vectors.
    pub fn dims(&self) -> usize {
        self.encoder.config().width
    }

    /// Its tokenizer.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Multiplications and additions in the linear layers, of one token.
    pub fn flops(&self) -> u64 {
        self.encoder.config().flops()
    }

    /// How many of some sequences, the longest first, make a run on its device; `None` where it runs
    /// on the processor.
    pub fn device_run(
        &self,
        lengths: impl Iterator<Item = usize>,
        tokens: Option<usize>,
    ) -> Option<usize> {
        match &self.encoder {
            AnyEncoder::Processor(_) => None,
            AnyEncoder::Device(encoder) => Some(encoder.run_of(lengths, tokens)),
        }
    }

    /// The recipe that it is used after.
    pub fn recipe(&self) -> &TextRecipe {
        &self.recipe
    }

    /// The sequences of a text, one or more, whose vectors make the text's.
    pub fn sequences(&self, text: &str, task: Task, long: LongText) -> Result<Vec<Vec<u32>>> {
        let prefix = self.recipe.prefixes.of(task);
        match long {
            LongText::Truncate => {
                Ok(vec![self.tokens.first(prefix, text, self.recipe.max_tokens)?])
            }
            LongText::Mean => self.tokens.windows(prefix, text, self.recipe.max_tokens),
        }
    }

    /// The vectors of some sequences, each of `dims` numbers, one after another in `out`.
    pub fn run(
        &self,
        sequences: &[&[u32]],
        dims: usize,
        space: &mut Workspace,
        out: &mut Vec<f32>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<()> {
        let first = self.recipe.pooling == Pooling::First;
        let mut finish = |mut pooled: Vec<f32>| {
            vector::finish(&mut pooled, self.recipe.layer_norm, dims);
            out.extend_from_slice(&pooled);
            pooled
        };
        match &self.encoder {
            AnyEncoder::Processor(encoder) => {
                let width = self.dims();
                encoder.run(sequences, space, stopped)?;
                let mut pooled = Vec::with_capacity(width);
                for hidden in space.hidden(width) {
                    pooled.clear();
                    match first {
                        true => pooled.extend_from_slice(&hidden[..width]),
                        false => {
                            pooled.resize(width, 0.0);
                            mean(hidden, &mut pooled);
                        }
                    }
                    pooled = finish(pooled);
                }
            }
            AnyEncoder::Device(encoder) => {
                let pooled = if first { Pooled::First } else { Pooled::Mean };
                for pooled in encoder.run(sequences, pooled, stopped)? {
                    finish(pooled);
                }
            }
        }
        Ok(())
    }
}

impl AnyEncoder {
    fn config(&self) -> &TextConfig {
        match self {
            Self::Processor(encoder) => encoder.config(),
            Self::Device(encoder) => encoder.config(),
        }
    }
}
