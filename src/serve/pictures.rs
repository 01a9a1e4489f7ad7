//! Pictures in files that rows name. They are opened where whoever started the server said that there are some.

use std::path::PathBuf;

use axum::body::Bytes;
use axum::http::StatusCode;
use futures::FutureExt;
use object_store::{Error as StoreError, ObjectStoreExt};
use url::Url;

use super::refusal::Refusal;
use crate::Database;
use crate::error::{Error, Result};
use crate::files::IMAGE_ENDS;
use crate::session::stores::location::{self, Scheme};

/// Largest file that is read.
const LARGEST: u64 = 256 << 20;

/// Which files may be opened where rows name them.
#[derive(Debug, Clone, Default)]
pub enum Pictures {
    /// None: pictures are what rows hold.
    #[default]
    Held,
    /// Those in these folders, and in those within.
    Within(Vec<Url>),
    /// Those of this machine. Others would learn who looks at what.
    Local,
}

impl Pictures {
    /// Those in folders and under URLs; none without any.
    pub fn within(places: &[String]) -> Result<Self> {
        if places.is_empty() {
            return Ok(Self::Held);
        }
        let places: Result<Vec<Url>> = places.iter().map(|place| folder(place)).collect();
        Ok(Self::Within(places?))
    }

    /// Whether files are opened at all.
    pub fn opens(&self) -> bool {
        !matches!(self, Self::Held)
    }

    /// Whether a text names a picture that may be opened.
    pub fn names_one(&self, text: &str) -> bool {
        let lower = text.to_ascii_lowercase();
        IMAGE_ENDS.iter().any(|end| lower.ends_with(end))
            && location::parse(text).is_ok_and(|file| self.allows(&file))
    }

    fn allows(&self, file: &Url) -> bool {
        match self {
            Self::Held => false,
            Self::Local => file.scheme() == "file",
            Self::Within(places) => places.iter().any(|place| lies_within(file, place)),
        }
    }

    /// What is in a file.
    pub async fn read(&self, db: &Database, text: &str) -> Result<Bytes, Refusal> {
        let unreadable = |message: String| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message);
        let file = location::parse(text).map_err(|error| unreadable(error.to_string()))?;
        if !self.allows(&file) {
            let message = format!(
                "'{text}' is in no folder whose pictures are shown; start the server with --pictures and its folder"
            );
            return Err(Refusal::new(StatusCode::FORBIDDEN, message));
        }
        let failed = |error: StoreError| match error {
            StoreError::NotFound { .. } => {
                Refusal::new(StatusCode::NOT_FOUND, format!("there is no file '{text}'"))
            }
            error => unreadable(format!("'{text}' cannot be read: {error}")),
        };
        let located = db.stores().at(file)?;
        let found = located.store.get(&located.path).boxed().await.map_err(failed)?;
        if found.meta.size > LARGEST {
            let message = format!(
                "'{text}' has {} MB; up to {} are read",
                found.meta.size >> 20,
                LARGEST >> 20
            );
            return Err(unreadable(message));
        }
        found.bytes().await.map_err(failed)
    }
}

/// A folder's URL ends with a slash.
fn folder(place: &str) -> Result<Url> {
    let mut url = location::parse(place)?;
    if Scheme::of(&url)? == Scheme::Local {
        // What links to it is what it links to.
        let path = url.to_file_path().ok().and_then(|path| path.canonicalize().ok());
        let path = path.filter(|path| path.is_dir());
        let known = path.and_then(|path| Url::from_directory_path(path).ok());
        return known.ok_or_else(|| {
            Error::Invalid(format!(
                "'{place}' is no folder on this machine; its pictures cannot be shown"
            ))
        });
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn lies_within(file: &Url, place: &Url) -> bool {
    let root =
        |url: &Url| (url.scheme().to_string(), url.host_str().map(str::to_string), url.port());
    if root(file) != root(place) {
        return false;
    }
    if file.scheme() != "file" {
        return file.path().starts_with(place.path());
    }
    // A link may lead out of a folder, or be the way into it. Of a file that is not there its folder counts.
    let real = |path: PathBuf| match path.canonicalize() {
        Ok(path) => Some(path),
        Err(_) => path.parent()?.canonicalize().ok(),
    };
    let (file, place) = (file.to_file_path().ok().and_then(real), place.to_file_path().ok());
    file.zip(place).is_some_and(|(file, place)| file.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_folder_and_of_those_within() {
        let root = tempfile::tempdir().unwrap();
        let (inside, outside) = (root.path().join("in"), root.path().join("out"));
        std::fs::create_dir_all(inside.join("deep")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        for file in [inside.join("a b.png"), inside.join("deep/c.JPG"), outside.join("d.png")] {
            std::fs::write(file, "").unwrap();
        }
        let at = |path: &str| inside.join(path).to_str().unwrap().to_string();
        let pictures = Pictures::within(&[at("")]).unwrap();
        assert!(pictures.names_one(&at("a b.png")) && pictures.names_one(&at("deep/c.JPG")));
        assert!(pictures.names_one(&at("deep/../a b.png")));
        assert!(
            !pictures.names_one(&at("../out/d.png")) && !pictures.names_one(&at("../out/e.png"))
        );
        assert!(pictures.names_one(&at("gone.png")) && !pictures.names_one(&at("gone/e.png")));
        assert!(!pictures.names_one(&format!("{}-other/d.png", at(""))));
        assert!(!Pictures::Held.names_one(&at("a b.png")));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outside.join("d.png"), inside.join("link.png")).unwrap();
            assert!(!pictures.names_one(&at("link.png")));
        }
        assert!(Pictures::Local.names_one(&at("../out/d.png")));
        for other in ["a sentence.", "https://pictures.org/1.png", "s3://pictures/1.png"] {
            assert!(!Pictures::Local.names_one(other), "{other}");
        }
        let missing = Pictures::within(&[at("nowhere")]).unwrap_err().to_string();
        assert!(missing.contains("nowhere' is no folder"), "{missing}");
    }

    #[test]
    fn urls_of_one_server_and_folder() {
        let pictures = Pictures::within(&["https://pictures.org/cats".to_string()]).unwrap();
        assert!(pictures.names_one("https://pictures.org/cats/1.png"));
        for other in [
            "https://pictures.org/cats2/1.png",
            "https://pictures.org/cats/../dogs/1.png",
            "https://pictures.org/cats/%2e%2e/dogs/1.png",
            "http://pictures.org/cats/1.png",
            "https://pictures.org:8443/cats/1.png",
            "https://pictures.org.evil/cats/1.png",
        ] {
            assert!(!pictures.names_one(other), "{other}");
        }
    }
}
