//! What a secret means to a store: the names under which Lance and the stores themselves read
//! credentials, endpoints and styles.

use std::collections::HashMap;

use url::Url;

use super::super::secrets::{Secret, SecretKind};
use super::location::Scheme;

/// How often a request is tried again after a time-out or a server's error.
pub const RETRIES: usize = 5;
/// For how long, in seconds, it is tried again.
pub const RETRY_SECONDS: u64 = 60;

/// The options that open the store of a URL with a secret, or with what the environment says.
pub fn storage_options(
    url: &Url,
    scheme: Scheme,
    secret: Option<&Secret>,
    environment: impl Fn(&str) -> Option<String>,
) -> HashMap<String, String> {
    let mut options = match secret {
        Some(secret) => secret_options(url, secret),
        None => HashMap::new(),
    };
    // Lance reads the variables of the clouds itself, whatever these options leave open. An endpoint
    // without encryption is the one thing that it wants said twice.
    let endpoints: &[&str] = match scheme {
        Scheme::S3 => &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"],
        Scheme::Azure => &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"],
        _ => &[],
    };
    if !options.contains_key("allow_http")
        && endpoints
            .iter()
            .find_map(|name| environment(name))
            .is_some_and(|endpoint| is_plain(&endpoint))
    {
        options.insert("allow_http".to_string(), "true".to_string());
    }
    if scheme.is_remote() {
        options.insert("client_max_retries".to_string(), RETRIES.to_string());
        options.insert("client_retry_timeout".to_string(), RETRY_SECONDS.to_string());
    }
    options
}

fn secret_options(url: &Url, secret: &Secret) -> HashMap<String, String> {
    let mut options = HashMap::new();
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            options.insert(name.to_string(), value.to_string());
        }
    };
    match secret.kind {
        SecretKind::S3 => {
            set("aws_access_key_id", secret.get("key_id"));
            set("aws_secret_access_key", secret.get("secret"));
            set("aws_session_token", secret.get("session_token"));
            let endpoint =
                secret.get("endpoint").map(|endpoint| s3_endpoint(url, secret, endpoint));
            // Stores behind an own endpoint rarely care about the region, but a request is signed with one.
            let region = secret.get("region").or(endpoint.as_ref().map(|_| "us-east-1"));
            set("aws_region", region);
            set("aws_endpoint", endpoint.as_deref());
            set(
                "allow_http",
                endpoint.as_deref().filter(|endpoint| is_plain(endpoint)).map(|_| "true"),
            );
            let is_vhost = secret.get("url_style").map(|style| (style == "vhost").to_string());
            set("aws_virtual_hosted_style_request", is_vhost.as_deref());
        }
        SecretKind::Gcs => {
            set("google_service_account_key", secret.get("service_account_key"));
            set("google_service_account", secret.get("service_account_path"));
            set("google_bearer_token", secret.get("bearer_token"));
            set("google_base_url", secret.get("endpoint"));
            let is_plain = secret.get("endpoint").is_some_and(is_plain);
            set("allow_http", is_plain.then_some("true"));
        }
        SecretKind::Azure => {
            let connection =
                secret.get("connection_string").map(connection_string).unwrap_or_default();
            let get = |option: &str, part: &str| {
                secret.get(option).or(connection.get(part).map(String::as_str))
            };
            let key = get("account_key", "AccountKey");
            let signature = get("sas_token", "SharedAccessSignature");
            let token = secret.get("bearer_token");
            let endpoint = get("endpoint", "BlobEndpoint");
            set("azure_storage_account_name", get("account_name", "AccountName"));
            set("azure_storage_account_key", key);
            set("azure_storage_sas_token", signature);
            set("azure_storage_token", token);
            set("azure_storage_endpoint", endpoint);
            set("allow_http", endpoint.filter(|endpoint| is_plain(endpoint)).map(|_| "true"));
            // Said aloud, or a variable of the environment would win over the secret.
            let credential_type = match (key, signature, token) {
                (Some(_), _, _) => Some("access_key"),
                (_, Some(_), _) => Some("sas_token"),
                (_, _, Some(_)) => Some("bearer_token"),
                _ => None,
            };
            set("azure_credential_type", credential_type);
        }
        SecretKind::Http => set("bearer_token", secret.get("bearer_token")),
    }
    options
}

/// DuckDB writes an endpoint without its protocol, which USE_SSL chooses. With the style `vhost` the
/// bucket is a part of the host's name.
fn s3_endpoint(url: &Url, secret: &Secret, endpoint: &str) -> String {
    let protocol = if secret.get("use_ssl") == Some("false") { "http" } else { "https" };
    let (protocol, host) = endpoint.split_once("://").unwrap_or((protocol, endpoint));
    let host = host.trim_end_matches('/');
    match (secret.get("url_style"), url.host_str()) {
        (Some("vhost"), Some(bucket)) => format!("{protocol}://{bucket}.{host}"),
        _ => format!("{protocol}://{host}"),
    }
}

fn is_plain(endpoint: &str) -> bool {
    endpoint.starts_with("http://")
}

