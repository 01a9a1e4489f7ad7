//! JPEG. What is missing or cannot be read is an error here, not grey.

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::decode::{CUT_OFF, Reason, check_size};
use super::picture::Picture;

/// The picture in a JPEG file, or why there is none.
pub fn decode(bytes: &[u8], max_pixels: u64) -> Result<Picture, Reason> {
    let side = usize::from(u16::MAX);
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(plain)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    check_size(width, height, max_pixels)?;
    match decoder.input_colorspace() {
        Some(
            ColorSpace::Luma
            | ColorSpace::YCbCr
            | ColorSpace::RGB
            | ColorSpace::CMYK
            | ColorSpace::YCCK,
        ) => {}
        other => return Err(format!("its colours ({other:?}) are not read").into()),
    }
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    // Cameras leave odd things between the headers; where the pixels are odd, they are damaged.
    decoder.set_options(options.set_strict_mode(true));
    let mut pixels = vec![[0; 3]; width * height];
    decoder.decode_into(pixels.as_flattened_mut()).map_err(plain)?;
    if !has_end(bytes) {
        return Err(CUT_OFF.into());
    }
    let picture = Picture::new(width, height, pixels).ok_or("it has no pixels")?;
    Ok(picture.upright(orientation.unwrap_or(Orientation::NoTransforms)))
}

/// What the decoder says.
fn plain(error: DecodeErrors) -> Reason {
    match error {
        DecodeErrors::IoErrors(_) | DecodeErrors::ExhaustedData => CUT_OFF.into(),
        DecodeErrors::Format(reason) => reason.into(),
        DecodeErrors::FormatStatic(reason) => reason.into(),
        other => other.into(),
    }
}

/// Whether the end marker follows the first scan: the decoder does not miss what is cut off from
/// the last rows. Before the scan, markers belong to headers, or to the previews in them.
fn has_end(bytes: &[u8]) -> bool {
    const SCAN: u8 = 0xDA;
    const END: u8 = 0xD9;
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some(at) =
        rest.windows(2).position(|pair| pair[0] == 0xFF && pair[1] >= 0xC0 && pair[1] < 0xFF)
    {
        let marker = rest[at + 1];
        rest = &rest[at + 2..];
        if marker == SCAN {
            return rest.windows(2).any(|pair| pair == [0xFF, END]);
        }
        let Some(length) = rest.first_chunk() else { break };
        let length = usize::from(u16::from_be_bytes(*length));
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}
