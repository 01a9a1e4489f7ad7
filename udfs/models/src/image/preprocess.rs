//! From a picture to what a network takes.

use super::decode::decode;
use super::picture::Picture;
use super::resize::{Area, Window, resize};
use crate::error::Result;

/// What a network wants pictures to be made into: a square of numbers in a certain order.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// Pixels on each side.
    pub size: usize,
    /// How a picture of another shape becomes a square.
    pub fit: Fit,
    /// Taken from red, green and blue, which reach from 0 to 1.
    pub mean: [f32; 3],
    /// What they are divided by then.
    pub std: [f32; 3],
    /// The order of the numbers.
    pub layout: Layout,
}

/// How a picture becomes a square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fit {
    /// Width and height are made the size, whatever they were.
    Squash,
    /// The shorter edge is made this long, and the square is cut out of the middle.
    ShortestEdge(usize),
    /// A square with this share of the shorter edge is cut out of the middle and made the size.
    Centre(f64),
}

/// The order of a network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Pixels row by row, each red, green and blue.
    Pixels,
    /// Squares of that many pixels a side, row by row; in each first all red, then all green, then
    /// all blue.
    Patches(usize),
}

/// One picture as a network takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Input(Vec<f32>);

impl Preprocessing {
    /// A file's bytes as input. Needs no network: threads can decode while others embed.
    pub fn read(&self, bytes: &[u8], max_pixels: u64) -> Result<Input> {
        self.apply(&decode(bytes, max_pixels)?)
    }

    /// A picture as input.
    pub fn apply(&self, picture: &Picture) -> Result<Input> {
        let pixels = resize(picture, self.window(picture), self.size, self.size)?;
        let (pixels, _) = pixels.as_chunks();
        Ok(Input(self.arrange(pixels)))
    }

    /// The part of a picture that becomes the square.
    fn window(&self, picture: &Picture) -> Window {
        let (width, height) = (picture.width(), picture.height());
        let all = Area { left: 0, top: 0, width, height };
        match self.fit {
            Fit::Squash => Window { seen: all, filled: floats(all) },
            Fit::ShortestEdge(edge) => {
                let short = width.min(height);
                // What the whole picture would become, were it not cut.
                let to = |side: usize| if side == short { edge } else { edge * side / short };
                let (left, wide) = middle(width, to(width), self.size);
                let (top, high) = middle(height, to(height), self.size);
                Window { seen: all, filled: Area { left, top, width: wide, height: high } }
            }
            Fit::Centre(share) => {
                let side = ((share * width.min(height) as f64) as usize).max(1);
                let (left, top) = ((width - side).div_ceil(2), (height - side).div_ceil(2));
                let seen = Area { left, top, width: side, height: side };
                Window { seen, filled: floats(Area { left: 0, top: 0, ..seen }) }
            }
        }
    }

    /// Pixels of the right size as numbers in the right order.
    fn arrange(&self, pixels: &[[u8; 3]]) -> Vec<f32> {
        let levels: [[f32; 256]; 3] = std::array::from_fn(|color| {
            std::array::from_fn(|level| (level as f32 / 255.0 - self.mean[color]) / self.std[color])
        });
        let value = |pixel: [u8; 3], color: usize| levels[color][usize::from(pixel[color])];
        let mut values = Vec::with_capacity(pixels.len() * 3);
        match self.layout {
            Layout::Pixels => {
                values.extend(pixels.iter().flat_map(|&p| [0, 1, 2].map(|color| value(p, color))));
            }
            Layout::Patches(side) => {
                for rows in pixels.chunks_exact(self.size * side) {
                    for left in (0..self.size).step_by(side) {
                        for color in 0..3 {
                            for row in rows.chunks_exact(self.size) {
                                let row = &row[left..left + side];
                                values.extend(row.iter().map(|&p| value(p, color)));
                            }
                        }
                    }
                }
            }
        }
        values
    }
}

impl Input {
    /// The numbers, three for every pixel.
    pub fn values(&self) -> &[f32] {
        &self.0
    }
}

/// Where the middle `size` of `scaled` pixels lie among the `side` that they are made of, and how
/// many of these they are.
fn middle(side: usize, scaled: usize, size: usize) -> (f64, f64) {
    let before = scaled.saturating_sub(size) / 2;
    let scale = side as f64 / scaled as f64;
    let start = before as f64 * scale;
    (start, (size as f64 * scale).min(side as f64 - start))
}

fn floats(area: Area<usize>) -> Area<f64> {
    Area {
        left: area.left as f64,
        top: area.top as f64,
        width: area.width as f64,
        height: area.height as f64,
    }
}
