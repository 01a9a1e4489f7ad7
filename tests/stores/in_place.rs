//! Local files in place: formats, folders, patterns, partitions, and what goes wrong.

use std::sync::Arc;

use super::folder::Folder;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchIterator};

#[tokio::test]
async fn every_format_that_we_write_is_read_back() {
    let folder = Folder::new().await;
    for end in ["parquet", "csv", "json", "arrow"] {
        let copy = format!("COPY (SELECT 1 AS id, 'Genoa' AS port) TO '@x.{end}'");
        assert_eq!(folder.rows(&copy).await, ["1"]);
        assert_eq!(folder.rows(&format!("SELECT id, port FROM '@x.{end}'")).await, ["1|Genoa"]);
    }
    folder.rows("COPY (SELECT 2 AS id) TO '@y.csv.gz' STORED AS CSV OPTIONS ('format.compression' 'gzip')").await;
    assert_eq!(folder.rows("SELECT id FROM '@y.csv.gz'").await, ["2"]);
    folder.write("z.tsv", "a\tb\n1\tx y\n");
    assert_eq!(folder.rows("SELECT a, b FROM '@z.tsv'").await, ["1|x y"]);
}

#[tokio::test]
async fn json_is_lines_or_one_list() {
    let folder = Folder::new().await;
    folder.write("lines.json", "{\"a\": 1}\n{\"a\": 2}\n");
    folder.write("list.json", " \n[{\"a\": 1}, {\"a\": 2}]");
    folder.write("lines.ndjson", "{\"a\": 1}\n{\"a\": 2}\n");
    for name in ["lines.json", "list.json", "lines.ndjson"] {
        assert_eq!(folder.rows(&format!("SELECT sum(a) FROM '@{name}'")).await, ["3"], "{name}");
    }
    let forced = "SELECT sum(a) FROM read_json('@list.json', format => 'array')";
    assert_eq!(folder.rows(forced).await, ["3"]);
}

#[tokio::test]
async fn csv_with_options_and_line_ends_in_quotes() {
    let folder = Folder::new().await;
    folder.write("a.csv", "1;\"two\nlines\"\n2;-\n");
    assert_eq!(
        folder
            .rows("SELECT column_1, length(column_2) FROM read_csv('@a.csv', delim => ';', header => false) ORDER BY 1")
            .await,
        ["1|9", "2|1"]
    );
    assert_eq!(
        folder.rows("SELECT count(*) FROM read_csv(['@a.csv', '@a.csv'], delim = ';', header = false) AS t").await,
        ["4"]
    );
    let unknown = folder.error("SELECT * FROM read_csv('@a.csv', separator => ';')").await;
    assert!(unknown.contains("no argument is called 'separator'"), "{unknown}");
    let wrong = folder.error("SELECT * FROM read_csv('@a.csv', header => 'yes')").await;
    assert!(wrong.contains("'header' is true or false, not 'yes'"), "{wrong}");
}

#[tokio::test]
async fn folders_patterns_and_partitions() {
    let folder = Folder::new().await;
    for (path, a) in [
        ("log/year=2023/month=12/x.csv", 1),
        ("log/year=2024/month=01/x.csv", 2),
        ("log/year=2024/month=02/x.csv", 3),
        ("log/year=2024/month=02/_note.csv", 9),
    ] {
        folder.write(path, &format!("a\n{a}\n"));
    }
    folder.write("log/.hidden/x.csv", "a\n9\n");
    assert_eq!(
        folder.rows("SELECT a, year, month FROM '@log' ORDER BY a").await,
        ["1|2023|12", "2|2024|1", "3|2024|2"]
    );
    for (pattern, expected) in [
        ("log/year=2024/*/x.csv", "5"),
        ("log/**/x.csv", "6"),
        ("log/year=202?/month=0[12]/x.csv", "5"),
        ("log/year={2023,2024}/month={12,01}/x.csv", "3"),
    ] {
        assert_eq!(
            folder.rows(&format!("SELECT sum(a) FROM '@{pattern}'")).await,
            [expected],
            "{pattern}"
        );
    }
    let filtered = "SELECT a FROM '@log/*/*/x.csv' WHERE year = 2024 AND month < 2";
    assert_eq!(folder.rows(filtered).await, ["2"]);
    let plan = folder.rows(&format!("EXPLAIN {filtered}")).await.join("\n");
    assert!(plan.contains("month=01/x.csv") && !plan.contains("month=02/x.csv"), "{plan}");
}

