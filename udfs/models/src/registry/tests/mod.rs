mod derive;
mod fake_hub;
mod find;
mod processes;
mod pull;
mod user;
mod wheel;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::manifest::{Architecture, Modality, ModelFile};

const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const CONFIG: &[u8] = b"{\"model_type\": \"bert\"}";

/// The content of a file of weights that is larger than what is sent at once.
fn weights() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A machine of its own: a models folder, a hub cache and a folder of models, all empty.
struct Machine {
    folder: TempDir,
    options: Options,
    patience: Patience,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment {
            vectors: None,
            models: Some(folder.path().join("models")),
            hub_cache: Some(folder.path().join("hub")),
            hub_endpoint: "http://127.0.0.1:9".into(),
            hub_token: None,
            hub_offline: false,
            python: "python3".into(),
        };
        let options = Options { model_dir: None, offline: false, environment };
        // Patient with a busy machine, but not with a server that asks for another try.
        let idle = Duration::from_secs(30);
        let patience =
            Patience { idle, tries: 3, pause: Duration::from_millis(5), ..Patience::default() };
        Self { folder, options, patience }
    }

    /// With a hub to fetch from.
    fn at(endpoint: &str) -> Self {
        let mut machine = Self::new();
        machine.options.environment.hub_endpoint = endpoint.into();
        machine
    }

    fn registry(&self, builtin: &[Manifest]) -> Registry {
        Registry::with(builtin.to_vec(), self.options.clone(), self.patience.clone())
    }

    fn models(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    /// The folder of a model in the models folder.
    fn place(&self, name: &str) -> PathBuf {
        self.models().join(name)
    }

    /// The names in the models folder, without what is kept there for the next time.
    fn models_seen(&self) -> Vec<String> {
        let entries = fs::read_dir(self.models()).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> =
            names.filter(|name| !name.ends_with(".lock") && name != ".checked").collect();
        names.sort();
        names
    }
}

/// A small model of two files that only the hub has.
fn tiny() -> Manifest {
    let file = |name: &str| ModelFile { name: name.into(), sha256: None };
    Manifest {
        name: "tiny".into(),
        about: "for tests".into(),
        licence: "none".into(),
        architecture: Architecture::Bert,
        modality: Modality::Text,
        dims: 8,
        min_dims: 8,
        text: None,
        parts: Vec::new(),
        files: vec![file("1_Pooling/config.json"), file("model.safetensors")],
        sources: vec![Source::Hub { repository: "org/tiny".into(), revision: COMMIT.into() }],
    }
}

/// The same, with digests that are known beforehand.
fn known_tiny() -> Manifest {
    let mut manifest = tiny();
    for (file, content) in manifest.files.iter_mut().zip([CONFIG.to_vec(), weights()]) {
        file.sha256 = Some(sha256(&content));
    }
    manifest
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Puts the files of the tiny model into a folder.
fn lay(folder: &Path) {
    write(&folder.join("1_Pooling/config.json"), CONFIG);
    write(&folder.join("model.safetensors"), &weights());
}

/// Changes a byte of a file, and with it the time of its change.
fn damage(path: &Path) {
    let mut content = fs::read(path).unwrap();
    *content.first_mut().unwrap() ^= 1;
    fs::write(path, content).unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(5);
    fs::File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
}

fn no_progress(_: &str, _: u64, _: Option<u64>) {}

#[test]
fn a_registry_is_shared_between_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Registry>();
}
