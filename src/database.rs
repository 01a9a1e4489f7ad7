//! The public face of a database: open it, run SQL, read what it says.

use std::sync::Arc;

use datafusion::catalog::CatalogProvider;
use datafusion::common::TableReference;
use datafusion::dataframe::DataFrame;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use portolan_models::{Models, Preferences};
use portolan_udfs::{Statement as Within, Work};

use crate::catalog::{Catalog, Pin};
use crate::classifiers::Shelf;
use crate::error::{Error, Result};
use crate::functions;
use crate::map_view::Places;
use crate::maps::Grounds;
use crate::memory::Pool;
use crate::progress::Progress;
use crate::result::ResultSet;
use crate::search::{self, Columns};
use crate::session::{self, Secrets, Stores};
use crate::statements::{self, Statement};
use crate::system::{SYSTEM_SCHEMA, SystemSchema};
use crate::tables::{MAIN_SCHEMA, TableName};
use crate::watched::{Failures, StopsWork, Watched};

/// How to open a database.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Refuse every statement that would change the database.
    pub read_only: bool,
    /// Refuse statements that read or write files by their names: for those whose statements come from
    /// elsewhere than the files' owner.
    pub tables_only: bool,
    /// Most bytes that queries may hold in memory; they spill to disk or fail beyond.
    pub memory_limit: Option<usize>,
    /// The catalog's name in `catalog.schema.table`.
    pub catalog: String,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            tables_only: false,
            memory_limit: None,
            catalog: "portolan".to_string(),
        }
    }
}

/// An open database. Clones share it.
#[derive(Clone)]
pub struct Database {
    context: SessionContext,
    catalog: Arc<Catalog>,
    options: Arc<OpenOptions>,
    stores: Stores,
    models: Arc<Models>,
    columns: Arc<Columns>,
    shelf: Shelf,
    /// The maps that functions place vectors on.
    grounds: Grounds,
    places: Places,
    progress: Progress,
    notices: Arc<Mutex<Vec<String>>>,
    failures: Failures,
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
    pub async fn open_with(location: &str, options: OpenOptions) -> Result<Self> {
        let stores = Stores::new(Secrets::default());
        let session::Opened { context, catalog, models, columns, shelf, grounds } =
            session::open(location, &options, &stores).await?;
        let db = Self {
            context,
            catalog,
            stores,
            places: Places::new(options.memory_limit),
            options: Arc::new(options),
            models,
            columns,
            shelf,
            grounds,
            progress: Progress::default(),
            notices: Arc::default(),
            failures: Failures::default(),
        };
        let system = Arc::new(SystemSchema::new(db.failures.clone(), db.shelf.clone()));
        db.catalog.register_schema(SYSTEM_SCHEMA, system)?;
        db.catalog.set_view_planner(Arc::new(statements::Views::new(&db)));
        db.catalog.refresh().await?;
        Ok(db)
    }

    /// [`Database::in_memory`] with options.
    pub async fn in_memory_with(options: OpenOptions) -> Result<Self> {
        Self::open_with(session::IN_MEMORY, options).await
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

    /// Runs a query that was put together with DataFusion's DataFrames on this database's session.
    pub async fn run_frame(&self, frame: DataFrame) -> Result<ResultSet> {
        Ok(ResultSet::rows(self.stream_frame(frame).await?))
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

    /// The models that functions run.
    pub(crate) fn models(&self) -> &Arc<Models> {
        &self.models
    }

    /// The columns of vectors that searches keep decoded.
    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The maps that functions place vectors on.
    pub(crate) fn grounds(&self) -> &Grounds {
        &self.grounds
    }

    /// Where the rows of maps' points lie.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// The classifiers that functions ask.
    pub(crate) fn classifiers(&self) -> &Shelf {
        &self.shelf
    }

    /// What the session wants of models.
    pub(crate) fn preferences(&self) -> Preferences {
        let state = self.context.state();
        let settings = state.config().options().extensions.get::<session::Settings>();
        settings.map(session::Settings::preferences).unwrap_or_default()
    }

    /// Rows that became NULL because they could not be embedded.
    pub(crate) fn failures(&self) -> &Failures {
        &self.failures
    }

    /// The tables.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The catalog's name in `catalog.schema.table`.
    pub(crate) fn catalog_name(&self) -> &str {
        &self.options.catalog
    }

    /// A pinned table as SQL text.
    pub(crate) fn pinned(&self, pin: &Pin) -> String {
        format!("\"{}\".\"{MAIN_SCHEMA}\".\"{}\"", self.options.catalog, pin.name())
    }

    /// Refuses what would change a database that was opened read-only.
    pub(crate) fn check_writable(&self, statement: &str) -> Result<()> {
        if self.options.read_only {
            return Err(Error::ReadOnly(statement.to_string()));
        }
        Ok(())
    }

    /// The value of `portolan.name`.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        let state = self.context.state();
        let settings = state.config().options().extensions.get::<session::Settings>()?;
        settings.get(name).map(str::to_string)
    }

    /// Gives queries from now on a pool of that many bytes.
    pub(crate) fn set_memory_limit(&self, size: &str) -> Result<()> {
        let bytes = session::parse_bytes(size).ok_or_else(|| {
            Error::Invalid(format!(
                "portolan.memory_limit is a size like '512MB' or '8GB', not '{size}'"
            ))
        })?;
        self.replace_runtime(|runtime| runtime.with_memory_limit(bytes, 1.0))
    }

    /// Gives queries from now on as much memory as they were given at the start.
    pub(crate) fn reset_memory_limit(&self) -> Result<()> {
        let limit = self.options.memory_limit;
        self.replace_runtime(|mut runtime| {
            runtime.memory_pool = None;
            match limit {
                Some(limit) => runtime.with_memory_limit(limit, 1.0),
                None => runtime,
            }
        })
    }

    fn replace_runtime(
        &self,
        change: impl FnOnce(RuntimeEnvBuilder) -> RuntimeEnvBuilder,
    ) -> Result<()> {
        let state = self.context.state_ref();
        let mut state = state.write();
        let builder = change(RuntimeEnvBuilder::from_runtime_env(state.runtime_env()));
        let runtime = Arc::new(builder.build()?);
        *state = SessionStateBuilder::from(state.clone()).with_runtime_env(runtime).build();
        Ok(())
    }

    /// Runs a statement that is part of another one.
    pub(crate) fn follow_up(&self, text: String) -> BoxFuture<'_, Result<()>> {
        async move {
            self.sql(&text).await?.collect().await?;
            Ok(())
        }
        .boxed()
    }

