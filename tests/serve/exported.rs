//! The page of one file in a browser: `web/tests` opens it from disk.

use std::path::Path;
use std::process::Command;

use portolan::Database;

use super::page::{CHROMIUM, driver};
use crate::skipped::skip;

/// Three topics, of which one has texts that look like markup.
const DATABASE: [&str; 3] = [
    "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT, v VECTOR(4))",
    "INSERT INTO notes SELECT i,
        CASE i % 3 WHEN 0 THEN 'red foxes hunt in winter ' WHEN 1 THEN 'deep lakes freeze over '
            ELSE 'old songs of the harbour ' END
            || CASE WHEN i % 9 = 0 THEN '</script><img src=x>' ELSE 'slowly' END,
        CAST([CASE WHEN i % 3 = 0 THEN 10 ELSE 0 END + 3 * sin(i * 1.7),
            CASE WHEN i % 3 = 1 THEN 10 ELSE 0 END + 3 * sin(i * 2.3),
            CASE WHEN i % 3 = 2 THEN 10 ELSE 0 END + 3 * sin(i * 3.1), 3 * cos(i * 0.9)] AS VECTOR(4))
        FROM generate_series(1, 90) AS s(i)",
    "CREATE MAP m ON notes (v) WITH (text = 'text', n_epochs = 50)",
];

#[tokio::test(flavor = "multi_thread")]
async fn people_use_the_page_of_one_file() {
    let driver = match driver() {
        Ok(driver) => driver,
        Err(reason) => return skip(&reason),
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a map.html");
    let db = Database::in_memory().await.unwrap();
    for statement in DATABASE {
        db.sql(statement).await.unwrap();
    }
    let export = format!("EXPORT MAP m TO '{}' WITH (title = 'My notes')", file.display());
    db.sql(&export).await.unwrap();
    let screenshots = std::env::var_os("PORTOLAN_SCREENSHOTS").unwrap_or_else(|| {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots").into_os_string()
    });
    let output = Command::new("node")
        .args(["--test", "--test-concurrency=1", "tests/export.test.mjs"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("web"))
        .env("PORTOLAN_PAGE", &file)
        .env("PORTOLAN_CHROMIUM", CHROMIUM)
        .env("PORTOLAN_NODE_MODULES", driver.join("package.json"))
        .env("PORTOLAN_SCREENSHOTS", screenshots)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // A run of no tests would be a success too.
    assert!(said.contains("ℹ pass 5") || said.contains("# pass 5"), "{said}");
}
