//! The sqllogictest files: what the database answers, statement by statement.
//!
//! Every file has a database of its own: a fresh folder, or memory for files in `memory/`.
//! `PORTOLAN_SLT=insert` runs only files whose path contains `insert`; `PORTOLAN_SLT_COMPLETE=1`
//! writes the answers into the files instead of comparing them.

pub mod runner;
pub mod values;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use portolan::Database;

use crate::models;
use crate::skipped::skip;
use runner::{Engine, Failure, Surroundings};

const THREADS: usize = 2;
const STACK: usize = 64 << 20; // debug builds recurse deeply while they plan

#[derive(Clone)]
struct Portolan(Database);

impl Engine for Portolan {
    async fn query(&mut self, sql: &str) -> Result<SendableRecordBatchStream, Failure> {
        let result = self.0.sql(sql).await.map_err(|error| Failure(error.to_string()))?;
        Ok(result.into_stream())
    }

    fn failure(error: DataFusionError) -> Failure {
        Failure(portolan::Error::from(error).to_string())
    }
}

#[test]
fn files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let wanted = std::env::var("PORTOLAN_SLT").unwrap_or_default();
    let mut files = Vec::new();
    find(&folder, &mut files);
    files.retain(|file| file.to_string_lossy().contains(&wanted));
    files.sort();
    let needs_models = |file: &PathBuf| file.parent().is_some_and(|f| f.ends_with("models"));
    if files.iter().any(needs_models)
        && let Err(reason) = models::fetched()
    {
        skip(&format!("slt/models: {reason}"));
        files.retain(|file| !needs_models(file));
    }
    let count = files.len();
    let waiting = Mutex::new(VecDeque::from(files));
    let mismatches = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let work = || {
                while let Some(file) = next(&waiting) {
                    let found = run(&file);
                    mismatches.lock().unwrap().extend(found);
                }
            };
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).unwrap();
        }
    });
    let mismatches = mismatches.into_inner().unwrap();
    assert!(
        mismatches.is_empty(),
        "{}\n{} mismatches in {count} files",
        mismatches.join("\n\n"),
        mismatches.len()
    );
}

fn next(waiting: &Mutex<VecDeque<PathBuf>>) -> Option<PathBuf> {
    waiting.lock().unwrap().pop_front()
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
}

fn run(file: &Path) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("database").to_string_lossy().into_owned();
        let in_memory = file.parent().is_some_and(|parent| parent.ends_with("memory"));
        let database = if in_memory {
            Database::in_memory().await.unwrap()
        } else {
            Database::open(&location).await.unwrap()
        };
        let around = Surroundings {
            labels: &["portolan"],
            variables: vec![("__DATABASE__", location.clone())],
            paths: vec![(location, "DATABASE")],
            own_words: false,
        };
        if std::env::var_os("PORTOLAN_SLT_COMPLETE").is_some() {
            complete(file, &Portolan(database), &around).await
        } else {
            runner::check(file, &Portolan(database), &around).await
        }
    })
}

/// Writes what the database says into the file. A person reads the difference.
async fn complete(file: &Path, engine: &Portolan, around: &Surroundings) -> Vec<String> {
    let outcome = runner::runner(engine, around)
        .update_test_file(
            file,
            " ",
            runner::same_rows,
            runner::without_blanks_at_end,
            sqllogictest::strict_column_validator,
        )
        .await;
    outcome.err().map(|error| format!("{}: {error}", file.display())).into_iter().collect()
}
