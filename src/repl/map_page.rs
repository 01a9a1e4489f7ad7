//! `\map`: the page of the maps, served as long as the session has its database.

use std::net::SocketAddr;

use datafusion::arrow::array::AsArray;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use url::form_urlencoded;
use uuid::Uuid;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::repl::browser::open_in_browser;
use crate::repl::shell::{Shell, Stop};
use crate::serve::{Pictures, ServeOptions, Server};

/// The server of a session.
pub struct MapPage {
    address: SocketAddr,
    /// Others on this machine can connect too; who has the whole address may see the maps.
    token: String,
    task: AbortHandle,
}

impl Drop for MapPage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl MapPage {
    async fn start(engine: &Handle, db: Database) -> Result<Self> {
        let token = Uuid::new_v4().simple().to_string();
        // Who has a session here reads files by statements, too.
        let pictures = Pictures::Local;
        let options =
            ServeOptions { token: Some(token.clone()), pictures, ..ServeOptions::default() };
        let server = Server::bind(db, &options, engine).await;
        let server = server.map_err(|error| Error::io("cannot serve the maps", error))?;
        let address = server.address();
        let task = engine.spawn(server.run(std::future::pending())).abort_handle();
        Ok(Self { address, token, task })
    }

    fn url(&self, map: Option<&str>) -> String {
        let mut url = format!("http://{}/", self.address);
        if let Some(map) = map {
            let mut query = form_urlencoded::Serializer::new(String::new());
            url += &format!("?{}", query.append_pair("map", map).finish());
        }
        format!("{url}#token={}", self.token)
    }
}

impl Shell {
    /// Serves the page, if that is not done yet, and says where a map is to be seen.
    pub(super) async fn map_page(&mut self, map: Option<String>) -> Result<(), Stop> {
        let (db, engine) = (self.db.clone(), self.engine.clone());
        let (known, handle) = (self.map_page.take(), engine.clone());
        // Bound on the engine's threads, where it answers.
        let started = engine.spawn(async move {
            let name = match map {
                Some(map) => Some(exact_name(&db, &map).await?),
                None => None,
            };
            let page = match known {
                Some(page) => page,
                None => MapPage::start(&handle, db).await?,
            };
            Ok::<_, Error>((name, page))
        });
        let (name, page) = match started.await {
            Ok(Ok(started)) => started,
            Ok(Err(error)) => return Err(self.fail(&error)),
            Err(_) => {
                self.complain("the page could not be served");
                return Err(Stop::Failed);
            }
        };
        let url = page.url(name.as_deref());
        self.map_page = Some(page);
        let opened = self.interactive && open_in_browser(&url);
        let what = if opened { "In your browser" } else { "Open this in a browser" };
        self.print(&format!("{what}, as long as this session lasts:\n{url}"))
    }
}

/// A map's name as it is stored, of how it was written.
async fn exact_name(db: &Database, map: &str) -> Result<String> {
    let info =
        db.sql(&format!("SELECT name FROM {map}.info")).await.map_err(Error::without_place)?;
    let rows = info.collect().await?;
    let name = rows.iter().find_map(|batch| {
        let names = batch.column(0).as_string_opt::<i32>()?;
        names.iter().next().flatten().map(str::to_string)
    });
    name.ok_or_else(|| Error::not_found("map", map, "; \\dm lists them"))
}
