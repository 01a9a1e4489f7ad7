//! Functions of one row.

pub(crate) mod arguments;
mod chunk_text;
mod classify;
mod configured;
mod count_tokens;
mod embed_image;
mod embed_text;
mod on_map;
mod vector_from_text;
pub(crate) mod vectors;
mod with_key;

pub use chunk_text::ChunkText;
pub use classify::Classify;
pub use count_tokens::CountTokens;
pub use embed_image::EmbedImage;
pub use embed_text::EmbedText;
pub use on_map::OnMap;
pub use vector_from_text::VectorFromText;

pub use with_key::with_key;

pub(crate) use arguments::type_name;
pub(crate) use with_key::Keys;
