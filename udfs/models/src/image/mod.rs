//! Pictures: from the bytes of a file to the numbers a network takes, equal to what Pillow makes.

mod decode;
mod jpeg;
mod picture;
mod preprocess;
mod resize;
mod thumbnail;

pub use decode::{MAX_PIXELS, decode};
pub use picture::Picture;
pub use preprocess::{Fit, Input, Layout, Preprocessing};
pub use thumbnail::{Thumbnail, is_picture, thumbnail};