/// The parts of `AccountName=…;AccountKey=…`. A part's value may hold '=' itself.
fn connection_string(text: &str) -> HashMap<String, String> {
    let parts = text.split(';').filter_map(|part| part.split_once('='));
    let mut parts: HashMap<String, String> =
        parts.map(|(name, value)| (name.trim().to_string(), value.trim().to_string())).collect();
    let is_plain = parts.get("DefaultEndpointsProtocol").is_some_and(|protocol| protocol == "http");
    if let (true, None, Some(account), Some(suffix)) =
        (is_plain, parts.get("BlobEndpoint"), parts.get("AccountName"), parts.get("EndpointSuffix"))
    {
        let endpoint = format!("http://{account}.blob.{suffix}");
        parts.insert("BlobEndpoint".to_string(), endpoint);
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::location;
    use super::*;

    fn options(
        url: &str,
        kind: SecretKind,
        given: &[(&'static str, &str)],
    ) -> BTreeMap<String, String> {
        let given = given.iter().map(|(name, value)| (*name, value.to_string())).collect();
        let secret = Secret::new("test", kind, None, given).unwrap();
        let url = location::parse(url).unwrap();
        let mut options = storage_options(&url, Scheme::of(&url).unwrap(), Some(&secret), |_| None);
        options.retain(|name, _| !name.starts_with("client_"));
        options.into_iter().collect()
    }

    fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[cfg(feature = "aws")]
    #[test]
    fn s3() {
        let keys = [("key_id", "AK"), ("secret", "SK"), ("session_token", "ST")];
        assert_eq!(
            options(
                "s3://b/k",
                SecretKind::S3,
                &[&keys[..], &[("region", "eu-central-1")]].concat()
            ),
            expected(&[
                ("aws_access_key_id", "AK"),
                ("aws_secret_access_key", "SK"),
                ("aws_session_token", "ST"),
                ("aws_region", "eu-central-1"),
            ])
        );
        let plain = [("endpoint", "127.0.0.1:9000"), ("use_ssl", "false"), ("url_style", "path")];
        assert_eq!(
            options("s3://b/k", SecretKind::S3, &plain),
            expected(&[
                ("aws_region", "us-east-1"),
                ("aws_endpoint", "http://127.0.0.1:9000"),
                ("allow_http", "true"),
                ("aws_virtual_hosted_style_request", "false"),
            ])
        );
        let vhost = [("endpoint", "s3.example.com"), ("url_style", "vhost")];
        assert_eq!(
            options("s3://b/k", SecretKind::S3, &vhost),
            expected(&[
                ("aws_region", "us-east-1"),
                ("aws_endpoint", "https://b.s3.example.com"),
                ("aws_virtual_hosted_style_request", "true"),
            ])
        );
    }

    #[cfg(feature = "gcp")]
    #[test]
    fn gcs() {
        assert_eq!(
            options("gs://b/k", SecretKind::Gcs, &[("service_account_key", "{}")]),
            expected(&[("google_service_account_key", "{}")])
        );
        assert_eq!(
            options("gcs://b/k", SecretKind::Gcs, &[("service_account_path", "/key.json")]),
            expected(&[("google_service_account", "/key.json")])
        );
        let local = [("bearer_token", "T"), ("endpoint", "http://127.0.0.1:4443")];
        assert_eq!(
            options("gs://b/k", SecretKind::Gcs, &local),
            expected(&[
                ("google_bearer_token", "T"),
                ("google_base_url", "http://127.0.0.1:4443"),
                ("allow_http", "true"),
            ])
        );
    }

    #[cfg(feature = "azure")]
    #[test]
    fn azure() {
        let connection = "DefaultEndpointsProtocol=http;AccountName=dev;AccountKey=a2V5==;\
                          BlobEndpoint=http://127.0.0.1:10000/dev;";
        assert_eq!(
            options("az://c/k", SecretKind::Azure, &[("connection_string", connection)]),
            expected(&[
                ("azure_storage_account_name", "dev"),
                ("azure_storage_account_key", "a2V5=="),
                ("azure_storage_endpoint", "http://127.0.0.1:10000/dev"),
                ("allow_http", "true"),
                ("azure_credential_type", "access_key"),
            ])
        );
        let signature = [("account_name", "dev"), ("sas_token", "?sv=1&sig=2")];
        assert_eq!(
            options("az://c/k", SecretKind::Azure, &signature),
            expected(&[
                ("azure_storage_account_name", "dev"),
                ("azure_storage_sas_token", "?sv=1&sig=2"),
                ("azure_credential_type", "sas_token"),
            ])
        );
    }

    #[cfg(feature = "aws")]
    #[test]
    fn the_environment_without_a_secret() {
        let url = location::parse("s3://b/k").unwrap();
        let plain =
            |name: &str| (name == "AWS_ENDPOINT_URL").then(|| "http://127.0.0.1:1".to_string());
        let options = storage_options(&url, Scheme::S3, None, plain);
        assert_eq!(options.get("allow_http").map(String::as_str), Some("true"));
        assert!(!storage_options(&url, Scheme::S3, None, |_| None).contains_key("allow_http"));
    }
}