    /// The rows of a plan.
    pub(crate) async fn stream(&self, plan: LogicalPlan) -> Result<SendableRecordBatchStream> {
        self.stream_frame(DataFrame::new(self.context.state(), plan)).await
    }

    /// The rows of a plan, to be given to someone else, and what stops them when it is dropped.
    pub(crate) async fn stream_away(
        &self,
        plan: LogicalPlan,
    ) -> Result<(SendableRecordBatchStream, StopsWork)> {
        let work = Work::default();
        let frame = DataFrame::new(self.context.state(), plan);
        let rows = self.stream_watched(frame, &work).await?;
        Ok((rows, StopsWork(work)))
    }

    /// The rows of a frame, from a plan that lets go of its threads when it is stopped.
    pub(crate) async fn stream_frame(&self, frame: DataFrame) -> Result<SendableRecordBatchStream> {
        self.stream_watched(frame, &Work::default()).await
    }

    /// The rows of a frame, and what models do for it. Dropping the stream stops the models.
    pub(crate) async fn stream_watched(
        &self,
        frame: DataFrame,
        work: &Work,
    ) -> Result<SendableRecordBatchStream> {
        let (mut state, plan) = frame.into_parts();
        state.config_mut().options_mut().extensions.insert(work.clone());
        let plan = search::settled(&state, &plan).boxed().await?.unwrap_or(plan);
        if functions::asks_what_is_stored(&plan)? {
            state.config_mut().options_mut().optimizer.enable_leaf_expression_pushdown = false;
        }
        if session::two_are_enough(&plan)? {
            state.config_mut().options_mut().optimizer.max_passes = 2;
        }
        work.count_memory(Arc::new(Pool::of(&state)));
        let settings = state.config().options().extensions.get::<session::Settings>().cloned();
        let statement = Within::new(&settings.unwrap_or_default(), work);
        let within = functions::within(&plan, &statement)?;
        let is_long = within.is_some();
        let plan = within.unwrap_or(plan);
        // Functions get the options from here, which are those of when the state was made.
        let options = state.config().options().clone();
        state.execution_props_mut().config_options = Some(options);
        let task = Arc::new(TaskContext::from(&state));
        // From here on: constants are embedded while planning.
        let watched = Watched::new(self, work);
        let plan = match session::short(&state, &plan)? {
            Some(short) => state.query_planner().create_physical_plan(&short, &state).await?,
            None => state.create_physical_plan(&plan).await?,
        };
        let plan = session::yielding(plan)?;
        let rows = execute_stream(plan, task)?;
        Ok(if is_long { watched.aside(rows) } else { watched.over(rows) })
    }

    /// Takes a table of the session away, and what is remembered of its files.
    pub(crate) fn drop_session_table(&self, name: &TableName) -> Result<()> {
        self.catalog.drop_session_table(name);
        let caches = &self.context.runtime_env().cache_manager;
        let Some(statistics) = caches.get_file_statistic_cache() else { return Ok(()) };
        // Remembered under the name as it was written.
        for written in [
            TableReference::bare(name.table.as_str()),
            TableReference::partial(name.schema.as_str(), name.table.as_str()),
            TableReference::full(self.catalog_name(), name.schema.as_str(), name.table.as_str()),
        ] {
            statistics.drop_table_entries(&Some(written))?;
        }
        Ok(())
    }
}
