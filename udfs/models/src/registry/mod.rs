//! The models there are: which are known, where their files lie on this machine, whether they are
//! what they should be, and how they are fetched.

mod builtin;
mod derive;
mod environment;
mod places;
mod pull;
mod stage;
mod stamps;
mod user;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

pub use self::environment::Environment;
use self::places::{Owner, Place, places};
use self::stage::{Claim, RECORD, Record};
use self::stamps::{Ledger, Stamps};
use crate::error::{Error, Result};
use crate::manifest::{Manifest, Source};
use crate::sources::Patience;

/// How models are searched and fetched.
#[derive(Clone)]
pub struct Options {
    /// A folder of models that is searched first: the model `x` lies in `x/`.
    pub model_dir: Option<PathBuf>,
    /// Whether nothing may be fetched.
    pub offline: bool,
    /// What the machine says.
    pub environment: Environment,
}

impl Default for Options {
    /// Those of a process that says nothing more than its environment does.
    fn default() -> Self {
        Self { model_dir: None, offline: false, environment: Environment::of_process() }
    }
}

/// The models of a machine. Cheap to make and to clone; all its clones share what they found.
///
/// ```
/// use portolan_models::{Options, Registry};
///
/// let registry = Registry::new(Options::default());
/// assert_eq!(registry.manifest("all-MiniLM-L6-v2")?.dims, 384);
/// let error = registry.find("all-minilm").unwrap_err();
/// assert!(error.to_string().contains("did you mean 'all-MiniLM-L6-v2'?"));
/// # Ok::<(), portolan_models::Error>(())
/// ```
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    builtin: Vec<Manifest>,
    options: Options,
    ledger: Ledger,
    patience: Patience,
}

/// A model whose files are on this machine, and are what they should be.
#[derive(Debug, Clone)]
pub struct Located {
    /// What is known of it.
    pub manifest: Manifest,
    /// Where its files lie; those of a model of parts lie where its parts' do.
    pub folder: PathBuf,
    /// Tells its weights from all others: the start of their SHA-256, the same wherever they came
    /// from.
    pub revision: String,
    /// The models that it is made of.
    pub parts: Vec<Located>,
}

/// A model in [`Registry::list`].
#[derive(Debug, Clone)]
pub struct Entry {
    /// What is known of it.
    pub manifest: Manifest,
    /// Whether it is on this machine.
    pub here: bool,
    /// Where its files lie, if they do and if they are its own.
    pub folder: Option<PathBuf>,
    /// How much they take.
    pub bytes: u64,
}

/// A file in [`Registry::verify`].
#[derive(Debug, Clone)]
pub struct Checked {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256, if it could be read.
    pub sha256: Option<String>,
    /// What is wrong with it and what to do.
    pub wrong: Option<String>,
}

impl Registry {
    /// The models that Portolan knows and those of the user's own.
    pub fn new(options: Options) -> Self {
        Self::with(builtin::manifests(), options, Patience::default())
    }

    fn with(builtin: Vec<Manifest>, options: Options, patience: Patience) -> Self {
        let ledger = Ledger::new(options.environment.models.as_deref());
        Self { shared: Arc::new(Shared { builtin, options, ledger, patience }) }
    }

    fn options(&self) -> &Options {
        &self.shared.options
    }

    /// What is known of a model, whether or not it is on this machine.
    pub fn manifest(&self, name: &str) -> Result<Manifest> {
        if let Some(manifest) = self.builtin(name) {
            return Ok(manifest.clone());
        }
        match self.user_model(name)? {
            Some(manifest) => Ok(manifest),
            None => Err(Error::UnknownModel { name: name.to_string(), hint: self.hint(name) }),
        }
    }

    fn builtin(&self, name: &str) -> Option<&Manifest> {
        let name = builtin::unaliased(name);
        self.shared.builtin.iter().find(|manifest| manifest.name == name)
    }

