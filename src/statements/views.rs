//! Views: a query kept in the database under a name.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use datafusion::sql::sqlparser::ast::CreateView;

use crate::catalog::{Relation, ViewPlanner};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::statements::names::{self, quoted};
use crate::statements::text::sql_text;
use crate::tables::TableName;

const TAG: &str = "CREATE VIEW";

/// Plans the views of a database.
pub(crate) struct Views {
    context: std::sync::Weak<parking_lot::RwLock<datafusion::execution::SessionState>>,
}

impl Views {
    /// The views of `db`. The session owns the catalog, so the catalog must not own the session.
    pub fn new(db: &Database) -> Self {
        Self { context: db.context().state_weak_ref() }
    }
}

#[async_trait]
impl ViewPlanner for Views {
    async fn plan_view(&self, name: &TableName, sql: &str) -> Result<Arc<dyn TableProvider>> {
        let Some(state) = self.context.upgrade() else {
            return Err(Error::Unsupported(format!(
                "view '{name}' was read after its database was closed"
            )));
        };
        let state = state.read().clone();
        let plan = Box::pin(state.create_logical_plan(sql)).await.map_err(|error| {
            Error::sql(format!(
                "view '{name}' cannot be read any more: {}; CREATE OR REPLACE VIEW mends it",
                Error::from(error)
            ))
        })?;
        Ok(Arc::new(ViewTable::new(plan, Some(sql.to_string()))))
    }
}

/// `None` for a temporary view, which the session keeps.
pub async fn create(db: &Database, view: &CreateView) -> Result<Option<ResultSet>> {
    if view.temporary || db.setting("temporary_tables").as_deref() == Some("on") {
        return Ok(None);
    }
    if view.materialized {
        return Err(Error::Unsupported(
            "materialized views are not supported; CREATE TABLE … AS stores the rows".to_string(),
        ));
    }
    let name = names::new_table(db, &view.name)?;
    match db.catalog().relation(&name).await? {
        Some(_) if view.if_not_exists => {
            db.notice(format!("view '{name}' already exists, skipping"));
            return Ok(Some(ResultSet::done(TAG)));
        }
        Some(Relation::View) if view.or_replace => {}
        Some(Relation::View) => {
            return Err(Error::AlreadyExists {
                kind: "view",
                name: name.to_string(),
                remedy: "use CREATE OR REPLACE VIEW or another name",
            });
        }
        Some(other) => {
            return Err(Error::AlreadyExists {
                kind: if matches!(other, Relation::Map) { "map" } else { "table" },
                name: name.to_string(),
                remedy: "choose another name for the view",
            });
        }
        None => {}
    }
    let columns: Vec<String> =
        view.columns.iter().map(|column| names::identifier(db, &column.name)).collect();
    let sql = if columns.is_empty() {
        sql_text(view.query.as_ref())
    } else {
        let list: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        format!("SELECT * FROM ({}) AS v ({})", sql_text(view.query.as_ref()), list.join(", "))
    };
    // A view must be readable now.
    db.context().state().create_logical_plan(&sql).await?;
    let stored = db.catalog().storage().create_view(&name, &sql, view.or_replace).await?;
    if !stored {
        return Err(Error::AlreadyExists {
            kind: "view",
            name: name.to_string(),
            remedy: "another process has just made it; use CREATE OR REPLACE VIEW",
        });
    }
    Ok(Some(ResultSet::done(TAG)))
}
