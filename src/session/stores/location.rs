//! Where something lies: the text that a user writes, as a URL that every part of the program
//! understands the same way.

use std::path::{Path as FilePath, PathBuf};

use object_store::path::Path;
use url::Url;

use crate::error::{Error, Result};

/// What kind of place a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// The local file system.
    Local,
    /// Memory of this session, gone with it.
    Memory,
    /// Amazon S3 and what speaks its language.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage and Data Lake.
    Azure,
    /// A web server: read only, without listings.
    Http,
}

impl Scheme {
    /// The kind of place of a URL, refused with the allowed schemes where we know none: the table
    /// format would open an unknown scheme without protection against two writers.
    pub fn of(url: &Url) -> Result<Self> {
        let (scheme, feature) = match url.scheme() {
            "file" => (Self::Local, None),
            "memory" => (Self::Memory, None),
            "s3" => (Self::S3, (!cfg!(feature = "aws")).then_some("aws")),
            "gs" => (Self::Gcs, (!cfg!(feature = "gcp")).then_some("gcp")),
            "az" | "abfss" => (Self::Azure, (!cfg!(feature = "azure")).then_some("azure")),
            "http" | "https" => (Self::Http, None),
            _ => {
                return Err(Error::Invalid(format!(
                    "cannot open '{url}': a location is a local path or begins with file://, s3://, gs://, \
                     az://, abfss://, http://, https:// or memory://"
                )));
            }
        };
        match feature {
            None => Ok(scheme),
            Some(feature) => Err(Error::Unsupported(format!(
                "cannot open '{url}': this build of portolan leaves out {}:// stores; build it with the \
                 cargo feature '{feature}'",
                url.scheme()
            ))),
        }
    }

    /// Whether the place is reached over the network with credentials of its own.
    pub fn is_remote(self) -> bool {
        matches!(self, Self::S3 | Self::Gcs | Self::Azure | Self::Http)
    }
}

/// The URL of a location: a local path (relative, absolute or from `~`) or a URL.
pub fn parse(location: &str) -> Result<Url> {
    if location.trim().is_empty() {
        return Err(Error::Invalid("a location is empty; write a path or a URL".to_string()));
    }
    let url = match location.split_once("://") {
        Some((scheme, rest)) => parse_url(location, scheme, rest)?,
        None => local(location)?,
    };
    Scheme::of(&url)?;
    Ok(url)
}

/// The path of a URL within its store.
pub fn path_of(url: &Url) -> Result<Path> {
    Path::from_url_path(url.path()).map_err(|error| {
        Error::Invalid(format!("cannot open '{url}': {error}; rename it or its folder"))
    })
}

fn parse_url(location: &str, scheme: &str, rest: &str) -> Result<Url> {
    let scheme = scheme.to_ascii_lowercase();
    // One name for each kind of place, the one that the table format knows.
    let scheme = match scheme.as_str() {
        "s3a" | "s3n" => "s3",
        "gcs" => "gs",
        "azure" => "az",
        "abfs" if rest.split('/').next().is_some_and(|authority| authority.contains('@')) => {
            "abfss"
        }
        "abfs" => "az",
        other => other,
    };
    let is_web = matches!(scheme, "http" | "https");
    // Only the web has queries and fragments; elsewhere these characters belong to the name.
    let rest = match is_web {
        true => rest.to_string(),
        false => rest.replace('#', "%23").replace('?', "%3F"),
    };
    let url = Url::parse(&format!("{scheme}://{rest}"))
        .map_err(|error| Error::Invalid(format!("cannot open '{location}': {error}")))?;
    let host = url.host_str().unwrap_or_default();
    match Scheme::of(&url)? {
        Scheme::Local if !host.is_empty() => Err(Error::Invalid(format!(
            "cannot open '{location}': a file URL has three slashes, as in file:///{host}{}",
            url.path()
        ))),
        Scheme::S3 | Scheme::Gcs | Scheme::Azure | Scheme::Http if host.is_empty() => {
            Err(Error::Invalid(format!(
                "cannot open '{location}': the bucket, container or host is missing after {scheme}://"
            )))
        }
        // A password in a URL would come back in every message that names the URL.
        Scheme::Http if !url.username().is_empty() || url.password().is_some() => {
            Err(Error::Invalid(format!(
                "the URL of host '{host}' holds a user or a password; leave them out and use CREATE SECRET \
                 (TYPE http, BEARER_TOKEN '…', SCOPE '{scheme}://{host}')"
            )))
        }
        Scheme::Http if url.query().is_some() => Err(Error::Unsupported(format!(
            "cannot open '{scheme}://{host}{}?…': a URL with a query cannot be read in place; download the \
             file, or name it without '?'",
            url.path()
        ))),
        _ => Ok(url),
    }
}

