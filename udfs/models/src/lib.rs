//! Portolan's models: manifests, weights, tokenising, forward passes, remote clients and the vector
//! cache. Knows nothing of SQL and nothing of the kernels.

mod cache;
mod device;
mod embedded;
mod embedder;
mod error;
pub mod image;
mod image_embedder;
mod manifest;
mod models;
pub mod nn;
mod once;
mod registry;
pub mod remote;
mod sources;
pub mod text;
pub mod vector;
pub mod vision;

pub use cache::{Cache, CacheState, DEFAULT_LIMIT, Key};
pub use device::{Accelerator, Device};
pub use embedded::Embedded;
pub use embedder::{Conditions, TextEmbedder, TextRequest, Unwatched, Watch, on_workers};
pub use error::{Error, Result};
pub use image_embedder::ImageEmbedder;
pub use manifest::{
    Architecture, LongText, Manifest, Modality, ModelFile, Pooling, Prefixes, Source, Task,
    TextRecipe,
};
pub use models::{Models, Preferences};
pub use once::Kept;
pub use registry::{Checked, Entry, Environment, Located, Options, Registry};
pub use sources::Progress;
pub use text::TextModel;

/// Counts the changes of how vectors are made of the same weights.
pub const RECIPE: u32 = 1;
