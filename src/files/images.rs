//! `read_images('photos/**/*.jpg')`: path, bytes, width, height, format, exif_date. Pictures are not
//! decoded: their first bytes tell all but the picture itself.

use std::io::Cursor;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{
    ArrayRef, BinaryArray, Int32Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};

use super::content::{self, Need, ReadFile, Reader};
use crate::error::{Error, Result};

/// Enough for the header and the EXIF block of nearly every picture.
const HEAD: u64 = 256 * 1024;

/// The ends of names that are pictures, for folders.
pub const ENDS: &[&str] = &[
    ".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif",
    ".ico", ".qoi", ".jxl", ".tga", ".psd", ".hdr", ".exr", ".pnm", ".ppm", ".pgm",
];

/// Reads what the header of a picture tells.
#[derive(Debug)]
pub struct ImageReader;

impl Reader for ImageReader {
    fn columns(&self) -> Vec<(Field, Need)> {
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        vec![
            content::about("path"),
            (Field::new("bytes", DataType::Binary, false), Need::Everything),
            (Field::new("width", DataType::Int32, true), Need::Head),
            (Field::new("height", DataType::Int32, true), Need::Head),
            (Field::new("format", DataType::Utf8, true), Need::Head),
            (Field::new("exif_date", time, true), Need::Head),
        ]
    }

    fn head(&self) -> u64 {
        HEAD
    }

    fn wants_more(&self, file: &ReadFile) -> bool {
        format(file).is_some() && size(file).is_none()
    }

    fn column(&self, name: &str, files: &[ReadFile]) -> Result<ArrayRef> {
        Ok(match name {
            "bytes" => {
                if let Some(file) =
                    files.iter().find(|file| i32::try_from(file.bytes.len()).is_err())
                {
                    return Err(Error::Unsupported(format!(
                        "'{}' is too long for one value ({} bytes, up to 2 GiB); leave it out of the pattern",
                        file.name,
                        file.bytes.len()
                    )));
                }
                Arc::new(BinaryArray::from_iter_values(files.iter().map(|file| &file.bytes)))
            }
            "width" => {
                Arc::new(Int32Array::from_iter(files.iter().map(|file| Some(size(file)?.0))))
            }
            "height" => {
                Arc::new(Int32Array::from_iter(files.iter().map(|file| Some(size(file)?.1))))
            }
            "format" => Arc::new(StringArray::from_iter(files.iter().map(format))),
            "exif_date" => {
                Arc::new(TimestampMicrosecondArray::from_iter(files.iter().map(exif_date)))
            }
            _ => Arc::new(StringArray::from_iter_values(files.iter().map(|file| &file.name))),
        })
    }
}

fn size(file: &ReadFile) -> Option<(i32, i32)> {
    let size = imagesize::blob_size(&file.bytes).ok()?;
    Some((i32::try_from(size.width).ok()?, i32::try_from(size.height).ok()?))
}

/// The format that the first bytes tell, whatever the file is called.
fn format(file: &ReadFile) -> Option<String> {
    let kind = imagesize::image_type(&file.bytes).ok()?;
    // `Heif(Hevc)`, `Pnm(…)`: what is in the container is nobody's concern here.
    let name = format!("{kind:?}").to_ascii_lowercase();
    Some(name.split('(').next().unwrap_or_default().to_string())
}

fn exif_date(file: &ReadFile) -> Option<i64> {
    let exif = exif::Reader::new().read_from_container(&mut Cursor::new(&file.bytes)).ok()?;
    let text = [exif::Tag::DateTimeOriginal, exif::Tag::DateTimeDigitized, exif::Tag::DateTime]
        .iter()
        .find_map(|tag| exif.get_field(*tag, exif::In::PRIMARY))
        .and_then(|field| match &field.value {
            exif::Value::Ascii(texts) => texts.first(),
            _ => None,
        })?;
    let date = exif::DateTime::from_ascii(text).ok()?;
    let day = NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())?;
    let time = day.and_hms_opt(date.hour.into(), date.minute.into(), date.second.into())?;
    Some(time.and_utc().timestamp_micros())
}
