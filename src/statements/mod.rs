//! Our SQL statements: parse, plan, run; one statement family a file.

mod about_grammar;
mod aligned;
mod alter_table;
mod backfill;
mod change;
mod classifier_grammar;
mod classifiers;
mod columns;
mod create_table;
mod describe;
mod drop;
mod explain;
pub mod function_arguments;
mod grammar;
mod index_grammar;
mod indexes;
mod insert;
mod locate;
mod long_vectors;
mod maintenance;
mod map_grammar;
mod map_options;
mod map_stages;
mod map_tags;
mod mapped;
mod maps;
mod merge;
mod models;
pub mod named_arguments;
mod names;
mod nulls_last;
mod parse;
mod parts;
mod prepared;
mod reads;
mod row_keys;
mod schemas;
mod search_indexes;
mod secret;
mod settings;
mod show;
mod show_maps;
pub mod split;
pub mod table_calls;
mod text;
mod tokens;
mod update;
mod values;
mod versions;
mod views;

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{ResetStatement, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{ObjectType, Set, Statement as Sql};

use crate::database::Database;
use crate::error::{Error, Location, Result};
use crate::result::ResultSet;
pub(crate) use columns::unknown as unknown_column;
use futures::FutureExt;
use grammar::Own;
pub use grammar::Retain;
use parse::Kind;
pub(crate) use parts::query;
pub(crate) use views::Views;

/// One parsed statement.
#[derive(Debug, Clone)]
pub struct Statement {
    text: String,
    start: Location,
    kind: Kind,
    /// Whether rows of its VALUES may know different things of one column.
    rows_differ: bool,
}

impl Statement {
    /// The statement as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it reads tables and nothing else: it changes neither the database nor the session, which
    /// others may share, and writes no file.
    pub fn only_reads(&self) -> bool {
        reads::only_reads(&self.kind)
    }

    /// Whether it changes the database, and nothing else.
    pub fn changes_database(&self) -> bool {
        match &self.kind {
            Kind::Own(own) => own.changes_database(),
            Kind::Sql(parsed) => {
                matches!(parsed.as_ref(), Parsed::Statement(sql) if changes_database(sql))
            }
            Kind::Secret(_) => false,
        }
    }
}

/// The statements of a text.
pub(crate) fn parse(db: &Database, text: &str) -> Result<Vec<Statement>> {
    let state = db.context().state();
    let options = &state.config().options().sql_parser;
    split::split(text)
        .into_iter()
        .map(|piece| {
            let start = locate::start_of(text, piece.offset);
            if let Some(secret) = secret::parse(piece.text) {
                // The text is shown in histories and messages; the secret stays out of it.
                let text = secret::shown(piece.text);
                let kind = Kind::Secret(secret?);
                return Ok(Statement { text, start, kind, rows_differ: false });
            }
            let mut kind = parse::parse(&piece, options.dialect, options.recursion_limit)
                .map_err(|error| locate::in_text(error, piece.text, start))?;
            let rewritten = match &mut kind {
                Kind::Sql(parsed) => table_calls::rewrite(parsed)
                    .and_then(|()| function_arguments::rewrite(parsed))
                    .and_then(|()| nulls_last::rewrite(parsed))
                    .and_then(|()| long_vectors::rewrite(parsed)),
                Kind::Own(Own::AddGenerated { expression, .. }) => {
                    function_arguments::rewrite_expression(expression)
                }
                Kind::Own(_) | Kind::Secret(_) => Ok(()),
            };
            let differ = rewritten.and_then(|()| match &mut kind {
                Kind::Sql(parsed) => values::may_differ(parsed),
                Kind::Own(_) | Kind::Secret(_) => Ok(false),
            });
            let rows_differ = differ.map_err(|error| locate::in_text(error, piece.text, start))?;
            Ok(Statement { text: piece.text.to_string(), start, kind, rows_differ })
        })
        .collect()
}

/// Runs a statement.
pub(crate) async fn run(db: &Database, statement: &Statement) -> Result<ResultSet> {
    // On the heap: together the futures of all statements would be a large piece of stack.
    let result = Box::pin(dispatch(db, statement)).await;
    result.map_err(|error| {
        let error = locate::missing_table(db, error);
        let error = locate::without_over(db, error, &statement.text);
        locate::in_text(error, &statement.text, statement.start)
    })
}

async fn dispatch(db: &Database, statement: &Statement) -> Result<ResultSet> {
    let text = statement.text.as_str();
    db.classifiers().look_again();
    db.grounds().look_again();
    if about_names(text) {
        db.catalog().refresh().await?;
    } else {
        db.catalog().refresh_if_old().await?;
    }
    let alike;
    let kind = match &statement.kind {
        Kind::Sql(parsed) if statement.rows_differ => {
            alike = Kind::Sql(Box::new(values::alike(db, parsed).boxed().await?));
            &alike
        }
        kind => kind,
    };
    let sql = match kind {
        Kind::Own(own) => {
            if own.changes_database() {
                db.check_writable(verb(text))?;
            }
            return run_own(db, own, text).await;
        }
        Kind::Secret(secret) => return secret::run(db, secret).boxed().await,
        Kind::Sql(parsed) => match parsed.as_ref() {
            Parsed::Statement(sql) => sql.as_ref(),
            Parsed::Explain(inner) => return explain::run(db, inner).boxed().await,
            Parsed::Reset(ResetStatement::Variable(name)) => {
                if let Some(done) = settings::reset(db, name)? {
                    return Ok(done);
                }
                return engine(db, parsed).await;
            }
            other => return engine(db, other).await,
        },
    };
    if changes_database(sql) {
        db.check_writable(verb(text))?;
    }
    let handled = match sql {
        // Another catalog than the database is not ours to change.
        _ if names::of_another_catalog(db, sql) => None,
        Sql::CreateTable(create) => create_table::run(db, create, text).boxed().await?,
        Sql::CreateView(create) => views::create(db, create).boxed().await?,
        Sql::CreateSchema { schema_name, if_not_exists, .. } => {
            Some(schemas::create(db, schema_name, *if_not_exists).boxed().await?)
        }
        Sql::CreateIndex(create) => Some(indexes::create(db, create, text).boxed().await?),
        Sql::Insert(insert) => insert::run(db, insert, text).boxed().await?,
        Sql::Update(update) => update::update(db, update, text).boxed().await?,
        Sql::Delete(delete) => update::delete(db, delete, text).boxed().await?,
        Sql::Merge(merge) => Some(merge::run(db, merge, text).boxed().await?),
        Sql::Truncate(truncate) => update::truncate(db, truncate, text).boxed().await?,
        Sql::AlterTable(alter) => Some(alter_table::run(db, alter, text).boxed().await?),
        Sql::Drop { object_type, if_exists, names, cascade, table, .. } => match object_type {
            ObjectType::Table => Some(drop::tables(db, names, *if_exists, *cascade).boxed().await?),
            ObjectType::View => Some(drop::views(db, names, *if_exists).boxed().await?),
            ObjectType::Schema => {
                Some(drop::schemas(db, names, *if_exists, *cascade).boxed().await?)
            }
            ObjectType::Index => {
                Some(indexes::drop(db, names, table.as_ref(), *if_exists).boxed().await?)
            }
            _ => None,
        },
        Sql::ShowTables { extended: false, full: false, show_options, .. } => {
            describe::tables(db, show_options).boxed().await?
        }
        Sql::ExplainTable { table_name, .. } => describe::run(db, table_name).boxed().await?,
        Sql::Set(Set::SingleAssignment { variable, values, .. }) => {
            settings::set(db, variable, values).boxed().await?
        }
        _ => None,
    };
    match (handled, kind) {
        (Some(result), _) => Ok(result),
        (None, Kind::Sql(parsed)) => engine(db, parsed).await,
        (None, _) => Err(Error::Unsupported(format!("'{text}' is not supported"))),
    }
}

async fn run_own(db: &Database, own: &Own, text: &str) -> Result<ResultSet> {
    match own {
        Own::Optimize(table) => maintenance::optimize(db, table).boxed().await,
        Own::Vacuum { table, retain } => {
            maintenance::vacuum(db, table.as_ref(), *retain).boxed().await
        }
        Own::ShowVersions(table) => versions::show(db, table).boxed().await,
        Own::ShowIndexes(table) => indexes::show(db, table.as_ref()).boxed().await,
        Own::Restore(table, version) => versions::restore(db, table, version, text).boxed().await,
        Own::CreateIndex(index) => search_indexes::create(db, index).boxed().await,
        Own::Classifier(statement) => classifiers::run(db, statement).boxed().await,
        Own::Map(statement) => maps::run(db, statement, text).boxed().await,
        Own::Model(statement) => models::run(db, statement).boxed().await,
        Own::AddGenerated { table, column, if_not_exists, expression } => {
            backfill::add_column(db, table, column, *if_not_exists, expression, text).boxed().await
        }
    }
}

/// Plans and runs a statement that DataFusion understands as we do.
async fn engine(db: &Database, parsed: &Parsed) -> Result<ResultSet> {
    let plan = db.context().state().statement_to_plan(parsed.clone()).await?;
    let plan = prepared::with_values(db, plan).boxed().await?;
    if let LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) = &plan {
        db.check_writable("this statement")?;
    }
    let tag = show::tag(&plan);
    let frame = db.context().execute_logical_plan(plan).await?;
    Ok(ResultSet::new(tag, db.stream_frame(frame).boxed().await?))
}

fn changes_database(sql: &Sql) -> bool {
    matches!(
        sql,
        Sql::CreateTable(_)
            | Sql::CreateView(_)
            | Sql::CreateSchema { .. }
            | Sql::CreateIndex(_)
            | Sql::Insert(_)
            | Sql::Update(_)
            | Sql::Delete(_)
            | Sql::Merge(_)
            | Sql::Truncate(_)
            | Sql::AlterTable(_)
            | Sql::Drop { .. }
    )
}

/// Whether a statement reads or changes the lists of names.
fn about_names(text: &str) -> bool {
    let asks = ["show", "describe", "desc", "create", "drop", "alter", "vacuum", "refresh"];
    asks.iter().any(|word| verb(text).eq_ignore_ascii_case(word))
        || text.to_ascii_lowercase().contains("information_schema")
}

/// The statement's first word, for messages.
fn verb(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or(text)
}
