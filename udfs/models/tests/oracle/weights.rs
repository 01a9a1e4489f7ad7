//! Weights that need not be stored: each number follows from its tensor's name and its place in it.
//! `weights.py` makes the same ones.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, View};

/// The tensors of a model, by name.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// Writes `model.safetensors` into a folder.
pub fn write(folder: &Path, shapes: &Shapes) {
    let tensors = shapes.iter().map(|(name, shape)| (name.as_str(), Generated { name, shape }));
    safetensors::serialize_to_file(tensors, None, &folder.join("model.safetensors")).unwrap();
}

/// The numbers of one tensor, row after row.
pub fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let (center, width) = spread(name, shape);
    let seed = fnv1a64(name.as_bytes());
    (0..shape.iter().product::<usize>() as u64)
        .map(|i| center + width * uniform(splitmix64(seed.wrapping_add(i))))
        .collect()
}

/// Where a tensor's numbers lie: `center - width` to `center + width`, so that a signal passes
/// through many layers without fading or growing.
fn spread(name: &str, shape: &[usize]) -> (f32, f32) {
    let norm = ["norm", "ln", "LayerNorm"].iter().any(|word| name.contains(word));
    let table = name.ends_with("embedding.weight") || name.ends_with("embeddings.weight");
    match shape {
        [_] if norm && name.ends_with("weight") => (1.0, 0.1),
        [_] => (0.0, 0.1),
        [_, _] if table => (0.0, 0.5),
        _ => {
            let fan_in: usize = shape.iter().skip(1).product();
            (0.0, (3.0 / fan_in as f32).sqrt())
        }
    }
}

/// -1 to 1, from the 24 highest bits: as many as an f32 holds.
fn uniform(bits: u64) -> f32 {
    (bits >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn splitmix64(seed: u64) -> u64 {
    let x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// A tensor that is made when it is written.
struct Generated<'a> {
    name: &'a str,
    shape: &'a [usize],
}

impl View for Generated<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        values(self.name, self.shape).into_iter().flat_map(f32::to_le_bytes).collect()
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * size_of::<f32>()
    }
}
