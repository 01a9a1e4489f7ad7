//! DataFusion's object store trait (0.13) over a store of Lance's release (0.14), so that the
//! clouds are compiled and configured once. Types of the older release carry the prefix `df_`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{self as lance_store, ObjectStore};
use object_store_datafusion::path::Path as DfPath;
use object_store_datafusion::{self as df_store, Result as DfResult};

/// A store of Lance's release that DataFusion can use.
#[derive(Debug)]
pub struct Bridge {
    inner: Arc<dyn ObjectStore>,
}

impl Bridge {
    /// Wraps a store.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner }
    }
}

impl fmt::Display for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl df_store::ObjectStore for Bridge {
    async fn put_opts(
        &self,
        location: &DfPath,
        payload: df_store::PutPayload,
        options: df_store::PutOptions,
    ) -> DfResult<df_store::PutResult> {
        let options = lance_store::PutOptions {
            mode: put_mode(options.mode),
            tags: tags(&options.tags),
            attributes: attributes(&options.attributes),
            extensions: options.extensions,
        };
        let payload = payload.into_iter().collect();
        self.inner
            .put_opts(&path(location)?, payload, options)
            .await
            .map(put_result)
            .map_err(df_error)
    }

    async fn put_multipart_opts(
        &self,
        location: &DfPath,
        options: df_store::PutMultipartOptions,
    ) -> DfResult<Box<dyn df_store::MultipartUpload>> {
        let options = lance_store::PutMultipartOptions {
            tags: tags(&options.tags),
            attributes: attributes(&options.attributes),
            extensions: options.extensions,
        };
        let upload =
            self.inner.put_multipart_opts(&path(location)?, options).await.map_err(df_error)?;
        Ok(Box::new(Upload { inner: upload }))
    }

    async fn get_opts(
        &self,
        location: &DfPath,
        options: df_store::GetOptions,
    ) -> DfResult<df_store::GetResult> {
        let options = lance_store::GetOptions {
            if_match: options.if_match,
            if_none_match: options.if_none_match,
            if_modified_since: options.if_modified_since,
            if_unmodified_since: options.if_unmodified_since,
            range: options.range.map(get_range),
            version: options.version,
            head: options.head,
            extensions: options.extensions,
        };
        let result = self.inner.get_opts(&path(location)?, options).await.map_err(df_error)?;
        Ok(df_store::GetResult {
            meta: df_meta(result.meta.clone())?,
            range: result.range.clone(),
            attributes: df_attributes(&result.attributes),
            payload: df_store::GetResultPayload::Stream(
                result.into_stream().map_err(df_error).boxed(),
            ),
        })
    }

    async fn get_ranges(&self, location: &DfPath, ranges: &[Range<u64>]) -> DfResult<Vec<Bytes>> {
        self.inner.get_ranges(&path(location)?, ranges).await.map_err(df_error)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, DfResult<DfPath>>,
    ) -> BoxStream<'static, DfResult<DfPath>> {
        let locations = locations.map(|location| {
            location.and_then(|location| path(&location)).map_err(|error| {
                lance_store::Error::Generic { store: CALLER, source: Box::new(error) }
            })
        });
        let deleted = self.inner.delete_stream(locations.boxed());
        deleted.map(|result| df_path(&result.map_err(df_error)?)).boxed()
    }

    fn list(&self, prefix: Option<&DfPath>) -> BoxStream<'static, DfResult<df_store::ObjectMeta>> {
        match prefix.map(path).transpose() {
            Ok(prefix) => df_metas(self.inner.list(prefix.as_ref())),
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&DfPath>,
        offset: &DfPath,
    ) -> BoxStream<'static, DfResult<df_store::ObjectMeta>> {
        match prefix.map(path).transpose().and_then(|prefix| Ok((prefix, path(offset)?))) {
            Ok((prefix, offset)) => df_metas(self.inner.list_with_offset(prefix.as_ref(), &offset)),
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&DfPath>) -> DfResult<df_store::ListResult> {
        let prefix = prefix.map(path).transpose()?;
        let list = self.inner.list_with_delimiter(prefix.as_ref()).await.map_err(df_error)?;
        Ok(df_store::ListResult {
            common_prefixes: list.common_prefixes.iter().map(df_path).collect::<DfResult<_>>()?,
            objects: list.objects.into_iter().map(df_meta).collect::<DfResult<_>>()?,
        })
    }

    async fn copy_opts(
        &self,
        from: &DfPath,
        to: &DfPath,
        options: df_store::CopyOptions,
    ) -> DfResult<()> {
        let mode = match options.mode {
            df_store::CopyMode::Overwrite => lance_store::CopyMode::Overwrite,
            df_store::CopyMode::Create => lance_store::CopyMode::Create,
        };
        let options = lance_store::CopyOptions { mode, extensions: options.extensions };
        self.inner.copy_opts(&path(from)?, &path(to)?, options).await.map_err(df_error)
    }

    async fn rename_opts(
        &self,
        from: &DfPath,
        to: &DfPath,
        options: df_store::RenameOptions,
    ) -> DfResult<()> {
        let target_mode = match options.target_mode {
            df_store::RenameTargetMode::Overwrite => lance_store::RenameTargetMode::Overwrite,
            df_store::RenameTargetMode::Create => lance_store::RenameTargetMode::Create,
        };
        let options = lance_store::RenameOptions { target_mode, extensions: options.extensions };
        self.inner.rename_opts(&path(from)?, &path(to)?, options).await.map_err(df_error)
    }
}

#[derive(Debug)]
struct Upload {
    inner: Box<dyn lance_store::MultipartUpload>,
}

