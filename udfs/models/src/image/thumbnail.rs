//! Small pictures of large ones, for people to look at.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, ImageResult, RgbImage};

use super::decode::{decode, guessed, with_transparency};
use crate::error::{Error, Result};

/// Enough that nobody sees the loss at this size.
const QUALITY: u8 = 85;

/// A small picture as a file.
#[derive(Debug, Clone)]
pub struct Thumbnail {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they are, as browsers are told.
    pub content_type: &'static str,
}

/// Whether bytes begin as a picture that can be read.
pub fn is_picture(bytes: &[u8]) -> bool {
    guessed(bytes).is_some()
}

/// The picture in the bytes of a file, at most `side` pixels wide and high, the right way up: PNG where it is
/// transparent somewhere, else JPEG. Small pictures are not made larger.
pub fn thumbnail(bytes: &[u8], side: u32, max_pixels: u64) -> Result<Thumbnail> {
    let picture = read(bytes, max_pixels)?;
    let small = match picture.width().max(picture.height()) > side {
        true => picture.thumbnail(side, side),
        false => picture,
    };
    written(&small)
        .map_err(|error| Error::Input(format!("a small picture could not be written: {error}")))
}

fn read(bytes: &[u8], max_pixels: u64) -> Result<DynamicImage> {
    if let Some(format) = guessed(bytes).filter(|format| *format != ImageFormat::Jpeg) {
        return with_transparency(bytes, format, max_pixels);
    }
    let picture = decode(bytes, max_pixels)?;
    let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let (width, height) = (side(picture.width()), side(picture.height()));
    RgbImage::from_raw(width, height, picture.pixels().as_flattened().to_vec())
        .map(DynamicImage::ImageRgb8)
        .ok_or_else(|| Error::Input("a picture is larger than it can be".to_string()))
}

fn written(picture: &DynamicImage) -> ImageResult<Thumbnail> {
    let mut bytes = Vec::new();
    if picture.color().has_alpha() {
        let picture = DynamicImage::ImageRgba8(picture.to_rgba8());
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
        return Ok(Thumbnail { bytes, content_type: "image/png" });
    }
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&picture.to_rgb8())?;
    Ok(Thumbnail { bytes, content_type: "image/jpeg" })
}

#[cfg(test)]
mod tests {
    use image::{GenericImageView, Rgba, RgbaImage};

    use super::*;
    use crate::image::MAX_PIXELS;

    fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    #[test]
    fn pictures_fit_into_the_square_and_keep_what_is_transparent() {
        let clear =
            RgbaImage::from_fn(90, 60, |x, _| Rgba([200, 10, 10, if x < 45 { 0 } else { 255 }]));
        let clear = DynamicImage::ImageRgba8(clear);
        let small = thumbnail(&file(&clear, ImageFormat::Png), 30, MAX_PIXELS).unwrap();
        assert_eq!(small.content_type, "image/png");
        let small = image::load_from_memory(&small.bytes).unwrap();
        assert_eq!((small.width(), small.height()), (30, 20));
        assert_eq!(
            (small.get_pixel(2, 10).0[3], small.get_pixel(27, 10).0),
            (0, [200, 10, 10, 255])
        );

        let full = DynamicImage::ImageRgb8(clear.to_rgb8());
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP] {
            let made = thumbnail(&file(&full, format), 300, MAX_PIXELS).unwrap();
            assert_eq!(made.content_type, "image/jpeg", "{format:?}");
            let made = image::load_from_memory(&made.bytes).unwrap();
            // No larger than it was.
            assert_eq!((made.width(), made.height()), (90, 60), "{format:?}");
            let [r, g, b, _] = made.get_pixel(70, 30).0;
            assert!(r.abs_diff(200) < 6 && g.abs_diff(10) < 6 && b.abs_diff(10) < 6, "{r} {g} {b}");
        }
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_refused() {
        let picture = file(&DynamicImage::new_rgb8(40, 40), ImageFormat::Png);
        assert!(is_picture(&picture) && !is_picture(b"text") && !is_picture(b""));
        for (bytes, limit, part) in [
            (&picture[..], 1000, "1000"),
            (&picture[..60], MAX_PIXELS, "cut off"),
            (b"text", MAX_PIXELS, "are no picture"),
        ] {
            let error = thumbnail(bytes, 20, limit).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
