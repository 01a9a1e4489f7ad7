//! What the machine's environment says about models: where they are kept, and how the hub and
//! Python are reached.

use std::ffi::OsString;
use std::path::PathBuf;

/// The machine's environment, read once. Everything that fetches or finds models looks here and
/// never at the process's variables.
#[derive(Clone)]
pub struct Environment {
    /// Portolan's own models folder, where fetched models and the notes of users' own are kept.
    /// None where there is neither a home folder nor `PORTOLAN_MODELS`.
    pub models: Option<PathBuf>,
    /// Where vectors are cached that belong to no database's folder.
    pub vectors: Option<PathBuf>,
    /// The Hugging Face cache.
    pub hub_cache: Option<PathBuf>,
    /// The hub's address.
    pub hub_endpoint: String,
    /// What the hub is shown, for models that are not for everyone.
    pub hub_token: Option<String>,
    /// Whether the hub must not be asked.
    pub hub_offline: bool,
    /// The Python that wheels are fetched with.
    pub python: OsString,
}

const HUB: &str = "https://huggingface.co";

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        Self::read(|name| std::env::var_os(name))
    }

    /// One that is given by `variable`, which answers as `std::env::var_os` does.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| given(name).and_then(|value| value.into_string().ok());
        let folder = |name: &str| given(name).map(PathBuf::from);
        let home = folder("HOME").or_else(|| folder("USERPROFILE"));
        let below_home = |path: &str| home.as_ref().map(|home| home.join(path));

        let caches = if cfg!(windows) {
            folder("LOCALAPPDATA").or_else(|| below_home("AppData/Local"))
        } else if cfg!(target_os = "macos") {
            folder("XDG_CACHE_HOME").or_else(|| below_home("Library/Caches"))
        } else {
            folder("XDG_CACHE_HOME").or_else(|| below_home(".cache"))
        };
        // The hub's own clients use ~/.cache on every system.
        let hub_home = folder("HF_HOME").or_else(|| {
            let caches = folder("XDG_CACHE_HOME").or_else(|| below_home(".cache"));
            caches.map(|caches| caches.join("huggingface"))
        });
        Self {
            vectors: caches.as_ref().map(|caches| caches.join("portolan").join("vectors")),
            models: folder("PORTOLAN_MODELS")
                .or_else(|| caches.map(|caches| caches.join("portolan").join("models"))),
            hub_cache: folder("HF_HUB_CACHE").or_else(|| hub_home.map(|home| home.join("hub"))),
            hub_endpoint: text("HF_ENDPOINT").unwrap_or_else(|| HUB.to_string()),
            hub_token: text("HF_TOKEN"),
            hub_offline: text("HF_HUB_OFFLINE").is_some_and(|value| {
                matches!(value.to_ascii_lowercase().as_str(), "1" | "on" | "yes" | "true")
            }),
            python: if cfg!(windows) { "python" } else { "python3" }.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn variables_decide_where_models_are() {
        let it = of(&[("HOME", "/home/ada")]);
        assert_eq!(it.hub_cache, Some("/home/ada/.cache/huggingface/hub".into()));
        assert_eq!(it.hub_endpoint, HUB);
        assert!(!it.hub_offline);

        let it = of(&[("HOME", "/home/ada"), ("XDG_CACHE_HOME", "/c"), ("PORTOLAN_MODELS", "/m")]);
        assert_eq!(it.models, Some("/m".into()));
        assert_eq!(it.hub_cache, Some("/c/huggingface/hub".into()));

        let it = of(&[("HF_HOME", "/hf"), ("HF_ENDPOINT", "http://mirror"), ("HF_TOKEN", "t")]);
        assert_eq!(it.models, None, "no home, nowhere to keep models");
        assert_eq!(it.hub_cache, Some("/hf/hub".into()));
        assert_eq!(it.hub_endpoint, "http://mirror");
        assert_eq!(it.hub_token.as_deref(), Some("t"));

        let it = of(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/hub"), ("HF_HUB_OFFLINE", "ON")]);
        assert_eq!(it.hub_cache, Some("/hub".into()));
        assert!(it.hub_offline);
    }

    #[test]
    fn an_empty_variable_is_none() {
        let it = of(&[("HOME", "/home/ada"), ("HF_HUB_CACHE", ""), ("HF_HUB_OFFLINE", "0")]);
        assert_eq!(it.hub_cache, Some("/home/ada/.cache/huggingface/hub".into()));
        assert!(!it.hub_offline);
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn models_are_kept_in_the_cache_folder() {
        assert_eq!(of(&[("HOME", "/h")]).models, Some("/h/.cache/portolan/models".into()));
        assert_eq!(
            of(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")]).models,
            Some("/c/portolan/models".into())
        );
    }
}
