//! Statements from the command line, from files and from standard input.

use std::fs;

use super::{run, run_with_input};

#[test]
fn standard_input_is_a_script_when_it_is_piped() {
    let run = run_with_input(
        &["--format", "csv"],
        "SELECT 1 AS a; -- one; two\nSELECT 'x;y' AS b;\nSELECT $$z;$$ AS c",
    );
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!(run.out, "a\n1\nb\nx;y\nc\nz;\n");
}

#[test]
fn statements_run_in_the_order_of_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.sql");
    fs::write(&path, "\u{feff}SELECT 2 AS n;").unwrap();
    let run = run(&[
        "--format",
        "csv",
        "-c",
        "SELECT 1 AS n",
        "-f",
        path.to_str().unwrap(),
        "-c",
        "SELECT 3 AS n",
    ]);
    assert_eq!(run.out, "n\n1\nn\n2\nn\n3\n", "{}", run.err);
}

#[test]
fn a_dash_is_standard_input() {
    let run =
        run_with_input(&["--format", "csv", "-c", "SELECT 1 AS n", "-f", "-"], "SELECT 2 AS n");
    assert_eq!(run.out, "n\n1\nn\n2\n", "{}", run.err);
}

#[test]
fn errors_in_files_say_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.sql");
    fs::write(&path, "SELECT 1;\n\nSELECT wrong;\n").unwrap();
    let path = path.to_str().unwrap();
    let run = run(&["-f", path]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.starts_with(&format!("{path}:3: ERROR: ")), "{}", run.err);
}

#[test]
fn variables_and_commands_work_in_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let included = folder.path().join("inner.sql");
    fs::write(&included, "SELECT :n + 1 AS more;\n").unwrap();
    let script = format!(
        "\\set n 41\n\\set who 'O''Brien'\nSELECT :n AS n, :'who' AS \"who :n\";\n\\i '{}'\n\\echo done :n\n",
        included.display()
    );
    let run = run_with_input(&["--format", "csv"], &script);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!(run.out, "n,who :n\n41,O'Brien\nmore\n42\ndone 41\n");
}

#[test]
fn a_statement_can_be_sent_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    let script = format!(
        "SELECT 1 AS n \\g {}\nSELECT 2 AS n \\gx\nSELECT 3 AS n \\g |cat\n\\q\nSELECT 4 AS n;",
        path.display()
    );
    let run = run_with_input(&[], &script);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!(fs::read_to_string(path).unwrap(), "n\n1\n");
    assert_eq!(run.out, "─[ RECORD 1 ]──────\nn │ 2\n n\n───\n 3\n(1 row)\n");
}

#[test]
fn a_script_that_includes_itself_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("self.sql");
    fs::write(&path, format!("\\i '{}'\n", path.display())).unwrap();
    let run = run(&["-f", path.to_str().unwrap()]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("include each other without end"), "{}", run.err);
}

#[test]
fn what_there_is_can_be_listed() {
    let script = "CREATE VIEW harbours AS SELECT 1 AS id, 'Genoa' AS name;\n\\d\n\\d harbours\n\\dv harb*\n\\df cosine_dist*\n\\l\n\\dn\n";
    let run = run_with_input(&["--format", "csv"], script);
    assert_eq!(run.code, Some(0), "{}", run.err);
    for expected in ["public,harbours,view", "name,TEXT", "cosine_distance,scalar", "public"] {
        assert!(run.out.contains(expected), "{expected} in {}", run.out);
    }
    let unknown = run_with_input(&[], "\\d nowhere");
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("nowhere"), "{}", unknown.err);
}

#[test]
fn a_vector_column_says_whose_vectors_it_holds() {
    // Of a server nothing is asked before there is a row.
    let script = "SET portolan.inference_mode = 'remote';
        SET portolan.remote_url = 'http://127.0.0.1:1/v1/embeddings';
        CREATE TABLE notes (id BIGINT PRIMARY KEY, body TEXT, v VECTOR(384) GENERATED ALWAYS AS
          (embed_text(body, 'clustering', model => 'all-MiniLM-L6-v2')) STORED);
        \\d+ notes
        \\d notes\n";
    let listed = run_with_input(&[], script);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    let model = listed.out.matches("all-MiniLM-L6-v2 clustering").count();
    assert_eq!(model, 2, "{}", listed.out);
    assert!(listed.out.contains("public"), "{}", listed.out);
}

#[test]
fn programs_get_rows_only() {
    let script = "CREATE TABLE t AS SELECT 1 AS n; INSERT INTO t VALUES (2), (3); SELECT count(*) AS n FROM t;";
    let csv = run(&["--format", "csv", "-c", script]);
    assert_eq!((csv.code, csv.out.as_str()), (Some(0), "n\n3\n"), "{}", csv.err);
}
