//! Functions of vectors: what lies between two, what becomes of one, what sums many up.

mod aggregate;
mod arithmetic;
mod between;
mod change;
mod norm;
pub(crate) mod operand;
mod operators;
mod to_one;

pub use aggregate::{Medoid, VectorSum};
pub use arithmetic::{VectorArithmetic, VectorScale};
pub use between::{Between, Ranking, is_vector};
pub use change::Change;
pub use norm::Norm;
pub use operand::constant;
pub use operators::VectorOperators;
pub use to_one::ToOne;
