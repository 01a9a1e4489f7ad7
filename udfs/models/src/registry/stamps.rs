//! What is known of files that were hashed before: weights of half a gigabyte are hashed once, and
//! then again only when their size or their time of change is another.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::write_whole;
use crate::sources::sha256_of;

/// A file as it was when it was hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) sha256: String,
    pub(super) size: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub(super) modified: u64,
}

/// The stamps of a model's files, by their names in its folder.
pub(super) type Stamps = BTreeMap<String, Stamp>;

impl Stamp {
    /// Hashes a file.
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        let before = fs::metadata(path)?;
        let modified = modified(&before)?;
        Ok(Self { sha256: sha256_of(path)?, size: before.len(), modified })
    }

    /// Whether the file looks as it did.
    pub(super) fn fits(&self, now: &Metadata) -> bool {
        self.size == now.len() && modified(now).is_ok_and(|modified| modified == self.modified)
    }
}

fn modified(of: &Metadata) -> io::Result<u64> {
    let since = of.modified()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    u64::try_from(since.as_nanos()).map_err(io::Error::other)
}

/// The stamps of every folder that was looked at. They are kept in memory and, where it can be
/// written, in the models folder: a user's folder and the hub's cache are left as they are.
pub(super) struct Ledger {
    folder: Option<PathBuf>,
    memory: Mutex<HashMap<PathBuf, Stamps>>,
}

#[derive(Serialize, Deserialize)]
struct Page {
    folder: PathBuf,
    files: Stamps,
}

impl Ledger {
    pub(super) fn new(models: Option<&Path>) -> Self {
        Self { folder: models.map(|models| models.join(".checked")), memory: Mutex::default() }
    }

    /// What is known of the files in a folder.
    pub(super) fn of(&self, folder: &Path) -> Stamps {
        if let Some(stamps) = self.memory.lock().get(folder) {
            return stamps.clone();
        }
        // A page that is gone or damaged costs one more hashing, no more.
        let page = self.page(folder).and_then(|path| fs::read(path).ok());
        let page = page.and_then(|bytes| serde_json::from_slice::<Page>(&bytes).ok());
        page.filter(|page| page.folder == folder).map(|page| page.files).unwrap_or_default()
    }

    /// Keeps what was found in a folder.
    pub(super) fn keep(&self, folder: &Path, stamps: Stamps) {
        if let Some(path) = self.page(folder) {
            let page = Page { folder: folder.to_path_buf(), files: stamps.clone() };
            // As above: a models folder that cannot be written is no reason to fail.
            let _ = write_whole(&path, &page);
        }
        self.memory.lock().insert(folder.to_path_buf(), stamps);
    }

    fn page(&self, folder: &Path) -> Option<PathBuf> {
        let name = blake3::hash(folder.as_os_str().as_encoded_bytes()).to_hex();
        let name = name.get(..32)?.to_string();
        Some(self.folder.as_ref()?.join(name + ".json"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_stamp_fits_until_the_file_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        fs::write(&path, "abc").unwrap();
        let stamp = Stamp::take(&path).unwrap();
        assert!(stamp.fits(&fs::metadata(&path).unwrap()));

        fs::write(&path, "abcd").unwrap();
        assert!(!stamp.fits(&fs::metadata(&path).unwrap()), "another size");

        fs::write(&path, "abd").unwrap();
        let later = SystemTime::now() + Duration::from_secs(5);
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert!(!stamp.fits(&fs::metadata(&path).unwrap()), "another time");
    }

    #[test]
    fn stamps_outlive_the_ledger_where_they_can() {
        let models = tempfile::tempdir().unwrap();
        let folder = Path::new("/somewhere/model");
        let stamp = Stamp { sha256: "00".into(), size: 1, modified: 2 };
        let stamps = Stamps::from([("a".to_string(), stamp)]);
        Ledger::new(Some(models.path())).keep(folder, stamps.clone());
        assert_eq!(Ledger::new(Some(models.path())).of(folder), stamps);
        assert!(Ledger::new(Some(models.path())).of(Path::new("/elsewhere")).is_empty());

        let nowhere = Ledger::new(None);
        nowhere.keep(folder, stamps.clone());
        assert_eq!(nowhere.of(folder), stamps);
    }
}
