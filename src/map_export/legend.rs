//! The legend of a picture.

use super::colours::{Colour, STEPS};
use super::fonts::Fonts;
use super::layout::Mark;
use super::meaning::Meaning;
use super::scene::{Legend, Scene};
use super::words::shortened;

/// What colours mean, from a corner to the left and down, and how wide that is.
pub fn explained(
    scene: &Scene,
    fonts: &Fonts,
    legend: &Legend,
    unit: f32,
    [right, top]: [f32; 2],
    most: f32,
) -> (Vec<Mark>, f32) {
    let size = 16.0 * unit;
    let line = size * 1.55;
    let indent = size * 1.25;
    let (ink, soft) = (scene.theme.ink, scene.theme.soft);
    let words = |text: String, bold: bool, at: [f32; 2], colour: Colour| {
        let width = fonts.width(&text, bold) * size;
        Mark::Words { text, at, width, size, bold, colour, halo: false }
    };
    let fitting = |text: &str, bold: bool, room: f32| {
        shortened(text, room / size, &|text| fonts.width(text, bold))
    };
    let heading = fitting(&legend.column, true, most);
    let mut wide = fonts.width(&heading, true) * size;
    let mut marks = Vec::new();
    match &legend.meaning {
        Meaning::Categories(all) => {
            let entries: Vec<(String, String, u16)> = all
                .iter()
                .map(|(name, count, colour)| {
                    let count = grouped(*count);
                    let taken = fonts.width(&count, false) * size + indent + size * 0.8;
                    (fitting(name, false, most - taken), count, *colour)
                })
                .collect();
            let counts = entries.iter().map(|(_, count, _)| fonts.width(count, false) * size);
            let counts = counts.fold(0.0, f32::max);
            let names = entries.iter().map(|(name, ..)| fonts.width(name, false) * size);
            wide = wide.max(indent + names.fold(0.0, f32::max) + size * 0.8 + counts);
            let left = right - wide;
            for ((name, count, colour), row) in entries.into_iter().zip(1u8..) {
                let y = top + size * 0.8 + f32::from(row) * line;
                let colour = scene.colour(colour);
                let middle = [left + size * 0.4, y - size * 0.33];
                marks.push(Mark::Disc { at: middle, radius: size * 0.36, colour });
                let wide = fonts.width(&count, false) * size;
                marks.push(words(name, false, [left + indent, y], ink));
                marks.push(words(count, false, [right - wide, y], soft));
            }
        }
        Meaning::Scale(low, high) => {
            let ends = fonts.width(low, false) + fonts.width(high, false) + 1.0;
            wide = wide.max(ends * size).max(11.0 * size);
            let left = right - wide;
            let steps = STEPS;
            let part = wide / f32::from(steps);
            for step in 0..steps {
                let x = left + f32::from(step) * part;
                // A little too wide, so that no paper is between them.
                let more = if step + 1 < steps { 0.6 } else { 0.0 };
                marks.push(Mark::Block {
                    at: [x, top + line],
                    size: [part + more, size * 0.8],
                    colour: scene.colour(step),
                });
            }
            let y = top + line + size * 2.0;
            let wide = fonts.width(high, false) * size;
            marks.push(words(low.clone(), false, [left, y], ink));
            marks.push(words(high.clone(), false, [right - wide, y], ink));
        }
    }
    marks.push(words(heading, true, [right - wide, top + size * 0.8], ink));
    (marks, wide)
}

/// A count as people read it.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
