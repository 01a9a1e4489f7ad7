//! Files in place: `SELECT … FROM 'x.parquet'`, and the functions that read files with options.

mod catalog;
mod content;
mod format;
pub mod functions;
mod images;
mod lance;
mod listing;
mod npy;
mod pattern;
mod table;
mod text;

use std::fmt;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::catalog::{TableProvider, UrlTableFactory};
use datafusion::error::Result as DfResult;
use datafusion::execution::SessionState;
use datafusion::prelude::SessionContext;
use parking_lot::RwLock;

use self::catalog::CatalogsWithFiles;
use self::format::{Content, FileKind};
pub use self::images::ENDS as IMAGE_ENDS;
use self::npy::NpyTable;
use self::table::FilesTable;
use crate::error::{Error, Result};
use crate::search::{self, Columns};
use crate::session::Stores;
use crate::statements::table_calls;

/// Lets a session read files by their names, and what functions in FROM give, beside the tables of its
/// catalogs.
pub fn enable(context: &SessionContext, stores: &Stores, columns: &Arc<Columns>) {
    let (stores, columns) = (stores.clone(), columns.clone());
    let factory = InPlace { stores, columns, session: context.state_weak_ref() };
    let tables = context.state().catalog_list().clone();
    let both = CatalogsWithFiles::new(tables, Arc::new(factory));
    context.register_catalog_list(Arc::new(both));
}

/// Opens a table for a name that is a location, or a call of a function.
struct InPlace {
    stores: Stores,
    columns: Arc<Columns>,
    /// Weak, because the session holds this factory.
    session: Weak<RwLock<SessionState>>,
}

impl fmt::Debug for InPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InPlace").finish_non_exhaustive()
    }
}

#[async_trait]
impl UrlTableFactory for InPlace {
    async fn try_new(&self, name: &str) -> DfResult<Option<Arc<dyn TableProvider>>> {
        let Some(session) = self.session.upgrade() else { return Ok(None) };
        let state = session.read().clone();
        if let Some(call) = table_calls::parse(name) {
            let (function, arguments) = call?;
            let read = functions::open(&self.stores, &state, function, &arguments).await;
            return match read {
                Some(table) => Ok(Some(table?)),
                None => Ok(Some(
                    search::functions::open(&state, &self.columns, function, &arguments).await?,
                )),
            };
        }
        match is_location(name) {
            true => Ok(Some(open(&self.stores, &state, name).await?)),
            false => Ok(None),
        }
    }
}

/// Whether a table's name means a file. Names that are neither a path nor known by their end are left
/// to the catalog, whose error knows the nearest table.
fn is_location(name: &str) -> bool {
    let path = std::path::Path::new(name);
    let has_folder = name.contains(std::path::is_separator) || name.starts_with('~');
    has_folder
        || pattern::is_pattern(name)
        || FileKind::of(name).is_some()
        || is_lance(name)
        || (path.extension().is_some() && path.exists())
}

fn is_lance(location: &str) -> bool {
    location.trim_end_matches(std::path::is_separator).ends_with(".lance")
}

async fn open(
    stores: &Stores,
    state: &SessionState,
    location: &str,
) -> Result<Arc<dyn TableProvider>> {
    if is_lance(location) {
        return match pattern::is_pattern(location) {
            true => Err(Error::Unsupported(format!(
                "cannot read '{location}': Lance tables are read one at a time; name one, and UNION ALL several"
            ))),
            false => lance::open_lance(stores, location).await,
        };
    }
    let listing = listing::list(stores, location, |name| FileKind::of(name).is_some()).await?;
    let kind = FileKind::of_all(&listing)?;
    if kind.content == Content::Npy {
        return Ok(Arc::new(NpyTable::open(listing).await?));
    }
    match format::plain(&kind, &listing).await? {
        Some(format) => Ok(Arc::new(FilesTable::open(state, listing, format).await?)),
        None => Err(Error::Unsupported(format!("cannot read '{location}' as a table"))),
    }
}
