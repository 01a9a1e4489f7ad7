//! How a fetched model comes to its place: it is gathered beside it, checked, and moved there
//! whole, so that nobody ever sees half of one. One process gathers a model at a time; others wait.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stamps::{Stamp, Stamps};
use super::{revision_of, sync_folder, write_whole};
use crate::error::{Error, Result};
use crate::manifest::{Manifest, Source};

/// The file that says of a folder that it was placed by us, and as what.
pub(super) const RECORD: &str = "portolan.json";

const POLL: Duration = Duration::from_millis(100);

/// What was placed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) manifest: Manifest,
    pub(super) source: Source,
    pub(super) revision: String,
    pub(super) files: Stamps,
}

impl Record {
    /// That of a folder, if it was placed by us.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()
    }
}

/// The right to change a model in the models folder, held until it is dropped.
pub(super) struct Claim {
    _lock: File,
}

impl Claim {
    /// Waits for whoever holds it.
    pub(super) async fn wait(models: &Path, name: &str) -> Result<Self> {
        loop {
            match Self::attempt(models, name)? {
                Some(claim) => return Ok(claim),
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// None where another holds it.
    pub(super) fn attempt(models: &Path, name: &str) -> Result<Option<Self>> {
        let path = models.join(format!(".{name}.lock"));
        let unusable = |error: io::Error| {
            Error::file(&path, format!("{error}; set PORTOLAN_MODELS to a folder that can be used"))
        };
        fs::create_dir_all(models).map_err(unusable)?;
        // The file stays: whoever removed it would let two others lock two different ones.
        let lock = File::options().create(true).append(true).open(&path).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }
}

/// Where a model is gathered.
pub(super) struct Stage {
    models: PathBuf,
    name: String,
    _claim: Claim,
}

impl Stage {
    /// Where `claim` is for the model `name`.
    pub(super) fn new(models: &Path, name: &str, claim: Claim) -> Result<Self> {
        let place = models.join(name);
        if place.exists() && Record::of(&place).is_none() {
            let reason = "this folder is in the way and is not Portolan's to replace: move it away";
            return Err(Error::file(place, reason));
        }
        Ok(Self { models: models.to_path_buf(), name: name.to_string(), _claim: claim })
    }

    fn root(&self) -> PathBuf {
        self.models.join(format!(".{}.part", self.name))
    }

    /// The folder for the files of a source. What a pull that was killed left there is still good:
    /// files are under their own names only when they are whole, and partial ones are continued.
    pub(super) fn folder(&self, source: &Source) -> Result<PathBuf> {
        let folder = self.root().join(match source {
            Source::Directory(_) => "directory".to_string(),
            Source::Hub { revision, .. } => format!("hub-{}", plain(revision)),
            Source::Wheel { version, .. } => format!("wheel-{}", plain(version)),
        });
        fs::create_dir_all(&folder).map_err(|error| Error::file(&folder, error))?;
        Ok(folder)
    }

    /// For what is not a file of the model.
    pub(super) fn scratch(&self) -> PathBuf {
        self.root().join("scratch")
    }

    /// Checks what was gathered from `source` and puts it in its place.
    pub(super) fn place(self, manifest: Manifest, source: Source) -> Result<()> {
        let gathered = self.folder(&source)?;
        let files = match check(&manifest, &gathered) {
            Ok(files) => files,
            Err(error) => {
                // The next pull must not find it again.
                let _ = fs::remove_dir_all(&gathered);
                return Err(error);
            }
        };
        let revision = revision_of(&manifest, &files);
        let record = Record { manifest, source, revision, files };
        let place = self.models.join(&self.name);
        self.swap(&gathered, &place, &record).map_err(|error| Error::file(&place, error))
    }

    fn swap(&self, gathered: &Path, place: &Path, record: &Record) -> io::Result<()> {
        for file in record.files.keys() {
            if let Some(folder) = gathered.join(file).parent() {
                sync_folder(folder)?;
            }
        }
        write_whole(&gathered.join(RECORD), record)?;
        if place.exists() {
            let replaced = self.root().join("replaced");
            if replaced.exists() {
                fs::remove_dir_all(&replaced)?;
            }
            fs::rename(place, &replaced)?;
        }
        fs::rename(gathered, place)?;
        sync_folder(&self.models)?;
        // What is left is of no use, and the next pull tries again to remove it.
        let _ = fs::remove_dir_all(self.root());
        Ok(())
    }
}

fn check(manifest: &Manifest, folder: &Path) -> Result<Stamps> {
    let mut stamps = Stamps::new();
    for file in &manifest.files {
        let path = within(folder, &file.name)?;
        let stamp = Stamp::take(&path).map_err(|error| Error::file(&path, error))?;
        if let Some(wanted) = file.sha256.as_ref().filter(|wanted| **wanted != stamp.sha256) {
            return Err(Error::Fetch {
                name: manifest.name.clone(),
                reason: format!("the SHA-256 of {} is {}, not {wanted}", file.name, stamp.sha256),
            });
        }
        stamps.insert(file.name.clone(), stamp);
    }
    Ok(stamps)
}

/// A path below `folder`, whatever `name` says.
pub(super) fn within(folder: &Path, name: &str) -> Result<PathBuf> {
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !inside || name.is_empty() {
        return Err(Error::file(folder, format!("'{name}' does not name a file in this folder")));
    }
    Ok(folder.join(name))
}

fn plain(version: &str) -> String {
    version.chars().filter(|it| it.is_ascii_alphanumeric() || *it == '.').take(12).collect()
}
