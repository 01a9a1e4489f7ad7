//! Where rows are before the first epoch.

use crate::random::signed;

/// The side of the square that a start is spread over.
const SIDE: f32 = 10.0;
/// How far rows are moved by chance, so that none lie in one place.
const JITTER: f32 = 1e-3;
/// The stream of these moves.
const STREAM: u64 = u64::from_be_bytes(*b"\0\0\0start");

/// Scales every axis to the side of the square, and separates rows that lie in one place. An axis
/// along which nothing differs is filled by chance.
pub(crate) fn spread_out<const D: usize>(start: &[f32], seed: u64) -> Vec<[f32; D]> {
    let mut places = start.as_chunks::<D>().0.to_vec();
    for d in 0..D {
        let least = places.iter().map(|place| place[d]).fold(f32::INFINITY, f32::min);
        let most = places.iter().map(|place| place[d]).fold(f32::NEG_INFINITY, f32::max);
        // In f64, where neither the difference nor its inverse can overflow.
        let range = f64::from(most) - f64::from(least);
        for (row, place) in places.iter_mut().enumerate() {
            let chance = signed(seed, STREAM, (row * D + d) as u64);
            place[d] = if range > 0.0 {
                let share = ((f64::from(place[d]) - f64::from(least)) / range) as f32;
                SIDE.mul_add(share, JITTER * chance)
            } else {
                SIDE / 2.0 * (1.0 + chance)
            };
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_scaled_and_no_two_rows_lie_in_one_place() {
        let start = [1.0, 7.0, 1.0, 7.0, 3.0, 7.0, 2.0, 7.0];
        let places = spread_out::<2>(&start, 5);
        assert!(places[0] != places[1]);
        for (place, x) in places.iter().zip([0.0, 0.0, 10.0, 5.0]) {
            assert!((place[0] - x).abs() <= 1e-3 && (0.0..=10.0).contains(&place[1]));
        }
        let huge = spread_out::<1>(&[f32::MAX, f32::MIN, 0.0], 5);
        assert!(huge.iter().all(|place| place[0].is_finite()));
    }
}
