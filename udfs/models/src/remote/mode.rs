//! Where a statement's embedding runs.

use crate::error::{Error, Result};

/// Where the user wants embedding to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum InferenceMode {
    /// On this machine: nothing leaves it.
    #[default]
    Local,
    /// On the server that was set.
    Remote,
    /// On this machine for up to [`DYNAMIC_ROWS`] texts or images in a statement, on the server for
    /// more, and on this machine where no server was set.
    Dynamic,
}

/// Where one statement's embedding runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    Local,
    /// On the server that was set.
    Remote,
}

/// The largest statement that [`InferenceMode::Dynamic`] leaves to this machine: about as many short
/// texts as two cores embed while a request is under way. Queries are always below it.
pub const DYNAMIC_ROWS: usize = 16;

impl InferenceMode {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Dynamic => "dynamic",
        }
    }

    /// The mode of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Local, Self::Remote, Self::Dynamic].into_iter().find(|mode| mode.name() == name)
    }
}

/// Where a statement that embeds `rows` texts or images runs. Ask once a statement: one that is
/// under way stays where it began. `configured` is whether the user has set a server, with its key
/// where it wants one; without, nothing is ever sent.
///
/// ```
/// use portolan_models::remote::{InferenceMode, Place, decide};
///
/// assert_eq!(decide(InferenceMode::Dynamic, true, 1)?, Place::Local);
/// assert_eq!(decide(InferenceMode::Dynamic, true, 10_000)?, Place::Remote);
/// assert_eq!(decide(InferenceMode::Dynamic, false, 10_000)?, Place::Local);
/// # Ok::<(), portolan_models::Error>(())
/// ```
pub fn decide(mode: InferenceMode, configured: bool, rows: usize) -> Result<Place> {
    match mode {
        InferenceMode::Remote if !configured => Err(Error::Argument(
            "inference mode 'remote' needs a server; SET portolan.remote_url to its address, and \
             portolan.remote_key_env to the environment variable with its key"
                .into(),
        )),
        InferenceMode::Remote => Ok(Place::Remote),
        InferenceMode::Dynamic if configured && rows > DYNAMIC_ROWS => Ok(Place::Remote),
        InferenceMode::Dynamic | InferenceMode::Local => Ok(Place::Local),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_unless_a_server_was_set() {
        for mode in [InferenceMode::Local, InferenceMode::Dynamic] {
            assert_eq!(decide(mode, false, usize::MAX).unwrap(), Place::Local);
        }
        let said = decide(InferenceMode::Remote, false, 1).unwrap_err().to_string();
        assert!(said.contains("portolan.remote_url"), "{said}");
        assert_eq!(decide(InferenceMode::Local, true, usize::MAX).unwrap(), Place::Local);
    }

    #[test]
    fn dynamic_goes_by_the_number_of_rows() {
        let place = |rows| decide(InferenceMode::Dynamic, true, rows).unwrap();
        assert_eq!(place(DYNAMIC_ROWS), Place::Local);
        assert_eq!(place(DYNAMIC_ROWS + 1), Place::Remote);
        assert_eq!(decide(InferenceMode::Remote, true, 1).unwrap(), Place::Remote);
    }

    #[test]
    fn names_come_back() {
        for name in ["local", "remote", "dynamic"] {
            assert_eq!(InferenceMode::from_name(name).unwrap().name(), name);
        }
        assert_eq!(InferenceMode::from_name("Remote "), None);
    }
}
