//! CREATE INDEX, SHOW INDEXES, DROP INDEX: scalar indexes that filters use by themselves.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float32Array, UInt64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{CreateIndex, Expr, IndexType as SqlIndexType, ObjectName};
use futures::FutureExt;
use lance::Dataset;
use lance::index::DatasetIndexExt;
use lance_index::IndexType;
use lance_index::scalar::{BuiltinIndexType, ScalarIndexParams};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::search::Tuning;
use crate::statements::show::{table, texts};
use crate::statements::{columns, names};
use crate::tables::{Definition, Table, TableName, retrying};

/// CREATE INDEX [IF NOT EXISTS] [name] ON t [USING kind] (column)
pub async fn create(db: &Database, statement: &CreateIndex, _text: &str) -> Result<ResultSet> {
    let name = names::table(db, &statement.table_name)?;
    if statement.unique {
        return Err(Error::Unsupported(
            "UNIQUE indexes are not supported; declare a PRIMARY KEY on the table".to_string(),
        ));
    }
    let [column] = statement.columns.as_slice() else {
        return Err(Error::Unsupported(
            "an index is on one column; create one for each".to_string(),
        ));
    };
    let Expr::Identifier(ident) = &column.column.expr else {
        return Err(Error::Unsupported(format!(
            "an index is on a column, not on '{}'; add a generated column for the expression",
            column.column.expr
        )));
    };
    let column = names::identifier(db, ident);
    let index = match &statement.name {
        Some(object) => names::parts(db, object)?.pop().unwrap_or_default(),
        None => format!("{column}_idx"),
    };
    db.progress().begin(format!("indexing {name}.{column}"), "rows", None);
    let made = retrying(&name, || create_once(db, statement, &name, &column, &index)).await;
    db.progress().finish();
    made?;
    Ok(ResultSet::done("CREATE INDEX"))
}

async fn create_once(
    db: &Database,
    statement: &CreateIndex,
    name: &TableName,
    column: &str,
    index: &str,
) -> Result<()> {
    let stored = db.catalog().table(name).await?;
    let definition = stored.definition();
    let Some(field) = definition.column(column) else {
        return Err(columns::unknown(&definition, &name.to_string(), column));
    };
    let mut dataset = stored.dataset().as_ref().clone();
    if dataset.load_indices().await?.iter().any(|known| known.name == index) {
        if statement.if_not_exists {
            db.notice(format!("index '{index}' already exists, skipping"));
            return Ok(());
        }
        return Err(Error::AlreadyExists {
            kind: "index",
            name: index.to_string(),
            remedy: "DROP INDEX first, or give another name",
        });
    }
    let (kind, builtin) = kind(statement.using.as_ref(), column, field.data_type())?;
    let params = ScalarIndexParams::for_builtin(builtin);
    dataset.create_index(&[column], kind, Some(index.to_string()), &params, false).boxed().await?;
    db.catalog().storage().remember(name, dataset);
    Ok(())
}

fn kind(
    using: Option<&SqlIndexType>,
    column: &str,
    data_type: &DataType,
) -> Result<(IndexType, BuiltinIndexType)> {
    if data_type.is_nested() || matches!(data_type, DataType::Binary | DataType::LargeBinary) {
        let remedy = match data_type {
            DataType::FixedSizeList(..) => "CREATE VECTOR INDEX is for vectors",
            _ => "index a column of numbers, texts, dates or booleans",
        };
        return Err(Error::Unsupported(format!(
            "column '{column}' has type {}, which a scalar index cannot hold; {remedy}",
            Definition::sql_type(data_type)
        )));
    }
    let chosen = using.map(|using| using.to_string().to_lowercase());
    match chosen.as_deref() {
        None | Some("btree") => Ok((IndexType::BTree, BuiltinIndexType::BTree)),
        Some("bitmap") => Ok((IndexType::Bitmap, BuiltinIndexType::Bitmap)),
        Some(other) => Err(Error::Unsupported(format!(
            "index kind '{other}' is not known; USING btree or USING bitmap"
        ))),
    }
}

