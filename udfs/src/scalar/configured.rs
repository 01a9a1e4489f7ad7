//! What functions that run models know of their session.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion_common::config::ConfigOptions;
use portolan_models::{Models, Preferences};

use crate::settings::Settings;

/// The models of a session, and its settings. The same where both are.
#[derive(Debug, Clone)]
pub struct Configured {
    pub models: Arc<Models>,
    pub settings: Settings,
}

impl Configured {
    /// With models that are shared, in a session that begins.
    pub fn new(models: Arc<Models>) -> Self {
        Self { models, settings: Settings::default() }
    }

    /// The same models with the settings of now.
    pub fn with(&self, config: &ConfigOptions) -> Option<Self> {
        let settings = config.extensions.get::<Settings>()?.clone();
        Some(Self { models: self.models.clone(), settings })
    }

    /// What the session wants of models.
    pub fn preferences(&self) -> Preferences {
        self.settings.preferences()
    }

    /// The model that a call names, or the one of a setting.
    pub fn model<'a>(&'a self, given: Option<&'a str>, setting: &str) -> &'a str {
        given.or(self.settings.get(setting)).unwrap_or_default()
    }
}

impl PartialEq for Configured {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.models, &other.models) && self.settings == other.settings
    }
}

impl Eq for Configured {}

impl Hash for Configured {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.settings.hash(state);
    }
}
