//! Portolan as a library: `cargo run --example library`.

use futures::TryStreamExt;
use portolan::{Database, Tag, register_functions};

use datafusion::arrow::util::pretty::print_batches;
use datafusion::prelude::SessionContext;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A database is a folder. It is made when its first table is.
    let folder = tempfile::tempdir()?;
    let db = Database::open(&folder.path().join("ports.db").to_string_lossy()).await?;

    // One call runs one or several statements and gives the last one's result.
    db.sql(
        "CREATE TABLE ports (id BIGINT PRIMARY KEY, name TEXT NOT NULL, place VECTOR(2));
         INSERT INTO ports VALUES (1, 'Genoa', [44.4, 8.9]), (2, 'Lisbon', [38.7, -9.1]);",
    )
    .await?
    .collect()
    .await?;

    // A statement that changes rows says how many.
    let updated = db.sql("UPDATE ports SET name = upper(name) WHERE id = 1").await?;
    assert!(matches!(updated.tag(), Tag::Count(_)));
    print_batches(&updated.collect().await?)?;

    // A result is a stream of Arrow batches: nothing is computed before it is asked for, and
    // dropping it stops the statement.
    let mut rows = db.sql("SELECT name, place FROM ports ORDER BY id").await?;
    while let Some(batch) = rows.try_next().await? {
        println!("{} rows", batch.num_rows());
        print_batches(&[batch])?;
    }

    // An error is one sentence.
    if let Err(error) = db.sql("SELECT nmae FROM ports").await {
        println!("{error}");
    }

    // The DataFusion session underneath takes DataFusion's whole interface.
    let count = db.context().table("ports").await?.count().await?;
    println!("{count} ports");

    // A program with a session of its own adds Portolan's functions to it.
    let session = SessionContext::new();
    register_functions(&session);
    session.sql("SELECT 1 AS one").await?.show().await?;
    Ok(())
}
