//! Means of rows.

use crate::vectorised::vectorised;

vectorised! {
    /// The mean of all rows, which are as long as it is.
    pub fn mean(rows: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        for row in rows.chunks_exact(out.len()) {
            for (sum, x) in out.iter_mut().zip(row) {
                *sum += x;
            }
        }
        let share = out.len() as f32 / rows.len() as f32;
        for x in out {
            *x *= share;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_each_column() {
        let mut out = [9.0; 2];
        mean(&[1.0, 2.0, 3.0, 6.0], &mut out);
        assert_eq!(out, [2.0, 4.0]);
    }
}
