//! Arithmetic on slices of f32 as fast as the machine does it: products of matrices, attention, norms,
//! activations, rotations and convolutions.
//!
//! It is a package of its own so that it, and nothing else of ours, is always built with full
//! optimisation and without checks of overflow. Everything writes into buffers of the caller.

mod activation;
mod attention;
mod convolution;
mod exp;
mod mean;
mod norm;
mod product;
mod rope;
mod vectorised;

pub use activation::{add_bias, gelu, gelu_tanh, quick_gelu, relu6, silu_times};
pub use attention::{Attention, Scratch};
pub use convolution::{LANES, Lanes, depthwise};
pub use exp::exp;
pub use mean::mean;
pub use norm::norm_rows;
pub use product::{Onto, Packed};
pub use rope::{Rope, turn_pairs};
