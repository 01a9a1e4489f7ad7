//! L-BFGS: down a smooth slope by what the last steps say of how it bends (Liu and Nocedal, 1989).

use std::collections::VecDeque;

use super::loss::{Loss, Slope};
use crate::error::Result;
use crate::steps::Steps;

/// Steps that are remembered.
const REMEMBERED: usize = 10;
/// How much of what the slope promises a step must bring.
const ENOUGH: f64 = 1e-4;
/// How much less steep it must be at its end.
const FLATTER: f64 = 0.9;
/// Places that are tried for a step.
const TRIES: usize = 20;

/// Where it ended.
pub struct Found {
    pub at: Vec<f64>,
    pub arrived: bool,
}

/// A step that was taken, and how much the gradient changed.
struct Taken {
    step: Vec<f64>,
    change: Vec<f64>,
    product: f64,
}

/// Finds where the loss is least, from zero.
pub fn minimise(loss: &Loss, most: usize, tolerance: f64, steps: &Steps) -> Result<Found> {
    let mut at = vec![0f64; loss.size()];
    let mut here = loss.slope(&at, steps)?;
    let mut memory: VecDeque<Taken> = VecDeque::with_capacity(REMEMBERED);
    for step in 0..most {
        if largest(&here.gradient) <= tolerance {
            steps.take(most - step)?;
            return Ok(Found { at, arrived: true });
        }
        let mut way = downwards(&memory, &here.gradient);
        if dot(&way, &here.gradient) >= 0.0 {
            // What is remembered is of no use.
            memory.clear();
            way = downwards(&memory, &here.gradient);
        }
        // The first step has no scale.
        let first = if memory.is_empty() { 1.0 / length(&here.gradient).max(1e-300) } else { 1.0 };
        let Some((far, there)) = walk(loss, &at, &here, &way, first, steps)? else {
            // What is left is rounding.
            steps.take(most - step)?;
            return Ok(Found { at, arrived: true });
        };
        let moved: Vec<f64> = way.iter().map(|x| far * x).collect();
        at.iter_mut().zip(&moved).for_each(|(x, step)| *x += step);
        let change: Vec<f64> =
            there.gradient.iter().zip(&here.gradient).map(|(new, old)| new - old).collect();
        let product = dot(&moved, &change);
        if product > f64::EPSILON * dot(&change, &change) {
            if memory.len() == REMEMBERED {
                memory.pop_front();
            }
            memory.push_back(Taken { step: moved, change, product });
        }
        here = there;
        steps.take(1)?;
    }
    let arrived = largest(&here.gradient) <= tolerance;
    Ok(Found { at, arrived })
}

/// Which way to go: against the gradient, bent by what is remembered.
fn downwards(memory: &VecDeque<Taken>, gradient: &[f64]) -> Vec<f64> {
    let mut way: Vec<f64> = gradient.iter().map(|x| -x).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for one in memory.iter().rev() {
        let share = dot(&one.step, &way) / one.product;
        way.iter_mut().zip(&one.change).for_each(|(x, y)| *x -= share * y);
        shares.push(share);
    }
    if let Some(last) = memory.back() {
        let scale = last.product / dot(&last.change, &last.change);
        way.iter_mut().for_each(|x| *x *= scale);
    }
    for (one, share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = dot(&one.change, &way) / one.product;
        way.iter_mut().zip(&one.step).for_each(|(x, s)| *x += (share - back) * s);
    }
    way
}

/// How far to go: until the loss is less by enough and the slope flatter (Wolfe's conditions), by
/// doubling and halving. None if no place is better.
fn walk(
    loss: &Loss,
    from: &[f64],
    here: &Slope,
    way: &[f64],
    first: f64,
    steps: &Steps,
) -> Result<Option<(f64, Slope)>> {
    let steep = dot(way, &here.gradient);
    let (mut near, mut far, mut at) = (0.0, f64::INFINITY, first);
    let mut best: Option<(f64, Slope)> = None;
    for _ in 0..TRIES {
        let place: Vec<f64> = from.iter().zip(way).map(|(x, w)| x + at * w).collect();
        let there = loss.slope(&place, steps)?;
        if there.loss.is_nan() || there.loss > here.loss + ENOUGH * at * steep {
            far = at;
        } else if dot(way, &there.gradient) < FLATTER * steep {
            near = at;
            best = Some((at, there));
        } else {
            return Ok(Some((at, there)));
        }
        at = if far.is_finite() { (near + far) / 2.0 } else { 2.0 * at };
    }
    Ok(best)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn length(of: &[f64]) -> f64 {
    dot(of, of).sqrt()
}

fn largest(of: &[f64]) -> f64 {
    of.iter().fold(0.0, |most, x| f64::max(most, x.abs()))
}