/// SHOW INDEXES [ON t]
pub async fn show(db: &Database, object: Option<&ObjectName>) -> Result<ResultSet> {
    let tables: Vec<Table> = match object {
        Some(object) => vec![db.catalog().table(&names::table(db, object)?).await?],
        None => {
            let mut tables = Vec::new();
            let storage = db.catalog().storage();
            for schema in storage.schemas().await? {
                for table in storage.list(&schema).await?.tables {
                    tables.push(
                        db.catalog().table(&TableName { schema: schema.clone(), table }).await?,
                    );
                }
            }
            tables
        }
    };
    let mut names = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut rows = (Vec::new(), Vec::new());
    let (mut recalls, mut sizes) = (Vec::new(), Vec::new());
    for table in &tables {
        let dataset = table.dataset();
        let total = dataset.count_rows(None).boxed().await? as u64;
        let mut seen = Vec::new();
        for index in dataset.load_indices().await?.iter() {
            // An index may lie in several parts under one name.
            if seen.contains(&index.name) || index.name.starts_with("__") {
                continue;
            }
            seen.push(index.name.clone());
            let statistics = dataset.index_statistics(&index.name).boxed().await?;
            let statistics: serde_json::Value =
                serde_json::from_str(&statistics).unwrap_or_default();
            let columns: Vec<String> = index
                .fields
                .iter()
                .filter_map(|id| dataset.schema().field_by_id(*id).map(|field| field.name.clone()))
                .collect();
            let kind = statistics["index_type"].as_str().unwrap_or_default().to_lowercase();
            let kind = if kind == "inverted" { "text".to_string() } else { kind };
            let tuning = Tuning::of(dataset, &index.uuid);
            names.0.push(table.name().map(ToString::to_string));
            names.1.push(Some(index.name.clone()));
            names.2.push(Some(columns.join(", ")));
            names.3.push(Some(kind));
            rows.0.push(statistics["num_indexed_rows"].as_u64());
            rows.1.push(total);
            names.4.push(tuning.as_ref().map(|tuning| tuning.metric.to_string()));
            recalls.push(tuning.map(|tuning| tuning.recall));
            sizes.push(size(dataset, &index.name).await?);
        }
    }
    table(vec![
        ("table", texts(names.0)),
        ("index", texts(names.1)),
        ("column", texts(names.2)),
        ("kind", texts(names.3)),
        ("rows_indexed", Arc::new(UInt64Array::from(rows.0)) as ArrayRef),
        ("rows", Arc::new(UInt64Array::from(rows.1))),
        ("metric", texts(names.4)),
        ("recall", Arc::new(Float32Array::from(recalls))),
        ("bytes", Arc::new(UInt64Array::from(sizes))),
    ])
}

/// What the files of an index take.
async fn size(dataset: &Dataset, index: &str) -> Result<Option<u64>> {
    let parts = dataset.load_indices_by_name(index).await?;
    let files = parts.iter().map(|part| part.files.as_ref());
    Ok(files.map(|files| Some(files?.iter().map(|file| file.size_bytes).sum::<u64>())).sum())
}

/// DROP INDEX [IF EXISTS] name [ON t]; `t.name` works too.
pub async fn drop(
    db: &Database,
    objects: &[ObjectName],
    on: Option<&ObjectName>,
    if_exists: bool,
) -> Result<ResultSet> {
    for object in objects {
        let mut parts = names::parts(db, object)?;
        let index = parts.pop().unwrap_or_default();
        let owner = match (on, parts.as_slice()) {
            (Some(on), _) => Some(names::table(db, on)?),
            (None, []) => None,
            (None, [.., table]) => {
                let schema =
                    parts.iter().rev().nth(1).cloned().unwrap_or_else(|| "public".to_string());
                Some(TableName { schema, table: table.clone() })
            }
        };
        let owners = holders(db, &index, owner).await?;
        match owners.as_slice() {
            [owner] => {
                retrying(owner, || async {
                    let mut dataset = db.catalog().table(owner).await?.dataset().as_ref().clone();
                    let parts = dataset.load_indices_by_name(&index).await?;
                    dataset.drop_index(&index).boxed().await?;
                    let known: Vec<(String, Option<String>)> = parts
                        .iter()
                        .filter(|part| Tuning::of(&dataset, &part.uuid).is_some())
                        .map(|part| (Tuning::key(&part.uuid), None))
                        .collect();
                    if !known.is_empty() {
                        dataset.update_config(known).await?;
                    }
                    db.catalog().storage().remember(owner, dataset);
                    Ok(())
                })
                .await?;
            }
            [] if if_exists => db.notice(format!("index '{index}' does not exist, skipping")),
            [] => return Err(Error::not_found("index", index, "; SHOW INDEXES lists them")),
            several => {
                let tables: Vec<String> = several.iter().map(ToString::to_string).collect();
                return Err(Error::sql(format!(
                    "several tables have an index '{index}' ({}); say which with DROP INDEX {index} ON table",
                    tables.join(", ")
                )));
            }
        }
    }
    Ok(ResultSet::done("DROP INDEX"))
}

/// The tables that have an index of that name.
async fn holders(db: &Database, index: &str, owner: Option<TableName>) -> Result<Vec<TableName>> {
    let storage = db.catalog().storage();
    let candidates = match owner {
        Some(owner) => vec![owner],
        None => {
            let mut all = Vec::new();
            for schema in storage.schemas().await? {
                for table in storage.list(&schema).await?.tables {
                    all.push(TableName { schema: schema.clone(), table });
                }
            }
            all
        }
    };
    let mut found = Vec::new();
    for name in candidates {
        let table = db.catalog().table(&name).await?;
        if table.dataset().load_indices().await?.iter().any(|known| known.name == index) {
            found.push(name);
        }
    }
    Ok(found)
}
