//! How functions read the files that a path or a URL names.

use std::fmt::Debug;

use bytes::Bytes;

/// Reads whole files.
pub trait Files: Debug + Send + Sync {
    /// The contents of a file, or one sentence that says why there are none.
    fn read(&self, location: &str, stopped: &dyn Fn() -> bool) -> Result<Bytes, String>;
}

/// Files of this machine alone.
#[derive(Debug, Clone, Copy)]
pub struct LocalFiles;

impl Files for LocalFiles {
    fn read(&self, location: &str, _stopped: &dyn Fn() -> bool) -> Result<Bytes, String> {
        let path = location.strip_prefix("file://").unwrap_or(location);
        std::fs::read(path).map(Bytes::from).map_err(|error| error.to_string())
    }
}
