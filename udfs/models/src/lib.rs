//! Portolan's models: manifests, weights, tokenising, forward passes, remote clients and the vector
//! cache. Knows nothing of SQL and nothing of the kernels.

mod embedded;
mod error;
mod manifest;
pub mod remote;
pub mod vector;

pub use embedded::Embedded;
pub use error::{Error, Result};
pub use manifest::{
    LongText, Manifest, Modality, ModelFile, Pooling, Prefixes, Source, Task, TextRecipe,
};
