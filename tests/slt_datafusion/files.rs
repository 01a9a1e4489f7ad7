//! Where DataFusion's .slt files are, and a copy of them for each engine to scribble in.

use std::path::{Path, PathBuf};
use std::process::Command;

const MANIFEST: &str = include_str!("crate/Cargo.toml");
const LOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");

/// DataFusion's suite, as its published crate carries it.
pub struct Suite {
    /// The .slt files, relative to `test_files`.
    pub files: Vec<String>,
    /// The unpacked crate.
    crate_folder: PathBuf,
    /// Other crates of the same release, whose test data the suite reads.
    arrow_source: Option<PathBuf>,
    /// Where copies and logs go.
    output: PathBuf,
}

impl Suite {
    /// Lets cargo download and unpack the crate, at the versions that we build with.
    pub fn unpack() -> Result<Self, String> {
        let output = output_folder();
        let package = output.join("crate");
        write(&package.join("Cargo.toml"), MANIFEST.as_bytes())?;
        write(&package.join("src/lib.rs"), b"")?;
        let lock = std::fs::read(LOCK).map_err(|error| format!("{LOCK}: {error}"))?;
        write(&package.join("Cargo.lock"), &lock)?;
        cargo(&package, &["fetch"])?;
        let metadata = cargo(&package, &["metadata", "--format-version", "1", "--offline"])?;
        let metadata: serde_json::Value =
            serde_json::from_slice(&metadata).map_err(|error| error.to_string())?;
        let folder_of = |name: &str| {
            let packages = metadata["packages"].as_array()?;
            let package = packages.iter().find(|package| package["name"] == name)?;
            Path::new(package["manifest_path"].as_str()?).parent().map(Path::to_path_buf)
        };
        let crate_folder = folder_of("datafusion-sqllogictest")
            .ok_or("cargo fetched no crate 'datafusion-sqllogictest'")?;
        let mut files = Vec::new();
        find(&crate_folder.join("test_files"), Path::new(""), &mut files)?;
        files.sort();
        Ok(Self {
            files,
            crate_folder,
            arrow_source: folder_of("datafusion-datasource-arrow"),
            output,
        })
    }

    /// A fresh copy of the suite, with neighbours as in DataFusion's repository. The files
    /// expect to be run in the folder that this returns.
    pub fn workspace(&self, engine: &str) -> Result<PathBuf, String> {
        let root = self.output.join(engine);
        if root.exists() {
            std::fs::remove_dir_all(&root)
                .map_err(|error| format!("{}: {error}", root.display()))?;
        }
        let here = root.join("datafusion/sqllogictest");
        copy(&self.crate_folder.join("test_files"), &here.join("test_files"))?;
        copy(&self.crate_folder.join("data"), &here.join("data"))?;
        if let Some(source) = &self.arrow_source {
            copy(&source.join("tests"), &root.join("datafusion/datasource-arrow/tests"))?;
        }
        if let Some(checkout) = std::env::var_os("DATAFUSION_CHECKOUT").map(PathBuf::from) {
            for data in ["testing", "parquet-testing", "datafusion/core/tests/data"] {
                if checkout.join(data).is_dir() {
                    copy(&checkout.join(data), &root.join(data))?;
                }
            }
        }
        Ok(here)
    }

    /// Where an engine's logs are.
    pub fn logs(&self, engine: &str) -> PathBuf {
        self.output.join("logs").join(engine)
    }

    /// What an engine said to a file.
    pub fn log(&self, engine: &str, file: &str) -> PathBuf {
        self.logs(engine).join(format!("{file}.log"))
    }
}

/// Empties `test_files/scratch/<name>`, where the file `<name>.slt` writes.
pub fn clear_scratch(file: &Path) {
    let scratch = Path::new("test_files/scratch").join(file.file_stem().unwrap());
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).unwrap();
    }
    std::fs::create_dir_all(&scratch).unwrap();
}

/// Beside the other build output: this program is `<target>/debug/deps/slt_datafusion-…`.
fn output_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("slt-datafusion")
}

fn cargo(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let said = Command::new(cargo)
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|error| format!("cargo {}: {error}", arguments[0]))?;
    if said.status.success() {
        return Ok(said.stdout);
    }
    Err(format!("cargo {}: {}", arguments[0], String::from_utf8_lossy(&said.stderr)))
}

fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    let write = || {
        std::fs::create_dir_all(path.parent().unwrap())?;
        std::fs::write(path, content)
    };
    write().map_err(|error| format!("{}: {error}", path.display()))
}

fn find(root: &Path, below: &Path, files: &mut Vec<String>) -> Result<(), String> {
    for name in names(&root.join(below))? {
        let path = below.join(name);
        if root.join(&path).is_dir() {
            find(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    std::fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    for name in names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy(&from, &to)?;
        } else {
            std::fs::copy(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
        }
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, String> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    entries.map(|entry| Ok(entry.map_err(|error| error.to_string())?.file_name())).collect()
}
