//! Portolan's models: manifests, weights, tokenising, forward passes, remote clients and the vector
//! cache. Knows nothing of SQL and nothing of the kernels.

mod error;
mod manifest;
mod registry;
mod sources;

pub use error::{Error, Result};
pub use manifest::{
    Architecture, Manifest, Modality, ModelFile, Pooling, Prefixes, Source, Task, TextRecipe,
};
pub use registry::{Checked, Entry, Environment, Located, Options, Registry};
pub use sources::Progress;
