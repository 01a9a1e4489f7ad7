//! Portolan's models: manifests, weights, tokenising, forward passes, remote clients and the vector
//! cache. Knows nothing of SQL and nothing of the kernels.

mod cache;
mod embedded;
mod embedder;
mod error;
mod manifest;
pub mod nn;
mod once;
pub mod text;
pub mod vector;

pub use cache::{Cache, CacheState, DEFAULT_LIMIT, Key};
pub use embedded::Embedded;
pub use embedder::{Conditions, TextEmbedder, TextRequest, Unwatched, Watch, on_workers};
pub use error::{Error, Result};
pub use manifest::{Manifest, Modality, ModelFile, Pooling, Prefixes, Source, Task, TextRecipe};
pub use once::Kept;
pub use text::TextModel;

/// Counts the changes of how vectors are made of the same weights.
pub const RECIPE: u32 = 1;
