//! What one row of a map does in one epoch: it is pulled to its neighbours and pushed from rows drawn
//! by chance.

use super::curve::Curve;
use crate::math::power;
use crate::random::Lanes;

/// Numbers that are added up side by side.
const LANES: usize = 8;
/// Rows whose forces are worked out at once. Powers are long chains of operations, each of which waits
/// for the last: a vector unit is busy only with several chains at a time.
const AHEAD: usize = 64;
/// No single pull or push moves a row further than this along an axis, times the learning rate.
const FURTHEST: f32 = 4.0;
/// Keeps the push between rows in one place finite.
const SOFTENING: f32 = 0.001;
/// Squared distances from here up have powers that are normal numbers.
pub(super) const NEAREST: f32 = 1e-12;

/// The forces between rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forces {
    a: f32,
    b: f32,
    /// How strong pushes are.
    repulsion: f32,
    /// Rows drawn for every neighbour.
    negatives: u32,
}

/// Where a row stands in an epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The learning rate.
    pub(super) rate: f32,
    /// The row's stream of numbers in this epoch.
    pub(super) key: u64,
}

/// Buffers that are used again and again. What is left in them is never read.
pub(super) struct Scratch<const D: usize> {
    ids: [u32; AHEAD],
    /// Where they are, axis by axis.
    there: [[f32; AHEAD]; D],
    /// 1 where others pull, 0 where they push: products of it need no branch.
    pull: [f32; AHEAD],
    factors: [f32; AHEAD],
}

impl<const D: usize> Scratch<D> {
    pub(super) fn new() -> Self {
        Self {
            ids: [0; AHEAD],
            there: [[0.0; AHEAD]; D],
            pull: [0.0; AHEAD],
            factors: [0.0; AHEAD],
        }
    }
}

impl Forces {
    pub(super) fn new(curve: Curve, repulsion: f32, negatives: u32) -> Self {
        // Fitted parameters are near 1.
        Self { a: curve.a as f32, b: curve.b as f32, repulsion, negatives }
    }

    /// The parameters of nearness.
    pub(super) fn curve(&self) -> (f32, f32) {
        (self.a, self.b)
    }

    /// How many rows push a row that so many edges have the turn of.
    pub(super) fn pushes(&self, turns: usize) -> usize {
        turns * self.negatives as usize
    }

    /// Where a row goes that is pulled by these, and pushed by so many drawn by chance.
    #[inline(always)]
    pub(super) fn go<const D: usize>(
        &self,
        mut at: [f32; D],
        mut pulling: &[u32],
        mut pushing: usize,
        others: &[[f32; D]],
        moment: Moment,
        scratch: &mut Scratch<D>,
    ) -> [f32; D] {
        let lanes = Lanes::new(moment.key);
        // Rows are counted in 32 bits.
        let count = others.len() as u32;
        let mut drawn = 0u32;
        let mut sum = [0f32; D];
        while !pulling.is_empty() || pushing > 0 {
            let (now, later) = pulling.split_at(pulling.len().min(AHEAD));
            pulling = later;
            let ids = &mut scratch.ids;
            ids[..now.len()].copy_from_slice(now);
            let here = pushing.min(AHEAD - now.len());
            let filled = now.len() + here;
            for (lane, id) in ids[now.len()..filled].iter_mut().enumerate() {
                *id = lanes.below(drawn.wrapping_add(lane as u32), count);
            }
            look_up(&ids[..filled], others, &mut scratch.there);
            self.add(&at, scratch, now.len(), filled, &mut sum);
            drawn = drawn.wrapping_add(here as u32);
            pushing -= here;
        }
        for d in 0..D {
            at[d] = moment.rate.mul_add(sum[d], at[d]);
        }
        at
    }

    /// Adds the forces of some others, of which the first pull and the rest push. Loops that run to a
    /// number only known here become vector code; short ones of a known length are taken apart first.
    #[inline(always)]
    fn add<const D: usize>(
        &self,
        at: &[f32; D],
        scratch: &mut Scratch<D>,
        pulling: usize,
        count: usize,
        sum: &mut [f32; D],
    ) {
        let Scratch { there, pull, factors, .. } = scratch;
        let filled = count.next_multiple_of(LANES).min(AHEAD);
        for d in 0..D {
            // What is in one place with the row neither pulls nor pushes it.
            there[d][count..filled].fill(at[d]);
        }
        pull[..pulling].fill(1.0);
        pull[pulling..filled].fill(0.0);
        for lane in 0..filled {
            let mut square = 0f32;
            for d in 0..D {
                let apart = at[d] - there[d][lane];
                square = apart.mul_add(apart, square);
            }
            factors[lane] = self.force(square, pull[lane]);
        }
        for d in 0..D {
            let mut lanes = [0f32; LANES];
            let there = there[d][..filled].as_chunks::<LANES>().0;
            for (factors, there) in factors.as_chunks::<LANES>().0.iter().zip(there) {
                for lane in 0..LANES {
                    lanes[lane] += clip(factors[lane] * (at[d] - there[lane]));
                }
            }
            sum[d] += lanes.iter().sum::<f32>();
        }
    }

