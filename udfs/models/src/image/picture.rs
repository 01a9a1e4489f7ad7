//! A picture in memory.

use image::metadata::Orientation;

/// Red, green and blue, a byte each, row by row.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// Of pixels row by row; `None` where they are not `width` times `height`, or there are none.
    pub fn new(width: usize, height: usize, pixels: Vec<[u8; 3]>) -> Option<Self> {
        let right = width.checked_mul(height) == Some(pixels.len()) && !pixels.is_empty();
        right.then_some(Self { width, height, pixels })
    }

    /// Pixels of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All pixels, row by row.
    pub fn pixels(&self) -> &[[u8; 3]] {
        &self.pixels
    }

    /// The picture the right way up, of one that a camera wrote down as its sensor lay.
    pub(super) fn upright(self, orientation: Orientation) -> Self {
        let (w, h) = (self.width.cast_signed(), self.height.cast_signed());
        let last = w * h - 1;
        // Where in the pixels the first one is found, and how far it is to the next one of a row
        // and to the next row.
        let (turned, first, along, down) = match orientation {
            Orientation::NoTransforms => return self,
            Orientation::FlipHorizontal => (false, w - 1, -1, w),
            Orientation::Rotate180 => (false, last, -1, -w),
            Orientation::FlipVertical => (false, last - (w - 1), 1, -w),
            Orientation::Rotate90FlipH => (true, 0, w, 1),
            Orientation::Rotate90 => (true, last - (w - 1), -w, 1),
            Orientation::Rotate270FlipH => (true, last, -w, -1),
            Orientation::Rotate270 => (true, w - 1, w, -1),
        };
        let (width, height) =
            if turned { (self.height, self.width) } else { (self.width, self.height) };
        let mut pixels = vec![[0; 3]; self.pixels.len()];
        // Squares of pixels, so that what is read stays in the cache where rows become columns.
        const SIDE: usize = 32;
        for top in (0..height).step_by(SIDE) {
            for left in (0..width).step_by(SIDE) {
                for y in top..height.min(top + SIDE) {
                    let row = &mut pixels[y * width..][left..width.min(left + SIDE)];
                    let mut at = first + left.cast_signed() * along + y.cast_signed() * down;
                    for pixel in row {
                        *pixel = self.pixels[at.cast_unsigned()];
                        at += along;
                    }
                }
            }
        }
        Self { width, height, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_orientation_puts_every_pixel_in_its_place() {
        // Larger than a square on both sides.
        let (width, height) = (45, 70);
        let pixel = |x: usize, y: usize| [x as u8, y as u8, 7];
        let pixels = (0..width * height).map(|i| pixel(i % width, i / width)).collect();
        let picture = Picture::new(width, height, pixels).unwrap();
        let (right, bottom) = (width - 1, height - 1);
        // What EXIF says of the first row and column, as the place of the new (x, y) in the old.
        type Place = fn(usize, usize, usize, usize) -> (usize, usize);
        let places: [Place; 8] = [
            |x, y, _, _| (x, y),
            |x, y, right, _| (right - x, y),
            |x, y, right, bottom| (right - x, bottom - y),
            |x, y, _, bottom| (x, bottom - y),
            |x, y, _, _| (y, x),
            |x, y, _, bottom| (y, bottom - x),
            |x, y, right, bottom| (right - y, bottom - x),
            |x, y, right, _| (right - y, x),
        ];
        for (exif, place) in (1..).zip(places) {
            let orientation = Orientation::from_exif(exif).unwrap();
            let upright = picture.clone().upright(orientation);
            let turned = exif > 4;
            assert_eq!(upright.width(), if turned { height } else { width });
            for (i, &got) in upright.pixels().iter().enumerate() {
                let (x, y) = (i % upright.width(), i / upright.width());
                let (from_x, from_y) = place(x, y, right, bottom);
                assert_eq!(got, pixel(from_x, from_y), "{exif}: {x} {y}");
            }
        }
    }

    #[test]
    fn sizes_must_fit() {
        assert!(Picture::new(2, 2, vec![[0; 3]; 3]).is_none());
        assert!(Picture::new(0, 2, Vec::new()).is_none());
    }
}
