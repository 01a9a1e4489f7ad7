//! What there is to be named, for completion and hints: a picture of the catalog that is taken in
//! the background, so that no key press waits for an object store.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::database::Database;

/// Tables whose columns are looked up at most.
const TABLES_LOOKED_INTO: usize = 300;

/// A table or view and its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableNames {
    pub schema: String,
    pub name: String,
    pub columns: Vec<String>,
}

/// Everything that has a name.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub tables: Vec<TableNames>,
    pub schemas: Vec<String>,
    /// The schema whose tables need no prefix.
    pub default_schema: String,
    pub functions: Vec<String>,
    pub table_functions: Vec<String>,
    pub settings: Vec<String>,
}

/// The latest picture. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SharedNames {
    latest: Arc<Mutex<Arc<Names>>>,
}

impl SharedNames {
    /// The latest picture.
    pub fn latest(&self) -> Arc<Names> {
        self.latest.lock().clone()
    }

    /// Takes another picture, in the background.
    pub fn reload(&self, db: &Database) {
        let (latest, db) = (self.latest.clone(), db.clone());
        tokio::spawn(async move {
            let names = load(&db).await;
            *latest.lock() = Arc::new(names);
        });
    }
}

async fn load(db: &Database) -> Names {
    let state = db.context().state();
    let options = state.config().options();
    let default_schema = options.catalog.default_schema.clone();
    let mut names = Names { default_schema, ..Names::default() };
    names.functions.extend(state.scalar_functions().keys().cloned());
    names.functions.extend(state.aggregate_functions().keys().cloned());
    names.functions.extend(state.window_functions().keys().cloned());
    names.table_functions.extend(state.table_functions().keys().cloned());
    names.settings.extend(options.entries().into_iter().map(|entry| entry.key));

    if let Some(catalog) = state.catalog_list().catalog(&options.catalog.default_catalog) {
        names.schemas = catalog.schema_names();
        for schema_name in &names.schemas {
            let Some(schema) = catalog.schema(schema_name) else { continue };
            for name in schema.table_names() {
                let mut columns = Vec::new();
                if names.tables.len() < TABLES_LOOKED_INTO
                    && let Ok(Some(table)) = schema.table(&name).await
                {
                    columns.extend(table.schema().fields().iter().map(|f| f.name().clone()));
                }
                names.tables.push(TableNames { schema: schema_name.clone(), name, columns });
            }
        }
    }
    for list in [&mut names.functions, &mut names.table_functions, &mut names.settings] {
        list.sort_unstable();
        list.dedup();
    }
    names
}
