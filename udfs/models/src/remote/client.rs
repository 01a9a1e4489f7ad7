//! Sending a request until it is answered: the key, the pace, time-outs, further attempts, and an
//! answer of bounded size.

use std::error::Error as _;
use std::fmt::Display;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use url::Url;

use super::answer::{message, shorten};
use super::pace::{Pace, pause};
use super::protocol::{Protocol, Verdict};
use super::{RemoteOptions, address};
use crate::error::{Error, Result};

/// How much of a server's error is read, in bytes, and shown, in characters.
const ERROR_READ: usize = 64 << 10;
const ERROR_SHOWN: usize = 300;

/// Characters of the longest message.
const SENTENCE: usize = 600;

/// Requests to one server.
pub(super) struct Client {
    http: reqwest::Client,
    host: String,
    key: Option<Key>,
    protocol: &'static dyn Protocol,
    options: RemoteOptions,
    permits: Semaphore,
    pace: Pace,
}

/// A key and where it came from. Not to be shown, so without `Debug`.
struct Key {
    variable: String,
    text: String,
    header: HeaderValue,
}

/// Why a request brought no answer.
pub(super) struct Failure {
    pub verdict: Verdict,
    /// The end of a sentence that begins with the server.
    pub reason: String,
    /// How long the server asked to be left alone.
    wait: Option<Duration>,
}

impl Failure {
    fn again(reason: String) -> Self {
        Self { verdict: Verdict::Again, reason, wait: None }
    }

    pub fn fatal(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fatal, reason: reason.into(), wait: None }
    }
}

