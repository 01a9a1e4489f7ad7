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
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result,
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
        self.stores.connect(&self.root, path).await.map_err(|error| self.redacted(error))
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
        request(store).await.map_err(|error| self.redacted(error))
    }

    fn stream<T: Send + 'static>(
        &self,
        path: Path,
        request: impl FnOnce(Arc<dyn ObjectStore>) -> BoxStream<'static, Result<T>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let this = self.clone();
        let opened = {
            let this = this.clone();
            async move { this.at(&path).await.map(request) }
        };
        futures::stream::once(opened)
            .try_flatten()
            .map_err(move |error| this.redacted(error))
            .boxed()
    }

    async fn delete_all(self, locations: Vec<Result<Path>>) -> Vec<Result<Path>> {
        let mut results = Vec::with_capacity(locations.len());
        let mut open: Option<(Arc<dyn ObjectStore>, Vec<Result<Path>>)> = None;
        for location in locations {
            let path = match location {
                Ok(path) => path,
                Err(error) => {
                    results.push(Err(error));
                    continue;
                }
            };
            let store = match self.at(&path).await {
                Ok(store) => store,
                Err(error) => {
                    results.push(Err(error));
                    continue;
                }
            };
            match &mut open {
                Some((current, batch)) if Arc::ptr_eq(current, &store) => batch.push(Ok(path)),
                _ => {
                    if let Some((previous, batch)) = open.replace((store, vec![Ok(path)])) {
                        results.extend(delete_batch(previous, batch).await);
                    }
                }
            }
        }
        if let Some((store, batch)) = open {
            results.extend(delete_batch(store, batch).await);
        }
        results
    }

    /// The same error without credentials: servers quote requests in their answers.
    fn redacted(&self, error: Error) -> Error {
        let hide = |source: Box<dyn std::error::Error + Send + Sync>| {
            let text = source.to_string();
            let redacted = self.stores.secrets().redact(&text);
            if redacted == text { source } else { redacted.into_owned().into() }
        };
        match error {
            Error::Generic { store, source } => Error::Generic { store, source: hide(source) },
            Error::NotFound { path, source } => Error::NotFound { path, source: hide(source) },
            Error::NotSupported { source } => Error::NotSupported { source: hide(source) },
            Error::AlreadyExists { path, source } => {
                Error::AlreadyExists { path, source: hide(source) }
            }
            Error::Precondition { path, source } => {
                Error::Precondition { path, source: hide(source) }
            }
            Error::NotModified { path, source } => {
                Error::NotModified { path, source: hide(source) }
            }
            Error::PermissionDenied { path, source } => {
                Error::PermissionDenied { path, source: hide(source) }
            }
            Error::Unauthenticated { path, source } => {
                Error::Unauthenticated { path, source: hide(source) }
            }
            other => other,
        }
    }
}

async fn delete_batch(store: Arc<dyn ObjectStore>, batch: Vec<Result<Path>>) -> Vec<Result<Path>> {
    store.delete_stream(futures::stream::iter(batch).boxed()).collect().await
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
        let request =
            |store: Arc<dyn ObjectStore>| async move { store.get_opts(location, options).await };
        let mut result = self.call(location, request).await?;
        if let GetResultPayload::Stream(stream) = result.payload {
            let this = self.clone();
            let stream = stream.map_err(move |error| this.redacted(error)).boxed();
            result.payload = GetResultPayload::Stream(stream);
        }
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.call(location, |store| async move { store.get_ranges(location, ranges).await }).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let redacting = self.clone();
        locations
            .ready_chunks(DELETE_AT_ONCE)
            .then(move |chunk| this.clone().delete_all(chunk))
            .flat_map(futures::stream::iter)
            .map_err(move |error| redacting.redacted(error))
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
