//! Small pictures of rows that hold pictures: `GET /maps/m/thumbnail/ID`.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use portolan_models::image::{MAX_PIXELS, Thumbnail, is_picture, thumbnail};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::maps::Served;
use super::refusal::Refusal;
use super::turns::broken;
use crate::map_view::InOrder;
use crate::{Database, Error};

/// The longer side of a small picture, in pixels, and how long it may be asked for.
const SIDE: u32 = 240;
const SIDES: std::ops::RangeInclusive<u32> = 16..=1024;

/// Rows that are looked at to find out whether a column holds pictures.
const SAMPLE: usize = 8;

/// Pictures that are decoded at once: a large one takes hundreds of megabytes while it is.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// The columns that hold pictures, by what the first rows have in them.
pub async fn columns(db: &Database, map: &InOrder) -> Result<Vec<String>, Error> {
    let candidates = map.columns_of_bytes();
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let first = map.first(SAMPLE).await?;
    let mut columns = Vec::new();
    for column in candidates {
        let bytes = map.bytes(db, &column, &first).boxed().await?;
        if bytes.iter().any(|bytes| is_picture(bytes)) {
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
    let column = column(&map, query.column)?;
    let (db, asked) = (served.db.clone(), [id.clone()]);
    let found = served.turns.run(async move {
        let found = map.bytes(&db, &column, &asked).boxed().await?;
        let bytes = found.into_iter().next().ok_or_else(|| {
            let message = format!("row '{id}' of map '{name}' has no picture in '{column}'");
            Refusal::new(StatusCode::NOT_FOUND, message)
        })?;
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

/// The column that is asked for, or the only one there is.
fn column(map: &InOrder, asked: Option<String>) -> Result<String, Refusal> {
    let mut columns = map.columns_of_bytes();
    match asked {
        Some(asked) if columns.contains(&asked) => Ok(asked),
        Some(asked) => Err(Refusal::bad(format!(
            "'{asked}' is no column of bytes that rows of map '{}' have",
            map.name()
        ))),
        None if columns.len() == 1 => Ok(columns.remove(0)),
        None => Err(Refusal::bad(format!(
            "rows of map '{}' have {} columns of bytes; say which one with column=",
            map.name(),
            columns.len()
        ))),
    }
}
