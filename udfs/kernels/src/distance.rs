//! Distances of one vector to many, and of vectors row by row.
//!
//! Sums are f32 in an order that depends on the vectors' length alone: two vectors have the same
//! distance to the bit whatever lies beside them, whichever of them comes first, and on any number of
//! threads.

use half::f16;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::lanes::{self, Absolutes, Products, Squares, vectorised};

/// What vectors are made of.
///
/// Its methods are this module's loops, made for each kind of number here: generic functions are made
/// where they are called, and so as slow as a caller's unoptimised build.
pub trait Element: lanes::Element {
    #[doc(hidden)]
    fn many(measure: Measure, query: &[f32], squared: f32, rows: &[Self], out: &mut [f32]);
    #[doc(hidden)]
    fn row_by_row(measure: Measure, left: &[Self], right: &[Self], width: usize, out: &mut [f32]);
    #[doc(hidden)]
    fn square(row: &[Self]) -> f32;
}

macro_rules! element {
    ($($number:ty),*) => {$(
        impl Element for $number {
            fn many(measure: Measure, query: &[f32], squared: f32, rows: &[Self], out: &mut [f32]) {
                many(measure, query, squared, rows, out);
            }

            fn row_by_row(
                measure: Measure,
                left: &[Self],
                right: &[Self],
                width: usize,
                out: &mut [f32],
            ) {
                row_by_row(measure, left, right, width, out);
            }

            fn square(row: &[Self]) -> f32 {
                square(row)
            }
        }
    )*};
}

element!(f32, f16);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The cosine of the angle between two vectors, -1 to 1; NaN where one of them is zero.
    Cosine,
    /// The sum of products.
    Dot,
    /// The sum of absolute differences.
    L1,
    /// The sum of squared differences.
    SquaredL2,
}

impl Measure {
    /// Whether more of it is nearer.
    pub fn larger_is_nearer(self) -> bool {
        matches!(self, Self::Cosine | Self::Dot)
    }
}

/// Bytes of rows that one thread takes at a time.
const PIECE: usize = 256 * 1024;

/// Measures one vector against many, which lie one after another.
///
/// ```
/// use portolan_kernels::distance::{Measure, one_to_many};
/// let mut out = [0.0; 2];
/// one_to_many(Measure::Dot, &[1.0, 2.0], &[1.0f32, 0.0, 3.0, 1.0], &mut out)?;
/// assert_eq!(out, [1.0, 5.0]);
/// # Ok::<(), portolan_kernels::Error>(())
/// ```
pub fn one_to_many<T: Element>(
    measure: Measure,
    query: &[f32],
    rows: &[T],
    out: &mut [f32],
) -> Result<()> {
    let width = query.len();
    whole(rows.len(), width, out.len())?;
    if width == 0 {
        out.fill(of_nothing(measure));
        return Ok(());
    }
    let squared = if measure == Measure::Cosine { f32::square(query) } else { 0.0 };
    let each = (PIECE / (width * size_of::<T>())).max(1);
    if rows.len() <= each * width {
        T::many(measure, query, squared, rows, out);
        return Ok(());
    }
    out.par_chunks_mut(each)
        .zip(rows.par_chunks(each * width))
        .for_each(|(out, rows)| T::many(measure, query, squared, rows, out));
    Ok(())
}

/// Measures every row on the left against the same row on the right.
pub fn pairwise<T: Element>(
    measure: Measure,
    left: &[T],
    right: &[T],
    width: usize,
    out: &mut [f32],
) -> Result<()> {
    whole(left.len(), width, out.len())?;
    whole(right.len(), width, out.len())?;
    if width == 0 {
        out.fill(of_nothing(measure));
        return Ok(());
    }
    let each = (PIECE / (width * size_of::<T>())).max(1);
    out.par_chunks_mut(each)
        .zip(left.par_chunks(each * width))
        .zip(right.par_chunks(each * width))
        .for_each(|((out, left), right)| T::row_by_row(measure, left, right, width, out));
    Ok(())
}

/// Measures two vectors of the same length.
pub fn one_to_one<T: Element>(measure: Measure, left: &[T], right: &[T]) -> Result<f32> {
    let mut out = [0.0];
    whole(right.len(), left.len(), 1)?;
    if left.is_empty() {
        return Ok(of_nothing(measure));
    }
    T::row_by_row(measure, left, right, left.len(), &mut out);
    Ok(out[0])
}

/// The length of a vector.
pub fn norm<T: Element>(row: &[T]) -> f32 {
    let squared = T::square(row);
    if held(squared) { squared.sqrt() } else { long_norm(row) as f32 }
}

