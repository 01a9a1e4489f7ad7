//! What a file's content is known by.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// What a hub says of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Digest {
    /// SHA-256 of the content, as of large files.
    Sha256(String),
    /// SHA-1 of the content as git keeps it, as of small files.
    GitBlob(String),
}

impl Digest {
    /// The digest that an entity tag or the name of a cached blob is, if it is one.
    pub(crate) fn from_tag(tag: &str) -> Option<Self> {
        let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').to_ascii_lowercase();
        if !tag.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        match tag.len() {
            64 => Some(Self::Sha256(tag)),
            40 => Some(Self::GitBlob(tag)),
            _ => None,
        }
    }

    /// None if the file is what it should be, else what is wrong with it. `sha256` is the file's
    /// own.
    pub(crate) fn mismatch(&self, path: &Path, sha256: &str) -> io::Result<Option<String>> {
        let (name, wanted, found) = match self {
            Self::Sha256(wanted) => ("SHA-256", wanted, sha256.to_string()),
            Self::GitBlob(wanted) => ("git SHA-1", wanted, git_blob_of(path)?),
        };
        let same = found.eq_ignore_ascii_case(wanted);
        Ok((!same).then(|| format!("its {name} is {found}, not {wanted}")))
    }
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    read(File::open(path)?, |bytes| hasher.update(bytes))?;
    Ok(hexadecimal(&hasher.finalize()))
}

/// The SHA-1 that git knows a file's content by.
fn git_blob_of(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", file.metadata()?.len()));
    read(file, |bytes| hasher.update(bytes))?;
    Ok(hexadecimal(&hasher.finalize()))
}

fn read(mut file: File, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => each(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_sha256sum_and_git() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hello");
        std::fs::write(&path, "hello\n").unwrap();
        let sha256 = sha256_of(&path).unwrap();
        assert_eq!(sha256, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");

        // `git hash-object hello`
        let blob = Digest::from_tag("\"ce013625030ba8dba906f756967f9e9ca394464a\"").unwrap();
        assert!(matches!(blob, Digest::GitBlob(_)));
        assert_eq!(blob.mismatch(&path, &sha256).unwrap(), None);
        std::fs::write(&path, "hallo\n").unwrap();
        let reason = blob.mismatch(&path, &sha256).unwrap().unwrap();
        assert!(reason.contains("not ce013625030ba8dba906f756967f9e9ca394464a"), "{reason}");
    }

    #[test]
    fn only_digests_are_taken_from_tags() {
        assert_eq!(
            Digest::from_tag(&format!("W/\"{}\"", "A".repeat(64))),
            Some(Digest::Sha256("a".repeat(64)))
        );
        assert_eq!(Digest::from_tag("\"5f3a-62\""), None);
        assert_eq!(Digest::from_tag(&"z".repeat(64)), None);
        assert_eq!(Digest::from_tag(""), None);
    }
}
