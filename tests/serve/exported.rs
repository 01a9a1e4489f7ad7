//! The page of one file in a browser: `web/tests` opens it from disk.

use portolan::Database;

use super::page::{driver, in_browser};
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
    let passed = in_browser(&driver, &["export"], &[("PORTOLAN_PAGE", file.as_os_str())]);
    assert_eq!(passed, 5);
}
