//! Sums over rows, always in the same order: 32 partial sums, one for every 32nd element, that are
//! added up as a tree. Compiled for the vector units that this machine has.

use half::f16;

/// Numbers that are added up together.
pub const LANES: usize = 32;

/// Eight numbers, one vector register.
pub type Eight = [f32; 8];

/// Makes functions that run compiled for the widest vector unit of the machine that they find
/// themselves on. `WIDE` says within them which one they are; what they call must be marked
/// `#[inline(always)]` and take it on, or it is compiled for the oldest machine. Closures cannot be
/// marked, so nothing hot may be in one.
macro_rules! vectorised {
    ($($(#[$attribute:meta])* $visible:vis fn $name:ident $(<$generic:ident: $bound:path>)? ($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$attribute])*
        $visible fn $name $(<$generic: $bound>)? ($($argument: $kind),*) $(-> $result)? {
            #[inline(always)]
            fn plain<const WIDE: bool $(, $generic: $bound)?>($($argument: $kind),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma,f16c")]
                fn wide $(<$generic: $bound>)? ($($argument: $kind),*) $(-> $result)? {
                    plain::<true $(, $generic)?>($($argument),*)
                }
                if $crate::lanes::wide() {
                    // SAFETY: the machine has what the function is compiled for.
                    return unsafe { wide($($argument),*) };
                }
            }
            plain::<false $(, $generic)?>($($argument),*)
        }
    )*};
}

pub(crate) use vectorised;

/// Whether the machine has the vector units that functions are compiled for beside the plain ones.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn wide() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("fma")
        && std::arch::is_x86_feature_detected!("f16c")
}

/// `a * b + c`, rounded once where the machine can: elsewhere that would be a call for each number.
#[inline(always)]
pub fn fused<const WIDE: bool>(a: f32, b: f32, c: f32) -> f32 {
    if WIDE || cfg!(target_arch = "aarch64") { a.mul_add(b, c) } else { a * b + c }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
}

/// What vectors are made of.
pub trait Element: Copy + Default + Send + Sync + sealed::Sealed + 'static {
    /// The number as an f32, exactly.
    fn wider(self) -> f32;

    /// Eight of them.
    #[doc(hidden)]
    fn eight<const WIDE: bool>(from: &[Self; 8]) -> Eight;
}

impl Element for f32 {
    fn wider(self) -> f32 {
        self
    }

    #[inline(always)]
    fn eight<const WIDE: bool>(from: &[Self; 8]) -> Eight {
        *from
    }
}

impl Element for f16 {
    fn wider(self) -> f32 {
        self.to_f32()
    }

    #[inline(always)]
    fn eight<const WIDE: bool>(from: &[Self; 8]) -> Eight {
        #[cfg(target_arch = "x86_64")]
        if WIDE {
            use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps, _mm256_storeu_ps};
            let mut to = [0.0; 8];
            // SAFETY: functions are wide only where the machine has f16c; eight halves are the 16
            // bytes that are read, eight numbers the 32 that are written.
            unsafe {
                let halves = _mm_loadu_si128(from.as_ptr().cast());
                _mm256_storeu_ps(to.as_mut_ptr(), _mm256_cvtph_ps(halves));
            }
            return to;
        }
        from.map(f16::to_f32)
    }
}

/// What is added up of two rows.
pub trait Term {
    /// Adds eight elements' terms.
    fn add<const WIDE: bool>(sum: &mut Eight, a: &Eight, b: &Eight);
}

/// Products.
pub struct Products;

impl Term for Products {
    #[inline(always)]
    fn add<const WIDE: bool>(sum: &mut Eight, a: &Eight, b: &Eight) {
        for i in 0..8 {
            sum[i] = fused::<WIDE>(a[i], b[i], sum[i]);
        }
    }
}

/// Squared differences.
pub struct Squares;

impl Term for Squares {
    #[inline(always)]
    fn add<const WIDE: bool>(sum: &mut Eight, a: &Eight, b: &Eight) {
        for i in 0..8 {
            let apart = a[i] - b[i];
            sum[i] = fused::<WIDE>(apart, apart, sum[i]);
        }
    }
}

/// Absolute differences.
pub struct Absolutes;

impl Term for Absolutes {
    #[inline(always)]
    fn add<const WIDE: bool>(sum: &mut Eight, a: &Eight, b: &Eight) {
        for i in 0..8 {
            sum[i] += (a[i] - b[i]).abs();
        }
    }
}

