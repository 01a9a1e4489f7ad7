//! The Hugging Face cache on this machine: `models--org--name/{refs,blobs,snapshots/<commit>}`.

use std::path::{Path, PathBuf};

use super::digest::Digest;

/// A folder of the cache that holds some commit of a repository.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) folder: PathBuf,
    /// Whether it is the very commit that was asked for.
    pub(crate) pinned: bool,
}

/// Where the files of a repository may lie: the commit itself, whether or not a ref names it, then
/// whatever `main` was when something was fetched last.
pub(crate) fn snapshots(cache: &Path, repository: &str, revision: &str) -> Vec<Snapshot> {
    let folder = cache.join(format!("models--{}", repository.replace('/', "--")));
    let snapshot = |commit: &str| folder.join("snapshots").join(commit);
    let mut found = vec![Snapshot { folder: snapshot(revision), pinned: true }];
    if let Ok(main) = std::fs::read_to_string(folder.join("refs").join("main")) {
        let main = main.trim();
        if main != revision && !main.is_empty() && main.bytes().all(|it| it.is_ascii_hexdigit()) {
            found.push(Snapshot { folder: snapshot(main), pinned: false });
        }
    }
    found
}

/// What the hub said of a cached file when it was fetched: the name of the blob that it links to.
pub(crate) fn declared(path: &Path) -> Option<Digest> {
    let blob = path.canonicalize().ok()?;
    let in_blobs = blob.parent()?.file_name()? == "blobs";
    Digest::from_tag(blob.file_name()?.to_str()?).filter(|_| in_blobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_comes_before_what_main_was() {
        let cache = tempfile::tempdir().unwrap();
        let model = cache.path().join("models--org--name");
        let pinned = Snapshot { folder: model.join("snapshots/aa11"), pinned: true };
        assert_eq!(snapshots(cache.path(), "org/name", "aa11"), [pinned]);

        std::fs::create_dir_all(model.join("refs")).unwrap();
        std::fs::write(model.join("refs/main"), "bb22\n").unwrap();
        let found = snapshots(cache.path(), "org/name", "aa11");
        assert_eq!(found.len(), 2);
        assert_eq!(
            found.last(),
            Some(&Snapshot { folder: model.join("snapshots/bb22"), pinned: false })
        );

        std::fs::write(model.join("refs/main"), "aa11").unwrap();
        assert_eq!(snapshots(cache.path(), "org/name", "aa11").len(), 1);
        std::fs::write(model.join("refs/main"), "../../elsewhere").unwrap();
        assert_eq!(snapshots(cache.path(), "org/name", "aa11").len(), 1);
    }
}