fn local(location: &str) -> Result<Url> {
    let path = absolute(location)?;
    let url = match location.ends_with(std::path::is_separator) {
        true => Url::from_directory_path(&path),
        false => Url::from_file_path(&path),
    };
    url.ok()
        // Parsing once more resolves `.` and `..`.
        .and_then(|url| Url::parse(url.as_str()).ok())
        .ok_or_else(|| {
            Error::Invalid(format!("cannot open '{location}': it is not a path of this system"))
        })
}

fn absolute(location: &str) -> Result<PathBuf> {
    let after_tilde = location
        .strip_prefix('~')
        .filter(|rest| rest.is_empty() || rest.starts_with(std::path::is_separator));
    if let Some(rest) = after_tilde {
        let home = std::env::home_dir().filter(|home| home.is_absolute()).ok_or_else(|| {
            Error::Invalid(format!(
                "cannot open '{location}': this user has no home folder; write the whole path"
            ))
        })?;
        return Ok(home.join(rest.trim_start_matches(std::path::is_separator)));
    }
    let path = FilePath::new(location);
    if path.is_absolute() {
        return Ok(path.to_path_buf());
    }
    let here = std::env::current_dir().map_err(|source| {
        Error::io(format!("cannot open '{location}': the current folder is gone"), source)
    })?;
    Ok(here.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_paths_become_file_urls() {
        let here = std::env::current_dir().unwrap();
        let parsed = parse("data/../a b.parquet").unwrap();
        assert_eq!(parsed.to_file_path().unwrap(), here.join("a b.parquet"));
        assert_eq!(parse("/tmp/x#1.csv").unwrap().as_str(), "file:///tmp/x%231.csv");
        assert!(parse("/tmp/folder/").unwrap().path().ends_with('/'));
        let home = std::env::home_dir().unwrap();
        assert_eq!(parse("~/x.csv").unwrap().to_file_path().unwrap(), home.join("x.csv"));
        assert_eq!(path_of(&parse("/tmp/a b%.csv").unwrap()).unwrap().as_ref(), "tmp/a b%.csv");
    }

    #[test]
    fn urls_keep_one_name_a_scheme() {
        for (given, expected) in [
            ("s3a://bucket/k", "s3://bucket/k"),
            ("S3://bucket/k", "s3://bucket/k"),
            ("gcs://bucket/k", "gs://bucket/k"),
            ("azure://c/k", "az://c/k"),
            ("abfs://c/k", "az://c/k"),
            ("abfs://c@a.dfs.core.windows.net/k", "abfss://c@a.dfs.core.windows.net/k"),
        ] {
            assert_eq!(parse(given).unwrap().as_str(), expected);
        }
        let odd = parse("s3://bucket/what?/#1 100%.csv").unwrap();
        assert_eq!(path_of(&odd).unwrap().as_ref(), "what?/#1 100%.csv");
        assert_eq!(parse(odd.as_str()).unwrap(), odd, "a URL of ours means itself");
    }

    #[test]
    fn what_cannot_be_opened_is_said_with_the_remedy() {
        for (given, expected) in [
            ("ftp://host/x", "begins with file://, s3://"),
            ("", "a location is empty"),
            ("s3:///x", "is missing after s3://"),
            ("file://host/x", "three slashes"),
            ("https://host/x.csv?sig=abc", "without '?'"),
        ] {
            let error = parse(given).unwrap_err().to_string();
            assert!(error.contains(expected), "{given}: {error}");
        }
        let error = parse("https://ann:hunter2@host/x").unwrap_err().to_string();
        assert!(error.contains("CREATE SECRET") && !error.contains("hunter2"), "{error}");
        let error = parse("https://host/x.csv?sig=abc").unwrap_err().to_string();
        assert!(!error.contains("abc"), "{error}");
    }
}