    /// The name that was meant, if one is near.
    fn hint(&self, name: &str) -> String {
        let asked = name.to_lowercase();
        let users = self.user_names().unwrap_or_default();
        let known = self.shared.builtin.iter().map(|manifest| manifest.name.clone()).chain(users);
        let near = known.filter_map(|known| {
            let lower = known.to_lowercase();
            let away = strsim::damerau_levenshtein(&lower, &asked);
            let contains = asked.len() >= 3 && lower.contains(&asked);
            (contains || away <= 1 + asked.len() / 4).then_some((!contains, away, known))
        });
        near.min().map(|(_, _, nearest)| format!("; did you mean '{nearest}'?")).unwrap_or_default()
    }

    /// Where a model lies. Files that changed since they were looked at last are hashed again,
    /// which takes as long as reading them does: call it where blocking is allowed.
    pub fn find(&self, name: &str) -> Result<Located> {
        let manifest = self.manifest(name)?;
        if manifest.parts.is_empty() {
            self.find_files(manifest)
        } else {
            self.find_parts(manifest)
        }
    }

    fn find_files(&self, manifest: Manifest) -> Result<Located> {
        let mut searched = Vec::new();
        for place in places(&manifest, self.options()) {
            if let Some(lacks) = place.lacks(&manifest.files) {
                searched.push(place.searched(lacks));
                continue;
            }
            match place.check(&manifest, &self.shared.ledger) {
                Ok(stamps) => {
                    let revision = revision_of(&manifest, &stamps);
                    let folder = place.folder;
                    return Ok(Located { manifest, folder, revision, parts: Vec::new() });
                }
                Err(_) if place.owner == Owner::HubCacheMain => {
                    searched.push(format!("{}, which is another revision", place.folder.display()));
                }
                Err(error) => return Err(error),
            }
        }
        Err(not_here(&manifest, &searched))
    }

    fn find_parts(&self, manifest: Manifest) -> Result<Located> {
        let mut parts = Vec::new();
        for part in &manifest.parts {
            match self.find_files(self.manifest(part)?) {
                Ok(part) => parts.push(part),
                Err(Error::NotHere { name, searched, .. }) => {
                    return Err(not_here(&manifest, &[format!("for its part {name}: {searched}")]));
                }
                Err(error) => return Err(error),
            }
        }
        let revisions: Vec<&str> = parts.iter().map(|part| part.revision.as_str()).collect();
        let revision = revisions.join("+");
        let folder = parts.first().map(|part| part.folder.clone()).unwrap_or_default();
        Ok(Located { manifest, folder, revision, parts })
    }

    /// Hashes all files of a model, and says of each what it is and what is wrong with it.
    pub fn verify(&self, name: &str) -> Result<Vec<Checked>> {
        let manifest = self.manifest(name)?;
        if !manifest.parts.is_empty() {
            let parts: Result<Vec<_>> =
                manifest.parts.iter().map(|part| self.verify(part)).collect();
            return Ok(parts?.concat());
        }
        let places = places(&manifest, self.options());
        let whole = places.iter().find(|place| place.lacks(&manifest.files).is_none());
        // A folder that lost a file is still where the model was put.
        let place = whole.or_else(|| places.iter().find(|place| place.bytes(&manifest.files) > 0));
        match place {
            Some(place) => Ok(place.verify(&manifest, &self.shared.ledger)),
            None => self.find_files(manifest).map(|_| Vec::new()),
        }
    }

