//! Small pictures of rows that hold pictures: `GET /maps/m/thumbnail/ID`.

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use portolan_models::image::{MAX_PIXELS, Thumbnail, is_picture, thumbnail};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::maps::Served;
use super::pictures::Pictures;
use super::refusal::Refusal;
use super::turns::broken;
use crate::map_view::{InOrder, is_bytes, is_text};
use crate::{Database, Error};

/// The longer side of a small picture, in pixels, and how long it may be asked for.
const SIDE: u32 = 240;
const SIDES: std::ops::RangeInclusive<u32> = 16..=1024;

/// Rows that are looked at to find out whether a column holds pictures.
const SAMPLE: usize = 8;

/// Pictures that are decoded at once: a large one takes hundreds of megabytes while it is.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// The columns that hold pictures, or name files that do, by what the first rows have in them.
pub async fn columns(
    db: &Database,
    map: &InOrder,
    pictures: &Pictures,
) -> Result<Vec<String>, Error> {
    let bytes = map.columns_of(is_bytes);
    let texts = if pictures.opens() { map.columns_of(is_text) } else { Vec::new() };
    if bytes.is_empty() && texts.is_empty() {
        return Ok(Vec::new());
    }
    let first = map.first(SAMPLE).await?;
    let mut columns = Vec::new();
    for column in bytes {
        let bytes = map.bytes(db, &column, &first).boxed().await?;
        if bytes.iter().any(|bytes| is_picture(bytes)) {
            columns.push(column);
        }
    }
    for column in texts {
        let texts = map.bytes(db, &column, &first).boxed().await?;
        let names_one =
            |text: &Bytes| str::from_utf8(text).is_ok_and(|text| pictures.names_one(text));
        if texts.iter().any(names_one) {
            columns.push(column);
        }
    }
    Ok(columns)
}

#[derive(Deserialize)]
pub struct ThumbnailQuery {
    column: Option<String>,
    size: Option<u32>,
    version: Option<String>,
}

/// The small picture of a row.
pub async fn answer(
    State(served): State<Served>,
    place: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<ThumbnailQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let (Path((name, id)), Query(query)) = (place?, query?);
    let side = query.size.unwrap_or(SIDE);
    if !SIDES.contains(&side) {
        let (least, most) = (SIDES.start(), SIDES.end());
        return Err(Refusal::bad(format!("size is {least} to {most} pixels, not {side}")));
    }
    let map = served.open(&name, query.version.as_deref()).await?;
    let (db, asked, pictures) = (served.db.clone(), [id.clone()], served.pictures.clone());
    let found = served.turns.run(async move {
        let Column { name: column, holds_names } =
            column(&db, &map, &pictures, query.column).await?;
        let found = map.bytes(&db, &column, &asked).boxed().await?;
        let mut bytes = found.into_iter().next().ok_or_else(|| {
            let message = format!("row '{id}' of map '{name}' has no picture in '{column}'");
            Refusal::new(StatusCode::NOT_FOUND, message)
        })?;
        if holds_names {
            bytes = pictures.read(&db, &String::from_utf8_lossy(&bytes)).boxed().await?;
        }
        let one_of_few = AT_ONCE.acquire().await.map_err(|_| broken())?;
        // What has begun goes on when nobody waits for it any more, and counts until its end.
        let made = move || {
            let _one_of_few = one_of_few;
            thumbnail(&bytes, side, MAX_PIXELS)
        };
        let made = tokio::task::spawn_blocking(made).await.map_err(|_| broken())?;
        made.map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
    });
    let Thumbnail { bytes, content_type } = found.await?;
    let about = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept(query.version.is_some()))),
    ];
    Ok((about, bytes).into_response())
}

/// How long browsers keep one. A row may change without its map: one that was asked for with the map's version
/// is kept for as long as somebody looks at the map.
fn kept(of_version: bool) -> &'static str {
    match of_version {
        true => "private, max-age=3600",
        false => "no-store",
    }
}

struct Column {
    name: String,
    /// Whether it names files, and does not hold their bytes.
    holds_names: bool,
}

/// The column that is asked for, or the only one there is.
async fn column(
    db: &Database,
    map: &InOrder,
    pictures: &Pictures,
    asked: Option<String>,
) -> Result<Column, Refusal> {
    let mut bytes = map.columns_of(is_bytes);
    let texts = if pictures.opens() { map.columns_of(is_text) } else { Vec::new() };
    if let Some(name) = asked {
        if !bytes.contains(&name) && !texts.contains(&name) {
            return Err(Refusal::bad(format!(
                "'{name}' is no column of bytes{} that rows of map '{}' have",
                if pictures.opens() { " or of files' names" } else { "" },
                map.name()
            )));
        }
        let holds_names = texts.contains(&name);
        return Ok(Column { name, holds_names });
    }
    let holds_names = bytes.is_empty() && !texts.is_empty();
    if holds_names {
        bytes = columns(db, map, pictures).await?;
    }
    match bytes.as_slice() {
        [name] => Ok(Column { name: name.clone(), holds_names }),
        several => Err(Refusal::bad(format!(
            "rows of map '{}' have {} columns of {}; say which one with column=",
            map.name(),
            several.len(),
            if holds_names { "files' names" } else { "bytes" }
        ))),
    }
}
