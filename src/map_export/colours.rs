//! Colours of pictures: those of the page, told apart on light and on dark paper.

use std::fmt;

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Colour {
    const fn new(number: u32) -> Self {
        let [_, red, green, blue] = number.to_be_bytes();
        Self([red, green, blue])
    }

    /// A part of the way to another colour.
    pub fn towards(self, other: Self, share: f32) -> Self {
        let mix = |from: u8, to: u8| {
            let mixed = f32::from(from) + (f32::from(to) - f32::from(from)) * share;
            // Between two bytes lie bytes.
            mixed.round() as u8
        };
        let ([a, b, c], [d, e, f]) = (self.0, other.0);
        Self([mix(a, d), mix(b, e), mix(c, f)])
    }
}

/// Those of the largest categories.
pub const CATEGORIES: [Colour; 11] = [
    Colour::new(0x4269d0),
    Colour::new(0xe0892b),
    Colour::new(0xd9485f),
    Colour::new(0x3ca5a0),
    Colour::new(0x4f9a45),
    Colour::new(0x8e6cc9),
    Colour::new(0xb8562f),
    Colour::new(0xcf7fb5),
    Colour::new(0x7d8b3a),
    Colour::new(0x3d9bd1),
    Colour::new(0xb08c2e),
];

const SCALE: [Colour; 5] = [
    Colour::new(0x2d3a8c),
    Colour::new(0x7b3fa0),
    Colour::new(0xc8457b),
    Colour::new(0xf07f4f),
    Colour::new(0xe8b93c),
];
/// Steps of a scale: more than anyone tells apart.
pub const STEPS: u16 = 32;

/// Colours that stand for quantities, from low to high.
pub fn quantities() -> Vec<Colour> {
    let step = |step: u16| {
        let place = f32::from(step) / f32::from(STEPS - 1) * (SCALE.len() - 1) as f32;
        let low = (place as usize).min(SCALE.len() - 2);
        SCALE[low].towards(SCALE[low + 1], place - low as f32)
    };
    (0..STEPS).map(step).collect()
}

/// What a picture is drawn on, and with.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    /// The ground.
    pub paper: Colour,
    /// Words.
    pub ink: Colour,
    /// Words that matter less.
    pub soft: Colour,
    /// All categories that are too small for a colour of their own.
    pub other: Colour,
    /// No value.
    pub missing: Colour,
}

/// For print.
pub const LIGHT: Theme = Theme {
    paper: Colour::new(0xffffff),
    ink: Colour::new(0x1c1f23),
    soft: Colour::new(0x656b74),
    other: Colour::new(0x8d939b),
    missing: Colour::new(0xc6c4be),
};

/// For screens and dark slides.
pub const DARK: Theme = Theme {
    paper: Colour::new(0x111418),
    ink: Colour::new(0xe6e4df),
    soft: Colour::new(0x959ba4),
    other: Colour::new(0x8a9099),
    missing: Colour::new(0x4a5058),
};

/// A colour for each of many areas, by where they lie and the largest first, so that areas of one colour
/// are far from each other.
pub fn apart(middles: &[[f32; 2]]) -> Vec<u16> {
    let mut chosen: Vec<u16> = Vec::with_capacity(middles.len());
    for middle in middles {
        let mut least = [f32::INFINITY; CATEGORIES.len()];
        for (other, colour) in middles.iter().zip(&chosen) {
            let far = (middle[0] - other[0]).powi(2) + (middle[1] - other[1]).powi(2);
            let least = &mut least[usize::from(*colour)];
            *least = least.min(far);
        }
        let mut best = 0;
        for (colour, far) in (0u16..).zip(least) {
            if far > least[usize::from(best)] {
                best = colour;
            }
        }
        chosen.push(best);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_differ() {
        let grid: Vec<[f32; 2]> =
            (0..100u8).map(|at| [f32::from(at % 10), f32::from(at / 10)]).collect();
        let colours = apart(&grid);
        for (a, one) in grid.iter().zip(&colours) {
            for (b, other) in grid.iter().zip(&colours).filter(|(b, _)| *b != a) {
                let far = (a[0] - b[0]).hypot(a[1] - b[1]);
                assert!(one != other || far > 1.5, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_scale_goes_from_end_to_end() {
        let scale = quantities();
        assert_eq!(scale.first().map(ToString::to_string).as_deref(), Some("#2d3a8c"));
        assert_eq!(scale.last().map(ToString::to_string).as_deref(), Some("#e8b93c"));
    }
}
