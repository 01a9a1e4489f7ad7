//! Pythons with a package, each installed once into a virtual environment outside the repository.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex};

/// A Python that can import a package.
#[derive(Clone)]
pub struct Python(PathBuf);

/// A Python with a package, as `name==version`, or why there is none.
pub fn with(requirement: &str) -> Result<Python, String> {
    type Installed = HashMap<String, Result<Python, String>>;
    static INSTALLED: LazyLock<Mutex<Installed>> = LazyLock::new(Mutex::default);
    let mut installed = INSTALLED.lock().unwrap();
    installed.entry(requirement.to_string()).or_insert_with(|| install(requirement)).clone()
}

fn install(requirement: &str) -> Result<Python, String> {
    let package = requirement.split("==").next().unwrap_or(requirement);
    let cache = cache().ok_or_else(|| format!("no home folder to install {package} into"))?;
    let folder = cache.join(package);
    let python = folder.join("bin/python");
    if imports(&python, package) {
        return Ok(Python(python));
    }
    step(Command::new("python3").args(["-m", "venv"]).arg(&folder), "python3 -m venv")?;
    step(
        Command::new(&python).args(["-m", "pip", "install", "-q", requirement]),
        &format!("pip install {package}"),
    )?;
    imports(&python, package)
        .then_some(Python(python))
        .ok_or_else(|| format!("Python cannot import {package}"))
}

/// Where tests keep what they install.
pub fn cache() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("PORTOLAN_TEST_CACHE") {
        return Some(folder.into());
    }
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/portolan/test"))
}

fn imports(python: &Path, package: &str) -> bool {
    let import = Command::new(python).args(["-c", &format!("import {package}")]).output();
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
