//! Tests that need a program that may not be there.

use std::io::Write;

/// Says that a test was skipped, and why. `make test` counts these last.
pub fn skip(reason: &str) {
    println!("skipped: {reason}");
    let Some(list) = std::env::var_os("PORTOLAN_SKIPPED") else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(list);
    file.and_then(|mut file| writeln!(file, "{reason}")).unwrap();
}