    /// Every model that is known. No file is hashed.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let mut manifests = self.shared.builtin.clone();
        for name in self.user_names()? {
            manifests.extend(self.user_model(&name)?);
        }
        manifests.into_iter().map(|manifest| self.entry(manifest)).collect()
    }

    fn entry(&self, manifest: Manifest) -> Result<Entry> {
        if manifest.parts.is_empty() {
            let places = places(&manifest, self.options());
            let place = places.into_iter().find(|place| place.lacks(&manifest.files).is_none());
            let bytes = place.as_ref().map_or(0, |place| place.bytes(&manifest.files));
            let folder = place.map(|place| place.folder);
            return Ok(Entry { here: folder.is_some(), manifest, folder, bytes });
        }
        let mut entry = Entry { manifest, here: true, folder: None, bytes: 0 };
        for part in &entry.manifest.parts {
            let part = self.entry(self.manifest(part)?)?;
            entry.here &= part.here;
            entry.bytes += part.bytes;
        }
        Ok(entry)
    }

    /// Removes what was fetched of a model, or forgets one of the user's own. Nothing that was not
    /// placed by [`Registry::pull`] is deleted.
    pub fn remove(&self, name: &str) -> Result<()> {
        let Some(manifest) = self.builtin(name) else {
            return self.forget(name);
        };
        if !manifest.parts.is_empty() {
            return Err(Error::Argument(format!(
                "model '{name}' has no files of its own; it is made of {}",
                manifest.parts.join(" and ")
            )));
        }
        let models = self.models()?;
        let place = Place { folder: models.join(&manifest.name), owner: Owner::Portolan };
        if Record::of(&place.folder).is_none() {
            return Err(Error::Argument(match self.entry(manifest.clone())?.folder {
                Some(folder) => format!(
                    "model '{name}' lies in '{}', which is not Portolan's to delete",
                    folder.display()
                ),
                None => format!("model '{name}' is not on this machine, so nothing is removed"),
            }));
        }
        let _claim = self.claim(&manifest.name)?;
        remove_placed(&place.folder).map_err(|error| Error::file(&place.folder, error))
    }

    /// The folder that models are kept in.
    fn models(&self) -> Result<&Path> {
        self.options().environment.models.as_deref().ok_or_else(|| {
            Error::Argument(
                "there is no folder to keep models in: set PORTOLAN_MODELS to one".into(),
            )
        })
    }

    fn claim(&self, name: &str) -> Result<Claim> {
        Claim::attempt(self.models()?, name)?.ok_or_else(|| {
            Error::Argument(format!(
                "model '{name}' is being fetched or changed: try again when that is done"
            ))
        })
    }
}

fn not_here(manifest: &Manifest, searched: &[String]) -> Error {
    let name = manifest.name.clone();
    let remedy = match manifest.sources.as_slice() {
        [Source::Directory(_)] => {
            format!("bring the folder back, or forget it with DROP MODEL '{name}'")
        }
        _ => format!("PULL MODEL '{name}' fetches it"),
    };
    let searched = if searched.is_empty() { "nowhere".to_string() } else { searched.join(", ") };
    Error::NotHere { name, searched, remedy }
}

/// Tells weights from all others. Twelve digits do, and can be read.
fn revision_of(manifest: &Manifest, stamps: &Stamps) -> String {
    let weights = manifest.weights().and_then(|file| stamps.get(&file.name));
    weights.map(|stamp| stamp.sha256.chars().take(12).collect()).unwrap_or_default()
}

/// Deletes the files that were placed in a folder, and the folder if nothing else is in it. The
/// record goes last: a removal that was cut off is known for what it is.
fn remove_placed(folder: &Path) -> io::Result<()> {
    let files = Record::of(folder).map(|record| record.files).unwrap_or_default();
    let mut folders = vec![folder.to_path_buf()];
    for name in files.keys().map(String::as_str).chain([RECORD]) {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => folders
                .extend(path.parent().filter(|inner| *inner != folder).map(Path::to_path_buf)),
        }
    }
    for inner in folders.iter().rev() {
        // A folder that holds something of the user's stays.
        let _ = fs::remove_dir(inner);
    }
    Ok(())
}

/// Writes a file as JSON so that it is there whole or not at all.
fn write_whole(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let mut named = tempfile::Builder::new();
    // Others may read it if they may read what else is written here.
    #[cfg(unix)]
    named.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = named.tempfile_in(folder)?;
    serde_json::to_writer_pretty(&mut file, value)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_folder(folder)
}

/// Makes what was created or renamed in a folder last through a loss of power.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests;