/// The sum of the terms of two rows of the same length.
#[inline(always)]
pub fn sum<const WIDE: bool, T: Term, A: Element, B: Element>(a: &[A], b: &[B]) -> f32 {
    let mut sums = [[0f32; 8]; 4];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        step::<WIDE, T, A, B>(&mut sums, a, b);
    }
    if !a_rest.is_empty() {
        // Zeros add nothing.
        step::<WIDE, T, A, B>(&mut sums, &padded(a_rest), &padded(b_rest));
    }
    total(&sums)
}

#[inline(always)]
fn step<const WIDE: bool, T: Term, A: Element, B: Element>(
    sums: &mut [Eight; 4],
    a: &[A; LANES],
    b: &[B; LANES],
) {
    let (a, _) = a.as_chunks::<8>();
    let (b, _) = b.as_chunks::<8>();
    for i in 0..4 {
        T::add::<WIDE>(&mut sums[i], &A::eight::<WIDE>(&a[i]), &B::eight::<WIDE>(&b[i]));
    }
}

/// The sums of the terms of two rows and of the second row's squares.
#[inline(always)]
pub fn product_and_squares<const WIDE: bool, A: Element, B: Element>(
    a: &[A],
    b: &[B],
) -> (f32, f32) {
    let (mut products, mut squares) = ([[0f32; 8]; 4], [[0f32; 8]; 4]);
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        step::<WIDE, Products, A, B>(&mut products, a, b);
        step::<WIDE, Products, B, B>(&mut squares, b, b);
    }
    if !a_rest.is_empty() {
        let (a, b) = (padded(a_rest), padded(b_rest));
        step::<WIDE, Products, A, B>(&mut products, &a, &b);
        step::<WIDE, Products, B, B>(&mut squares, &b, &b);
    }
    (total(&products), total(&squares))
}

#[inline(always)]
fn padded<T: Element>(rest: &[T]) -> [T; LANES] {
    let mut full = [T::default(); LANES];
    full[..rest.len()].copy_from_slice(rest);
    full
}

#[inline(always)]
fn total(sums: &[Eight; 4]) -> f32 {
    let mut eight = [0f32; 8];
    for i in 0..8 {
        eight[i] = (sums[0][i] + sums[1][i]) + (sums[2][i] + sums[3][i]);
    }
    let four = [eight[0] + eight[4], eight[1] + eight[5], eight[2] + eight[6], eight[3] + eight[7]];
    (four[0] + four[2]) + (four[1] + four[3])
}

vectorised! {
    /// The sum of squared differences of two rows after each is multiplied by its factor.
    pub fn scaled_squares(a: &[f32], by_a: f32, b: &[f32], by_b: f32) -> f32 {
        scaled::<WIDE, Squares>(a, by_a, b, by_b)
    }

    /// The sum of products of two rows after each is multiplied by its factor.
    pub fn scaled_products(a: &[f32], by_a: f32, b: &[f32], by_b: f32) -> f32 {
        scaled::<WIDE, Products>(a, by_a, b, by_b)
    }

    /// The sum of the squares of a row, which is finite exactly if all of the row is.
    pub fn squares(row: &[f32]) -> f64 {
        let mut sums = [0f64; 16];
        let (chunks, rest) = row.as_chunks::<16>();
        for chunk in chunks {
            for (sum, &x) in sums.iter_mut().zip(chunk) {
                *sum += f64::from(x) * f64::from(x);
            }
        }
        for (sum, &x) in sums.iter_mut().zip(rest) {
            *sum += f64::from(x) * f64::from(x);
        }
        let mut total = 0.0;
        for sum in sums {
            total += sum;
        }
        total
    }
}

#[inline(always)]
fn scaled<const WIDE: bool, T: Term>(a: &[f32], by_a: f32, b: &[f32], by_b: f32) -> f32 {
    let mut sums = [[0f32; 8]; 4];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        scaled_step::<WIDE, T>(&mut sums, a, by_a, b, by_b);
    }
    if !a_rest.is_empty() {
        scaled_step::<WIDE, T>(&mut sums, &padded(a_rest), by_a, &padded(b_rest), by_b);
    }
    total(&sums)
}

#[inline(always)]
fn scaled_step<const WIDE: bool, T: Term>(
    sums: &mut [Eight; 4],
    a: &[f32; LANES],
    by_a: f32,
    b: &[f32; LANES],
    by_b: f32,
) {
    let (a, _) = a.as_chunks::<8>();
    let (b, _) = b.as_chunks::<8>();
    for i in 0..4 {
        let (mut x, mut y) = (a[i], b[i]);
        for j in 0..8 {
            x[j] *= by_a;
            y[j] *= by_b;
        }
        T::add::<WIDE>(&mut sums[i], &x, &y);
    }
}
