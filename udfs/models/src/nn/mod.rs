//! What the networks are built of: weights as they lie in their files, linear layers, norms,
//! activations and attention, over rows that are packed without padding.
//!
//! Everything writes into buffers of the caller: nothing is allocated per layer.

mod activation;
mod attention;
mod linear;
mod math;
mod norm;
mod rope;
mod tensors;

pub use activation::{gelu, quick_gelu, silu_times};
pub use attention::{Attention, Scratch};
pub use linear::{Linear, multiply, multiply_add};
pub use math::{dot, exp, vectorised};
pub use norm::LayerNorm;
pub use rope::Rope;
pub use tensors::{Table, Tensors};