#[async_trait]
impl df_store::MultipartUpload for Upload {
    fn put_part(&mut self, data: df_store::PutPayload) -> df_store::UploadPart {
        let part = self.inner.put_part(data.into_iter().collect());
        part.map(|result| result.map_err(df_error)).boxed()
    }

    async fn complete(&mut self) -> DfResult<df_store::PutResult> {
        self.inner.complete().await.map(put_result).map_err(df_error)
    }

    async fn abort(&mut self) -> DfResult<()> {
        self.inner.abort().await.map_err(df_error)
    }
}

fn path(path: &DfPath) -> DfResult<Path> {
    Path::parse(path.as_ref())
        .map_err(|source| df_store::Error::Generic { store: CALLER, source: Box::new(source) })
}

fn df_path(path: &Path) -> DfResult<DfPath> {
    Ok(DfPath::parse(path.as_ref())?)
}

fn df_meta(meta: lance_store::ObjectMeta) -> DfResult<df_store::ObjectMeta> {
    Ok(df_store::ObjectMeta {
        location: df_path(&meta.location)?,
        last_modified: meta.last_modified,
        size: meta.size,
        e_tag: meta.e_tag,
        version: meta.version,
    })
}

fn df_metas(
    metas: BoxStream<'static, lance_store::Result<lance_store::ObjectMeta>>,
) -> BoxStream<'static, DfResult<df_store::ObjectMeta>> {
    metas.map(|meta| df_meta(meta.map_err(df_error)?)).boxed()
}

fn get_range(range: df_store::GetRange) -> lance_store::GetRange {
    match range {
        df_store::GetRange::Bounded(range) => lance_store::GetRange::Bounded(range),
        df_store::GetRange::Offset(offset) => lance_store::GetRange::Offset(offset),
        df_store::GetRange::Suffix(length) => lance_store::GetRange::Suffix(length),
    }
}

fn put_mode(mode: df_store::PutMode) -> lance_store::PutMode {
    match mode {
        df_store::PutMode::Overwrite => lance_store::PutMode::Overwrite,
        df_store::PutMode::Create => lance_store::PutMode::Create,
        df_store::PutMode::Update(version) => {
            lance_store::PutMode::Update(lance_store::UpdateVersion {
                e_tag: version.e_tag,
                version: version.version,
            })
        }
    }
}

fn put_result(result: lance_store::PutResult) -> df_store::PutResult {
    df_store::PutResult { e_tag: result.e_tag, version: result.version }
}

fn tags(tags: &df_store::TagSet) -> lance_store::TagSet {
    let mut copy = lance_store::TagSet::default();
    for (key, value) in url::form_urlencoded::parse(tags.encoded().as_bytes()) {
        copy.push(&key, &value);
    }
    copy
}

/// Copies what both releases know of one set of attributes into the other's type.
macro_rules! copy_attributes {
    ($from:expr, $from_crate:ident => $to_crate:ident) => {{
        let mut copy = $to_crate::Attributes::new();
        for (key, value) in $from {
            let key = match key {
                $from_crate::Attribute::ContentDisposition => {
                    $to_crate::Attribute::ContentDisposition
                }
                $from_crate::Attribute::ContentEncoding => $to_crate::Attribute::ContentEncoding,
                $from_crate::Attribute::ContentLanguage => $to_crate::Attribute::ContentLanguage,
                $from_crate::Attribute::ContentType => $to_crate::Attribute::ContentType,
                $from_crate::Attribute::CacheControl => $to_crate::Attribute::CacheControl,
                $from_crate::Attribute::StorageClass => $to_crate::Attribute::StorageClass,
                $from_crate::Attribute::Metadata(name) => {
                    $to_crate::Attribute::Metadata(name.clone())
                }
                _ => continue,
            };
            copy.insert(key, value.as_ref().to_string().into());
        }
        copy
    }};
}

fn attributes(attributes: &df_store::Attributes) -> lance_store::Attributes {
    copy_attributes!(attributes, df_store => lance_store)
}

fn df_attributes(attributes: &lance_store::Attributes) -> df_store::Attributes {
    copy_attributes!(attributes, lance_store => df_store)
}

/// The name in errors that came from the caller's side of the bridge and only pass through.
const CALLER: &str = "bridge";

/// The same error in DataFusion's release. Callers act on the kind of an error (a missing object is
/// not a failure to everybody), so every kind is kept.
fn df_error(error: lance_store::Error) -> df_store::Error {
    use df_store::Error as Df;
    use lance_store::Error as Lance;
    match error {
        Lance::Generic { store, source } => match source.downcast::<Df>() {
            Ok(passed_through) => *passed_through,
            Err(source) => Df::Generic { store, source },
        },
        Lance::NotFound { path, source } => Df::NotFound { path, source },
        Lance::NotSupported { source } => Df::NotSupported { source },
        Lance::AlreadyExists { path, source } => Df::AlreadyExists { path, source },
        Lance::Precondition { path, source } => Df::Precondition { path, source },
        Lance::NotModified { path, source } => Df::NotModified { path, source },
        Lance::NotImplemented { operation, implementer } => {
            Df::NotImplemented { operation, implementer }
        }
        Lance::PermissionDenied { path, source } => Df::PermissionDenied { path, source },
        Lance::Unauthenticated { path, source } => Df::Unauthenticated { path, source },
        Lance::UnknownConfigurationKey { store, key } => Df::UnknownConfigurationKey { store, key },
        other => Df::Generic { store: CALLER, source: Box::new(other) },
    }
}
