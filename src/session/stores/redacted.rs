//! A store whose errors hold no credentials: servers quote requests in their answers.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use lance_io::object_store::WrappingObjectStore;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result, UploadPart,
};

use crate::session::secrets::Secrets;

/// Wraps stores; also those that Lance opens.
#[derive(Debug, Clone)]
pub struct Redactor {
    secrets: Secrets,
}

impl Redactor {
    /// Hides what these secrets, and the environment's, hold.
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets }
    }

    /// The same error without credentials.
    pub fn error(&self, error: Error) -> Error {
        let hide = |source: Box<dyn std::error::Error + Send + Sync>| {
            let text = source.to_string();
            let redacted = self.secrets.redact(&text);
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

    fn result<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| self.error(error))
    }

    fn stream<T: Send + 'static>(
        &self,
        stream: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let this = self.clone();
        stream.map_err(move |error| this.error(error)).boxed()
    }

    /// A store that hides them.
    pub fn store(&self, inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(Redacted { inner, redactor: self.clone() })
    }
}

impl WrappingObjectStore for Redactor {
    fn wrap(&self, _prefix: &str, original: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        self.store(original)
    }

    fn wrap_paginated(
        &self,
        _prefix: &str,
        original: Arc<dyn PaginatedListStore>,
    ) -> Option<Arc<dyn PaginatedListStore>> {
        Some(Arc::new(RedactedList { inner: original, redactor: self.clone() }))
    }
}

struct RedactedList {
    inner: Arc<dyn PaginatedListStore>,
    redactor: Redactor,
}

#[async_trait]
impl PaginatedListStore for RedactedList {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> Result<PaginatedListResult> {
        self.redactor.result(self.inner.list_paginated(prefix, options).await)
    }
}

#[derive(Debug)]
struct Redacted {
    inner: Arc<dyn ObjectStore>,
    redactor: Redactor,
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Redacted {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.redactor.result(self.inner.put_opts(location, payload, opts).await)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.redactor.result(self.inner.put_multipart_opts(location, opts).await)?;
        Ok(Box::new(RedactedUpload { inner: upload, redactor: self.redactor.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut result = self.redactor.result(self.inner.get_opts(location, options).await)?;
        if let GetResultPayload::Stream(stream) = result.payload {
            result.payload = GetResultPayload::Stream(self.redactor.stream(stream));
        }
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.redactor.result(self.inner.get_ranges(location, ranges).await)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.redactor.stream(self.inner.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.redactor.stream(self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.redactor.stream(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.redactor.result(self.inner.list_with_delimiter(prefix).await)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.redactor.result(self.inner.copy_opts(from, to, options).await)
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.redactor.result(self.inner.rename_opts(from, to, options).await)
    }
}

#[derive(Debug)]
struct RedactedUpload {
    inner: Box<dyn MultipartUpload>,
    redactor: Redactor,
}

#[async_trait]
impl MultipartUpload for RedactedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let redactor = self.redactor.clone();
        let part = self.inner.put_part(data);
        part.map(move |result| redactor.result(result)).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.redactor.result(self.inner.complete().await)
    }

    async fn abort(&mut self) -> Result<()> {
        self.redactor.result(self.inner.abort().await)
    }
}
