//! Pillow's bicubic resize with antialiasing.

use std::fmt::Display;

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ImageView, ResizeAlg, ResizeOptions, Resizer};

use super::picture::Picture;
use crate::error::{Error, Result};

/// The part of a picture that is made another size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// What the resize may look at, in whole pixels.
    pub seen: Area<usize>,
    /// What fills the result, within what is seen.
    pub filled: Area<f64>,
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area<T> {
    /// Columns left of it.
    pub left: T,
    /// Rows above it.
    pub top: T,
    /// Columns.
    pub width: T,
    /// Rows.
    pub height: T,
}

/// The window as `width` times `height` pixels.
///
/// Pillow makes rows the right length first and columns after that; the other way round differs by
/// up to 28 levels at sharp edges, because what overshoots is cut off in between.
pub fn resize(picture: &Picture, window: Window, width: usize, height: usize) -> Result<Vec<u8>> {
    let Window { seen, filled } = window;
    // Rows that have no share in the result are left out.
    let reach = 2.0 * (filled.height / height as f64).max(1.0);
    let first = (filled.top - reach).floor().max(0.0);
    let last = (filled.top + filled.height + reach).ceil().min(seen.height as f64);
    let rows = last - first;

    let whole = view(picture.width(), picture.height(), picture.pixels().as_flattened())?;
    let source = TypedCroppedImage::from_ref(
        &whole,
        small(seen.left)?,
        small(seen.top)?,
        small(seen.width)?,
        small(seen.height)?,
    )
    .map_err(failed)?;
    let mut resizer = Resizer::new();
    let mut lines = vec![0; width * rows as usize * 3];
    bicubic(
        &mut resizer,
        &source,
        Area { left: filled.left, top: first, width: filled.width, height: rows },
        width,
        &mut lines,
    )?;
    let lines = view(width, rows as usize, &lines)?;
    let mut pixels = vec![0; width * height * 3];
    bicubic(
        &mut resizer,
        &lines,
        Area { left: 0.0, top: filled.top - first, width: width as f64, height: filled.height },
        width,
        &mut pixels,
    )?;
    Ok(pixels)
}

fn bicubic(
    resizer: &mut Resizer,
    from: &impl ImageView<Pixel = U8x3>,
    area: Area<f64>,
    width: usize,
    to: &mut [u8],
) -> Result<()> {
    let height = to.len() / 3 / width.max(1);
    let mut to = TypedImage::from_buffer(small(width)?, small(height)?, to).map_err(failed)?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
        .crop(area.left, area.top, area.width, area.height);
    resizer.resize_typed(from, &mut to, &options).map_err(failed)
}

fn view(width: usize, height: usize, pixels: &[u8]) -> Result<TypedImageRef<'_, U8x3>> {
    TypedImageRef::from_buffer(small(width)?, small(height)?, pixels).map_err(failed)
}

fn small(length: usize) -> Result<u32> {
    u32::try_from(length).map_err(failed)
}

fn failed(reason: impl Display) -> Error {
    Error::Input(format!("a picture could not be made another size: {reason}"))
}
