//! Credentials of this session, made by CREATE SECRET. They live in memory only; no value ever
//! leaves this file except as an option of the store that it opens.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::error::{Error, Result};

/// What kind of store a secret opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// Amazon S3 and what speaks its language.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage and Data Lake.
    Azure,
    /// Web servers.
    Http,
}

impl SecretKind {
    /// Every kind, in the order in which messages list them.
    pub const ALL: [Self; 4] = [Self::S3, Self::Gcs, Self::Azure, Self::Http];

    /// The name in `TYPE …`.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gcs",
            Self::Azure => "azure",
            Self::Http => "http",
        }
    }

    /// What a secret of this kind is good for when it has no SCOPE.
    pub fn default_scopes(self) -> &'static [&'static str] {
        match self {
            Self::S3 => &["s3://"],
            Self::Gcs => &["gs://"],
            Self::Azure => &["az://", "abfss://"],
            Self::Http => &["http://", "https://"],
        }
    }
}

/// One option of CREATE SECRET.
#[derive(Debug)]
pub struct SecretOption {
    /// Its name, in lower case.
    pub name: &'static str,
    /// Which kinds take it.
    pub kinds: &'static [SecretKind],
    /// Whether its value must never be shown.
    sensitive: bool,
}

const fn open(name: &'static str, kinds: &'static [SecretKind]) -> SecretOption {
    SecretOption { name, kinds, sensitive: false }
}

const fn sensitive(name: &'static str, kinds: &'static [SecretKind]) -> SecretOption {
    SecretOption { name, kinds, sensitive: true }
}

/// Every option except TYPE and SCOPE, which all kinds take.
pub const SECRET_OPTIONS: &[SecretOption] = &[
    sensitive("key_id", &[SecretKind::S3]),
    sensitive("secret", &[SecretKind::S3]),
    sensitive("session_token", &[SecretKind::S3]),
    open("region", &[SecretKind::S3]),
    open("endpoint", &[SecretKind::S3, SecretKind::Gcs, SecretKind::Azure]),
    open("url_style", &[SecretKind::S3]),
    open("use_ssl", &[SecretKind::S3]),
    open("account_name", &[SecretKind::Azure]),
    sensitive("account_key", &[SecretKind::Azure]),
    sensitive("connection_string", &[SecretKind::Azure]),
    sensitive("sas_token", &[SecretKind::Azure]),
    sensitive("service_account_key", &[SecretKind::Gcs]),
    open("service_account_path", &[SecretKind::Gcs]),
    sensitive("bearer_token", &[SecretKind::Gcs, SecretKind::Azure, SecretKind::Http]),
];

/// One secret. Its `Debug` shows what it is for, never what it holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The name by which DROP SECRET knows it.
    pub name: String,
    /// What it opens.
    pub kind: SecretKind,
    /// The one prefix that it is good for; every URL of its kind without one.
    scope: Option<String>,
    options: BTreeMap<&'static str, String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("scopes", &self.scopes())
            .finish_non_exhaustive()
    }
}

impl Secret {
    /// A secret of options that each belong to its kind.
    pub fn new(
        name: impl Into<String>,
        kind: SecretKind,
        scope: Option<String>,
        options: BTreeMap<&'static str, String>,
    ) -> Result<Self> {
        let name = name.into();
        let scope = scope.map(|scope| canonical_scope(kind, &scope)).transpose()?;
        let secret = Self { name, kind, scope, options };
        secret.check()?;
        Ok(secret)
    }

    fn check(&self) -> Result<()> {
        let refuse = |message: &str| Err(Error::Invalid(format!("CREATE SECRET: {message}")));
        if self.kind == SecretKind::S3
            && self.get("key_id").is_some() != self.get("secret").is_some()
        {
            return refuse("KEY_ID and SECRET belong together; give both or neither");
        }
        if self.get("url_style").is_some_and(|style| style != "path" && style != "vhost") {
            return refuse("URL_STYLE is 'path' or 'vhost'");
        }
        if self.get("use_ssl").is_some_and(|value| value != "true" && value != "false") {
            return refuse("USE_SSL is true or false");
        }
        if let Some(connection) = self.get("connection_string")
            && !connection.contains("AccountName=")
        {
            return refuse(
                "CONNECTION_STRING has the form 'AccountName=…;AccountKey=…;BlobEndpoint=…'",
            );
        }
        Ok(())
    }

    /// The value of an option, for whoever opens the store.
    pub(super) fn get(&self, option: &str) -> Option<&str> {
        self.options.get(option).map(String::as_str)
    }

    /// The URL prefixes that it is good for.
    pub fn scopes(&self) -> Vec<&str> {
        match &self.scope {
            Some(scope) => vec![scope],
            None => self.kind.default_scopes().to_vec(),
        }
    }

    /// How many characters of `url` its scope covers, if it covers the URL at all.
    fn covers(&self, url: &str) -> Option<usize> {
        self.scopes().into_iter().filter(|scope| is_below(url, scope)).map(str::len).max()
    }