    /// What the difference of two rows is multiplied by.
    #[inline(always)]
    fn force(&self, square: f32, pull: f32) -> f32 {
        let power = power(if square > NEAREST { square } else { NEAREST }, self.b);
        let push = 1.0 - pull;
        let over = 2.0 * self.b * (self.repulsion * push - self.a * pull * power);
        let under = (SOFTENING.mul_add(push, NEAREST) + square) * self.a.mul_add(power, 1.0);
        over / under
    }
}

/// Brings places to where they lie together, axis by axis.
#[inline(always)]
fn look_up<const D: usize>(ids: &[u32], others: &[[f32; D]], there: &mut [[f32; AHEAD]; D]) {
    for (lane, &id) in ids.iter().enumerate().take(AHEAD) {
        let place = &others[id as usize];
        for d in 0..D {
            there[d][lane] = place[d];
        }
    }
}

#[inline(always)]
pub(super) fn clip(x: f32) -> f32 {
    let x = if x < FURTHEST { x } else { FURTHEST };
    if x > -FURTHEST { x } else { -FURTHEST }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By how much x falls short of being the derivative of a potential, by central differences.
    fn off(potential: impl Fn(f64) -> f64, square: f64, factor: f32) -> f64 {
        let distance = square.sqrt();
        let h = distance * 1e-4;
        let slope = (potential(distance + h) - potential(distance - h)) / (2.0 * h);
        // The factor times the difference is the way down.
        let right = -slope / distance;
        (f64::from(factor) - right).abs() / right.abs()
    }

    #[test]
    fn forces_are_the_slopes_of_the_cross_entropy() {
        for (min_dist, repulsion) in [(0.1, 1.0), (0.5, 1.0), (0.0, 0.3)] {
            let curve = Curve::fit(min_dist, 1.0);
            let forces = Forces::new(curve, repulsion, 5);
            let nearness = |d: f64| 1.0 / (1.0 + curve.a * d.powf(2.0 * curve.b));
            let mut square = 1e-4f32;
            while square < 1e3 {
                let s = f64::from(square);
                assert!(
                    off(|d| -nearness(d).ln(), s, forces.force(square, 1.0)) < 1e-4,
                    "{square}"
                );
                // The softening is no part of the potential.
                let hard = f64::from(forces.force(square, 0.0)) * (s + f64::from(SOFTENING)) / s;
                let push = |d: f64| -f64::from(repulsion) * (1.0 - nearness(d)).ln();
                assert!(off(push, s, hard as f32) < 1e-4, "{square}");
                square *= 1.7;
            }
        }
    }

    #[test]
    fn a_move_is_the_sum_of_what_is_written_in_books() {
        let curve = Curve::fit(0.1, 1.0);
        let forces = Forces::new(curve, 1.0, 3);
        let others: Vec<[f32; 3]> =
            (0..50).map(|i| [(i as f32).sin(), (i as f32).cos() * 2.0, i as f32 * 0.01]).collect();
        let neighbours = [4, 9, 33, 12];
        let moment = Moment { rate: 0.5, key: 99 };
        let got = forces.go(
            [0.5, 0.25, 0.125],
            &neighbours,
            forces.pushes(4),
            &others,
            moment,
            &mut Scratch::new(),
        );
        let at = [0.5f64, 0.25, 0.125];
        let mut right = at;
        let mut act = |other: [f32; 3], pulled: bool| {
            let apart: Vec<f64> = (0..3).map(|d| at[d] - f64::from(other[d])).collect();
            let square: f64 = apart.iter().map(|x| x * x).sum();
            let power = square.powf(curve.b);
            let factor = if pulled {
                -2.0 * curve.a * curve.b * power / square / (1.0 + curve.a * power)
            } else {
                2.0 * curve.b / ((0.001 + square) * (1.0 + curve.a * power))
            };
            for d in 0..3 {
                right[d] += 0.5 * (factor * apart[d]).clamp(-4.0, 4.0);
            }
        };
        for tail in neighbours {
            act(others[tail as usize], true);
        }
        for drawn in 0..12 {
            act(others[Lanes::new(99).below(drawn, 50) as usize], false);
        }
        for d in 0..3 {
            assert!((f64::from(got[d]) - right[d]).abs() < 1e-4, "{got:?} {right:?}");
        }
    }
}
