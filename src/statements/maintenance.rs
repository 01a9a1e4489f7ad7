//! OPTIMIZE and VACUUM.

use std::sync::Arc;

use chrono::{Duration, Utc};
use datafusion::arrow::array::{ArrayRef, UInt64Array};
use datafusion::sql::sqlparser::ast::ObjectName;
use futures::FutureExt;
use lance::Dataset;
use lance::dataset::cleanup::CleanupPolicyBuilder;
use lance::dataset::optimize::{CompactionOptions, compact_files};
use lance::index::DatasetIndexExt;
use lance_index::optimize::OptimizeOptions;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::search::{Tuning, Workshop};
use crate::statements::grammar::Retain;
use crate::statements::show::{table, texts};
use crate::statements::{backfill, names};
use crate::tables::{Storage, TableName, retrying};

/// Joins small files, takes deleted rows out, and brings indexes up to date.
pub async fn optimize(db: &Database, object: &ObjectName) -> Result<ResultSet> {
    let name = names::table(db, object)?;
    db.progress().begin(format!("optimizing {name}"), "files", None);
    let counts = retrying(&name, || optimize_once(db, &name)).await;
    db.progress().finish();
    let (removed, added) = counts?;
    table(vec![
        ("table", texts([Some(name.to_string())])),
        ("files_removed", Arc::new(UInt64Array::from(vec![removed])) as ArrayRef),
        ("files_added", Arc::new(UInt64Array::from(vec![added]))),
    ])
}

async fn optimize_once(db: &Database, name: &TableName) -> Result<(u64, u64)> {
    let mut dataset = db.catalog().table(name).await?.dataset().as_ref().clone();
    if let Some(column) = backfill::pending(&dataset).into_iter().next() {
        return Err(Error::Unsupported(format!(
            "column '{column}' of table '{name}' is not filled yet; run its ALTER TABLE … ADD COLUMN again to finish, then OPTIMIZE"
        )));
    }
    let options = CompactionOptions { materialize_deletions_threshold: 0.0, ..Default::default() };
    let metrics = compact_files(&mut dataset, options, None).boxed().await?;
    optimize_indexes(db, &mut dataset).boxed().await?;
    db.catalog().storage().remember(name, dataset);
    Ok((metrics.files_removed as u64, metrics.files_added as u64))
}

/// Brings indexes up to date with the rows.
async fn optimize_indexes(db: &Database, dataset: &mut Dataset) -> Result<()> {
    let indices = dataset.load_indices().await?;
    let mut names: Vec<String> = indices.iter().map(|index| index.name.clone()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let parts: Vec<_> = indices.iter().filter(|index| index.name == name).collect();
        let tuning = parts.iter().find_map(|part| Tuning::of(dataset, &part.uuid));
        let mut options = match tuning {
            // One index again, with the cells that it had: its tuning is about those.
            Some(_) => OptimizeOptions::merge(parts.len()),
            None => OptimizeOptions::default(),
        };
        options.index_names = Some(vec![name.clone()]);
        dataset.optimize_indices(&options).boxed().await?;
        let Some(tuning) = tuning else { continue };
        let now = dataset.load_indices_by_name(&name).await?;
        let known = now.iter().all(|part| Tuning::of(dataset, &part.uuid).is_some());
        let field = now.first().and_then(|part| part.fields.first()).copied();
        let field = field.and_then(|id| dataset.schema().field_by_id(id));
        if let (false, Some(column)) = (known, field.map(|field| field.name.clone())) {
            let pool = &db.context().runtime_env().memory_pool;
            let workshop = Workshop { columns: db.columns(), pool, progress: db.progress() };
            workshop.tune(dataset, &column, &name, tuning.kind, tuning.metric).await?;
        }
    }
    Ok(())
}

/// Removes versions that are no longer wanted, and the files that only they need.
pub async fn vacuum(
    db: &Database,
    object: Option<&ObjectName>,
    retain: Retain,
) -> Result<ResultSet> {
    let tables = match object {
        Some(object) => {
            let name = names::table(db, object)?;
            let dataset = db.catalog().table(&name).await?.dataset().clone();
            vec![(name, dataset)]
        }
        None => all_tables(db).await?,
    };
    let mut removed = (Vec::new(), Vec::new(), Vec::new());
    for (_, dataset) in &tables {
        let builder = CleanupPolicyBuilder::default().error_if_tagged_old_versions(false);
        let builder = match retain {
            Retain::Default => builder.before_timestamp(Utc::now() - Duration::days(7)),
            Retain::Days(days) => {
                let days =
                    i64::try_from(days).ok().and_then(Duration::try_days).ok_or_else(|| {
                        Error::Invalid(format!(
                            "VACUUM cannot keep {days} days; give a smaller number"
                        ))
                    })?;
                builder.before_timestamp(Utc::now() - days)
            }
            Retain::Versions(0) => {
                return Err(Error::Invalid(
                    "VACUUM keeps at least the newest version; RETAIN 1 VERSIONS".to_string(),
                ));
            }
            Retain::Versions(count) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                builder.retain_n_versions(dataset, count).boxed().await?
            }
        };
        let stats = dataset.cleanup_with_policy(builder.build()).boxed().await?;
        removed.0.push(stats.old_versions);
        removed.1.push(
            stats.data_files_removed + stats.index_files_removed + stats.deletion_files_removed,
        );
        removed.2.push(stats.bytes_removed);
    }
    table(vec![
        ("table", texts(tables.iter().map(|(name, _)| Some(name.to_string())))),
        ("versions_removed", Arc::new(UInt64Array::from(removed.0)) as ArrayRef),
        ("files_removed", Arc::new(UInt64Array::from(removed.1))),
        ("bytes_removed", Arc::new(UInt64Array::from(removed.2))),
    ])
}

/// All tables, those of maps too.
async fn all_tables(db: &Database) -> Result<Vec<(TableName, Arc<Dataset>)>> {
    let storage = db.catalog().storage();
    let mut tables = Vec::new();
    for schema in storage.schemas().await? {
        for table in storage.list(&schema).await?.tables {
            let name = TableName { schema: schema.clone(), table };
            let dataset = db.catalog().table(&name).await?.dataset().clone();
            tables.push((name, dataset));
        }
    }
    for (map, bundle) in db.catalog().all_bundles() {
        for (table, version) in bundle.tables {
            let found = storage.table(&Storage::bundled(&map, &table)).await?;
            // Behind a refresh that was cut off, the version that counts is not the newest.
            if let Some(dataset) = found.filter(|dataset| dataset.version_id() == version) {
                tables.push((TableName { schema: map.clone(), table }, dataset));
            }
        }
    }
    Ok(tables)
}
