//! Letters: which font has them, how wide they are, and their shapes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use fontdb::{Database, Style};
use rustybuzz::ttf_parser::{self, GlyphId, OutlineBuilder};
use rustybuzz::{Face, UnicodeBuffer};
use tiny_skia::{Path, PathBuilder};
use unicode_width::UnicodeWidthChar;

/// The fonts that are tried for words of a picture, as SVG names them.
pub const FAMILIES: &str = "Noto Sans, DejaVu Sans, Helvetica Neue, Arial, sans-serif";

const PLAIN: usize = 0;
const BOLD: usize = 1;

/// Fonts for the words of one picture: those in the program, and those of the machine where these lack
/// letters.
pub struct Fonts {
    loaded: Vec<(Cow<'static, [u8]>, u32)>,
    /// Letters that no font has.
    pub missing: BTreeSet<char>,
}

/// A text in letters of fonts.
#[derive(Default)]
struct Shaped {
    /// Fonts, glyphs and where these begin, in units of the text's size.
    glyphs: Vec<(usize, GlyphId, f32, f32)>,
    width: f32,
}

impl Fonts {
    /// Those that some words need.
    pub fn with<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let own = [notosans::REGULAR_TTF, notosans::BOLD_TTF];
        let mut loaded: Vec<(Cow<'static, [u8]>, u32)> =
            own.into_iter().map(|font| (Cow::Borrowed(font), 0)).collect();
        let plain = letters(notosans::REGULAR_TTF, 0);
        let mut missing: BTreeSet<char> = words
            .flat_map(str::chars)
            .filter(|letter| letter.width().unwrap_or(0) > 0 && !letter.is_whitespace())
            .filter(|letter| !plain(*letter))
            .collect();
        if !missing.is_empty() {
            let mut machine = Database::new();
            machine.load_system_fonts();
            let mut faces: Vec<_> = machine.faces().collect();
            // Upright, plain and of a kind with the others, if there is a choice.
            faces.sort_by_key(|face| {
                let sans = face.families.iter().any(|(name, _)| name.contains("Sans"));
                (face.style != Style::Normal, !sans, face.weight.0.abs_diff(400))
            });
            for face in faces {
                let found = machine.with_face_data(face.id, |data, index| {
                    let has = letters(data, index);
                    let found: Vec<char> = missing.iter().copied().filter(|c| has(*c)).collect();
                    (!found.is_empty()).then(|| (found, data.to_vec(), index))
                });
                if let Some((found, data, index)) = found.flatten() {
                    missing.retain(|letter| !found.contains(letter));
                    loaded.push((Cow::Owned(data), index));
                }
                if missing.is_empty() {
                    break;
                }
            }
        }
        Self { loaded, missing }
    }

    /// How wide a text is, in units of its size.
    pub fn width(&self, text: &str, bold: bool) -> f32 {
        self.shaped(text, bold).width
    }

    /// The shape of a text that begins at a place.
    pub fn path(&self, text: &str, bold: bool, size: f32, [x, y]: [f32; 2]) -> Option<Path> {
        let faces = self.faces();
        let mut outline = Outline { path: PathBuilder::new(), scale: 1.0, x, y };
        for (font, glyph, right, up) in self.shaped(text, bold).glyphs {
            let Some(face) = faces.get(font).and_then(Option::as_ref) else { continue };
            outline.scale = size / per_em(face);
            (outline.x, outline.y) = (x + right * size, y - up * size);
            face.outline_glyph(glyph, &mut outline);
        }
        outline.path.finish()
    }

    fn faces(&self) -> Vec<Option<Face<'_>>> {
        self.loaded.iter().map(|(data, index)| Face::from_slice(data, *index)).collect()
    }

    fn shaped(&self, text: &str, bold: bool) -> Shaped {
        let faces = self.faces();
        let first = if bold { BOLD } else { PLAIN };
        let order = || std::iter::once(first).chain(0..faces.len());
        let font_of = |letter: char| {
            let has = |font: &usize| {
                let face = faces.get(*font).and_then(Option::as_ref);
                face.is_some_and(|face| face.glyph_index(letter).is_some())
            };
            order().find(has).unwrap_or(first)
        };
        // Pieces of a text that are of one font.
        let mut pieces: Vec<(usize, String)> = Vec::new();
        for letter in text.chars() {
            let font = font_of(letter);
            match pieces.last_mut() {
                Some((last, piece)) if *last == font => piece.push(letter),
                _ => pieces.push((font, letter.to_string())),
            }
        }
        let mut shaped = Shaped::default();
        for (font, piece) in pieces {
            let Some(face) = faces.get(font).and_then(Option::as_ref) else { continue };
            let mut buffer = UnicodeBuffer::new();
            buffer.push_str(&piece);
            buffer.guess_segment_properties();
            let glyphs = rustybuzz::shape(face, &[], buffer);
            let em = per_em(face);
            // Fonts count in small whole numbers.
            let part = |units: i32| units as f32 / em;
            for (glyph, at) in glyphs.glyph_infos().iter().zip(glyphs.glyph_positions()) {
                let Ok(id) = u16::try_from(glyph.glyph_id) else { continue };
                let x = shaped.width + part(at.x_offset);
                shaped.glyphs.push((font, GlyphId(id), x, part(at.y_offset)));
                let letter = piece.get(glyph.cluster as usize..).and_then(|s| s.chars().next());
                let is_wide = letter.and_then(UnicodeWidthChar::width) == Some(2);
                // What no font here has, another one may have there, as wide as it is high.
                let unknown = id == 0 && is_wide;
                shaped.width += if unknown { 1.0 } else { part(at.x_advance) };
            }
        }
        shaped
    }
}

fn per_em(face: &Face<'_>) -> f32 {
    // Fonts count in small whole numbers.
    (face.units_per_em() as f32).max(1.0)
}

/// Whether a font has a letter.
fn letters(data: &[u8], index: u32) -> impl Fn(char) -> bool {
    let face = ttf_parser::Face::parse(data, index).ok();
    move |letter| face.as_ref().is_some_and(|face| face.glyph_index(letter).is_some())
}

/// Takes the lines of letters, which fonts count upwards.
struct Outline {
    path: PathBuilder,
    scale: f32,
    x: f32,
    y: f32,
}

impl Outline {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_as_wide_as_they_are() {
        let fonts = Fonts::with(["lakes"].into_iter());
        assert!(fonts.missing.is_empty());
        assert!(fonts.width("iiii", false) < 0.6 * fonts.width("mmmm", false));
        assert!(fonts.width("lakes", false) < fonts.width("lakes", true));
        let shape = fonts.path("lakes", true, 20.0, [100.0, 50.0]).unwrap().bounds();
        assert!(shape.left() >= 100.0 && shape.bottom() < 52.0 && shape.top() > 30.0, "{shape:?}");
        assert!((shape.width() - 20.0 * fonts.width("lakes", true)).abs() < 4.0, "{shape:?}");
    }

    #[test]
    fn letters_that_no_font_has_take_room() {
        let mut fonts = Fonts::with(std::iter::empty());
        fonts.loaded.truncate(2);
        assert!((fonts.width("湖湖", false) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn what_no_font_has_is_known() {
        // Kept free for private use, at the very end.
        let fonts = Fonts::with(["a\u{10fffd}"].into_iter());
        assert_eq!(fonts.missing.into_iter().collect::<String>(), "\u{10fffd}");
    }
}
