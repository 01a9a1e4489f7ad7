//! The command, as a shell sees it.

mod errors;
mod formats;
mod scripts;
mod terminal;

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The built command, away from the settings of whoever runs the tests.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.env_remove("RUST_BACKTRACE").env_remove("PAGER").stdin(Stdio::null());
    command
}

/// What a run gave back.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs with these arguments and nothing on standard input.
pub fn run(arguments: &[&str]) -> Run {
    command().args(arguments).output().unwrap().into()
}

/// Runs with these arguments and a script on standard input.
pub fn run_with_input(arguments: &[&str], input: &str) -> Run {
    let mut child = command()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A script that fails early is not read to its end.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap().into()
}
