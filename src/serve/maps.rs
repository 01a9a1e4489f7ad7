//! Maps as the page reads them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::FutureExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer;
use super::form::Form;
use super::pictures::Pictures;
use super::refusal::Refusal;
use super::turns::Turns;
use super::{Statements, thumbnails};
use crate::map_view::{InOrder, KEY, Kind, Sought, Whose};
use crate::{Database, Error};

/// Most rows whose content is sent at once: a screenful of a table.
const MOST_ROWS: usize = 500;

/// The paths. `statements` says which of these are run beside.
pub fn router(db: Database, turns: Turns, statements: Statements, pictures: Pictures) -> Router {
    Router::new()
        .route("/maps", get(list))
        .route("/maps/{map}", get(info))
        .route("/maps/{map}/points", get(points))
        .route("/maps/{map}/topics", get(topics))
        .route("/maps/{map}/search", get(search))
        .route("/maps/{map}/row/{id}", get(row))
        .route("/maps/{map}/rows", post(rows))
        .route("/maps/{map}/thumbnail/{id}", get(thumbnails::answer))
        .layer(DefaultBodyLimit::max(1 << 20))
        .with_state(Served { db, turns, statements, pictures: Arc::new(pictures) })
}

#[derive(Clone)]
pub struct Served {
    pub db: Database,
    pub turns: Turns,
    pub pictures: Arc<Pictures>,
    statements: Statements,
}

type Named = Result<Path<String>, PathRejection>;

async fn list(State(served): State<Served>) -> Result<Json<Value>, Refusal> {
    let Served { db, turns, .. } = served;
    let maps = turns.run(async move {
        let maps = db.sql("SHOW MAPS").await?.collect().await?;
        Ok(answer::objects(&maps)?)
    });
    Ok(Json(json!({"maps": maps.await?})))
}

async fn info(State(served): State<Served>, map: Named) -> Result<Json<Value>, Refusal> {
    let Path(map) = map?;
    let map = served.open(&map, None).await?;
    let (db, pictures) = (served.db.clone(), served.pictures.clone());
    let told = served.turns.run(async move { Ok(told(&db, &map, &pictures).boxed().await?) });
    let mut told = told.await?;
    told.insert("statements".to_string(), json!(served.statements.name()));
    Ok(Json(Value::Object(told)))
}

/// What is known of a map before its points are there.
async fn told(
    db: &Database,
    map: &InOrder,
    pictures: &Pictures,
) -> Result<Map<String, Value>, Error> {
    let known = answer::objects(&[map.facts().row(map.name())?])?;
    let mut told = known.into_iter().next().unwrap_or_default();
    let named = map.named(db);
    let bounds = format!(
        "SELECT min(x) AS min_x, min(y) AS min_y, max(x) AS max_x, max(y) AS max_y FROM {}",
        db.pinned(&named.points)
    );
    let bounds = answer::objects(&db.sql(&bounds).await?.collect().await?)?;
    let columns = map.columns();
    let columns = columns.iter().map(|column| {
        json!({
            "name": column.name,
            "own_name": column.own_name,
            "selected": column.selected,
            "kind": Kind::of(column.field.data_type()).name(),
            "of": match column.whose { Whose::Point => "point", Whose::Row => "row" },
        })
    });
    told.insert("version".to_string(), json!(map.version()));
    told.insert("bounds".to_string(), json!(bounds.first()));
    told.insert("columns".to_string(), columns.collect());
    told.insert("select_by".to_string(), json!(map.key()));
    let embedding = map.fingerprint().map(|made| {
        json!({"model": made.model, "task": Sought::task_of_questions(&made), "dims": made.dims})
    });
    told.insert("embedding".to_string(), json!(embedding));
    told.insert("texts".to_string(), json!(map.texts()));
    told.insert("images".to_string(), json!(thumbnails::columns(db, map, pictures).await?));
    Ok(told)
}

#[derive(Deserialize)]
struct PointsQuery {
    columns: Option<String>,
    from: Option<usize>,
    rows: Option<usize>,
    cut: Option<usize>,
    version: Option<String>,
}

async fn points(
    State(served): State<Served>,
    map: Named,
    query: Result<Query<PointsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (Path(map), Query(query)) = (map?, query?);
    let map = served.open(&map, query.version.as_deref()).await?;
    let columns = query.columns.as_deref().unwrap_or("id,x,y,topic_id");
    let columns: Vec<String> = columns.split(',').map(str::to_string).collect();
    let db = served.db;
    let rows = async move {
        let from = query.from.unwrap_or(0);
        Ok(map.read(&db, &columns, from, query.rows, query.cut).boxed().await?)
    };
    answer::rows(&served.turns, Form::asked(&headers), rows).await
}

