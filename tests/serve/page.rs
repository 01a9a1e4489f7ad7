//! The page in a browser: `web/tests` acts as people do, on a real server with real rows.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::served::Served;
use crate::models;
use crate::python;
use crate::skipped::skip;

/// A thousand entries of a dictionary, rows whose texts look like markup, and rows that come in several pieces.
const DATABASE: &str = "
    SET portolan.text_model = 'all-MiniLM-L6-v2';
    CREATE TABLE entries (id BIGINT PRIMARY KEY, word TEXT, label TEXT, text TEXT, length BIGINT, added DATE,
        v VECTOR(384) GENERATED ALWAYS AS (embed_text(text)) STORED);
    INSERT INTO entries (id, word, label, text, length, added)
        SELECT id, word, label, text, length(text),
            CAST(CAST(18262 + id % 1000 AS INT) AS DATE) FROM 'data/glosses.csv';
    CREATE MAP glosses ON entries (v) WITH (text = 'text');
    CREATE TABLE pages AS SELECT i AS id, '<img src=x onerror=alert(1)> row ' || i AS text,
        CAST([sin(i), cos(i), i % 7] AS VECTOR(3)) AS v FROM generate_series(1, 60) AS s(i);
    CREATE MAP marked ON pages (v) WITH (text = 'text', n_epochs = 20);
    CREATE TABLE many AS SELECT i AS id, CAST([sin(i), cos(i * 3), sin(i * 0.7)] AS VECTOR(3)) AS v
        FROM generate_series(1, 20000) AS s(i);
    CREATE MAP large ON many (v) WITH (projection = 'pca', topics = false, duplicates = false);";

pub(super) const CHROMIUM: &str = "/usr/bin/chromium";

/// The folder of what drives the browser, or why the page cannot be tested.
pub(super) fn driver() -> Result<PathBuf, String> {
    let answers = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !answers("node") {
        return Err("node is not installed: the page is not tested".to_string());
    }
    if !answers(CHROMIUM) {
        return Err(format!("{CHROMIUM} is not installed: the page is not tested"));
    }
    let cache = python::cache().ok_or("no home folder to install playwright-core into")?;
    let folder = cache.join("page");
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let wanted = std::fs::read(web.join("package-lock.json")).map_err(|error| error.to_string())?;
    let there = std::fs::read(folder.join("package-lock.json")).is_ok_and(|lock| lock == wanted);
    if there && folder.join("node_modules/playwright-core").exists() {
        return Ok(folder);
    }
    let failed = |error: std::io::Error| error.to_string();
    std::fs::create_dir_all(&folder).map_err(failed)?;
    for file in ["package.json", ".npmrc"] {
        std::fs::copy(web.join(file), folder.join(file)).map_err(failed)?;
    }
    std::fs::write(folder.join("package-lock.json"), wanted).map_err(failed)?;
    match Command::new("npm").args(["ci", "--silent"]).current_dir(&folder).output() {
        Ok(output) if output.status.success() => Ok(folder),
        _ => Err("npm ci fails: the page is not tested".to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_use_the_page() {
    let driver = match models::fetched().and_then(|()| driver()) {
        Ok(driver) => driver,
        Err(reason) => return skip(&reason),
    };
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let statements = DATABASE.replace("'data/", &format!("'{}/data/", project.display()));
    let served = Served::database(&statements, &[]).await;
    let guarded = Served::start(&[&served.location(), "--token", "sesame"]);
    let screenshots = std::env::var_os("PORTOLAN_SCREENSHOTS").unwrap_or_else(|| {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots").into_os_string()
    });
    let output = Command::new("node")
        .args(["--test", "--test-concurrency=1", "tests/page.test.mjs"])
        .current_dir(project.join("web"))
        .env("PORTOLAN_URL", served.url())
        .env("PORTOLAN_GUARDED_URL", format!("{}/", guarded.url()))
        .env("PORTOLAN_CHROMIUM", CHROMIUM)
        .env("PORTOLAN_NODE_MODULES", driver.join("package.json"))
        .env("PORTOLAN_SCREENSHOTS", screenshots)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // A run of no tests would be a success too.
    assert!(said.contains("ℹ pass 2") || said.contains("# pass 2"), "{said}");
}
