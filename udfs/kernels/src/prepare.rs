//! Rows made ready to be compared: checked, and each with the factor that brings it to where its
//! numbers can be multiplied without leaving f32.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::lanes;
use crate::neighbours::Metric;
use crate::rows::Rows;
use crate::tile::{Form, Scaled};

/// Rows with what each is multiplied by.
pub struct Prepared<'a> {
    rows: Rows<'a>,
    factors: Vec<f32>,
    metric: Metric,
    /// What lengths are multiplied by (l2, where it is the same for all rows).
    scale: f32,
}

/// The shortest vector that has a direction: what it is multiplied by still fits f32.
const SHORTEST: f64 = 1e-37;

impl<'a> Prepared<'a> {
    /// Checks the rows and finds their factors.
    pub fn new(rows: Rows<'a>, metric: Metric) -> Result<Self> {
        let squares = checked(rows)?;
        let scale = match metric {
            Metric::Cosine => 1.0,
            Metric::Dot | Metric::L2 => {
                let squares = squares.par_iter().copied().reduce(|| 0.0, f64::max);
                to_reach_one(squares.sqrt())
            }
        };
        Self::with(rows, &squares, metric, scale)
    }

    /// Other rows, to be compared with these.
    pub fn like<'b>(&self, rows: Rows<'b>) -> Result<Prepared<'b>> {
        if rows.width() != self.rows.width() && !rows.is_empty() {
            return Err(Error::Shape(format!(
                "vectors of length {} cannot be compared with vectors of length {}",
                rows.width(),
                self.rows.width()
            )));
        }
        let squares = checked(rows)?;
        Prepared::with(rows, &squares, self.metric, self.scale)
    }

    fn with(rows: Rows<'a>, squares: &[f64], metric: Metric, scale: f32) -> Result<Self> {
        let factors = match metric {
            Metric::Cosine => {
                let zero = squares.par_iter().position_first(|squares| squares.sqrt() < SHORTEST);
                if let Some(row) = zero {
                    return Err(Error::Zero { row });
                }
                // At most 1e37, which fits.
                squares.par_iter().map(|squares| (1.0 / squares.sqrt()) as f32).collect()
            }
            Metric::Dot | Metric::L2 => vec![scale; rows.len()],
        };
        Ok(Self { rows, factors, metric, scale })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Length of a row.
    pub fn width(&self) -> usize {
        self.rows.width()
    }

    /// A row and its factor.
    #[inline]
    pub fn row(&self, index: usize) -> Scaled<'a> {
        (self.rows.row(index), self.factors[index])
    }

    /// What is added up of two rows.
    pub fn form(&self) -> Form {
        match self.metric {
            Metric::Cosine | Metric::Dot => Form::Products,
            Metric::L2 => Form::Squares,
        }
    }

    /// The same sum for two of these and other rows wherever they stand, the smaller the nearer; it
    /// keeps small distances of unit vectors apart, as 1 - cosine would not.
    #[inline]
    pub fn apart(&self, one: Scaled, other: Scaled) -> f32 {
        match self.metric {
            Metric::Cosine | Metric::L2 => lanes::scaled_squares(one.0, one.1, other.0, other.1),
            Metric::Dot => -lanes::scaled_products(one.0, one.1, other.0, other.1),
        }
    }

    /// The distance that such a sum stands for.
    pub fn distance(&self, apart: f32) -> f32 {
        let scale = f64::from(self.scale);
        let distance = match self.metric {
            // |a - b|^2 = 2 - 2 a.b of unit vectors.
            Metric::Cosine => f64::from(apart) / 2.0,
            Metric::L2 => f64::from(apart).sqrt() / scale,
            Metric::Dot => 1.0 + f64::from(apart) / (scale * scale),
        };
        // What f32 cannot hold is as far as it goes.
        distance.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
    }
}

/// Every row's sum of squares; an error if any number is not finite.
fn checked(rows: Rows) -> Result<Vec<f64>> {
    let squares: Vec<f64> =
        (0..rows.len()).into_par_iter().map(|row| lanes::squares(rows.row(row))).collect();
    match squares.par_iter().position_first(|squares| !squares.is_finite()) {
        Some(row) => Err(Error::NotFinite { row }),
        None => Ok(squares),
    }
}

/// 1 for lengths whose squares f32 holds well, else the power of two that brings them near 1.
fn to_reach_one(length: f64) -> f32 {
    if length == 0.0 || (1e-12..1e12).contains(&length) {
        return 1.0;
    }
    // A power of two changes no digit. It is a normal f32 within these bounds.
    2f64.powi(-(length.log2() as i32).clamp(-126, 126)) as f32
}
