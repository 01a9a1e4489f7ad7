//! DataFusion's own .slt files as a gate: whatever plain DataFusion answers, a Portolan session
//! answers too, but for the files in `allowed.txt`.
//!
//! `make slt-datafusion` runs it; arguments are parts of file names. Each file runs twice, each
//! time in a process of its own, so that a crash or an endless loop costs one file. Some files
//! read test data that is not published with them and fail for both engines; there the statements
//! are compared one by one. DATAFUSION_CHECKOUT may name a checkout that has the data.

#![allow(clippy::unwrap_used, clippy::panic, clippy::unimplemented)]

mod context;
mod files;
#[path = "../slt/runner.rs"]
mod runner;
#[path = "../slt/values.rs"]
mod values;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use context::{Ours, Plain};
use files::Suite;
use runner::Surroundings;

const STACK: usize = 256 << 20; // debug builds recurse deeply while they plan
const PATIENCE: Duration = Duration::from_secs(300);
const ALLOWED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/slt_datafusion/allowed.txt");

/// The two that are compared, as their arguments and totals name them.
const PLAIN: &str = "datafusion";
const OURS: &str = "portolan";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--file", engine, file] => run_file(engine, Path::new(file)),
        filters => compare(filters),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Where a file fails, as `file:line`, or None when it did not run to its end.
type Failures = Option<BTreeSet<String>>;

/// Runs all files against both engines and holds the second to the first.
fn compare(filters: &[&str]) -> Result<(), String> {
    let suite = Suite::unpack()?;
    let files: Vec<String> = suite
        .files
        .iter()
        .filter(|file| filters.is_empty() || filters.iter().any(|part| file.contains(part)))
        .cloned()
        .collect();
    let plain = run_all(&suite, PLAIN, &files)?;
    let ours = run_all(&suite, OURS, &files)?;
    let allowed = allowed()?;
    let mut lost = Vec::new();
    let mut excused = 0;
    for file in &files {
        match only_in(&ours[file], &plain[file]) {
            Some(_) if allowed.contains_key(file) => excused += 1,
            Some(places) => lost.push(format!("  {file}: {places}")),
            None if allowed.contains_key(file) => println!("{file} passes: allow it no more"),
            None => {}
        }
    }
    println!("{excused} files answer otherwise than plain DataFusion and are allowed to");
    if lost.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} files answer otherwise than plain DataFusion:\n{}",
        lost.len(),
        lost.join("\n")
    ))
}

/// What fails in `ours` and not in `plain`, in words.
fn only_in(ours: &Failures, plain: &Failures) -> Option<String> {
    match (ours, plain) {
        (_, None) => None,
        (None, Some(_)) => Some("did not run to its end".to_string()),
        (Some(ours), Some(plain)) => {
            let places: Vec<&str> = ours.difference(plain).map(String::as_str).collect();
            (!places.is_empty()).then(|| places.join(", "))
        }
    }
}

/// `file: reason`, one a line.
fn allowed() -> Result<BTreeMap<String, String>, String> {
    let text = std::fs::read_to_string(ALLOWED).map_err(|error| format!("{ALLOWED}: {error}"))?;
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (file, reason) = line.split_once(": ").ok_or_else(|| {
                format!("{ALLOWED}: '{line}' has no reason; write 'file: reason'")
            })?;
            Ok((file.to_string(), reason.to_string()))
        })
        .collect()
}

fn run_all(
    suite: &Suite,
    engine: &str,
    files: &[String],
) -> Result<BTreeMap<String, Failures>, String> {
    let started = Instant::now();
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = suite.workspace(engine)?;
    let waiting = Mutex::new(VecDeque::from(files.to_vec()));
    let results = Mutex::new(BTreeMap::new());
    let threads = std::env::var("PORTOLAN_SLT_THREADS").ok().and_then(|n| n.parse().ok());
    std::thread::scope(|scope| {
        for _ in 0..threads.unwrap_or(2) {
            scope.spawn(|| {
                loop {
                    let Some(file) = waiting.lock().unwrap().pop_front() else { break };
                    let log = suite.log(engine, &file);
                    let finished = run_process(&program, engine, &folder, &file, &log);
                    let failures = finished.then(|| places(&log));
                    results.lock().unwrap().insert(file, failures);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let passed = results.values().flatten().filter(|failures| failures.is_empty()).count();
    println!(
        "{engine}: {passed} passed, {} failed ({:.0} s; what they said: {})",
        files.len() - passed,
        started.elapsed().as_secs_f64(),
        suite.logs(engine).display()
    );
    Ok(results)
}

/// Whether the file ran to its end. Its mismatches are in the log.
fn run_process(program: &Path, engine: &str, folder: &Path, file: &str, log: &Path) -> bool {
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    let output = std::fs::File::create(log).unwrap();
    let mut child = Command::new(program)
        .args(["--file", engine, file])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

/// Mismatches begin with `…/test_files/<file>:<line>: `.
fn places(log: &Path) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    text.lines()
        .filter_map(|line| {
            let (place, _) = line.strip_prefix('/')?.split_once(": ")?;
            Some(place.split_once("/test_files/")?.1.to_string())
        })
        .collect()
}

/// In the child process: one file, in the folder where the suite expects to be run.
fn run_file(engine: &str, file: &Path) -> Result<(), String> {
    let work = || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_stack_size(STACK)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(mismatches(engine, file))
    };
    let found = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(scope, work).unwrap().join().unwrap()
    });
    println!("{}", found.join("\n\n"));
    Ok(())
}

async fn mismatches(engine: &str, file: &Path) -> Vec<String> {
    files::clear_scratch(file);
    let around = Surroundings {
        labels: &["Datafusion"],
        variables: Vec::new(),
        paths: vec![(workspace_root(), "WORKSPACE_ROOT")],
        // What fails must fail, but we say why in a sentence of our own.
        own_words: engine == OURS,
    };
    let path = PathBuf::from("test_files").join(file).canonicalize().unwrap();
    if engine == PLAIN {
        runner::check(&path, &Plain::for_file(file).await, &around).await
    } else {
        runner::check(&path, &Ours::for_file(file).await, &around).await
    }
}

/// Two folders up from `datafusion/sqllogictest`, as object stores write paths.
fn workspace_root() -> String {
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    here.ancestors().nth(2).unwrap().to_string_lossy().trim_start_matches('/').to_string()
}
