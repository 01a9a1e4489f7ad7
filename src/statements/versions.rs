//! SHOW VERSIONS and RESTORE.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, TimestampMicrosecondArray, UInt64Array};
use datafusion::sql::sqlparser::ast::ObjectName;
use futures::FutureExt;
use lance::dataset::CommitBuilder;
use lance::dataset::transaction::{Operation, Transaction};

use crate::database::Database;
use crate::error::Result;
use crate::result::ResultSet;
use crate::statements::grammar::VersionSpec;
use crate::statements::names;
use crate::statements::show::{table, texts};
use crate::tables::{checkout, number_at, properties, retrying};

/// Every version with its time, what made it, and the statement; the newest first.
pub async fn show(db: &Database, object: &ObjectName) -> Result<ResultSet> {
    let name = names::table(db, object)?;
    let dataset = db.catalog().table(&name).await?.dataset().clone();
    let mut versions = dataset.versions().boxed().await?;
    versions.sort_by_key(|version| std::cmp::Reverse(version.version));
    let mut operations = Vec::with_capacity(versions.len());
    let mut statements = Vec::with_capacity(versions.len());
    for version in &versions {
        let transaction =
            dataset.read_transaction_by_version(version.version).boxed().await.ok().flatten();
        operations.push(transaction.as_ref().map(|t| t.operation.to_string().to_uppercase()));
        statements.push(transaction.and_then(|transaction| {
            transaction.transaction_properties.as_ref()?.get("portolan.sql").cloned()
        }));
    }
    let numbers: UInt64Array = versions.iter().map(|version| Some(version.version)).collect();
    let times: TimestampMicrosecondArray =
        versions.iter().map(|version| Some(version.timestamp.timestamp_micros())).collect();
    table(vec![
        ("version", Arc::new(numbers) as ArrayRef),
        ("timestamp", Arc::new(times.with_timezone("UTC"))),
        ("operation", texts(operations)),
        ("statement", texts(statements)),
    ])
}

/// Makes an older version the newest.
pub async fn restore(
    db: &Database,
    object: &ObjectName,
    version: &VersionSpec,
    text: &str,
) -> Result<ResultSet> {
    let name = names::table(db, object)?;
    retrying(&name, || async {
        let dataset = db.catalog().table(&name).await?.dataset().clone();
        let number = match version {
            VersionSpec::Number(number) => *number,
            VersionSpec::Timestamp(time) => number_at(&name, &dataset, time).await?,
        };
        checkout(&name, &dataset, number).await?;
        let operation = Operation::Restore { version: number };
        let mut transaction = Transaction::new(dataset.version_id(), operation, None);
        transaction.transaction_properties = properties(text);
        let restored = CommitBuilder::new(dataset).execute(transaction).boxed().await?;
        db.catalog().storage().remember(&name, restored);
        Ok(())
    })
    .await?;
    Ok(ResultSet::done("RESTORE"))
}
