//! A picture as SVG.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::fonts::FAMILIES;
use super::layout::{Layout, Mark};
use super::scene::Scene;

/// The most points that are drawn one by one; more are a picture of pixels within the picture.
pub const MOST_POINTS: usize = 20_000;

/// The picture. Points are drawn unless there is a picture of them, as PNG.
pub fn drawn(
    scene: &Scene,
    layout: &Layout,
    [width, height]: [u32; 2],
    points: Option<&[u8]>,
) -> String {
    let mut svg = String::new();
    // Writing to a text does not fail.
    _ = draw(&mut svg, scene, layout, [width, height], points);
    svg
}

fn draw(
    svg: &mut String,
    scene: &Scene,
    layout: &Layout,
    [width, height]: [u32; 2],
    points: Option<&[u8]>,
) -> std::fmt::Result {
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="{FAMILIES}">"#
    )?;
    match points {
        Some(png) => writeln!(
            svg,
            r#"<image width="{width}" height="{height}" href="data:image/png;base64,{}"/>"#,
            BASE64_STANDARD.encode(png)
        )?,
        None => {
            writeln!(
                svg,
                r#"<rect width="{width}" height="{height}" fill="{}"/>"#,
                scene.theme.paper
            )?;
            dots(svg, scene, layout)?;
        }
    }
    for mark in &layout.marks {
        marked(svg, scene, mark)?;
    }
    svg.write_str("</svg>\n")
}

/// All points of a colour are one line of no length with round ends.
fn dots(svg: &mut String, scene: &Scene, layout: &Layout) -> std::fmt::Result {
    let mut colours: BTreeMap<u16, Vec<[f32; 2]>> = BTreeMap::new();
    for (place, colour) in layout.places.iter().zip(&scene.colours) {
        colours.entry(*colour).or_default().push(*place);
    }
    // What says least comes first, and lies below.
    for (number, places) in colours.iter().rev() {
        write!(
            svg,
            r#"<path fill="none" stroke="{}" stroke-width="{:.2}" stroke-linecap="round" stroke-opacity="{}" d=""#,
            scene.colour(*number),
            layout.radius * 2.0,
            layout.opacity
        )?;
        for [x, y] in places {
            write!(svg, "M{x:.1} {y:.1}h0")?;
        }
        writeln!(svg, r#""/>"#)?;
    }
    Ok(())
}

fn marked(svg: &mut String, scene: &Scene, mark: &Mark) -> std::fmt::Result {
    match mark {
        Mark::Words { text, at: [x, y], width, size, bold, colour, halo } => {
            // As wide as it was measured, so that another font moves nothing and covers nothing.
            let (anchor, x) = match halo {
                true => (r#" text-anchor="middle""#, x + width / 2.0),
                false => ("", *x),
            };
            write!(
                svg,
                r#"<text x="{x:.1}" y="{y:.1}"{anchor} textLength="{width:.1}" lengthAdjust="spacingAndGlyphs" font-size="{size:.1}" fill="{colour}""#
            )?;
            if *bold {
                write!(svg, r#" font-weight="bold""#)?;
            }
            if *halo {
                write!(
                    svg,
                    r#" stroke="{}" stroke-width="{:.1}" stroke-linejoin="round" paint-order="stroke""#,
                    scene.theme.paper,
                    size * HALO
                )?;
            }
            writeln!(svg, ">{}</text>", escaped(text))
        }
        Mark::Line { from, to, colour, width } => writeln!(
            svg,
            r#"<path d="M{:.1} {:.1}L{:.1} {:.1}" stroke="{colour}" stroke-width="{width:.2}"/>"#,
            from[0], from[1], to[0], to[1]
        ),
        Mark::Disc { at: [x, y], radius, colour } => {
            writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" fill="{colour}"/>"#)
        }
        Mark::Block { at: [x, y], size: [width, height], colour } => writeln!(
            svg,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        ),
    }
}

/// How wide the line around words is, in units of their size.
pub const HALO: f32 = 0.34;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::colours::LIGHT;
    use super::super::fonts::Fonts;
    use super::super::layout::laid_out;
    use super::super::scene::Name;
    use super::*;

    #[test]
    fn names_are_no_markup() {
        let name = Name {
            text: "<b> & \"co\"".to_string(),
            place: [0.5, 0.5],
            size: 3,
            depth: 1,
            colour: None,
        };
        let places = vec![[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let scene = Scene::of(places, vec![0, 0, 1], vec![name], LIGHT);
        let fonts = Fonts::with(scene.words());
        let layout = laid_out(&scene, &fonts, 400, 300);
        let svg = drawn(&scene, &layout, [400, 300], None);
        assert!(svg.contains(">&lt;b&gt; &amp; \"co\"</text>"), "{svg}");
        assert_eq!(svg.matches("<path fill=\"none\"").count(), 2);
        assert_eq!(svg.matches("h0").count(), 3);
        let pixels = drawn(&scene, &layout, [400, 300], Some(b"png"));
        assert!(pixels.contains("base64,cG5n") && !pixels.contains("h0"));
    }
}
