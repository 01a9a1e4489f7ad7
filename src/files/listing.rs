//! The files that a location means: one file, everything below a folder, or what a pattern matches;
//! and the columns that their folders' names spell (`day=2024-05-01/`).

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use futures::{StreamExt, TryStreamExt};
use object_store_datafusion::path::Path;
use object_store_datafusion::{Error as StoreError, ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use super::pattern::{self, Glob, Segment};
use crate::error::{Error, Result};
use crate::session::Stores;
use crate::session::stores::location::{self, Scheme};

/// How many folders are listed at the same time.
const LISTINGS_AT_ONCE: usize = 16;

/// The files of a location, by name. There is at least one.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The location as the user wrote it.
    pub location: String,
    /// Scheme and authority: what DataFusion knows a store by.
    pub root: ObjectStoreUrl,
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The files.
    pub files: Vec<ObjectMeta>,
}

/// Finds the files of a location. In folders, only files that `wanted` accepts by their names are
/// meant; a file or a pattern that is named means itself.
pub async fn list(
    stores: &Stores,
    location: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Listing> {
    let place = Place::open(stores, location)?;
    let mut files = match &place.globs {
        Some(globs) => place.matching(globs).await?,
        None => place.file_or_folder(&wanted).await?,
    };
    files.sort_by(|a, b| a.location.cmp(&b.location));
    files.dedup_by(|a, b| a.location == b.location);
    if files.is_empty() {
        return Err(place.nothing_there());
    }
    let root = ObjectStoreUrl::parse(&place.base[..url::Position::BeforePath])?;
    Ok(Listing { location: location.to_string(), root, store: place.store, files })
}

struct Place<'a> {
    location: &'a str,
    base: Url,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    globs: Option<Vec<Glob>>,
}

impl<'a> Place<'a> {
    fn open(stores: &Stores, location: &'a str) -> Result<Self> {
        // A file may really be called `a[1].csv`.
        let is_local = !location.contains("://");
        let is_literal = !pattern::is_pattern(location)
            || (is_local && location::parse(location).is_ok_and(|url| is_on_disk(&url)));
        let (folder, globs) = match is_literal {
            true => (location, None),
            false => {
                let (folder, rest) = pattern::split(location);
                (if folder.is_empty() { "./" } else { folder }, Some(pattern::parse(rest)?))
            }
        };
        if globs.is_some() && (location.starts_with("http://") || location.starts_with("https://"))
        {
            // A query is no pattern, and may hold a signature that no message should repeat.
            location::parse(location)?;
            return Err(Error::Unsupported(format!(
                "cannot read '{location}': a web server does not list its files, so a URL has no '*', '[' or \
                 '{{'; name each file"
            )));
        }
        let base = location::parse(folder)?;
        let store = stores.get_store(&base)?;
        let prefix = Path::from_url_path(base.path())
            .map_err(|error| Error::Invalid(format!("cannot read '{location}': {error}")))?;
        Ok(Self { location, base, store, prefix, globs })
    }

