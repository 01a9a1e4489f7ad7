//! The `portolan` command.

use std::process::ExitCode;

// Queries allocate from many threads at once, which the system's allocator serialises.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    portolan::cli::run()
}
