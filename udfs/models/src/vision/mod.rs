//! Image models: networks that make a vector of a picture, and the text towers of those that were
//! trained with one.

mod clip;
mod config;
mod conse;
mod convolution;
mod efficientnet;
mod nomic;
mod nomic_on_device;
mod siglip;
mod text;
mod vit;

pub use clip::Clip;
pub use conse::{Conse, class_names};
pub use efficientnet::EfficientNet;
pub use nomic::NomicVision;
pub use nomic_on_device::DeviceNomicVision;
pub use siglip::Siglip;

use portolan_math::Scratch;

use crate::error::{Error, Result};
use crate::image::{Input, Preprocessing};

/// A network that makes vectors of pictures.
///
/// Runs are single-threaded; any number of threads can run one model at the same time, each with a
/// workspace of its own.
pub trait ImageModel: Send + Sync {
    /// What a picture must be made into first.
    fn preprocessing(&self) -> &Preprocessing;

    /// Length of its vectors.
    fn dims(&self) -> usize;

    /// Multiplications and additions for one picture, without those of attention.
    fn flops(&self) -> u64;

    /// How many pictures make a good run: enough for products of matrices to be efficient, few
    /// enough for rows to stay in the cache.
    fn pictures(&self) -> usize;

    /// Appends the vectors of some pictures, each of length 1, to `out`. Between layers it asks
    /// whether it is still wanted.
    fn run(
        &self,
        images: &[&Input],
        space: &mut Workspace,
        out: &mut Vec<f32>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<()>;

    /// Whether it runs on a device.
    fn is_on_device(&self) -> bool {
        false
    }

    /// The other half of models that were trained with texts, whose vectors meet these.
    fn text(&self) -> Option<&dyn TextTower> {
        None
    }
}

/// The half of an image model that makes vectors of texts.
pub trait TextTower: Send + Sync {
    /// Length of its vectors, the same as the images'.
    fn dims(&self) -> usize;

    /// A text's tokens, no more than the model takes.
    fn tokens(&self, text: &str) -> Result<Vec<u32>>;

    /// Appends the vectors of some texts, each of length 1, to `out`.
    fn run(
        &self,
        texts: &[&[u32]],
        space: &mut Workspace,
        out: &mut Vec<f32>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<()>;
}

/// Buffers of a run, used again by the next.
#[derive(Default)]
pub struct Workspace {
    /// The rows that pass from layer to layer.
    hidden: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    up: Vec<f32>,
    gate: Vec<f32>,
    /// The rows of several pictures that went some way each on its own.
    maps: Vec<f32>,
    scratch: Scratch,
}

impl Workspace {
    /// Gives memory back if there is more than so many bytes of it.
    pub fn shrink(&mut self, bytes: usize) {
        let Self { hidden, normed, qkv, mixed, up, gate, maps, scratch: _ } = self;
        let taken: usize = [hidden, normed, qkv, mixed, up, gate, maps]
            .iter()
            .map(|buffer| buffer.capacity())
            .sum();
        if taken * size_of::<f32>() > bytes {
            *self = Self::default();
        }
    }
}

/// How many sequences of so many rows make a good run.
fn sequences_per_run(rows: usize) -> usize {
    const ROWS: usize = 512;
    (ROWS / rows).max(1)
}

/// Makes a buffer that long; what is in it is overwritten anyway.
fn resize(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    buffer.truncate(length);
}

/// Checks that pictures were made for this network.
fn check_inputs(images: &[&Input], preprocessing: &Preprocessing) -> Result<()> {
    let wanted = preprocessing.size * preprocessing.size * 3;
    match images.iter().find(|image| image.values().len() != wanted) {
        None => Ok(()),
        Some(other) => Err(Error::Argument(format!(
            "a picture of {} numbers was given to a network that takes {wanted}",
            other.values().len()
        ))),
    }
}
