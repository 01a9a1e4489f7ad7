//! Statements: `POST /sql`.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use axum::{Router, middleware};
use serde::Deserialize;

use super::answer;
use super::form::Form;
use super::guard;
use super::refusal::Refusal;
use super::turns::Turns;
use crate::Database;

/// Longest text of statements.
const LONGEST: usize = 1 << 20;

/// The path. Where `writable`, statements that change the database are run too.
pub fn router(db: Database, turns: Turns, writable: bool) -> Router {
    Router::new()
        .route("/sql", post(run))
        .layer(DefaultBodyLimit::max(LONGEST))
        .layer(middleware::from_fn(guard::own_pages_only))
        .with_state(Served { db, turns, writable })
}

#[derive(Clone)]
struct Served {
    db: Database,
    turns: Turns,
    writable: bool,
}

/// A request in JSON.
#[derive(Deserialize)]
struct Request {
    sql: String,
}

async fn run(
    State(served): State<Served>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let body = body.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))?;
    let text = text(&headers, &body)?;
    let Served { db, turns, writable } = served;
    let rows = async move {
        check(&db, &text, writable)?;
        let result = db.sql(&text).await;
        // Nobody would ever take them.
        db.take_notices();
        Ok(result?.into_stream())
    };
    answer::rows(&turns, Form::asked(&headers), rows).await
}

/// Refuses statements that are not run here.
fn check(db: &Database, text: &str, writable: bool) -> Result<(), Refusal> {
    for statement in db.parse(text)? {
        if statement.only_reads() || (writable && statement.changes_database()) {
            continue;
        }
        let verb = statement.text().split_whitespace().next().unwrap_or_default().to_string();
        let message = match statement.changes_database() {
            true => format!(
                "{verb} changes the database, which is served for reading; start the server with --read-write"
            ),
            false => format!(
                "{verb} is not run over HTTP: its clients share one session, and have no files here"
            ),
        };
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    Ok(())
}

/// The statements of a body: JSON as `{"sql": "…"}`, or the text itself.
fn text(headers: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let text = match kind.map(|kind| kind.split(';').next().unwrap_or(kind).trim()) {
        Some("application/json") => {
            let request: Request = serde_json::from_slice(body).map_err(|error| {
                Refusal::bad(format!("the body is not JSON as {{\"sql\": \"SELECT …\"}}: {error}"))
            })?;
            request.sql
        }
        // The last is what curl says of all that it posts.
        None | Some("text/plain" | "application/sql" | "application/x-www-form-urlencoded") => {
            std::str::from_utf8(body)
                .map_err(|_| Refusal::bad("the body is not UTF-8 text"))?
                .to_string()
        }
        Some(other) => {
            let message = format!("the body is '{other}'; send application/json or text/plain");
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
    };
    match text.trim().is_empty() {
        true => Err(Refusal::bad("there is no statement in the body")),
        false => Ok(text),
    }
}
