//! Who is answered: clients with the token, and, where only this machine can connect, requests that
//! were meant for it and not brought here by a page of another site.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::refusal::Refusal;
use super::{ServeOptions, page};

/// What a request is held to.
#[derive(Clone)]
pub struct Guard {
    token: Option<Arc<str>>,
    /// Whether only names of this machine are right as Host and Origin.
    loopback: bool,
}

impl Guard {
    /// As the options ask.
    pub fn new(options: &ServeOptions) -> Self {
        let token = options.token.as_deref().map(Arc::from);
        Self { token, loopback: options.host.is_loopback() }
    }

    /// Why a request is refused.
    fn refusal(&self, path: &str, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
        // A page of another site can have its name point here; the browser still says that name.
        let local = |name: HeaderName| text(name).is_none_or(is_local);
        if self.loopback && !(local(header::HOST) && local(header::ORIGIN)) {
            let reason = "this server answers only requests that name this machine, as 127.0.0.1 or localhost, in Host and Origin";
            return Some((StatusCode::FORBIDDEN, reason));
        }
        if page::is_page(path) {
            return None;
        }
        let token = self.token.as_ref()?;
        let sent = text(header::AUTHORIZATION).and_then(|sent| sent.strip_prefix("Bearer "));
        if sent.is_some_and(|sent| same(sent.as_bytes(), token.as_bytes())) {
            return None;
        }
        Some((StatusCode::UNAUTHORIZED, "send the server's token as 'Authorization: Bearer …'"))
    }
}

/// Lets a request through or answers why not.
pub async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.refusal(request.uri().path(), request.headers()) {
        None => next.run(request).await,
        Some((status, message)) => Refusal::new(status, message).into_response(),
    }
}

/// Lets no page through but the server's own: one that another program of this machine serves, at another port, is
/// a page of this machine too, and could have a browser send statements.
pub async fn own_pages_only(request: Request, next: Next) -> Response {
    if is_of_own_page(request.headers()) {
        return next.run(request).await;
    }
    let reason = "statements are taken from the server's own page and from programs, not from pages at other addresses: Origin names another than Host";
    Refusal::new(StatusCode::FORBIDDEN, reason).into_response()
}

fn is_of_own_page(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str());
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(Ok(origin)), Some(Ok(host))) => is_page_of(origin, host),
        _ => false,
    }
}

/// Whether a page of that origin came from that host and port.
fn is_page_of(origin: &str, host: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, place)| place.eq_ignore_ascii_case(host))
}

/// Whether a Host or an Origin is this machine, whatever the port.
fn is_local(name: &str) -> bool {
    let name = name.split_once("://").map_or(name, |(_, name)| name);
    let host = match name.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => name.split(':').next().unwrap_or(name),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_of_one_host_and_port() {
        let host = "127.0.0.1:8470";
        assert!(is_page_of("http://127.0.0.1:8470", host));
        assert!(is_page_of("https://Maps.Example.org", "maps.example.org"));
        for origin in
            ["http://127.0.0.1:3000", "http://127.0.0.1", "http://localhost:8470", "null", ""]
        {
            assert!(!is_page_of(origin, host), "{origin}");
        }
    }

    #[test]
    fn this_machine_has_many_names() {
        for name in [
            "localhost",
            "LocalHost:80",
            "127.0.0.1:8470",
            "127.1.2.3",
            "[::1]:8470",
            "http://localhost:3000",
            "https://127.0.0.1",
        ] {
            assert!(is_local(name), "{name}");
        }
        for name in ["example.org", "localhost.example.org", "http://10.0.0.1", "[::2]", "null", ""]
        {
            assert!(!is_local(name), "{name}");
        }
    }
}
