//! What the machine does with products of matrices, by a library made for them: the measure of our
//! own.

use std::time::{Duration, Instant};

use gemm::Parallelism;

/// Products of rows with weights of this shape, on so many threads at the same time: GFLOP/s of all
/// together.
pub fn products(threads: usize, rows: usize, inputs: usize, outputs: usize) -> f64 {
    let one = || {
        let x = vec![0.5f32; rows * inputs];
        let w = vec![0.25f32; outputs * inputs];
        let mut out = vec![0f32; rows * outputs];
        let (start, mut rounds) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_millis(500) {
            multiply(&x, &w, &mut out, (rows, inputs, outputs));
            rounds += 1;
        }
        let flops = 2 * rounds * rows * inputs * outputs;
        flops as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    })
}

/// `out = x wᵀ`.
fn multiply(x: &[f32], w: &[f32], out: &mut [f32], (rows, inputs, outputs): (usize, usize, usize)) {
    let (across, along) = (inputs.cast_signed(), outputs.cast_signed());
    // SAFETY: the sizes are those of `products`, which the strides walk through.
    unsafe {
        gemm::gemm(
            rows,
            outputs,
            inputs,
            out.as_mut_ptr(),
            1,
            along,
            false,
            x.as_ptr(),
            1,
            across,
            w.as_ptr(),
            across,
            1,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
