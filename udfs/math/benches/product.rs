//! Products of matrices beside what the machine could do at most: multiplications with additions on
//! registers alone.
//!
//!     cargo bench -p portolan-math --bench product

use std::hint::black_box;
use std::time::{Duration, Instant};

use portolan_math::{Onto, Packed};
use pulp::{Arch, Simd, WithSimd};

/// The layers of a small and of a large text encoder: rows, inputs, outputs.
const SHAPES: [(usize, usize, usize); 7] = [
    (17, 384, 1536),
    (512, 384, 384),
    (512, 384, 1152),
    (512, 384, 1536),
    (512, 1536, 384),
    (512, 768, 3072),
    (512, 3072, 768),
];

/// Weights of one shape that are gone through in turn, as a network's layers are: more than the caches
/// hold.
const LAYERS_BYTES: usize = 48 << 20;

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let peak = |threads| rate(threads, Sums::FLOPS, || || Arch::new().dispatch(Sums));
    let most = [peak(1), peak(cores)];
    println!("at most: {:.0} GFLOP/s on 1 thread, {:.0} on {cores}", most[0], most[1]);
    for (rows, inputs, outputs) in SHAPES {
        let weight = noise(inputs * outputs);
        let layers = LAYERS_BYTES.div_ceil(4 * weight.len());
        let layers: Vec<Packed> = (0..layers).map(|_| Packed::new(&[&weight], inputs)).collect();
        let measure = |threads| {
            rate(threads, 2 * rows * inputs * outputs, || {
                let (x, mut out) = (noise(rows * inputs), vec![0.0; rows * outputs]);
                let mut turns = layers.iter().cycle();
                move || {
                    if let Some(layer) = turns.next() {
                        layer.multiply(&x, Onto::Zero, black_box(&mut out));
                    }
                }
            })
        };
        let reached = [measure(1), measure(cores)];
        println!(
            "{rows:>4} x {inputs:>4} x {outputs:>4}: {:.1} ({:.0} %), {:.1} ({:.0} %)",
            reached[0],
            100.0 * reached[0] / most[0],
            reached[1],
            100.0 * reached[1] / most[1]
        );
    }
}

/// GFLOP/s of work that is done again and again, by all threads together.
fn rate<W: FnMut()>(threads: usize, flops: usize, work: impl Fn() -> W + Sync) -> f64 {
    let one = || {
        let mut work = work();
        let (start, mut rounds) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_millis(400) {
            work();
            rounds += 1;
        }
        (rounds * flops) as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    })
}

/// Numbers with all their digits: a processor may slow down for them.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

/// Sums that stay in registers.
struct Sums;

impl Sums {
    const ROUNDS: usize = 50_000;
    const SUMS: usize = 12;
    const FLOPS: usize = 2 * Self::ROUNDS * Self::SUMS * 8;
}

impl WithSimd for Sums {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let factor = simd.splat_f32s(black_box(0.999));
        let mut sums = [simd.splat_f32s(black_box(0.5)); Self::SUMS];
        for _ in 0..Self::ROUNDS * 8 / S::F32_LANES {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(factor, *sum, factor);
            }
        }
        black_box(sums);
    }
}
