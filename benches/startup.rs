//! `portolan -c 'select 1'`: from the start of the process to its end.

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::Instant;

const RUNS: usize = 30;

fn main() -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_portolan"))
            .args(["-c", "select 1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        assert!(status.success());
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    println!("portolan -c 'select 1': median {:.1} ms, best {:.1} ms", times[RUNS / 2], times[0]);
    Ok(())
}