async fn topics(
    State(served): State<Served>,
    map: Named,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Path(map) = map?;
    let map = served.open(&map, None).await?;
    let name = map.name().replace('"', "\"\"");
    let db = served.db;
    let rows = async move {
        let text = format!("SELECT * FROM \"{name}\".topics ORDER BY depth, size DESC, topic_id");
        Ok(db.sql(&text).await?.into_stream())
    };
    answer::rows(&served.turns, Form::asked(&headers), rows).await
}

#[derive(Deserialize)]
struct SearchQuery {
    q: String,
    by: Option<String>,
    version: Option<String>,
}

async fn search(
    State(served): State<Served>,
    map: Named,
    query: Result<Query<SearchQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (Path(map), Query(query)) = (map?, query?);
    let sought = match query.by.as_deref().unwrap_or("meaning") {
        "meaning" => Sought::Meaning(query.q),
        "like" => Sought::Like(query.q),
        "words" => Sought::Words(query.q),
        "exact" => Sought::Exact(query.q),
        "regex" => Sought::Regex(query.q),
        other => {
            return Err(Refusal::bad(format!(
                "by is 'meaning', 'like', 'words', 'exact' or 'regex', not '{other}'"
            )));
        }
    };
    let map = served.open(&map, query.version.as_deref()).await?;
    let db = served.db;
    let rows = async move { Ok(sought.scores(&db, &map).boxed().await?) };
    answer::rows(&served.turns, Form::asked(&headers), rows).await
}

async fn row(
    State(served): State<Served>,
    place: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Value>, Refusal> {
    let Path((name, id)) = place?;
    let map = served.open(&name, None).await?;
    let found = served.content(map, vec![id.clone()]).await?;
    let found = found.into_iter().next();
    let missing = || {
        let message = format!("row '{id}' is not on map '{name}'");
        Refusal::new(StatusCode::NOT_FOUND, message)
    };
    found.map(Json).ok_or_else(missing)
}

#[derive(Deserialize)]
struct RowsRequest {
    ids: Vec<Value>,
}

async fn rows(
    State(served): State<Served>,
    map: Named,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Refusal> {
    let Path(map) = map?;
    let body = body.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))?;
    let request: RowsRequest = serde_json::from_slice(&body).map_err(|error| {
        Refusal::bad(format!("the body is not JSON as {{\"ids\": […]}}: {error}"))
    })?;
    if request.ids.len() > MOST_ROWS {
        let message = format!("{} ids are too many; ask for up to {MOST_ROWS}", request.ids.len());
        return Err(Refusal::bad(message));
    }
    let map = served.open(&map, None).await?;
    let ids: Vec<String> = request.ids.iter().map(plain).collect();
    let found = served.content(map, ids).await?;
    Ok(Json(json!({"rows": found})))
}

/// A value as text, without a text's quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

impl Served {
    /// The map of a name, if it is still the version that a client knows.
    pub async fn open(&self, name: &str, version: Option<&str>) -> Result<InOrder, Refusal> {
        let (db, called) = (self.db.clone(), name.to_string());
        let opened = self
            .turns
            .run(async move { InOrder::open(&db, &called).boxed().await.map_err(Refusal::of_map) });
        let map = opened.await?;
        if version.is_some_and(|version| version != map.version()) {
            let message = format!("map '{name}' has changed since it was looked at; load it again");
            return Err(Refusal::new(StatusCode::CONFLICT, message));
        }
        Ok(map)
    }

    /// What is known of points and what their rows say, in the order of the ids. Ids that are not on the map
    /// are left out.
    async fn content(&self, map: InOrder, ids: Vec<String>) -> Result<Vec<Value>, Refusal> {
        let db = self.db.clone();
        let has_key = map.facts().key.is_some();
        let asked = ids.clone();
        let found = self.turns.run(async move {
            let (points, rows) = map.content(&db, &asked).boxed().await?;
            Ok((answer::objects(&points)?, answer::objects(&rows)?))
        });
        let (points, rows) = found.await?;
        let named = |object: &Map<String, Value>, name: &str| object.get(name).map(plain);
        let mut by_key: HashMap<String, Map<String, Value>> = HashMap::new();
        for mut row in rows {
            if let Some(key) = row.remove(KEY) {
                by_key.insert(plain(&key), row);
            }
        }
        let mut by_id: HashMap<String, Value> = HashMap::new();
        for point in points {
            let id = named(&point, "id").unwrap_or_default();
            let key = if has_key { Some(id.clone()) } else { named(&point, "row_id") };
            let row = key.and_then(|key| by_key.remove(&key));
            by_id.insert(id.clone(), json!({"id": id, "point": point, "row": row}));
        }
        Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }
}
