//! From the bytes of a file to a picture.
//!
//! As Pillow's `convert("RGB")` after `exif_transpose`: transparency is dropped, not blended, and
//! colour profiles are not looked at; of an animation, the first picture. One thing is not done
//! as Pillow does it: of 16 bits, the higher 8 are taken of greys as of colours, where Pillow cuts
//! greys off at 255 and so makes nearly all of them white.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io::{self, Cursor, ErrorKind};

use image::error::UnsupportedErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::jpeg;
use super::picture::Picture;
use crate::error::{Error, Result};

/// The most pixels that a picture may have: some files are small and say they hold an ocean.
/// Pillow has the same limit.
pub const MAX_PIXELS: u64 = 178_956_970;

/// The reason of all reasons.
pub const CUT_OFF: &str = "it is cut off";

const KINDS: &str = "JPEG, PNG, WebP, GIF, BMP and TIFF";

/// The picture in the bytes of a file. No memory is taken for one that says it has more than
/// `max_pixels`.
pub fn decode(bytes: &[u8], max_pixels: u64) -> Result<Picture> {
    let Some(format) = guessed(bytes) else { return Err(unknown(bytes)) };
    let picture = match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, max_pixels),
        _ => read(bytes, format, max_pixels),
    };
    picture.map_err(|reason| failed(format, reason))
}

/// The same with what is transparent in it, of any format but JPEG, which knows no transparency.
pub fn with_transparency(
    bytes: &[u8],
    format: ImageFormat,
    max_pixels: u64,
) -> Result<DynamicImage> {
    let (mut picture, orientation) =
        opened(bytes, format, max_pixels).map_err(|reason| failed(format, reason))?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// What the bytes of a file say they are, if it is something that can be read.
pub fn guessed(bytes: &[u8]) -> Option<ImageFormat> {
    let format = image::guess_format(bytes).ok()?;
    name(format).map(|_| format)
}

fn name(format: ImageFormat) -> Option<&'static str> {
    Some(match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Tiff => "TIFF",
        _ => return None,
    })
}

fn failed(format: ImageFormat, Reason(reason): Reason) -> Error {
    let kind = name(format).unwrap_or("of no kind that is known");
    Error::Input(format!("a picture ({kind}) cannot be read: {reason}"))
}

/// Why a picture cannot be read, as the last part of a sentence.
pub struct Reason(String);

impl<T: Display> From<T> for Reason {
    fn from(error: T) -> Self {
        // Some decoders end their sentences with a line break.
        Self(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Refuses what is too large, or nothing.
pub fn check_size(width: usize, height: usize, max_pixels: u64) -> Result<(), Reason> {
    let pixels = width as u64 * height as u64;
    if pixels == 0 {
        return Err("it has no pixels".into());
    }
    if pixels > max_pixels {
        return Err(format!(
            "it has {width} x {height} pixels, more than {max_pixels}; make it smaller first"
        )
        .into());
    }
    Ok(())
}

fn read(bytes: &[u8], format: ImageFormat, max_pixels: u64) -> Result<Picture, Reason> {
    let (picture, orientation) = opened(bytes, format, max_pixels)?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let picture = Picture::new(width, height, rgb(picture)?);
    Ok(picture.ok_or("it has fewer pixels than it says")?.upright(orientation))
}

/// The pixels as they are in the file, and which side is up.
fn opened(
    bytes: &[u8],
    format: ImageFormat,
    max_pixels: u64,
) -> Result<(DynamicImage, Orientation), Reason> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(memory_for(max_pixels));
    let mut decoder = reader.into_decoder().map_err(plain)?;
    let (width, height) = decoder.dimensions();
    check_size(width as usize, height as usize, max_pixels)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((DynamicImage::from_decoder(decoder).map_err(plain)?, orientation))
}

/// What a decoder may take: a picture of 16 bits with transparency, and as much again to work.
fn memory_for(max_pixels: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(max_pixels.saturating_mul(16).saturating_add(1 << 20));
    limits
}

/// Drops transparency and the lower half of 16 bits.
fn rgb(image: DynamicImage) -> Result<Vec<[u8; 3]>, Reason> {
    let high = |v: u16| (v >> 8) as u8;
    Ok(match image {
        DynamicImage::ImageRgb8(image) => image.pixels().map(|p| p.0).collect(),
        DynamicImage::ImageRgba8(image) => image
            .pixels()
            .map(|p| {
                let [r, g, b, _] = p.0;
                [r, g, b]
            })
            .collect(),
        DynamicImage::ImageLuma8(image) => image.pixels().map(|p| [p.0[0]; 3]).collect(),
        DynamicImage::ImageLumaA8(image) => image.pixels().map(|p| [p.0[0]; 3]).collect(),
        DynamicImage::ImageRgb16(image) => image.pixels().map(|p| p.0.map(high)).collect(),
        DynamicImage::ImageRgba16(image) => image
            .pixels()
            .map(|p| {
                let [r, g, b, _] = p.0;
                [r, g, b].map(high)
            })
            .collect(),
        DynamicImage::ImageLuma16(image) => image.pixels().map(|p| [high(p.0[0]); 3]).collect(),
        DynamicImage::ImageLumaA16(image) => image.pixels().map(|p| [high(p.0[0]); 3]).collect(),
        other => return Err(format!("its colours ({:?}) are not read", other.color()).into()),
    })
}

/// What a decoder says, without what the sentence says already.
fn plain(error: ImageError) -> Reason {
    if is_cut_off(&error) {
        return CUT_OFF.into();
    }
    match &error {
        ImageError::Decoding(decoding) => match decoding.source() {
            Some(cause) => cause.to_string(),
            None => "it is damaged".to_string(),
        },
        ImageError::Unsupported(unsupported) => match unsupported.kind() {
            UnsupportedErrorKind::GenericFeature(feature) => feature.clone(),
            UnsupportedErrorKind::Color(color) => format!("its colours ({color:?}) are not read"),
            _ => unsupported.to_string(),
        },
        other => other.to_string(),
    }
    .into()
}

fn is_cut_off(error: &ImageError) -> bool {
    let mut causes = std::iter::successors(Some(error as &dyn StdError), |&error| error.source());
    causes.any(|cause| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| cause.kind() == ErrorKind::UnexpectedEof)
    }) || matches!(error, ImageError::IoError(cause) if cause.kind() == ErrorKind::UnexpectedEof)
}

fn unknown(bytes: &[u8]) -> Error {
    let brand = bytes.get(4..12).unwrap_or_default();
    let what = match brand {
        b"ftypavif" | b"ftypavis" => "a picture (AVIF) cannot be read".to_string(),
        b"ftypheic" | b"ftypheix" | b"ftyphevc" | b"ftypmif1" => {
            "a picture (HEIC) cannot be read".to_string()
        }
        _ if bytes.is_empty() => "an empty value is no picture".to_string(),
        _ => {
            let start = &bytes[..bytes.len().min(8)];
            format!(
                "bytes that begin with '{}' are no picture that can be read",
                start.escape_ascii()
            )
        }
    };
    Error::Input(format!("{what}; {KINDS} can be"))
}
