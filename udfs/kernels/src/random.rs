//! Randomness that needs no state: the n-th number of a stream is a hash.

/// The number at `index` of the stream `stream` of `seed`.
pub fn number(seed: u64, stream: u64, index: u64) -> u64 {
    mix(mix(mix(seed) ^ stream) ^ index)
}

/// The same, spread evenly over -1 to 1.
pub fn signed(seed: u64, stream: u64, index: u64) -> f32 {
    // 24 bits are what an f32 holds exactly.
    (number(seed, stream, index) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
}

/// Sends neighbouring numbers far apart (the finaliser of SplitMix64).
#[inline(always)]
pub fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A stream of which many numbers are taken at once: 32 bits are enough for them, and 32-bit
/// products are what vector units have.
#[derive(Debug, Clone, Copy)]
pub struct Lanes {
    first: u32,
    second: u32,
}

impl Lanes {
    /// The stream of a key.
    #[inline(always)]
    pub fn new(key: u64) -> Self {
        let key = mix(key);
        // The two halves.
        Self { first: key as u32, second: (key >> 32) as u32 }
    }

    /// The number at `index`.
    #[inline(always)]
    pub fn number(self, index: u32) -> u32 {
        let x = index.wrapping_mul(0x9e37_79b9).wrapping_add(self.first);
        let x = (x ^ (x >> 16)).wrapping_mul(0x21f0_aaad) ^ self.second;
        let x = (x ^ (x >> 15)).wrapping_mul(0x735a_2d97);
        x ^ (x >> 15)
    }

    /// The number at `index`, as one below `count`.
    #[inline(always)]
    pub fn below(self, index: u32, count: u32) -> u32 {
        // The high half of a product of two 32-bit numbers fits.
        ((u64::from(self.number(index)) * u64::from(count)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far counts are from even, in standard deviations of their sum of squares.
    fn unevenness(counts: &[u32]) -> f64 {
        let total: u32 = counts.iter().sum();
        let each = f64::from(total) / counts.len() as f64;
        let square: f64 = counts.iter().map(|&c| (f64::from(c) - each).powi(2) / each).sum();
        let free = counts.len() as f64 - 1.0;
        (square - free) / (2.0 * free).sqrt()
    }

    #[test]
    fn lanes_spread_evenly_along_a_stream_and_across_streams() {
        let (mut along, mut across, mut pairs) =
            (vec![0u32; 100], vec![0u32; 100], vec![0u32; 100]);
        for i in 0..100_000u32 {
            along[Lanes::new(7).below(i, 100) as usize] += 1;
            across[Lanes::new(u64::from(i)).below(3, 100) as usize] += 1;
            let lanes = Lanes::new(u64::from(i) << 20);
            pairs[(lanes.below(0, 10) * 10 + lanes.below(1, 10)) as usize] += 1;
        }
        for counts in [along, across, pairs] {
            assert!(unevenness(&counts).abs() < 5.0, "{}", unevenness(&counts));
        }
    }

    #[test]
    fn seeds_streams_and_indices_all_matter() {
        let all = [(1, 2, 3), (1, 3, 2), (2, 1, 3), (3, 2, 1), (0, 0, 0)];
        let mut numbers: Vec<u64> = all.iter().map(|&(s, t, i)| number(s, t, i)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all.len());
        let mean = (0..10_000).map(|i| signed(1, 2, i)).sum::<f32>() / 10_000.0;
        assert!(mean.abs() < 0.02, "{mean}");
    }
}
