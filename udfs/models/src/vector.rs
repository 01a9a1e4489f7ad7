//! The last steps from a model's whole vector to the one that is stored: layer norm, cut, length 1,
//! in this order. A cut before the layer norm gives other, worse vectors.

/// What keeps [`layer_norm`] from dividing by zero.
const EPSILON: f64 = 1e-5;

/// A layer norm without weights: mean 0, variance 1.
pub fn layer_norm(vector: &mut [f32]) {
    let count = vector.len() as f64;
    let mean = vector.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = vector.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    let scale = 1.0 / (variance + EPSILON).sqrt();
    for x in vector {
        *x = ((f64::from(*x) - mean) * scale) as f32;
    }
}

/// Length 1; a vector of zeros stays as it is.
pub fn l2(vector: &mut [f32]) {
    let length = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        for x in vector {
            *x = (f64::from(*x) / length) as f32;
        }
    }
}

/// Layer norm where the model's recipe has one, cut to `dims`, length 1.
///
/// ```
/// let mut vector = vec![3.0, 4.0, 12.0];
/// portolan_models::vector::finish(&mut vector, false, 2);
/// assert_eq!(vector, [0.6, 0.8]);
/// ```
pub fn finish(vector: &mut Vec<f32>, with_layer_norm: bool, dims: usize) {
    if with_layer_norm {
        layer_norm(vector);
    }
    vector.truncate(dims);
    l2(vector);
}

/// Vectors of length 1 that lie one after another, each cut from `whole` to `dims` numbers and of
/// length 1 again.
pub fn cut(vectors: Vec<f32>, whole: usize, dims: usize) -> Vec<f32> {
    if whole == dims || whole == 0 {
        return vectors;
    }
    let mut short = Vec::with_capacity(vectors.len() / whole * dims);
    for vector in vectors.chunks_exact(whole) {
        let start = short.len();
        short.extend_from_slice(&vector[..dims]);
        l2(&mut short[start..]);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_norm_sees_the_whole_vector() {
        let mut vector = vec![1.0, 2.0, 3.0, 10.0];
        finish(&mut vector, true, 2);
        // Mean 4: -3, -2, -1, 6; the scale goes with the length.
        let length = 13f32.sqrt();
        assert!((vector[0] + 3.0 / length).abs() < 1e-6);
        assert!((vector[1] + 2.0 / length).abs() < 1e-6);
        assert_eq!(vector.len(), 2);
    }

    #[test]
    fn a_layer_norm_gives_mean_0_and_variance_1() {
        let mut vector: Vec<f32> = (0..768).map(|i| (i % 13) as f32 * 5.0 - 7.0).collect();
        layer_norm(&mut vector);
        let mean = vector.iter().sum::<f32>() / 768.0;
        let variance = vector.iter().map(|x| x * x).sum::<f32>() / 768.0;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-5);
    }

    #[test]
    fn cut_vectors_have_length_1_again() {
        let vectors = vec![0.6, 0.8, 0.0, 0.0, 0.6, 0.8];
        assert_eq!(cut(vectors.clone(), 3, 3), vectors);
        assert_eq!(cut(vectors, 3, 2), vec![0.6, 0.8, 0.0, 1.0]);
    }

    #[test]
    fn nothing_becomes_infinite() {
        for vector in [vec![], vec![0.0; 4], vec![7.0; 4]] {
            let mut same = vector.clone();
            finish(&mut same, true, 4);
            assert_eq!(same, vec![0.0; vector.len()]);
        }
        let mut large = vec![f32::MAX, f32::MAX];
        finish(&mut large, false, 2);
        assert!((large[0] - 0.5f32.sqrt()).abs() < 1e-6);
    }
}
