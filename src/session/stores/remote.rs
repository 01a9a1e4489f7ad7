//! A bucket, container or web server. It is opened when the first request is made, with the secret
//! of that moment for that very path: a secret may cover only a part of a bucket, and may come or go
//! while a table lives.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use url::Url;

use super::Stores;

/// How many objects are deleted in one go.
const DELETE_AT_ONCE: usize = 1000;

/// Everything behind one scheme and authority.
#[derive(Debug, Clone)]
pub struct Remote {
    root: Url,
    stores: Stores,
}

impl Remote {
    /// The place of a URL, without its path.
    pub fn new(url: &Url, stores: Stores) -> Self {
        let mut root = url.clone();
        root.set_path("/");
        Self { root, stores }
    }

    async fn at(&self, path: &Path) -> Result<Arc<dyn ObjectStore>> {
        self.stores.connect(&self.root, path).await
    }

    async fn call<T, F>(
        &self,
        path: &Path,
        request: impl FnOnce(Arc<dyn ObjectStore>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let store = self.at(path).await?;
        request(store).await
    }

    fn stream<T: Send + 'static>(
        &self,
        path: Path,
        request: impl FnOnce(Arc<dyn ObjectStore>) -> BoxStream<'static, Result<T>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let this = self.clone();
        let opened = async move { this.at(&path).await.map(request) };
        futures::stream::once(opened).try_flatten().boxed()
    }

    async fn delete_all(self, locations: Vec<Result<Path>>) -> Vec<Result<Path>> {
        let mut results = Vec::with_capacity(locations.len());
        let mut runs: Vec<DeleteRun> = Vec::new();
        for location in locations {
            let opened = match location {
                Ok(path) => self.at(&path).await.map(|store| (store, path)),
                Err(error) => Err(error),
            };
            match (opened, runs.last_mut()) {
                (Err(error), _) => results.push(Err(error)),
                (Ok((store, path)), Some(run)) if Arc::ptr_eq(&run.store, &store) => {
                    run.paths.push(Ok(path));
                }
                (Ok((store, path)), _) => runs.push(DeleteRun { store, paths: vec![Ok(path)] }),
            }
        }
        for run in runs {
            let paths = futures::stream::iter(run.paths).boxed();
            results.extend(run.store.delete_stream(paths).collect::<Vec<_>>().await);
        }
        results
    }
}

/// Objects in a row that one store deletes.
struct DeleteRun {
    store: Arc<dyn ObjectStore>,
    paths: Vec<Result<Path>>,
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.as_str())
    }
}

#[async_trait]
impl ObjectStore for Remote {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.call(location, |store| async move { store.put_opts(location, payload, opts).await })
            .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.call(location, |store| async move { store.put_multipart_opts(location, opts).await })
            .await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(location, |store| async move { store.get_opts(location, options).await }).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.call(location, |store| async move { store.get_ranges(location, ranges).await }).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        locations
            .ready_chunks(DELETE_AT_ONCE)
            .then(move |chunk| this.clone().delete_all(chunk))
            .flat_map(futures::stream::iter)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        let path = prefix.clone().unwrap_or_default();
        self.stream(path, move |store| store.list(prefix.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        let offset = offset.clone();
        let path = prefix.clone().unwrap_or_default();
        self.stream(path, move |store| store.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let path = prefix.cloned().unwrap_or_default();
        self.call(&path, |store| async move { store.list_with_delimiter(prefix).await }).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.call(to, |store| async move { store.copy_opts(from, to, options).await }).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.call(to, |store| async move { store.rename_opts(from, to, options).await }).await
    }
}
