//! The Hugging Face hub: its addresses, its answers, and what they say of a file.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, ETAG, HeaderMap, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use url::{Host, Url};

use super::Fetched;
use super::digest::Digest;
use super::download::{Patience, Setback};

const REDIRECTS: usize = 10;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The hub, or a mirror that answers as it does.
pub(crate) struct Hub {
    client: Client,
    endpoint: Url,
    token: Option<String>,
    pub(crate) patience: Patience,
}

/// What the hub answered.
pub(crate) struct Answer {
    /// The file, or its rest.
    pub(crate) response: Response,
    /// What the file should be.
    pub(crate) declared: Option<Digest>,
}

impl Hub {
    pub(crate) fn new(endpoint: &str, token: Option<&str>, patience: Patience) -> Fetched<Self> {
        let parsed =
            Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let endpoint = parsed.ok_or_else(|| {
            format!("the hub's address '{endpoint}' is not an http or https URL: set HF_ENDPOINT")
        })?;
        let mut client = Client::builder()
            .user_agent(concat!("portolan/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(patience.connect)
            .read_timeout(patience.idle)
            // The hub says what a file is in the answer that sends us elsewhere.
            .redirect(redirect::Policy::none());
        if is_loopback(&endpoint) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| root_cause(&error))?;
        Ok(Self { client, endpoint, token: token.map(str::to_string), patience })
    }

    /// The address of a file of a repository.
    pub(crate) fn url(&self, repository: &str, revision: &str, file: &str) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(repository.split('/'))
                .extend(["resolve", revision])
                .extend(file.split('/'));
        }
        url
    }

    /// Asks for a file from the byte `from` on.
    pub(crate) async fn get(&self, asked: &Url, from: u64) -> Result<Answer, Setback> {
        let mut url = asked.clone();
        let mut declared = None;
        for _ in 0..=REDIRECTS {
            // Storage that the hub sends us to is shown no token, and its tags are its own.
            let at_hub = url.origin() == self.endpoint.origin();
            let mut request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            if let Some(token) = self.token.as_ref().filter(|_| at_hub) {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.map_err(|error| {
                Setback::passing(format!(
                    "{} cannot be reached: {}",
                    place(&url),
                    root_cause(&error)
                ))
            })?;
            if at_hub && declared.is_none() {
                declared = declared_in(response.headers());
            }
            if !response.status().is_redirection() {
                return self.judge(response, asked).map(|response| Answer { response, declared });
            }
            url = redirected(&url, &response)?;
        }
        Err(Setback::Final(format!("{} redirects without end", place(&url))))
    }

    fn judge(&self, response: Response, url: &Url) -> Result<Response, Setback> {
        let status = response.status();
        if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(response);
        }
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let remedy = match self.token {
                    Some(_) => {
                        "the token in HF_TOKEN may not read it, or its terms are not accepted"
                    }
                    None => "set HF_TOKEN to a token that may read it",
                };
                Setback::Final(format!("{url} is refused ({status}): {remedy}"))
            }
            StatusCode::NOT_FOUND => Setback::Final(format!("there is no {url}")),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Setback::Passing {
                reason: format!("{} is busy ({status}): try again later", place(url)),
                wait: retry_after(response.headers()),
            },
            _ if status.is_server_error() => Setback::Passing {
                reason: format!("{} fails ({status}): try again later", place(url)),
                wait: retry_after(response.headers()),
            },
            _ => Setback::Final(format!("{url} answers {status}")),
        })
    }
}

fn redirected(url: &Url, response: &Response) -> Result<Url, Setback> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    location
        .and_then(|location| url.join(location).ok())
        .ok_or_else(|| Setback::Final(format!("{} redirects to nowhere", place(url))))
}

/// What the headers say that a file is. A large file's own digest is in the tag of what it links
/// to.
fn declared_in(headers: &HeaderMap) -> Option<Digest> {
    let tag = |name| headers.get(name).and_then(|value| value.to_str().ok());
    tag("x-linked-etag").or_else(|| tag(ETAG.as_str())).and_then(Digest::from_tag)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// Scheme and host, without what may be secret in an address.
fn place(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// The innermost reason of an error: the outer ones only say that a request failed.
pub(crate) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(endpoint: &str) -> Hub {
        Hub::new(endpoint, None, Patience::default()).unwrap()
    }

    #[test]
    fn addresses_are_the_hubs() {
        let hub_url = hub("https://hub.example").url("org/name", "main", "1_Pooling/config.json");
        assert_eq!(
            hub_url.as_str(),
            "https://hub.example/org/name/resolve/main/1_Pooling/config.json"
        );
        let mirrored = hub("https://mirror.example/hf/").url("org/name", "refs/pr/1", "a b.json");
        assert_eq!(
            mirrored.as_str(),
            "https://mirror.example/hf/org/name/resolve/refs%2Fpr%2F1/a%20b.json"
        );
        assert!(Hub::new("ftp://hub.example", None, Patience::default()).is_err());
        assert!(Hub::new("hub.example", None, Patience::default()).is_err());
    }

    #[test]
    fn a_linked_tag_counts_before_the_answers_own() {
        let mut headers = HeaderMap::new();
        headers.insert(ETAG, format!("\"{}\"", "b".repeat(40)).parse().unwrap());
        assert_eq!(declared_in(&headers), Some(Digest::GitBlob("b".repeat(40))));
        headers.insert("x-linked-etag", format!("\"{}\"", "a".repeat(64)).parse().unwrap());
        assert_eq!(declared_in(&headers), Some(Digest::Sha256("a".repeat(64))));
    }

    #[test]
    fn a_wait_that_is_asked_for_has_a_limit() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "3".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(3)));
        headers.insert(RETRY_AFTER, "86400".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(LONGEST_WAIT));
        headers.insert(RETRY_AFTER, "Wed, 21 Oct 2026 07:28:00 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers), None);
    }
}