impl Client {
    /// `variable` looks up an environment variable.
    pub fn new(
        options: RemoteOptions,
        url: &Url,
        protocol: &'static dyn Protocol,
        concurrent: usize,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let host = address::host(url);
        let key = match &options.key_env {
            Some(name) => Some(Key::look_up(name, &host, variable)?),
            None => None,
        };
        // No redirects: data goes to the address that was given and nowhere else.
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("portolan/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(options.connect_timeout);
        if url.scheme() == "http" {
            // A machine without certificates can still ask a server beside it.
            builder = builder.tls_certs_only([]);
        }
        if address::is_here(url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| {
            Error::Remote(format!("no connection can be made to {host} ({})", cause(&error)))
        })?;
        let pace = Pace::new(options.requests_per_minute);
        Ok(Self { http, host, key, protocol, options, permits: Semaphore::new(concurrent), pace })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// A sentence that begins with the server. Whatever came from there is in it without the key and
    /// shortened.
    pub fn sentence(&self, reason: impl Display) -> String {
        shorten(&self.redacted(&format!("the server {} {reason}", self.host)), SENTENCE)
    }

    /// The error of a sentence that begins with the server.
    pub fn error(&self, reason: impl Display) -> Error {
        Error::Remote(self.sentence(reason))
    }

    /// The answer to a request, of `most` bytes at the most. `fill` gives the request its body, once
    /// an attempt.
    pub async fn post(
        &self,
        url: &Url,
        fill: impl Fn(RequestBuilder) -> RequestBuilder + Sync,
        most: usize,
    ) -> Result<Vec<u8>, Failure> {
        // Held while waiting between attempts too: a server that is too busy is asked for less. It is
        // never closed.
        let _permit = self.permits.acquire().await;
        let mut attempt = 0;
        loop {
            self.pace.turn().await;
            let mut failure = match self.attempt(url, &fill, most).await {
                Ok(body) => return Ok(body),
                Err(failure) if failure.verdict != Verdict::Again => return Err(failure),
                Err(failure) => failure,
            };
            if attempt == self.options.retries {
                failure.verdict = Verdict::Fatal;
                if attempt > 0 {
                    failure.reason += &format!(", at the last of {} attempts", attempt + 1);
                }
                return Err(failure);
            }
            let RemoteOptions { first_pause, longest_pause, .. } = self.options;
            sleep(pause(attempt, failure.wait, first_pause, longest_pause)).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        url: &Url,
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
        most: usize,
    ) -> Result<Vec<u8>, Failure> {
        let mut request = self.http.post(url.clone()).timeout(self.options.timeout);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.header.clone());
        }
        let mut response = fill(request).send().await.map_err(|error| self.broken(error))?;
        if response.status().is_success() {
            let (body, whole) = self.read(&mut response, most).await?;
            return if whole {
                Ok(body)
            } else {
                Err(Failure::fatal(format!("sent more than the {most} bytes that were due")))
            };
        }
        let status = response.status().as_u16();
        let wait = asked_to_wait(response.headers());
        let (body, _) = self.read(&mut response, ERROR_READ).await?;
        let said = self.redacted(&message(&body));
        let verdict = self.protocol.verdict(status, &said);
        Err(Failure { verdict, reason: self.describe(status, &said), wait })
    }

    /// The first `most` bytes of a body, and whether that is all of it.
    async fn read(&self, response: &mut Response, most: usize) -> Result<(Vec<u8>, bool), Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            let room = most - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() > room {
                return Ok((body, false));
            }
        }
        Ok((body, true))
    }

    /// A request that got no whole answer. One that took too long is not sent again: the server has
    /// most likely done its work, and would have to do it anew in no more time.
    fn broken(&self, error: reqwest::Error) -> Failure {
        let cause = cause(&error);
        if error.is_connect() {
            Failure::again(format!("could not be reached ({cause})"))
        } else if error.is_timeout() {
            Failure::fatal(format!(
                "did not answer within {:?}; allow it more time, or send it less at once",
                self.options.timeout
            ))
        } else if error.is_builder() {
            Failure::fatal(format!("could not be sent a request ({cause})"))
        } else {
            Failure::again(format!("broke off the connection ({cause})"))
        }
    }

    fn describe(&self, status: u16, said: &str) -> String {
        let said = match shorten(said, ERROR_SHOWN) {
            said if said.is_empty() => String::new(),
            said => format!(" ({said})"),
        };
        match (status, &self.key) {
            // What it says of a key may hold a part of it.
            (401, Some(key)) => {
                format!("does not accept the key in {} (status 401)", key.variable)
            }
            (401, None) => {
                "wants a key (status 401); put it into an environment variable and name \
                            that variable"
                    .into()
            }
            (300..=399, _) => {
                format!("answered {status}, which leads elsewhere; give the address it leads to")
            }
            (404, _) => format!("answered 404{said}; check the address and the model's name"),
            _ => format!("answered {status}{said}"),
        }
    }

    /// A text of the server without the key, should it hold it.
    fn redacted(&self, text: &str) -> String {
        match &self.key {
            Some(key) => text.replace(&key.text, "[key]"),
            None => text.to_owned(),
        }
    }
}

impl Key {
    fn look_up(name: &str, host: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        if !is_variable(name) {
            return Err(Error::Argument(format!(
                "the key for {host} is given by the name of the environment variable that holds it, \
                 of letters, digits and '_', never by the key itself"
            )));
        }
        let text =
            variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let Some(text) = text else {
            return Err(Error::Argument(format!(
                "the environment variable {name}, which is to hold the key for {host}, is empty or \
                 not set"
            )));
        };
        let Ok(mut header) = HeaderValue::try_from(format!("Bearer {text}")) else {
            return Err(Error::Argument(format!(
                "the environment variable {name} holds characters that no key for {host} can have"
            )));
        };
        header.set_sensitive(true);
        Ok(Self { variable: name.to_owned(), text, header })
    }
}

/// Whether this can be the name of an environment variable. Keys of the services cannot: they have
/// hyphens.
pub(super) fn is_variable(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
}

/// `Retry-After` in seconds. Its other form, a date, is rare and taken for none.
fn asked_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What is at the bottom of an error; what is above may show the address.
fn cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return "no cause is known".into() };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    shorten(&cause.to_string(), ERROR_SHOWN)
}
