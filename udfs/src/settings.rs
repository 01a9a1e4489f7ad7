//! The `portolan.*` settings: one table of names, defaults and checks, read by SET, SHOW, RESET
//! and `information_schema.df_settings`.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::PathBuf;

use datafusion_common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion_common::{DataFusionError, config_datafusion_err};
use portolan_models::remote::InferenceMode;
use portolan_models::{Device, Preferences};

/// What a setting's value must be.
#[derive(Debug, Clone, Copy)]
enum Check {
    Text,
    OneOf(&'static [&'static str]),
    Whole,
    Positive,
    Bytes,
}

#[derive(Debug)]
struct Setting {
    name: &'static str,
    default: Option<&'static str>,
    check: Check,
    description: &'static str,
}

const ON_OFF: Check = Check::OneOf(&["on", "off"]);

/// Every setting, in the order of `SHOW ALL`.
const SETTINGS: &[Setting] = &[
    Setting {
        name: "ann",
        default: Some("auto"),
        check: Check::OneOf(&["auto", "exact"]),
        description: "Whether ORDER BY a distance with LIMIT may use a vector index",
    },
    Setting {
        name: "batch_tokens",
        default: None,
        check: Check::Whole,
        description: "Tokens in one run of a text model; chosen by the device when not set",
    },
    Setting {
        name: "device",
        default: Some("cpu"),
        check: Check::OneOf(&["cpu", "cuda", "metal"]),
        description: "Where models run; cuda and metal in builds with these features",
    },
    Setting {
        name: "embed_cache",
        default: Some("on"),
        check: ON_OFF,
        description: "Whether vectors are cached by content",
    },
    Setting {
        name: "embed_cache_size",
        default: Some("8GB"),
        check: Check::Bytes,
        description: "Size that the cache of vectors keeps to; the oldest leave first",
    },
    Setting {
        name: "exact_rows",
        default: Some("20000"),
        check: Check::Whole,
        description: "Up to so many rows, a search compares all and leaves its index aside",
    },
    Setting {
        name: "image_model",
        default: Some("nomic-embed-vision-v1.5"),
        check: Check::Text,
        description: "The model of embed_image",
    },
    Setting {
        name: "inference_mode",
        default: Some("local"),
        check: Check::OneOf(&["local", "remote", "dynamic"]),
        description: "Whether models run here, on a server, or where the request fits",
    },
    Setting {
        name: "memory_limit",
        default: None,
        check: Check::Bytes,
        description: "Most memory that queries may hold, as '8GB'; no limit when not set",
    },
    Setting {
        name: "model_dir",
        default: None,
        check: Check::Text,
        description: "Folder with models, searched first",
    },
    Setting {
        name: "naming_key_env",
        default: None,
        check: Check::Text,
        description: "Environment variable that holds the key of the server that names topics",
    },
    Setting {
        name: "naming_model",
        default: None,
        check: Check::Text,
        description: "The model that names topics, as its server calls it",
    },
    Setting {
        name: "naming_timeout",
        default: Some("60"),
        check: Check::Positive,
        description: "Seconds in which that server must have answered a request",
    },
    Setting {
        name: "naming_url",
        default: None,
        check: Check::Text,
        description: "Server whose model names topics, by OpenAI's chat API; their words name them when not set",
    },
    Setting {
        name: "offline",
        default: Some("off"),
        check: ON_OFF,
        description: "Whether downloading models is forbidden",
    },
    Setting {
        name: "on_error",
        default: Some("raise"),
        check: Check::OneOf(&["raise", "null"]),
        description: "What a row that cannot be embedded does: stop the statement, or become NULL and an entry in portolan.errors",
    },
    Setting {
        name: "remote_key_env",
        default: None,
        check: Check::Text,
        description: "Environment variable that holds the remote server's key",
    },
    Setting {
        name: "remote_timeout",
        default: Some("120"),
        check: Check::Positive,
        description: "Seconds in which the remote server must have answered a request",
    },
    Setting {
        name: "remote_url",
        default: None,
        check: Check::Text,
        description: "Server of remote inference",
    },
    Setting {
        name: "seed",
        default: Some("42"),
        check: Check::Whole,
        description: "Seed of everything random",
    },
    Setting {
        name: "temporary_tables",
        default: Some("off"),
        check: ON_OFF,
        description: "Whether CREATE TABLE and CREATE VIEW make temporary ones, which end with the session",
    },
    Setting {
        name: "text_model",
        default: Some("nomic-embed-text-v1.5"),
        check: Check::Text,
        description: "The model of embed_text",
    },
];

/// The values of the `portolan.*` settings in one session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    values: BTreeMap<&'static str, String>,
}

