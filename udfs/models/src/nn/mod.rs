//! What the networks are built of: weights as they lie in their files, linear layers, norms,
//! activations and attention, over rows that are packed without padding.
//!
//! Everything writes into buffers of the caller: nothing is allocated per layer.

mod activation;
mod attention;
mod checkpoint;
mod linear;
mod math;
mod norm;
mod rope;
mod tensors;

pub use activation::{add_bias, gelu, gelu_tanh, quick_gelu, relu6, silu_times};
pub use attention::{Attention, Scratch};
pub use checkpoint::read_checkpoint;
pub use linear::{Linear, multiply, multiply_add};
pub use math::exp;
pub(crate) use math::vectorised;
pub use norm::LayerNorm;
pub use rope::Rope;
pub use tensors::{Table, Tensors};
