//! Where a model's files may lie on this machine, and whether they are what they should be.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::stage::Record;
use super::stamps::{Ledger, Stamp, Stamps};
use super::{Checked, Options};
use crate::error::{Error, Result};
use crate::manifest::{Manifest, ModelFile, Source};
use crate::sources::{Digest, hub_cache};

/// A folder that may hold a model.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) owner: Owner,
}

/// Whose a folder is, and so what may be done about what is wrong in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The user's folder of models.
    ModelDir,
    /// Portolan's own.
    Portolan,
    /// The folder of a model of the user's own.
    User,
    /// The hub's cache, with the commit that the manifest names.
    HubCache,
    /// The hub's cache, with another commit.
    HubCacheMain,
}

/// The places of a model, in the order in which they are searched.
pub(super) fn places(manifest: &Manifest, options: &Options) -> Vec<Place> {
    let environment = &options.environment;
    if let [Source::Directory(folder)] = manifest.sources.as_slice() {
        return vec![Place { folder: folder.clone(), owner: Owner::User }];
    }
    let named = |folder: &PathBuf, owner| Place { folder: folder.join(&manifest.name), owner };
    let mut places = Vec::new();
    places.extend(options.model_dir.iter().map(|folder| named(folder, Owner::ModelDir)));
    places.extend(environment.models.iter().map(|folder| named(folder, Owner::Portolan)));
    for source in &manifest.sources {
        match source {
            Source::Directory(folder) => {
                places.push(Place { folder: folder.clone(), owner: Owner::User });
            }
            Source::Hub { repository, revision } => {
                let cache = environment.hub_cache.iter();
                let found =
                    cache.flat_map(|cache| hub_cache::snapshots(cache, repository, revision));
                places.extend(found.map(|it| Place {
                    folder: it.folder,
                    owner: if it.pinned { Owner::HubCache } else { Owner::HubCacheMain },
                }));
            }
            Source::Wheel { .. } => {}
        }
    }
    places
}

impl Place {
    /// The first file of a model that is not here.
    pub(super) fn lacks<'a>(&self, files: &'a [ModelFile]) -> Option<&'a str> {
        let absent = |file: &&ModelFile| !self.folder.join(&file.name).is_file();
        files.iter().find(absent).map(|file| file.name.as_str())
    }

    /// How an error names it that searched it in vain.
    pub(super) fn searched(&self, lacks: &str) -> String {
        let folder = self.folder.display();
        if self.folder.exists() {
            format!("{folder}, which has no {lacks}")
        } else {
            folder.to_string()
        }
    }

    /// How many bytes a model's files have here.
    pub(super) fn bytes(&self, files: &[ModelFile]) -> u64 {
        let sizes = files.iter().filter_map(|file| fs::metadata(self.folder.join(&file.name)).ok());
        sizes.map(|of| of.len()).sum()
    }

    /// The stamps of a model's files, all of which must be what they should be.
    pub(super) fn check(&self, manifest: &Manifest, ledger: &Ledger) -> Result<Stamps> {
        let known = Known::of(self, ledger);
        let mut stamps = Stamps::new();
        for file in &manifest.files {
            let path = self.folder.join(&file.name);
            let (stamp, wrong) =
                self.examine(file, &known, false).map_err(|error| Error::file(&path, error))?;
            if let Some(wrong) = wrong {
                return Err(Error::file(path, format!("{wrong}; {}", self.remedy(&manifest.name))));
            }
            stamps.insert(file.name.clone(), stamp);
        }
        if !known.covers(&stamps) {
            ledger.keep(&self.folder, stamps.clone());
        }
        Ok(stamps)
    }

    /// Hashes every file of a model, whatever is known of it.
    pub(super) fn verify(&self, manifest: &Manifest, ledger: &Ledger) -> Vec<Checked> {
        let known = Known::of(self, ledger);
        let check = |file: &ModelFile| {
            let path = self.folder.join(&file.name);
            let (sha256, wrong) = match self.examine(file, &known, true) {
                Ok((stamp, wrong)) => (Some(stamp.sha256), wrong),
                Err(error) => (None, Some(error.to_string())),
            };
            let wrong = wrong.map(|wrong| format!("{wrong}; {}", self.remedy(&manifest.name)));
            Checked { path, sha256, wrong }
        };
        manifest.files.iter().map(check).collect()
    }

    /// What a file is, and what is wrong with it.
    fn examine(
        &self,
        file: &ModelFile,
        known: &Known,
        anew: bool,
    ) -> io::Result<(Stamp, Option<String>)> {
        let path = self.folder.join(&file.name);
        let kept = if anew { None } else { known.fitting(&file.name, &path)? };
        let hashed = kept.is_none();
        let stamp = match kept {
            Some(stamp) => stamp,
            None => Stamp::take(&path)?,
        };
        let placed = known.placed.get(&file.name).map(|placed| &placed.sha256);
        let wanted = match (file.sha256.as_ref().or(placed), self.owner) {
            (Some(wanted), _) => Some(Digest::Sha256(wanted.clone())),
            // What was hashed before was compared with the hub's word then.
            (None, Owner::HubCache | Owner::HubCacheMain) if hashed => hub_cache::declared(&path),
            (None, _) => None,
        };
        let wrong = match wanted {
            Some(wanted) => wanted.mismatch(&path, &stamp.sha256)?,
            None => None,
        };
        Ok((stamp, wrong))
    }

    fn remedy(&self, name: &str) -> String {
        match self.owner {
            Owner::ModelDir => {
                "put the right file there, or take the folder away so that others are searched"
                    .into()
            }
            Owner::Portolan | Owner::HubCache | Owner::HubCacheMain => {
                format!("PULL MODEL '{name}' fetches it anew")
            }
            Owner::User => {
                format!("CREATE OR REPLACE MODEL '{name}' takes the folder as it is now")
            }
        }
    }
}

/// What is known of the files of a folder beforehand.
struct Known {
    /// What was found when they were hashed.
    kept: Stamps,
    /// What was placed there by us.
    placed: Stamps,
}

impl Known {
    fn of(place: &Place, ledger: &Ledger) -> Self {
        let record = (place.owner == Owner::Portolan).then(|| Record::of(&place.folder)).flatten();
        let placed = record.map(|record| record.files).unwrap_or_default();
        Self { kept: ledger.of(&place.folder), placed }
    }

    /// The stamp of a file that looks as it did.
    fn fitting(&self, name: &str, path: &Path) -> io::Result<Option<Stamp>> {
        let now = fs::metadata(path)?;
        let mut stamps = [&self.kept, &self.placed].into_iter().filter_map(|it| it.get(name));
        Ok(stamps.find(|stamp| stamp.fits(&now)).cloned())
    }

    fn covers(&self, stamps: &Stamps) -> bool {
        stamps.iter().all(|(name, stamp)| {
            [&self.kept, &self.placed].into_iter().any(|known| known.get(name) == Some(stamp))
        })
    }
}
