//! Every format, on standard output and in files.

use std::fs::{self, File};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::{FileReader, StreamReader};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{command, run};

const ROWS: &str = "SELECT * FROM (VALUES (1, 'Genoa, \"la Superba\"', [0.5, 1.5]), \
                    (2, NULL, NULL)) AS t(id, name, v) ORDER BY id";

fn formatted(format: &str) -> String {
    let run = run(&["--format", format, "-c", ROWS]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!(run.err, "");
    run.out
}

#[test]
fn table() {
    let expected = " id │ name                │ v
────┼─────────────────────┼────────────
  1 │ Genoa, \"la Superba\" │ [0.5, 1.5]
  2 │ NULL                │ NULL
(2 rows)
";
    assert_eq!(formatted("table"), expected);
    assert_eq!(run(&["-c", ROWS]).out, expected, "a table is the default");
}

#[test]
fn csv_and_tsv() {
    assert_eq!(formatted("csv"), "id,name,v\n1,\"Genoa, \"\"la Superba\"\"\",\"[0.5,1.5]\"\n2,,\n");
    assert!(formatted("tsv").starts_with("id\tname\tv\n1\t"));
}

#[test]
fn json_and_ndjson() {
    let rows: serde_json::Value = serde_json::from_str(&formatted("json")).unwrap();
    assert_eq!(rows[0]["name"], "Genoa, \"la Superba\"");
    assert_eq!(rows[0]["v"], serde_json::json!([0.5, 1.5]));
    assert!(rows[1]["name"].is_null());
    let lines = formatted("ndjson");
    assert_eq!(lines.lines().count(), 2);
    assert_eq!(lines.lines().next(), Some(serde_json::to_string(&rows[0]).unwrap().as_str()));
}

#[test]
fn markdown() {
    assert_eq!(
        formatted("markdown"),
        "| id | name | v |
| ---: | --- | --- |
| 1 | Genoa, \"la Superba\" | [0.5, 1.5] |
| 2 | NULL | NULL |
"
    );
}

#[test]
fn arrow_is_a_stream_in_a_pipe_and_a_file_in_a_file() {
    let output = command().args(["--format", "arrow", "-c", ROWS]).output().unwrap();
    let mut reader = StreamReader::try_new(output.stdout.as_slice(), None).unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[1, 2]);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.arrow");
    assert_eq!(run(&["-o", path.to_str().unwrap(), "-c", ROWS]).code, Some(0));
    let mut reader = FileReader::try_new(File::open(path).unwrap(), None).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().num_rows(), 2);
}

#[test]
fn parquet_into_a_file_and_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let written = run(&["-o", path.to_str().unwrap(), "-c", ROWS]);
    assert_eq!((written.code, written.out.as_str()), (Some(0), ""), "{}", written.err);
    let piped = command().args(["--format", "parquet", "-c", ROWS]).output().unwrap();
    for bytes in [fs::read(&path).unwrap(), piped.stdout] {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
        let batch = reader.build().unwrap().next().unwrap().unwrap();
        assert_eq!(batch.num_rows(), 2);
        assert!(batch.column(1).is_null(1));
    }
}

#[test]
fn no_rows_still_have_columns() {
    let nothing = "SELECT 1 AS a, 'x' AS b WHERE false";
    for (format, expected) in [
        ("table", " a │ b\n───┼───\n(0 rows)\n"),
        ("csv", "a,b\n"),
        ("json", "[]\n"),
        ("ndjson", ""),
        ("markdown", "| a | b |\n| ---: | --- |\n"),
    ] {
        assert_eq!(run(&["--format", format, "-c", nothing]).out, expected, "{format}");
    }
}

#[test]
fn a_file_appears_only_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    fs::write(&path, "before").unwrap();
    let path_text = path.to_str().unwrap();
    let failed = run(&["-o", path_text, "-c", "SELECT 1", "-c", "SELECT wrong"]);
    assert_eq!(failed.code, Some(1));
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");

    assert_eq!(run(&["-o", path_text, "-c", "SELECT 1 AS a"]).code, Some(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), "a\n1\n");
}

#[test]
fn a_parquet_file_holds_one_result() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let run = run(&["-o", path.to_str().unwrap(), "-c", "SELECT 1; SELECT 2"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("holds one result"), "{}", run.err);
    assert!(!path.exists());
}

#[test]
fn large_results_stream() {
    let rows = "SELECT value AS n, value * 2 AS twice FROM generate_series(1, 200000)";
    for format in ["table", "csv", "ndjson", "markdown"] {
        let out = run(&["--format", format, "-c", rows]).out;
        assert!(out.lines().count() >= 200_000, "{format}: {}", out.lines().count());
        assert!(out.contains("400000"), "{format}");
    }
}
