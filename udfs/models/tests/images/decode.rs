//! Files of every kind become the pixels that Pillow makes of them.

use portolan_models::image::{MAX_PIXELS, Picture, decode};
use serde::Deserialize;

use crate::oracle;

#[derive(Deserialize)]
struct Index {
    decoded: Vec<Decoded>,
}

#[derive(Deserialize)]
struct Decoded {
    file: String,
    width: usize,
    height: usize,
    at: usize,
}

impl Decoded {
    fn bytes(&self) -> Vec<u8> {
        std::fs::read(oracle().join("images").join(&self.file)).unwrap()
    }
}

fn files() -> Vec<Decoded> {
    let index = std::fs::read(oracle().join("images/index.json")).unwrap();
    serde_json::from_slice::<Index>(&index).unwrap().decoded
}

fn reason(bytes: &[u8], max_pixels: u64) -> String {
    match decode(bytes, max_pixels) {
        Ok(_) => panic!("was decoded"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_kind_of_file_is_what_pillow_says() {
    let expected = std::fs::read(oracle().join("images/expected.bin")).unwrap();
    for file in files() {
        let picture = decode(&file.bytes(), MAX_PIXELS).unwrap();
        assert_eq!((picture.width(), picture.height()), (file.width, file.height), "{}", file.file);
        let (most, mean) = difference(&picture, &expected[file.at..]);
        // Decoders of lossy files round differently.
        let (may, may_on_average) = match &file.file {
            name if name.ends_with(".jpg") => (5, 0.4),
            name if name == "cmyk.tif" => (1, 0.6),
            _ => (0, 0.0),
        };
        assert!(most <= may && mean <= may_on_average, "{}: {most}, mean {mean}", file.file);
    }
}

fn difference(picture: &Picture, expected: &[u8]) -> (u8, f64) {
    let got = picture.pixels().as_flattened();
    let differences = got.iter().zip(expected).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences.clone().map(u64::from).sum();
    (differences.max().unwrap(), sum as f64 / got.len() as f64)
}

#[test]
fn the_limit_of_pixels_holds_for_every_kind_of_file() {
    for file in files() {
        let pixels = (file.width * file.height) as u64;
        assert!(decode(&file.bytes(), pixels).is_ok(), "{}", file.file);
        let reason = reason(&file.bytes(), pixels - 1);
        let size = format!("pixels, more than {}", pixels - 1);
        assert!(reason.contains(&size), "{}: {reason}", file.file);
    }
}

#[test]
fn what_only_says_that_it_is_large_takes_no_memory() {
    // As large as a file can say, and refused for what it says.
    let mut jpeg = std::fs::read(oracle().join("images/rgb.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    assert!(reason(&jpeg, MAX_PIXELS).contains("65500 x 65500 pixels"));
    let mut gif = std::fs::read(oracle().join("images/palette.gif")).unwrap();
    gif[6..10].copy_from_slice(&[0xFF; 4]);
    assert!(reason(&gif, MAX_PIXELS).contains("65535 x 65535 pixels"));
    let mut bmp = std::fs::read(oracle().join("images/rgb.bmp")).unwrap();
    bmp[18..26].copy_from_slice(&[0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0, 0]);
    assert!(reason(&bmp, MAX_PIXELS).contains("65535 x 65535 pixels"));
}

#[test]
fn what_is_cut_off_is_an_error() {
    // Of an animation, only the first picture is looked at.
    for file in files().iter().filter(|file| !file.file.starts_with("animated")) {
        let bytes = file.bytes();
        for keep in [20, bytes.len() / 4, bytes.len() / 2, bytes.len() * 9 / 10] {
            let reason = reason(&bytes[..keep], MAX_PIXELS);
            assert!(reason.contains(") cannot be read: "), "{}: {reason}", file.file);
            assert!(!reason.contains('\n'), "{}: {reason}", file.file);
        }
    }
}

#[test]
fn the_last_rows_of_a_jpeg_are_missed() {
    for name in ["rgb.jpg", "420.jpg", "progressive.jpg", "grey.jpg", "turned1.jpg"] {
        let bytes = std::fs::read(oracle().join("images").join(name)).unwrap();
        for missing in 1..60 {
            let reason = reason(&bytes[..bytes.len() - missing], MAX_PIXELS);
            assert!(reason.starts_with("a picture (JPEG) cannot be read: "), "{name}: {reason}");
        }
    }
}

#[test]
fn kinds_that_are_not_read_say_so() {
    for name in ["palette.tif", "grey_alpha.tif"] {
        let bytes = std::fs::read(oracle().join("images").join(name)).unwrap();
        let reason = reason(&bytes, MAX_PIXELS);
        assert!(reason.starts_with("a picture (TIFF) cannot be read: "), "{reason}");
    }
}

#[test]
fn no_damage_stops_the_program() {
    for file in files() {
        let mut bytes = file.bytes();
        for at in (0..bytes.len()).step_by(4) {
            // Every bit somewhere, and all bits somewhere.
            let flipped = if at % 9 == 8 { 0xFF } else { 1 << (at % 9) };
            bytes[at] ^= flipped;
            let _ = decode(&bytes, 2000);
            bytes[at] ^= flipped;
        }
    }
}

#[test]
fn a_damaged_jpeg_is_an_error_and_not_grey() {
    let mut bytes = std::fs::read(oracle().join("images/rgb.jpg")).unwrap();
    let scan = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 14;
    let end = bytes.len() - 2;
    // A code of ones alone is none; after 0xFF comes 0.
    bytes[scan..end].chunks_mut(2).for_each(|pair| pair.copy_from_slice(&[0xFF, 0][..pair.len()]));
    let reason = reason(&bytes, MAX_PIXELS);
    assert!(reason.starts_with("a picture (JPEG) cannot be read: "), "{reason}");
}

#[test]
fn what_is_no_picture_is_named() {
    assert!(reason(b"", MAX_PIXELS).contains("an empty value is no picture"));
    let text = reason(b"<svg xmlns='...'/>", MAX_PIXELS);
    assert!(text.contains("begin with '<svg xml'") && text.contains("JPEG, PNG"), "{text}");
    let heic = reason(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", MAX_PIXELS);
    assert!(heic.contains("(HEIC) cannot be read"), "{heic}");
}
