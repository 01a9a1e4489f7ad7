//! Text models: tokens, the encoder, and what makes one vector of its hidden states.

mod config;
mod encoder;
mod feed_forward;
mod model;
mod names;
mod on_device;
mod routing;
mod tokens;

pub use config::{Architecture, TextConfig};
pub use encoder::Workspace;
pub use model::TextModel;
pub use tokens::{Chunk, Tokens};
