//! The page, which is in the binary. Any path that is no file of it is no path.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// A file of the page.
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

/// What `web/` is built into.
const FILES: [File; 6] = [
    File {
        path: "/",
        content_type: "text/html; charset=utf-8",
        content: include_bytes!("../../web/dist/index.html"),
    },
    File {
        path: "/page.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../web/dist/page.js"),
    },
    File {
        path: "/app.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../web/dist/app.js"),
    },
    File {
        path: "/page.css",
        content_type: "text/css; charset=utf-8",
        content: include_bytes!("../../web/dist/page.css"),
    },
    File {
        path: "/icon.svg",
        content_type: "image/svg+xml",
        content: include_bytes!("../../web/dist/icon.svg"),
    },
    File {
        path: "/licences.txt",
        content_type: "text/plain; charset=utf-8",
        content: include_bytes!("../../web/dist/licences.txt"),
    },
];

/// Whether a path is one of the page's. They hold no data, so nobody needs a token for them: the page itself
/// asks for it.
pub fn is_page(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

/// The files.
pub fn router() -> Router {
    FILES.into_iter().fold(Router::new(), |router, file| {
        let tag = tag(file.content);
        router.route(
            file.path,
            get(move |headers| answer(headers, file.content_type, file.content, tag)),
        )
    })
}

async fn answer(
    headers: HeaderMap,
    content_type: &'static str,
    content: &'static [u8],
    tag: HeaderValue,
) -> Response {
    let known = headers.get(header::IF_NONE_MATCH) == Some(&tag);
    let about = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        // Kept, and asked for again: another release may answer at the same address.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, tag),
    ];
    match known {
        true => (StatusCode::NOT_MODIFIED, about).into_response(),
        false => (about, content).into_response(),
    }
}

fn tag(content: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let tag = HeaderValue::from_str(&format!("\"{:x}\"", hasher.finish()));
    tag.unwrap_or(HeaderValue::from_static("\"\""))
}