/// Makes a vector as long as 1; false, and nothing done, if it is zero or not finite.
pub fn normalize(row: &mut [f32]) -> bool {
    let squared = f32::square(row);
    let length = if held(squared) { f64::from(squared).sqrt() } else { long_norm(row) };
    if length == 0.0 || !length.is_finite() {
        return false;
    }
    let factor = 1.0 / length;
    for x in row {
        // Between -1 and 1 but for rounding.
        *x = (f64::from(*x) * factor) as f32;
    }
    true
}

/// Whether `rows` rows' values are all there.
fn whole(values: usize, width: usize, rows: usize) -> Result<()> {
    if values == rows.saturating_mul(width) {
        return Ok(());
    }
    Err(Error::Shape(format!("{values} values are not {rows} vectors of length {width}")))
}

fn of_nothing(measure: Measure) -> f32 {
    if measure == Measure::Cosine { f32::NAN } else { 0.0 }
}

vectorised! {
    fn many<T: lanes::Element>(measure: Measure, query: &[f32], squared: f32, rows: &[T], out: &mut [f32]) {
        let width = query.len();
        let rows = rows.chunks_exact(width);
        match measure {
            Measure::Cosine => {
                for (row, out) in rows.zip(out) {
                    let (product, other) = lanes::product_and_squares::<WIDE, f32, T>(query, row);
                    *out = cosine(query, row, product, squared, other);
                }
            }
            Measure::Dot => {
                for (row, out) in rows.zip(out) {
                    *out = lanes::sum::<WIDE, Products, f32, T>(query, row);
                }
            }
            Measure::L1 => {
                for (row, out) in rows.zip(out) {
                    *out = lanes::sum::<WIDE, Absolutes, f32, T>(query, row);
                }
            }
            Measure::SquaredL2 => {
                for (row, out) in rows.zip(out) {
                    *out = lanes::sum::<WIDE, Squares, f32, T>(query, row);
                }
            }
        }
    }

    fn row_by_row<T: lanes::Element>(measure: Measure, left: &[T], right: &[T], width: usize, out: &mut [f32]) {
        let rows = left.chunks_exact(width).zip(right.chunks_exact(width));
        for ((a, b), out) in rows.zip(out) {
            *out = match measure {
                Measure::Cosine => {
                    let (product, other) = lanes::product_and_squares::<WIDE, T, T>(a, b);
                    let squared = lanes::sum::<WIDE, Products, T, T>(a, a);
                    cosine(a, b, product, squared, other)
                }
                Measure::Dot => lanes::sum::<WIDE, Products, T, T>(a, b),
                Measure::L1 => lanes::sum::<WIDE, Absolutes, T, T>(a, b),
                Measure::SquaredL2 => lanes::sum::<WIDE, Squares, T, T>(a, b),
            };
        }
    }

    fn square<T: lanes::Element>(row: &[T]) -> f32 {
        lanes::sum::<WIDE, Products, T, T>(row, row)
    }
}

/// Whether a sum of squares lost nothing to the limits of f32.
#[inline(always)]
fn held(squared: f32) -> bool {
    (1e-30..1e38).contains(&squared)
}

#[inline(always)]
fn cosine<A: lanes::Element, B: lanes::Element>(
    a: &[A],
    b: &[B],
    product: f32,
    square_a: f32,
    square_b: f32,
) -> f32 {
    if held(square_a) && held(square_b) {
        return (product / (square_a.sqrt() * square_b.sqrt())).clamp(-1.0, 1.0);
    }
    long_cosine(a, b)
}

/// The same in f64, which holds the squares of all f32.
#[cold]
fn long_cosine<A: lanes::Element, B: lanes::Element>(a: &[A], b: &[B]) -> f32 {
    let product: f64 =
        a.iter().zip(b).map(|(x, y)| f64::from(x.wider()) * f64::from(y.wider())).sum();
    // Zero by zero is NaN; the quotient is between -1 and 1.
    (product / (long_norm(a) * long_norm(b))).clamp(-1.0, 1.0) as f32
}

