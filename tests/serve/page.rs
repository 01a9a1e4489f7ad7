//! The page in a browser: `web/tests` acts as people do, on a real server with real rows.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use datafusion::arrow::array::AsArray;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::maps::bmp;
use super::served::Served;
use crate::models;
use crate::python;
use crate::skipped::skip;

/// A thousand entries of a dictionary on two maps, rows whose texts look like markup, and rows that come in several pieces.
const DATABASE: &str = "
    SET portolan.text_model = 'all-MiniLM-L6-v2';
    CREATE TABLE entries (id BIGINT PRIMARY KEY, word TEXT, label TEXT, text TEXT, length BIGINT, added DATE, source TEXT,
        v VECTOR(384) GENERATED ALWAYS AS (embed_text(text)) STORED);
    INSERT INTO entries (id, word, label, text, length, added, source)
        SELECT id, word, label, text, length(text),
            CAST(CAST(18262 + id % 1000 AS INT) AS DATE), 'WordNet' FROM 'data/glosses.csv';
    CREATE MAP glosses ON entries (v) WITH (text = 'text', duplicate_cutoff = 0.3);
    CREATE MAP flat ON entries (v) WITH (text = 'text', projection = 'pca');
    CREATE TABLE pages AS SELECT i AS id, '<img src=x onerror=alert(1)> row ' || i AS text,
        CAST([sin(i), cos(i), i % 7] AS VECTOR(3)) AS v FROM generate_series(1, 60) AS s(i);
    CREATE MAP marked ON pages (v) WITH (text = 'text', n_epochs = 20);
    CREATE TABLE many AS SELECT i AS id, CAST([sin(i), cos(i * 3), sin(i * 0.7)] AS VECTOR(3)) AS v
        FROM generate_series(1, 20000) AS s(i);
    CREATE MAP large ON many (v) WITH (projection = 'pca', topics = false, duplicates = false);
    CREATE TABLE strays (id BIGINT PRIMARY KEY, v VECTOR(2));
    INSERT INTO strays
        SELECT i, CAST(CASE WHEN i % 500 = 0 THEN [900 + i, i] ELSE [sin(i), cos(i * 3)] END AS VECTOR(2))
        FROM generate_series(1, 2000) AS s(i);
    CREATE MAP strayed ON strays (v) WITH (projection = 'pca', metric = 'l2', topics = false, duplicates = false);";

/// Rows with pictures, each of one colour; one has none.
fn pictures() -> String {
    let colours = (1..=24_u8).map(|row| [row * 10, 250 - row * 9, (row % 5) * 60]);
    let rows: Vec<String> = (1..)
        .zip(colours)
        .map(|(id, colour)| {
            let [r, g, b] = colour;
            let image = if id == 7 { "NULL".to_string() } else { bmp(600, 400, colour) };
            let v = format!("CAST([{id} % 5, {id} % 3, {id}] AS VECTOR(3))");
            format!("({id}, 'picture {id}', {r}, {g}, {b}, {image}, {v})")
        })
        .collect();
    format!(
        "CREATE TABLE pictures (id BIGINT PRIMARY KEY, name TEXT, r INT, g INT, b INT, image BYTEA, v VECTOR(3));
        INSERT INTO pictures VALUES {};
        CREATE MAP shown ON pictures (v) WITH (projection = 'pca', topics = false, duplicates = false);",
        rows.join(", ")
    )
}

const CHROMIUM: &str = "/usr/bin/chromium";

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

/// How many of the tests in these files of `web/tests` pass; that one fails is a failure here.
pub(super) fn in_browser(driver: &Path, files: &[&str], known: &[(&str, &OsStr)]) -> usize {
    let screenshots = std::env::var_os("PORTOLAN_SCREENSHOTS").unwrap_or_else(|| {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots").into_os_string()
    });
    let output = Command::new("node")
        .args(["--test", "--test-concurrency=1"])
        .args(files.iter().map(|file| format!("tests/{file}.test.mjs")))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("web"))
        .envs(known.iter().copied())
        .env("PORTOLAN_CHROMIUM", CHROMIUM)
        .env("PORTOLAN_NODE_MODULES", driver.join("package.json"))
        .env("PORTOLAN_SCREENSHOTS", screenshots)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // A run of no tests would be a success too.
    said.lines().find_map(|line| line.split_once(" pass ")?.1.trim().parse().ok()).expect(&said)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_use_the_page() {
    let driver = match models::fetched().and_then(|()| driver()) {
        Ok(driver) => driver,
        Err(reason) => return skip(&reason),
    };
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let statements = DATABASE.replace("'data/", &format!("'{}/data/", project.display()));
    let statements = format!("{statements}{}", pictures());
    let served = Served::database(&statements, &[]).await;
    let guarded = Served::start(&[&served.location(), "--token", "sesame"]);
    let writable = Served::start(&[&served.location(), "--read-write"]);
    let downloads = served.beside().join("downloads");
    let [to_guarded, to_writable] =
        [&guarded, &writable].map(|served| format!("{}/", served.url()));
    let passed = in_browser(
        &driver,
        &["page", "lists", "views"],
        &[
            ("PORTOLAN_URL", OsStr::new(served.url())),
            ("PORTOLAN_GUARDED_URL", OsStr::new(&to_guarded)),
            ("PORTOLAN_WRITABLE_URL", OsStr::new(&to_writable)),
            ("PORTOLAN_DOWNLOADS", downloads.as_os_str()),
        ],
    );
    assert!(passed >= 30, "{passed}");

    // The files that were saved by hand hold the same rows.
    let file = std::fs::File::open(downloads.join("glosses.parquet")).unwrap();
    let file = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let (_, vector) = file.schema().column_with_name("v").unwrap();
    assert_eq!(vector.data_type().to_string(), "FixedSizeList(384 x Float32)");
    let labels: Vec<String> = file
        .build()
        .unwrap()
        .flat_map(|batch| {
            let labels = batch.unwrap()["label"].clone();
            labels
                .as_string::<i32>()
                .iter()
                .map(|label| label.unwrap().to_string())
                .collect::<Vec<_>>()
        })
        .collect();
    let (_, most) = served
        .sql("SELECT label, count(*) AS n FROM glosses GROUP BY label ORDER BY n DESC, label LIMIT 1")
        .await;
    assert_eq!(labels.len().to_string(), most[0]["n"].to_string());
    assert!(labels.iter().all(|label| most[0]["label"] == label.as_str()), "{most}");
}
