//! One file from the hub: continued where it was cut off, tried again where that may help, and
//! shown under its name only when it is what the hub, or the manifest, says it is.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, HeaderMap};
use reqwest::{Response, StatusCode};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use url::Url;

use super::digest::{Digest, sha256_of};
use super::hub::{Answer, Hub, root_cause};
use super::{Fetched, Progress};
use crate::manifest::ModelFile;

/// How long a server is waited for, and how often it is asked again.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For the next bytes.
    pub(crate) idle: Duration,
    /// How often a file is tried without a byte gained.
    pub(crate) tries: u32,
    /// Before the second try; twice as long before each further one.
    pub(crate) pause: Duration,
}

/// Why an attempt failed.
pub(crate) enum Setback {
    /// Another try may help.
    Passing { reason: String, wait: Option<Duration> },
    /// It will not.
    Final(String),
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            tries: 4,
            pause: Duration::from_secs(1),
        }
    }
}

impl Setback {
    pub(crate) fn passing(reason: String) -> Self {
        Self::Passing { reason, wait: None }
    }
}

/// Fetches `file` from `url` to `to`. What an earlier call left beside it is continued.
pub(crate) async fn download(
    hub: &Hub,
    url: &Url,
    file: &ModelFile,
    to: &Path,
    progress: Progress<'_>,
) -> Fetched<()> {
    let mut partial = Partial::beside(to).await.map_err(|error| unwritable(to, &error))?;
    let mut tries = 0;
    loop {
        let before = partial.length;
        let setback = match partial.attempt(hub, url, file, progress).await {
            Ok(()) => return partial.finish(to).await.map_err(|error| unwritable(to, &error)),
            Err(setback) => setback,
        };
        let (reason, wait) = match setback {
            Setback::Final(reason) => return Err(reason),
            Setback::Passing { reason, wait } => (reason, wait),
        };
        tries = if partial.length > before { 1 } else { tries + 1 };
        if tries >= hub.patience.tries {
            return Err(reason);
        }
        tokio::time::sleep(wait.unwrap_or_else(|| hub.patience.pause * (1 << (tries - 1)))).await;
    }
}

/// What is here of a file.
struct Partial {
    path: PathBuf,
    file: File,
    length: u64,
    /// Whether the first bytes were there before this download.
    found: bool,
}

impl Partial {
    async fn beside(to: &Path) -> io::Result<Self> {
        let mut name = to.as_os_str().to_os_string();
        name.push(".partial");
        let path = PathBuf::from(name);
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).await?;
        let length = file.metadata().await?.len();
        Ok(Self { path, file, length, found: length > 0 })
    }

    /// Fetches what is missing and checks the whole.
    async fn attempt(
        &mut self,
        hub: &Hub,
        url: &Url,
        file: &ModelFile,
        progress: Progress<'_>,
    ) -> Result<(), Setback> {
        let Answer { response, declared } = hub.get(url, self.length).await?;
        let known = file.sha256.clone().map(Digest::Sha256).or(declared);
        let status = response.status();
        let whole = status == StatusCode::RANGE_NOT_SATISFIABLE
            && size_in_range(response.headers()) == Some(self.length);
        if !whole {
            if status == StatusCode::RANGE_NOT_SATISFIABLE {
                self.start_over().await?;
                return Err(Setback::passing(format!("{url} is shorter than what is here of it")));
            }
            let continued = status == StatusCode::PARTIAL_CONTENT
                && start_of_range(response.headers()) == Some(self.length);
            if !continued && self.length > 0 {
                self.start_over().await?;
                if status == StatusCode::PARTIAL_CONTENT {
                    return Err(Setback::passing(format!("{url} answers another range")));
                }
            }
            self.receive(response, url, &file.name, known.is_some(), progress).await?;
        }
        self.verify(url, known).await
    }

    async fn receive(
        &mut self,
        mut response: Response,
        url: &Url,
        name: &str,
        checkable: bool,
        progress: Progress<'_>,
    ) -> Result<(), Setback> {
        let total = response.content_length().map(|rest| self.length + rest);
        if total.is_none() && !checkable {
            return Err(Setback::Final(format!(
                "{url} says neither its length nor its digest, so nothing tells whether it is whole"
            )));
        }
        progress(name, self.length, total);
        let cut = loop {
            match response.chunk().await {
                Ok(Some(bytes)) => {
                    self.file.write_all(&bytes).await.map_err(|error| self.unwritable(&error))?;
                    self.length += bytes.len() as u64;
                    progress(name, self.length, total);
                }
                Ok(None) => break None,
                Err(error) => break Some(root_cause(&error)),
            }
        };
        // What was received is kept, however it ended.
        self.file.flush().await.map_err(|error| self.unwritable(&error))?;
        let short = total.is_some_and(|total| total != self.length);
        match cut {
            None if !short => Ok(()),
            cut => {
                let reason = cut.unwrap_or_else(|| "the connection ended".to_string());
                let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
                Err(Setback::passing(format!(
                    "{url} was cut off after {}{of} bytes: {reason}",
                    self.length
                )))
            }
        }
    }

    async fn verify(&mut self, url: &Url, known: Option<Digest>) -> Result<(), Setback> {
        let Some(known) = known else { return Ok(()) };
        let path = self.path.clone();
        let mismatch = move || known.mismatch(&path, &sha256_of(&path)?);
        let wrong = tokio::task::spawn_blocking(mismatch)
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| self.unwritable(&error))?;
        let Some(wrong) = wrong else { return Ok(()) };
        let found = self.found;
        self.start_over().await?;
        let reason = format!("{url} is not what it should be: {wrong}");
        // Bytes that lay here may be at fault; the server's own are not asked for twice.
        Err(if found {
            Setback::Passing { reason, wait: Some(Duration::ZERO) }
        } else {
            Setback::Final(reason)
        })
    }

    async fn start_over(&mut self) -> Result<(), Setback> {
        self.file.set_len(0).await.map_err(|error| self.unwritable(&error))?;
        self.length = 0;
        self.found = false;
        Ok(())
    }

    async fn finish(self, to: &Path) -> io::Result<()> {
        let Self { path, file, .. } = self;
        file.sync_all().await?;
        // Some systems rename no file that is open.
        drop(file);
        tokio::fs::rename(path, to).await
    }

    fn unwritable(&self, error: &io::Error) -> Setback {
        Setback::Final(unwritable(&self.path, error))
    }
}

fn unwritable(path: &Path, error: &io::Error) -> String {
    format!("'{}' cannot be written: {error}", path.display())
}

/// The first byte of `bytes 7-9/10`.
fn start_of_range(headers: &HeaderMap) -> Option<u64> {
    let (range, _) = range_and_size(headers)?;
    range.split('-').next()?.parse().ok()
}

/// The size in `bytes */10`.
fn size_in_range(headers: &HeaderMap) -> Option<u64> {
    let (_, size) = range_and_size(headers)?;
    size.parse().ok()
}

fn range_and_size(headers: &HeaderMap) -> Option<(&str, &str)> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')
}
