//! A picture as pixels.

use tiny_skia::{
    Color, FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform,
};

use super::colours::Colour;
use super::fonts::Fonts;
use super::layout::{Layout, Mark};
use super::meaning::OTHER;
use super::scene::Scene;
use super::svg::HALO;
use crate::error::{Error, Result};

/// The points alone, on paper, as many times as large as in the layout.
pub fn points(
    scene: &Scene,
    layout: &Layout,
    [width, height]: [u32; 2],
    times: u32,
) -> Result<Pixmap> {
    let (width, height) = (width * times, height * times);
    let Some(mut pixels) = Pixmap::new(width, height) else {
        return Err(Error::Invalid(format!(
            "a picture of {width} by {height} pixels is too large"
        )));
    };
    pixels.fill(color(scene.theme.paper));
    let times = times as f32;
    let colours: Vec<Colour> = scene.colours.iter().map(|number| scene.colour(*number)).collect();
    let paint = Stamp { width, height, radius: layout.radius * times, opacity: layout.opacity };
    // What says least lies below, and all else in the order of the map, whose beginning is a sample of it.
    for grey in [true, false] {
        for ((place, number), colour) in layout.places.iter().zip(&scene.colours).zip(&colours) {
            if (*number >= OTHER) == grey {
                paint.dot(pixels.data_mut(), [place[0] * times, place[1] * times], *colour);
            }
        }
    }
    Ok(pixels)
}

/// The picture, as PNG.
pub fn drawn(scene: &Scene, layout: &Layout, fonts: &Fonts, size: [u32; 2]) -> Result<Vec<u8>> {
    let mut pixels = points(scene, layout, size, 1)?;
    for mark in &layout.marks {
        draw(&mut pixels, scene, fonts, mark);
    }
    png(&pixels)
}

/// Pixels as PNG.
pub fn png(pixels: &Pixmap) -> Result<Vec<u8>> {
    pixels
        .encode_png()
        .map_err(|error| Error::Invalid(format!("the picture cannot be written as PNG: {error}")))
}

fn draw(pixels: &mut Pixmap, scene: &Scene, fonts: &Fonts, mark: &Mark) {
    let plain = Transform::identity();
    match mark {
        Mark::Words { text, at, size, bold, colour, halo, .. } => {
            let Some(path) = fonts.path(text, *bold, *size, *at) else { return };
            if *halo {
                let stroke =
                    Stroke { width: size * HALO, line_join: LineJoin::Round, ..Stroke::default() };
                pixels.stroke_path(&path, &paint(scene.theme.paper), &stroke, plain, None);
            }
            pixels.fill_path(&path, &paint(*colour), FillRule::Winding, plain, None);
        }
        Mark::Line { from, to, colour, width } => {
            let mut path = PathBuilder::new();
            path.move_to(from[0], from[1]);
            path.line_to(to[0], to[1]);
            let stroke = Stroke { width: *width, ..Stroke::default() };
            if let Some(path) = path.finish() {
                pixels.stroke_path(&path, &paint(*colour), &stroke, plain, None);
            }
        }
        Mark::Disc { at, radius, colour } => {
            if let Some(path) = PathBuilder::from_circle(at[0], at[1], *radius) {
                fill(pixels, &path, *colour);
            }
        }
        Mark::Block { at, size, colour } => {
            if let Some(block) = Rect::from_xywh(at[0], at[1], size[0], size[1]) {
                fill(pixels, &PathBuilder::from_rect(block), *colour);
            }
        }
    }
}

fn fill(pixels: &mut Pixmap, path: &Path, colour: Colour) {
    pixels.fill_path(path, &paint(colour), FillRule::Winding, Transform::identity(), None);
}

fn color(Colour([red, green, blue]): Colour) -> Color {
    Color::from_rgba8(red, green, blue, 255)
}

fn paint(colour: Colour) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(color(colour));
    paint
}

/// Draws dots of one size, of which there are many, on pixels that nothing shines through.
struct Stamp {
    width: u32,
    height: u32,
    radius: f32,
    opacity: f32,
}

impl Stamp {
    fn dot(&self, pixels: &mut [u8], [x, y]: [f32; 2], Colour(colour): Colour) {
        let reach = self.radius + 0.5;
        // Not below the first pixel, and above the last are none.
        let first = |middle: f32| (middle - reach).floor().max(0.0) as u32;
        let last = |middle: f32, size: u32| ((middle + reach).ceil().max(0.0) as u32).min(size);
        for row in first(y)..last(y, self.height) {
            for column in first(x)..last(x, self.width) {
                let far = (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y);
                let share = (reach - far).clamp(0.0, 1.0) * self.opacity;
                if share <= 0.0 {
                    continue;
                }
                let at = (row as usize * self.width as usize + column as usize) * 4;
                let Some(pixel) = pixels.get_mut(at..at + 3) else { continue };
                for (part, wanted) in pixel.iter_mut().zip(colour) {
                    let there = f32::from(*part);
                    // Between two bytes lie bytes.
                    *part = (there + (f32::from(wanted) - there) * share).round() as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::colours::{CATEGORIES, LIGHT};
    use super::super::layout::laid_out;
    use super::super::scene::Name;
    use super::*;

    #[test]
    fn points_and_names_are_where_they_belong() {
        let places = vec![[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let name =
            Name { text: "lakes".to_string(), place: [0.7, 0.3], size: 3, depth: 1, colour: None };
        let scene = Scene::of(places, vec![0, 1, 2], vec![name], LIGHT);
        let fonts = Fonts::with(scene.words());
        let layout = laid_out(&scene, &fonts, 400, 300);
        let png = drawn(&scene, &layout, &fonts, [400, 300]).unwrap();
        let pixels = Pixmap::decode_png(&png).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (400, 300));
        let at = |[x, y]: [f32; 2]| pixels.pixel(x as u32, y as u32).unwrap().demultiply();
        for (place, colour) in layout.places.iter().zip(CATEGORIES) {
            let there = at(*place);
            let far = |a: u8, b: u8| a.abs_diff(b);
            let [red, green, blue] = colour.0;
            let most =
                far(there.red(), red).max(far(there.green(), green)).max(far(there.blue(), blue));
            assert!(most < 40, "{there:?} {colour}");
        }
        let Some(Mark::Words { at: [x, y], width, size, .. }) = layout.marks.last() else {
            panic!()
        };
        let dark = |x: u32, y: u32| pixels.pixel(x, y).is_some_and(|pixel| pixel.red() < 90);
        let within = (*x as u32..(x + width) as u32)
            .flat_map(|x| ((y - size) as u32..*y as u32).map(move |y| (x, y)));
        let ink = within.clone().filter(|(x, y)| dark(*x, *y)).count();
        assert!(ink * 20 > within.count(), "{ink}");
    }
}