    fn sensitive_values(&self) -> impl Iterator<Item = Cow<'_, str>> {
        SECRET_OPTIONS
            .iter()
            .filter(|option| option.sensitive)
            .filter_map(|option| self.get(option.name))
            .flat_map(parts_to_hide)
    }
}

/// A scope ends where a path segment does: `s3://logs` is not good for `s3://logs-of-others`.
fn is_below(url: &str, scope: &str) -> bool {
    url.strip_prefix(scope)
        .is_some_and(|rest| rest.is_empty() || scope.ends_with('/') || rest.starts_with('/'))
}

fn canonical_scope(kind: SecretKind, scope: &str) -> Result<String> {
    let aliases = [
        ("s3a://", "s3://"),
        ("s3n://", "s3://"),
        ("gcs://", "gs://"),
        ("azure://", "az://"),
        ("abfs://", "az://"),
    ];
    let scope = aliases
        .iter()
        .find_map(|(alias, name)| Some(format!("{name}{}", scope.strip_prefix(alias)?)))
        .unwrap_or_else(|| scope.to_string());
    match kind.default_scopes().iter().any(|allowed| scope.starts_with(allowed)) {
        true => Ok(scope),
        false => Err(Error::Invalid(format!(
            "CREATE SECRET: the SCOPE of a secret of TYPE {} begins with '{}', not '{scope}'",
            kind.name(),
            kind.default_scopes().join("' or '")
        ))),
    }
}

/// The pieces of a value that may turn up alone in a message of a store: a connection string holds a
/// key, a shared access signature travels in URLs piece by piece.
fn parts_to_hide(value: &str) -> Vec<Cow<'_, str>> {
    let mut parts = vec![Cow::Borrowed(value)];
    for pair in value.split([';', '&', '?']) {
        if let Some((name, part)) = pair.split_once('=')
            && matches!(
                name.to_ascii_lowercase().as_str(),
                "sig" | "accountkey" | "sharedaccesssignature"
            )
        {
            parts.push(Cow::Borrowed(part));
            parts.extend(url::form_urlencoded::parse(pair.as_bytes()).map(|(_, decoded)| decoded));
        }
    }
    parts
}

/// The secrets of a session. Clones share them.
#[derive(Clone, Default)]
pub struct Secrets {
    secrets: Arc<RwLock<Vec<Arc<Secret>>>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

/// What CREATE SECRET does with a name that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// An error.
    Refuse,
    /// The old one goes.
    Replace,
    /// The old one stays.
    Keep,
}

impl Secrets {
    /// Adds a secret.
    pub fn create(&self, secret: Secret, on_conflict: OnConflict) -> Result<()> {
        let mut secrets = self.secrets.write();
        let taken = secrets.iter().position(|other| other.name == secret.name);
        match (taken, on_conflict) {
            (Some(_), OnConflict::Keep) => return Ok(()),
            (Some(_), OnConflict::Refuse) => {
                return Err(Error::AlreadyExists {
                    kind: "secret",
                    name: secret.name,
                    remedy: "use CREATE OR REPLACE SECRET, or another name",
                });
            }
            (Some(at), OnConflict::Replace) => {
                secrets.remove(at);
            }
            (None, _) => {}
        }
        secrets.push(Arc::new(secret));
        Ok(())
    }