impl Settings {
    /// The value of a setting, or its default.
    pub fn get(&self, name: &str) -> Option<&str> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name)?;
        self.values.get(setting.name).map(String::as_str).or(setting.default)
    }

    /// What the session wants of models.
    pub fn preferences(&self) -> Preferences {
        let text = |name: &str| self.get(name).map(str::to_string);
        let kept = self.get("embed_cache") == Some("on");
        let size = self.get("embed_cache_size").and_then(parse_bytes);
        Preferences {
            model_dir: text("model_dir").map(PathBuf::from),
            offline: self.get("offline") == Some("on"),
            device: self.get("device").and_then(Device::from_name).unwrap_or_default(),
            mode: self.get("inference_mode").and_then(InferenceMode::from_name).unwrap_or_default(),
            remote_url: text("remote_url"),
            remote_key_env: text("remote_key_env"),
            remote_timeout: self.get("remote_timeout").and_then(|seconds| seconds.parse().ok()),
            run_tokens: self.get("batch_tokens").and_then(|tokens| tokens.parse().ok()),
            cache_limit: kept.then(|| size.map_or(portolan_models::DEFAULT_LIMIT, |s| s as u64)),
        }
    }

    /// Back to the default.
    pub fn reset(&mut self, name: &str) -> Result<(), DataFusionError> {
        let setting = find(name)?;
        self.values.remove(setting.name);
        Ok(())
    }
}

fn find(name: &str) -> Result<&'static Setting, DataFusionError> {
    SETTINGS.iter().find(|setting| setting.name == name).ok_or_else(|| {
        let nearest = SETTINGS
            .iter()
            .min_by_key(|setting| strsim::damerau_levenshtein(setting.name, name))
            .map_or("", |setting| setting.name);
        config_datafusion_err!(
            "setting 'portolan.{name}' does not exist; did you mean 'portolan.{nearest}'? SHOW ALL lists them"
        )
    })
}

impl Check {
    fn accept(self, name: &str, value: &str) -> Result<String, DataFusionError> {
        let lower = value.trim().to_ascii_lowercase();
        match self {
            Self::Text => Ok(value.to_string()),
            Self::OneOf(["on", "off"]) => match lower.as_str() {
                "on" | "true" | "1" | "yes" => Ok("on".to_string()),
                "off" | "false" | "0" | "no" => Ok("off".to_string()),
                _ => Err(config_datafusion_err!("portolan.{name} is 'on' or 'off', not '{value}'")),
            },
            Self::OneOf(allowed) if allowed.contains(&lower.as_str()) => Ok(lower),
            Self::OneOf(allowed) => Err(config_datafusion_err!(
                "portolan.{name} is one of '{}', not '{value}'",
                allowed.join("', '")
            )),
            Self::Whole => lower.parse::<u64>().map(|number| number.to_string()).map_err(|_| {
                config_datafusion_err!("portolan.{name} is a whole number, not '{value}'")
            }),
            Self::Positive => match lower.parse::<u64>() {
                Ok(number) if number > 0 => Ok(number.to_string()),
                _ => Err(config_datafusion_err!(
                    "portolan.{name} is a whole number from 1, not '{value}'"
                )),
            },
            Self::Bytes => parse_bytes(&lower).map(|_| value.trim().to_string()).ok_or_else(|| {
                config_datafusion_err!(
                    "portolan.{name} is a size like '512MB' or '8GB', not '{value}'"
                )
            }),
        }
    }
}

/// The number of bytes in `8GB`, `512 MiB`, `1.5g` or `1000000`.
pub fn parse_bytes(text: &str) -> Option<usize> {
    let text = text.trim().to_ascii_lowercase();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "" | "b" => 1u64,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * factor as f64;
    (bytes >= 1.0 && bytes <= isize::MAX as f64).then_some(bytes as usize)
}

impl ConfigExtension for Settings {
    const PREFIX: &'static str = "portolan";
}

impl ExtensionOptions for Settings {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), DataFusionError> {
        let setting = find(key)?;
        let value = setting.check.accept(key, value)?;
        self.values.insert(setting.name, value);
        Ok(())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        SETTINGS
            .iter()
            .map(|setting| ConfigEntry {
                key: format!("{}.{}", Self::PREFIX, setting.name),
                value: self.get(setting.name).map(str::to_string),
                description: setting.description,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_bytes("8GB"), Some(8 << 30));
        assert_eq!(parse_bytes("1.5 MiB"), Some(3 << 19));
        assert_eq!(parse_bytes("100"), Some(100));
        for bad in ["", "GB", "8 XB", "-1GB", "1..5G", "0"] {
            assert_eq!(parse_bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_are_checked_when_they_are_set() {
        let mut settings = Settings::default();
        settings.set("embed_cache", "FALSE").unwrap();
        assert_eq!(settings.get("embed_cache"), Some("off"));
        settings.reset("embed_cache").unwrap();
        assert_eq!(settings.get("embed_cache"), Some("on"));
        let unknown = settings.set("sead", "1").unwrap_err().to_string();
        assert!(unknown.contains("did you mean 'portolan.seed'"), "{unknown}");
        let wrong = settings.set("ann", "fast").unwrap_err().to_string();
        assert!(wrong.contains("'auto', 'exact'"), "{wrong}");
    }
}