#[tokio::test]
async fn a_listing_is_as_fresh_as_the_statement() {
    let folder = Folder::new().await;
    folder.write("t/1.csv", "a\n1\n");
    assert_eq!(folder.rows("SELECT sum(a) FROM '@t'").await, ["1"]);
    folder.write("t/2.csv", "a\n2\n");
    assert_eq!(folder.rows("SELECT sum(a) FROM '@t'").await, ["3"]);
    folder.write("t/1.csv", "a\n10\n");
    assert_eq!(folder.rows("SELECT sum(a) FROM '@t'").await, ["12"]);
}

#[tokio::test]
async fn a_view_over_files_and_a_file_in_a_join() {
    let folder = Folder::new().await;
    folder.write("a.csv", "id;x\n1;one\n");
    folder.rows("CREATE VIEW v AS SELECT * FROM read_csv('@a.csv', delim => ';')").await;
    assert_eq!(folder.rows("SELECT v.x FROM v JOIN '@a.csv' AS f ON true").await, ["one"]);
    assert_eq!(folder.rows("SELECT read_csv.id FROM read_csv('@a.csv', ';')").await, ["1"]);
}

#[tokio::test]
async fn odd_names() {
    let folder = Folder::new().await;
    for name in ["a b.csv", "what[1].csv", "100%.csv", "#1.csv", "ü.csv"] {
        folder.write(name, "a\n1\n");
        assert_eq!(folder.rows(&format!("SELECT a FROM '@{name}'")).await, ["1"], "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_said_in_one_sentence() {
    let folder = Folder::new().await;
    folder.write("x.dat", "?");
    folder.write("mixed/a.csv", "a\n1\n");
    folder.write("mixed/b.json", "{}");
    folder.write("bad.parquet", "this is no parquet");
    folder.write("notes/README", "hello");
    folder.write("empty.csv", "");
    for (location, expected) in [
        ("none.csv", "there is no file"),
        ("none/*.csv", "no file matches"),
        ("x.dat", "cannot tell the format of"),
        ("mixed", "files of several formats"),
        ("bad.parquet", "cannot read"),
        ("notes", "holds no file that can be read"),
        ("empty.csv", "is empty"),
        ("none.lance", "there is no Lance table at"),
        ("a**b.csv", "'**' stands alone between slashes"),
    ] {
        let said = folder.error(&format!("SELECT * FROM '@{location}'")).await;
        assert!(said.contains(expected) && said.contains(location), "{location}: {said}");
        assert!(!said.contains('\n'), "{location}: {said}");
    }
    let scheme = folder.error("SELECT * FROM 'ftp://host/x.csv'").await;
    assert!(scheme.contains("begins with file://, s3://"), "{scheme}");
    let table = folder.error("SELECT * FROM nowhere").await;
    assert!(table.contains("nowhere") && !table.contains("file"), "{table}");
}

#[tokio::test]
async fn external_tables_and_limits() {
    let folder = Folder::new().await;
    folder.write("a.csv", "a\n1\n2\n3\n");
    folder
        .rows("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '@a.csv' OPTIONS ('format.has_header' 'true')")
        .await;
    assert_eq!(folder.rows("SELECT a FROM t LIMIT 2").await.len(), 2);
    assert_eq!(folder.rows("SELECT a FROM '@a.csv' LIMIT 2").await.len(), 2);
    assert_eq!(folder.rows("SELECT count(*) FROM '@a.csv' WHERE a > 1").await, ["2"]);
}

#[tokio::test]
async fn memory_is_a_place_like_any_other() {
    let folder = Folder::new().await;
    folder.rows("COPY (SELECT 1 AS a) TO 'memory://shelf/x/day=3/y.parquet'").await;
    assert_eq!(folder.rows("SELECT a, day FROM 'memory://shelf/x/*/y.parquet'").await, ["1|3"]);
}

#[tokio::test]
async fn a_lance_table_outside_the_database() {
    let folder = Folder::new().await;
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let batch = RecordBatch::try_from_iter([("a", numbers)]).unwrap();
    let reader = RecordBatchIterator::new([Ok(batch.clone())], batch.schema());
    lance::Dataset::write(reader, &folder.path("t.lance"), None).await.unwrap();
    assert_eq!(folder.rows("SELECT a FROM '@t.lance' WHERE a > 1 ORDER BY a").await, ["2", "3"]);
    assert_eq!(folder.rows("SELECT count(*) FROM '@t.lance/'").await, ["3"]);
}