#[cold]
fn long_norm<T: lanes::Element>(row: &[T]) -> f64 {
    row.iter().map(|x| f64::from(x.wider()).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use half::f16;

    const ALL: [Measure; 4] = [Measure::Cosine, Measure::Dot, Measure::L1, Measure::SquaredL2];

    fn noise(stream: u64, count: usize) -> Vec<f32> {
        (0..count as u64).map(|i| random::signed(5, stream, i)).collect()
    }

    fn plain(measure: Measure, a: &[f32], b: &[f32]) -> f64 {
        let pairs = || a.iter().zip(b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
        let dot = pairs().map(|(x, y)| x * y).sum::<f64>();
        match measure {
            Measure::Cosine => {
                let (x, y): (f64, f64) =
                    pairs().fold((0.0, 0.0), |sum, (x, y)| (sum.0 + x * x, sum.1 + y * y));
                dot / (x * y).sqrt()
            }
            Measure::Dot => dot,
            Measure::L1 => pairs().map(|(x, y)| (x - y).abs()).sum(),
            Measure::SquaredL2 => pairs().map(|(x, y)| (x - y).powi(2)).sum(),
        }
    }

    #[test]
    fn every_measure_is_the_plain_one_for_every_length() {
        for width in [1, 2, 3, 7, 8, 31, 32, 33, 64, 100, 384, 1000, 4096] {
            let (query, rows) = (noise(0, width), noise(1, width * 9));
            let halves: Vec<f16> = rows.iter().map(|&x| f16::from_f32(x)).collect();
            let rounded: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
            for measure in ALL {
                let (mut full, mut half) = ([0.0; 9], [0.0; 9]);
                one_to_many(measure, &query, &rows, &mut full).unwrap();
                one_to_many(measure, &query, &halves, &mut half).unwrap();
                for i in 0..9 {
                    let at = i * width..(i + 1) * width;
                    for (got, row) in [(full[i], &rows[at.clone()]), (half[i], &rounded[at])] {
                        let right = plain(measure, &query, row);
                        let close = 1e-5 * (1.0 + width as f64).sqrt();
                        assert!(
                            (f64::from(got) - right).abs() < close,
                            "{measure:?} {got} {right}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_pair_has_one_distance_wherever_it_stands() {
        let (width, count) = (100, 5000);
        let rows = noise(2, width * count);
        let mut halves: Vec<f16> = rows.iter().map(|&x| f16::from_f32(x)).collect();
        for measure in ALL {
            let query = &rows[..width];
            let (mut many, mut turned) = (vec![0.0; count], vec![0.0; count]);
            one_to_many(measure, query, &rows, &mut many).unwrap();
            let repeated = query.repeat(count);
            pairwise(measure, &rows, &repeated, width, &mut turned).unwrap();
            assert_eq!(many[1..], turned[1..]);
            let one = one_to_one(measure, query, &rows[77 * width..78 * width]).unwrap();
            assert_eq!(many[77], one);
            let (mut early, mut late) = (vec![0.0; count], vec![0.0; count]);
            one_to_many(measure, query, &halves, &mut early).unwrap();
            halves.rotate_left(width);
            one_to_many(measure, query, &halves, &mut late).unwrap();
            late.rotate_right(1);
            assert_eq!(early, late);
        }
    }

    #[test]
    fn plain_code_and_vector_code_agree() {
        let (a, b) = (noise(3, 777), noise(4, 777));
        let narrow = lanes::sum::<false, Squares, f32, f32>(&a, &b);
        let wide = one_to_one(Measure::SquaredL2, &a, &b).unwrap();
        assert!((narrow - wide).abs() < 1e-3, "{narrow} {wide}");
        let halves: Vec<f16> = b.iter().map(|&x| f16::from_f32(x)).collect();
        let narrow = lanes::sum::<false, Absolutes, f32, f16>(&a, &halves);
        let mut wide = [0.0];
        one_to_many(Measure::L1, &a, &halves, &mut wide).unwrap();
        assert!((narrow - wide[0]).abs() < 1e-3, "{narrow} {wide:?}");
    }

    #[test]
    fn zero_has_no_cosine_and_the_largest_numbers_have_one() {
        let mut out = [0.0; 4];
        let rows = [0.0, 0.0, 3e38, 3e38, 1e-45, 1e-45, -1e-30, 1e-30];
        one_to_many(Measure::Cosine, &[2e38, 2e38], &rows, &mut out).unwrap();
        assert!(out[0].is_nan());
        assert!((out[1] - 1.0).abs() < 1e-6 && (out[2] - 1.0).abs() < 1e-6 && out[3].abs() < 1e-6);
        assert!(one_to_one::<f32>(Measure::Cosine, &[], &[]).unwrap().is_nan());
        let mut tiny = [3e-45f32, 4e-45];
        assert!(normalize(&mut tiny) && (norm(&tiny) - 1.0).abs() < 1e-6);
        let mut huge = [3e38f32, 3e38];
        assert!(normalize(&mut huge) && (norm(&huge) - 1.0).abs() < 1e-6);
        assert!(!normalize(&mut [0.0, -0.0]) && !normalize(&mut [f32::NAN, 1.0]));
        assert!(!normalize(&mut [f32::INFINITY, 1.0]));
        assert!((norm(&[3e-40f32, 4e-40]) - 5e-40).abs() < 1e-43);
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let mut out = [0.0; 2];
        for rows in [&[1.0f32, 2.0, 3.0][..], &[1.0; 6]] {
            assert!(matches!(
                one_to_many(Measure::Dot, &[1.0, 2.0], rows, &mut out),
                Err(Error::Shape(_))
            ));
        }
        assert!(pairwise(Measure::Dot, &[1.0f32; 4], &[1.0; 6], 2, &mut out).is_err());
        assert!(one_to_one(Measure::Dot, &[1.0f32], &[1.0, 2.0]).is_err());
    }
}
