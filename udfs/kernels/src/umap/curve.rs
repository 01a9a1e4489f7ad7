//! How nearness on the map falls with distance: 1 / (1 + a d^2b).

/// The two parameters of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// Steepness.
    pub a: f64,
    /// Half of the exponent of the distance.
    pub b: f64,
}

/// Points at which the curve is fitted, as many as the reference takes.
const POINTS: usize = 300;

impl Curve {
    /// The curve nearest, by least squares, to 1 up to `min_dist` and from there falling by a factor
    /// of e every `spread`.
    pub fn fit(min_dist: f64, spread: f64) -> Self {
        let points: Vec<(f64, f64)> = (0..POINTS)
            .map(|i| {
                let x = 3.0 * spread * i as f64 / (POINTS - 1) as f64;
                (x, if x < min_dist { 1.0 } else { (-(x - min_dist) / spread).exp() })
            })
            .collect();
        let mut at = Self { a: 1.0, b: 1.0 };
        let mut error = at.error(&points);
        // Levenberg's steps: towards Gauss and Newton's while they lead down, shorter otherwise.
        let mut damping = 1e-3;
        for _ in 0..500 {
            let (da, db) = at.step(&points, damping);
            let next = Self { a: at.a + da, b: at.b + db };
            let next_error =
                if next.a > 0.0 && next.b > 0.0 { next.error(&points) } else { f64::INFINITY };
            if next_error <= error {
                let settled = da.abs() <= 1e-12 * at.a && db.abs() <= 1e-12 * at.b;
                (at, error) = (next, next_error);
                damping = f64::max(damping * 0.1, 1e-15);
                if settled {
                    break;
                }
            } else {
                damping *= 10.0;
                if damping > 1e15 {
                    break;
                }
            }
        }
        at
    }

    fn at(self, x: f64) -> f64 {
        1.0 / (1.0 + self.a * x.powf(2.0 * self.b))
    }

    fn error(self, points: &[(f64, f64)]) -> f64 {
        points.iter().map(|&(x, y)| (self.at(x) - y).powi(2)).sum()
    }

    fn step(self, points: &[(f64, f64)], damping: f64) -> (f64, f64) {
        let (mut aa, mut ab, mut bb, mut ra, mut rb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        // At 0 the curve is 1 whatever its parameters.
        for &(x, y) in points.iter().filter(|point| point.0 > 0.0) {
            let power = x.powf(2.0 * self.b);
            let value = self.at(x);
            let by_a = -power * value * value;
            let by_b = -2.0 * x.ln() * self.a * power * value * value;
            aa += by_a * by_a;
            ab += by_a * by_b;
            bb += by_b * by_b;
            ra += by_a * (y - value);
            rb += by_b * (y - value);
        }
        let (aa, bb) = (aa * (1.0 + damping), bb * (1.0 + damping));
        let determinant = aa * bb - ab * ab;
        if determinant.abs() < f64::MIN_POSITIVE {
            return (0.0, 0.0);
        }
        ((ra * bb - rb * ab) / determinant, (rb * aa - ra * ab) / determinant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_pairs_come_out() {
        for (min_dist, a, b) in [(0.1, 1.5769, 0.8951), (0.5, 0.583, 1.334)] {
            let curve = Curve::fit(min_dist, 1.0);
            assert!((curve.a - a).abs() < 5e-4 && (curve.b - b).abs() < 5e-4, "{curve:?}");
        }
    }

    #[test]
    fn every_sensible_pair_of_options_gives_a_finite_curve() {
        for min_dist in [0.0, 0.001, 0.25, 0.99, 1.0, 3.0] {
            for spread in [0.1, 0.5, 1.0, 2.0, 10.0] {
                let curve = Curve::fit(min_dist, spread);
                assert!(
                    curve.a.is_finite() && curve.b.is_finite() && curve.a > 0.0 && curve.b > 0.0,
                    "{min_dist} {spread} {curve:?}"
                );
            }
        }
    }
}