    /// Forgets a secret; whether there was one of that name.
    pub fn drop_secret(&self, name: &str, if_exists: bool) -> Result<bool> {
        let mut secrets = self.secrets.write();
        match secrets.iter().position(|secret| secret.name == name) {
            Some(at) => {
                secrets.remove(at);
                Ok(true)
            }
            None if if_exists => Ok(false),
            None => {
                let nearest = secrets
                    .iter()
                    .map(|secret| secret.name.as_str())
                    .min_by_key(|other| strsim::damerau_levenshtein(other, name));
                let hint = nearest.map(|nearest| format!("; did you mean '{nearest}'?"));
                Err(Error::not_found("secret", name, hint.unwrap_or_default()))
            }
        }
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<Arc<Secret>> {
        let mut secrets = self.secrets.read().clone();
        secrets.sort_by(|a, b| a.name.cmp(&b.name));
        secrets
    }

    /// The secret for a URL: the one with the longest scope that covers it, the newest of equals.
    pub fn for_url(&self, url: &str) -> Option<Arc<Secret>> {
        let secrets = self.secrets.read();
        let covering = secrets.iter().filter_map(|secret| Some((secret.covers(url)?, secret)));
        covering.max_by_key(|(length, _)| *length).map(|(_, secret)| secret.clone())
    }

    /// Whether this very secret, not just one of its name, is still in use.
    pub fn holds(&self, secret: &Arc<Secret>) -> bool {
        self.secrets.read().iter().any(|other| Arc::ptr_eq(other, secret))
    }

    /// `text` without anything that must not be shown, whether it came from a secret or from the
    /// environment. Servers quote requests in their answers, and with them parts of credentials.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut redacted = Cow::Borrowed(text);
        let mut hide = |value: &str| {
            // Shorter ones would blacken innocent words, and are no credentials.
            if value.len() >= 6 && redacted.contains(value) {
                redacted = Cow::Owned(redacted.replace(value, "***"));
            }
        };
        for secret in self.secrets.read().iter() {
            secret.sensitive_values().for_each(|value| hide(&value));
        }
        for (name, value) in std::env::vars_os() {
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
                && ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix))
                && ["KEY", "SECRET", "TOKEN"].iter().any(|word| name.contains(word))
            {
                parts_to_hide(value).iter().for_each(|value| hide(value));
            }
        }
        redacted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, scope: Option<&str>) -> Secret {
        let options = BTreeMap::from([
            ("key_id", "AKIAXXXX".to_string()),
            ("secret", "hunter2-hunter2".to_string()),
        ]);
        Secret::new(name, SecretKind::S3, scope.map(str::to_string), options).unwrap()
    }

    #[test]
    fn the_longest_scope_wins_and_ends_at_a_segment() {
        let secrets = Secrets::default();
        for (name, scope) in
            [("all", None), ("logs", Some("s3a://logs")), ("deep", Some("s3://logs/2024/"))]
        {
            secrets.create(secret(name, scope), OnConflict::Refuse).unwrap();
        }
        for (url, expected) in [
            ("s3://other/x", Some("all")),
            ("s3://logs/x", Some("logs")),
            ("s3://logs", Some("logs")),
            ("s3://logs-of-others/x", Some("all")),
            ("s3://logs/2024/x", Some("deep")),
            ("s3://logs/2024-x", Some("logs")),
            ("gs://logs/x", None),
        ] {
            let found = secrets.for_url(url).map(|secret| secret.name.clone());
            assert_eq!(found.as_deref(), expected, "{url}");
        }
        secrets.create(secret("newer", None), OnConflict::Refuse).unwrap();
        assert_eq!(secrets.for_url("s3://other/x").unwrap().name, "newer");
    }

    #[test]
    fn nothing_shows_a_value() {
        let secrets = Secrets::default();
        secrets.create(secret("mine", None), OnConflict::Refuse).unwrap();
        let shown = format!("{secrets:?} {:?}", secrets.for_url("s3://b/k"));
        assert!(shown.contains("mine") && !shown.contains("hunter2"), "{shown}");
        let message = "<Error><AWSAccessKeyId>AKIAXXXX</AWSAccessKeyId> hunter2-hunter2</Error>";
        let redacted = secrets.redact(message);
        assert_eq!(redacted, "<Error><AWSAccessKeyId>***</AWSAccessKeyId> ***</Error>");
    }

    #[test]
    fn parts_of_signatures_are_hidden_in_both_spellings() {
        let secrets = Secrets::default();
        let options = BTreeMap::from([("sas_token", "?sv=2024&sig=abc%2Fdefgh".to_string())]);
        let sas = Secret::new("sas", SecretKind::Azure, None, options).unwrap();
        secrets.create(sas, OnConflict::Refuse).unwrap();
        assert_eq!(secrets.redact("GET /x?sig=abc%2Fdefgh&sv=2024"), "GET /x?sig=***&sv=2024");
        assert_eq!(secrets.redact("sig abc/defgh"), "sig ***");
    }

    #[test]
    fn names_are_unique() {
        let secrets = Secrets::default();
        secrets.create(secret("a", None), OnConflict::Refuse).unwrap();
        let taken = secrets.create(secret("a", Some("s3://b")), OnConflict::Refuse).unwrap_err();
        assert!(taken.to_string().contains("CREATE OR REPLACE SECRET"), "{taken}");
        secrets.create(secret("a", Some("s3://b")), OnConflict::Keep).unwrap();
        assert_eq!(secrets.list()[0].scopes(), ["s3://"]);
        secrets.create(secret("a", Some("s3://b")), OnConflict::Replace).unwrap();
        assert_eq!(secrets.list()[0].scopes(), ["s3://b"]);
        let missing = secrets.drop_secret("b", false).unwrap_err().to_string();
        assert!(missing.contains("did you mean 'a'?"), "{missing}");
        assert!(!secrets.drop_secret("b", true).unwrap());
        assert!(secrets.drop_secret("a", false).unwrap());
        assert!(secrets.list().is_empty());
    }

    #[test]
    fn half_a_key_and_a_foreign_scope_are_refused() {
        let half = BTreeMap::from([("key_id", "AKIA".to_string())]);
        let error = Secret::new("a", SecretKind::S3, None, half).unwrap_err().to_string();
        assert!(error.contains("belong together"), "{error}");
        let scope = Some("gs://bucket".to_string());
        let error =
            Secret::new("a", SecretKind::S3, scope, BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("begins with 's3://', not 'gs://bucket'"), "{error}");
    }
}
