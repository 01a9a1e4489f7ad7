//! What goes wrong around the database: a folder of a newer release, damaged files, a full disk.

use std::path::Path;
use std::process::Command;

use portolan::{Database, Error, OpenOptions};

use crate::skipped::skip;

async fn run(database: &Database, sql: &str) -> Result<usize, Error> {
    let batches = database.sql(sql).await?.collect().await?;
    Ok(batches.iter().map(|batch| batch.num_rows()).sum())
}

async fn filled(folder: &Path) -> Database {
    let database = Database::open(&folder.to_string_lossy()).await.unwrap();
    run(&database, "CREATE TABLE t (id BIGINT)").await.unwrap();
    run(&database, "INSERT INTO t VALUES (1), (2)").await.unwrap();
    database
}

async fn opening_fails(folder: &Path) -> String {
    match Database::open(&folder.to_string_lossy()).await {
        Ok(_) => panic!("it opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_folder_of_a_newer_release_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    std::fs::write(folder.path().join("_portolan.json"), r#"{"format": 99}"#).unwrap();
    let message = opening_fails(folder.path()).await;
    assert!(message.contains("format 99") && message.contains("upgrade"), "{message}");
}

#[tokio::test]
async fn a_damaged_folder_says_which_file() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    std::fs::write(folder.path().join("_portolan.json"), "{").unwrap();
    let message = opening_fails(folder.path()).await;
    assert!(message.contains("_portolan.json' is damaged"), "{message}");
}

#[tokio::test]
async fn a_damaged_view_says_which_file() {
    let folder = tempfile::tempdir().unwrap();
    let database = filled(folder.path()).await;
    run(&database, "CREATE VIEW v AS SELECT id FROM t").await.unwrap();
    std::fs::write(folder.path().join("_views/v.json"), "nonsense").unwrap();
    let message = run(&database, "SELECT * FROM v").await.unwrap_err().to_string();
    assert!(message.contains("v.json' is damaged"), "{message}");
}

#[tokio::test]
async fn a_read_only_database_refuses_every_change_and_answers_questions() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let database = Database::open_with(&folder.path().to_string_lossy(), options).await.unwrap();
    for sql in [
        "INSERT INTO t VALUES (3)",
        "UPDATE t SET id = 0",
        "DELETE FROM t",
        "MERGE INTO t USING t AS s ON t.id = s.id WHEN MATCHED THEN DELETE",
        "TRUNCATE TABLE t",
        "CREATE TABLE u (id BIGINT)",
        "CREATE TABLE u AS SELECT 1 AS one",
        "CREATE VIEW v AS SELECT 1 AS one",
        "CREATE SCHEMA s",
        "CREATE INDEX ON t (id)",
        "ALTER TABLE t ADD COLUMN a INT",
        "ALTER TABLE t ADD COLUMN a AS (id + 1)",
        "DROP TABLE t",
        "OPTIMIZE t",
        "VACUUM t",
        "RESTORE TABLE t TO VERSION 1",
    ] {
        let message = run(&database, sql).await.unwrap_err().to_string();
        assert!(message.contains("read-only"), "{sql}: {message}");
    }
    assert_eq!(run(&database, "SELECT * FROM t").await.unwrap(), 2);
    assert_eq!(run(&database, "SHOW VERSIONS OF t").await.unwrap(), 2);
}

/// A small file system of its own, unmounted when it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(folder.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_what_was_there_stays() {
    let Some(disk) = SmallDisk::mount() else {
        return skip("no right to mount a small file system for the full-disk test");
    };
    let database = filled(&disk.0.path().join("database")).await;
    let large = "INSERT INTO t SELECT value FROM generate_series(1, 3000000)";
    let message = run(&database, large).await.unwrap_err().to_string();
    assert!(message.to_lowercase().contains("no space left"), "{message}");
    let made = run(&database, "CREATE TABLE u AS SELECT * FROM generate_series(1, 3000000)").await;
    assert!(made.is_err());
    assert_eq!(run(&database, "SELECT * FROM t").await.unwrap(), 2);
    assert!(run(&database, "SELECT * FROM u").await.is_err());
    run(&database, "INSERT INTO t VALUES (3)").await.unwrap();
    assert_eq!(run(&database, "SELECT * FROM t").await.unwrap(), 3);
}

/// What a kill leaves between the note that a column is to be filled and the column itself.
#[tokio::test]
async fn a_note_without_its_column_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = filled(folder.path()).await;
    let uri = format!("{}/t.lance", folder.path().to_string_lossy());
    let note = async || {
        let mut dataset = lance::Dataset::open(&uri).await.unwrap();
        dataset.update_config([("portolan.backfill.twice", Some("id * 2"))]).await.unwrap();
    };
    note().await;
    run(&database, "OPTIMIZE t").await.unwrap();
    run(&database, "ALTER TABLE t ADD COLUMN twice AS (id * 3)").await.unwrap();
    assert_eq!(run(&database, "SELECT * FROM t WHERE twice = id * 3").await.unwrap(), 2);
    run(&database, "ALTER TABLE t DROP COLUMN twice").await.unwrap();
    note().await;
    run(&database, "ALTER TABLE t ADD COLUMN twice BIGINT DEFAULT 5").await.unwrap();
    run(&database, "OPTIMIZE t").await.unwrap();
    assert_eq!(run(&database, "SELECT * FROM t WHERE twice = 5").await.unwrap(), 2);
}
