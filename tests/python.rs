//! A Python with lancedb, installed once into a virtual environment outside the repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const LANCEDB: &str = "lancedb==0.40.0";

/// A Python that can `import lancedb`.
#[derive(Clone)]
pub struct Python(PathBuf);

/// That Python, or why there is none.
pub fn with_lancedb() -> Result<Python, String> {
    static PYTHON: OnceLock<Result<Python, String>> = OnceLock::new();
    PYTHON.get_or_init(install).clone()
}

fn install() -> Result<Python, String> {
    let folder = cache().ok_or("no home folder to install lancedb into")?.join("lancedb");
    let python = folder.join("bin/python");
    if imports(&python) {
        return Ok(Python(python));
    }
    step(Command::new("python3").args(["-m", "venv"]).arg(&folder), "python3 -m venv")?;
    step(
        Command::new(&python).args(["-m", "pip", "install", "-q", LANCEDB]),
        "pip install lancedb",
    )?;
    imports(&python)
        .then_some(Python(python))
        .ok_or_else(|| "Python cannot import lancedb".to_string())
}

fn cache() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("PORTOLAN_TEST_CACHE") {
        return Some(folder.into());
    }
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/portolan/test"))
}

fn imports(python: &Path) -> bool {
    let import = Command::new(python).args(["-c", "import lancedb"]).output();
    import.is_ok_and(|output| output.status.success())
}

fn step(command: &mut Command, name: &str) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{name} failed: {}", last_line(&output))),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.trim().lines().last().unwrap_or("it said nothing").to_string()
}

impl Python {
    /// What a script prints, given one argument.
    pub fn run(&self, script: &str, argument: &str) -> String {
        let output = Command::new(&self.0).args(["-c", script, argument]).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}
