//! What networks are built of: weights as they lie in their files, and the layers that hold them, over
//! rows that are packed without padding.
//!
//! Everything writes into buffers of the caller: nothing is allocated per layer.

mod checkpoint;
mod linear;
mod norm;
pub(crate) mod on_device;
mod tensors;

pub use checkpoint::read_checkpoint;
pub use linear::Linear;
pub use norm::LayerNorm;
pub use tensors::{Table, Tensors};
