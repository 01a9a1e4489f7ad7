//! Plain loops, compiled for the vector units that this machine has.

/// Makes functions of plain loops that run compiled for the widest vector unit of the machine that
/// they find themselves on. What they call must be marked `#[inline(always)]`, or it is compiled for
/// the oldest one; closures that are handed over cannot be marked, so nothing hot may be in one.
macro_rules! vectorised {
    ($($(#[$attribute:meta])* $visible:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $body:block)*) => {$(
        $(#[$attribute])*
        $visible fn $name($($argument: $kind),*) {
            #[inline(always)]
            fn plain($($argument: $kind),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn wide($($argument: $kind),*) {
                    plain($($argument),*)
                }
                if std::arch::is_x86_feature_detected!("avx2")
                    && std::arch::is_x86_feature_detected!("fma")
                {
                    // SAFETY: the machine has what the function is compiled for.
                    return unsafe { wide($($argument),*) };
                }
            }
            plain($($argument),*)
        }
    )*};
}

pub(crate) use vectorised;
