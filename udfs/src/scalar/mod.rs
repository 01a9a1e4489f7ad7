//! Functions of one row.

mod vector_from_text;

pub use vector_from_text::VectorFromText;