    async fn file_or_folder(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<ObjectMeta>> {
        let is_folder = self.base.path().ends_with('/') || is_folder_on_disk(&self.base);
        if !is_folder {
            match self.store.head(&self.prefix).await {
                Ok(file) => return Ok(vec![file]),
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        if Scheme::of(&self.base)? == Scheme::Http {
            return match is_folder {
                true => Err(Error::Unsupported(format!(
                    "cannot read '{}': a web server does not list its files; name each file",
                    self.location
                ))),
                false => Ok(vec![]),
            };
        }
        let below: Vec<ObjectMeta> = self
            .store
            .list(Some(&self.prefix))
            .try_collect()
            .await
            .map_err(|error| self.failed(error))?;
        let is_visible = |file: &ObjectMeta| {
            let mut segments = self.below(&file.location).into_iter();
            // Writers leave notes in names like `_SUCCESS`; a partition may begin with `_`, too.
            segments.all(|name| {
                !name.starts_with('.') && (!name.starts_with('_') || name.contains('='))
            })
        };
        Ok(below
            .into_iter()
            .filter(|file| file.size > 0 && is_visible(file))
            .filter(|file| file.location.filename().is_some_and(&wanted))
            .collect())
    }

    async fn matching(&self, globs: &[Glob]) -> Result<Vec<ObjectMeta>> {
        let mut files = Vec::new();
        for glob in globs {
            files.extend(self.walk(&glob.segments).await.map_err(|error| self.failed(error))?);
        }
        Ok(files)
    }

    /// Goes down folder by folder and lists only those that match so far.
    async fn walk(&self, segments: &[Segment]) -> Result<Vec<ObjectMeta>, StoreError> {
        let mut folders = vec![self.prefix.clone()];
        for (depth, segment) in segments.iter().enumerate() {
            let rest = segments.get(depth..).unwrap_or_default();
            let is_last = rest.len() == 1;
            folders = match segment {
                Segment::Folders => return self.list_all(folders, rest).await,
                Segment::Name(name) if is_last => return self.existing(folders, name).await,
                Segment::Name(name) => {
                    folders.into_iter().map(|folder| folder.join(name.as_str())).collect()
                }
                Segment::Pattern(_) => {
                    let lists: Vec<_> =
                        futures::stream::iter(folders)
                            .map(|folder| async move {
                                self.store.list_with_delimiter(Some(&folder)).await
                            })
                            .buffer_unordered(LISTINGS_AT_ONCE)
                            .try_collect()
                            .await?;
                    let matches =
                        |path: &Path| path.filename().is_some_and(|name| segment.matches(name));
                    if is_last {
                        let files = lists.into_iter().flat_map(|list| list.objects);
                        return Ok(files.filter(|file| matches(&file.location)).collect());
                    }
                    lists
                        .into_iter()
                        .flat_map(|list| list.common_prefixes)
                        .filter(matches)
                        .collect()
                }
            };
        }
        Ok(Vec::new())
    }

    async fn list_all(
        &self,
        folders: Vec<Path>,
        segments: &[Segment],
    ) -> Result<Vec<ObjectMeta>, StoreError> {
        let mut files = Vec::new();
        for folder in folders {
            let mut below = self.store.list(Some(&folder));
            while let Some(file) = below.try_next().await? {
                let path: Vec<_> = segments_below(&folder, &file.location);
                if Glob::matches(segments, &path) {
                    files.push(file);
                }
            }
        }
        Ok(files)
    }

    async fn existing(
        &self,
        folders: Vec<Path>,
        name: &str,
    ) -> Result<Vec<ObjectMeta>, StoreError> {
        let files: Vec<Option<ObjectMeta>> = futures::stream::iter(folders)
            .map(|folder| async move {
                match self.store.head(&folder.join(name)).await {
                    Ok(file) => Ok(Some(file)),
                    Err(StoreError::NotFound { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            })
            .buffer_unordered(LISTINGS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(files.into_iter().flatten().collect())
    }

    fn below<'b>(&self, path: &'b Path) -> Vec<&'b str> {
        segments_below(&self.prefix, path)
    }

    fn failed(&self, error: StoreError) -> Error {
        Error::Invalid(format!("cannot read '{}': {error}", self.location))
    }

    fn nothing_there(&self) -> Error {
        let location = self.location;
        let relative = !location.contains("://") && !std::path::Path::new(location).is_absolute();
        let here = match std::env::current_dir() {
            Ok(here) if relative => format!(" (paths begin in {})", here.display()),
            _ => String::new(),
        };
        Error::Invalid(match &self.globs {
            Some(_) => format!("no file matches '{location}'; check the pattern{here}"),
            None if is_folder_on_disk(&self.base) => {
                format!("the folder '{location}' holds no file that can be read; check it{here}")
            }
            None => format!("there is no file '{location}'; check its name{here}"),
        })
    }
}

fn segments_below<'a>(folder: &Path, path: &'a Path) -> Vec<&'a str> {
    let below = path.as_ref().strip_prefix(folder.as_ref()).unwrap_or(path.as_ref());
    below.split('/').filter(|segment| !segment.is_empty()).collect()
}

fn is_on_disk(url: &Url) -> bool {
    url.scheme() == "file" && url.to_file_path().is_ok_and(|path| path.exists())
}

fn is_folder_on_disk(url: &Url) -> bool {
    url.scheme() == "file" && url.to_file_path().is_ok_and(|path| path.is_dir())
}

/// The values that a file's folders spell, by column: `day=1/hour=2/x.csv` has `day` and `hour`.
pub fn partition_values(file: &Path) -> BTreeMap<String, Option<String>> {
    let folders: Vec<_> = file.as_ref().split('/').collect();
    let folders = folders.split_last().map(|(_, folders)| folders).unwrap_or_default();
    folders
        .iter()
        .filter_map(|folder| folder.split_once('='))
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| {
            let decoded = url::form_urlencoded::parse(value.replace('+', "%2B").as_bytes())
                .next()
                .map_or_else(String::new, |(value, _)| value.into_owned());
            let value = (decoded != "__HIVE_DEFAULT_PARTITION__").then_some(decoded);
            (name.to_string(), value)
        })
        .collect()
}

impl Listing {
    /// The columns that the folders of every file spell, in the order of the path.
    pub fn partition_columns(&self) -> Vec<String> {
        let values: Vec<_> =
            self.files.iter().map(|file| partition_values(&file.location)).collect();
        let Some(first) = self.files.first() else { return vec![] };
        first
            .location
            .as_ref()
            .split('/')
            .filter_map(|folder| Some(folder.split_once('=')?.0.to_string()))
            .filter(|name| values.iter().all(|values| values.contains_key(name)))
            .collect()
    }

    /// The name of a file as a user would write it.
    pub fn display(&self, file: &Path) -> String {
        let root = self.root.as_str();
        if !root.starts_with("file:") {
            return format!("{root}{file}");
        }
        let whole = format!("/{file}");
        let relative = !self.location.contains("://")
            && !self.location.starts_with('~')
            && !std::path::Path::new(&self.location).is_absolute();
        match std::env::current_dir() {
            Ok(here) if relative => match std::path::Path::new(&whole).strip_prefix(here) {
                Ok(below) => below.display().to_string(),
                Err(_) => whole,
            },
            _ => whole,
        }
    }
}
