//! Models of the user's own: folders that are known by a name, each by a note in the models folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::derive::derive;
use super::places::{Owner, Place};
use super::{Registry, builtin, sync_folder, write_whole};
use crate::error::{Error, Result};
use crate::manifest::{Manifest, Source};

const LONGEST_NAME: usize = 96;

impl Registry {
    /// Makes a folder known as a model. What the model is, its files say; they are hashed, so that
    /// a folder that changes later is noticed and its vectors are never mixed with those before.
    pub fn create(&self, name: &str, folder: &Path, replace: bool) -> Result<Manifest> {
        check_name(name)?;
        let taken = self.shared.builtin.iter().map(|manifest| manifest.name.as_str());
        if taken.chain(builtin::aliases()).any(|taken| taken.eq_ignore_ascii_case(name)) {
            return Err(Error::Argument(format!(
                "model '{name}' is one that Portolan knows: choose another name"
            )));
        }
        let note = self.models()?.join(note_of(name));
        let _claim = self.claim(name)?;
        if note.exists() && !replace {
            return Err(Error::Argument(format!(
                "model '{name}' exists already: CREATE OR REPLACE MODEL replaces it"
            )));
        }
        let folder = std::path::absolute(folder).map_err(|error| Error::file(folder, error))?;
        let mut manifest = derive(name, &folder)?;
        let place = Place { folder, owner: Owner::User };
        let stamps = place.check(&manifest, &self.shared.ledger)?;
        for file in &mut manifest.files {
            file.sha256 = stamps.get(&file.name).map(|stamp| stamp.sha256.clone());
        }
        manifest.sources = vec![Source::Directory(place.folder)];
        write_whole(&note, &manifest).map_err(|error| Error::file(&note, error))?;
        Ok(manifest)
    }

    /// What is noted of a model of the user's own.
    pub(super) fn user_model(&self, name: &str) -> Result<Option<Manifest>> {
        let Some(models) = self.options().environment.models.as_ref() else { return Ok(None) };
        if check_name(name).is_err() {
            return Ok(None);
        }
        let note = models.join(note_of(name));
        let bytes = match fs::read(&note) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file(note, error)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let remedy = format!("CREATE OR REPLACE MODEL '{name}' writes it anew");
            Error::file(note, format!("is not a note about a model ({error}); {remedy}"))
        })
    }

    /// The names of the user's own models, in order.
    pub(super) fn user_names(&self) -> Result<Vec<String>> {
        let Some(models) = self.options().environment.models.as_ref() else {
            return Ok(Vec::new());
        };
        let entries = match fs::read_dir(models) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file(models, error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| Error::file(models, error))?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
            names.extend(name.filter(|name| check_name(name).is_ok()).map(str::to_string));
        }
        names.sort();
        Ok(names)
    }

    /// Forgets a model of the user's own. Its folder stays as it is.
    pub(super) fn forget(&self, name: &str) -> Result<()> {
        let unknown = || Error::UnknownModel { name: name.to_string(), hint: self.hint(name) };
        check_name(name).map_err(|_| unknown())?;
        let models = self.models()?;
        let note = models.join(note_of(name));
        if !note.exists() {
            return Err(unknown());
        }
        let _claim = self.claim(name)?;
        let removed = fs::remove_file(&note).and_then(|()| sync_folder(models));
        removed.map_err(|error| Error::file(note, error))
    }
}

fn note_of(name: &str) -> PathBuf {
    PathBuf::from(format!("{name}.json"))
}

/// A name must be a file's name on every system.
fn check_name(name: &str) -> Result<()> {
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let starts = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if starts && name.len() <= LONGEST_NAME && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::Argument(format!(
        "'{name}' cannot name a model: use at most {LONGEST_NAME} letters, digits, '-', '_' and '.', \
         a letter or digit first"
    )))
}
