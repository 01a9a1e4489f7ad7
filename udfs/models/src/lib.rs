//! Portolan's models: manifests, weights, tokenising, forward passes, remote clients and the vector
//! cache. Knows nothing of SQL and nothing of the kernels.

mod error;
pub mod image;
mod manifest;

pub use error::{Error, Result};
pub use manifest::{Manifest, Modality, ModelFile, Pooling, Prefixes, Source, Task, TextRecipe};
