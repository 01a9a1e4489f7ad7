//! What goes wrong, and what the shell is told about it.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use super::{command, run, run_with_input};

#[test]
fn exit_codes() {
    assert_eq!(run(&["-c", "SELECT 1"]).code, Some(0));
    assert_eq!(run(&["-c", "SELECT wrong"]).code, Some(1));
    for usage in [
        &["--no-such-flag"][..],
        &["--format", "xml", "-c", "SELECT 1"],
        &["--memory-limit", "lots"],
        &["db", "another"],
        &["-c"],
    ] {
        let run = run(usage);
        assert_eq!(run.code, Some(2), "{usage:?}: {}", run.err);
        assert!(run.err.contains("error:"), "{}", run.err);
    }
    assert_eq!(run(&["--help"]).code, Some(0));
    assert!(run(&["--version"]).out.starts_with("portolan "));
}

#[test]
fn the_first_error_ends_the_run() {
    let run = run(&["-c", "SELECT 1 AS a; SELECT wrong; SELECT 3 AS b", "-c", "SELECT 4 AS c"]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains(" a\n") && !run.out.contains(" b\n") && !run.out.contains(" c\n"));
    assert!(run.err.starts_with("ERROR: "), "{}", run.err);
}

#[test]
fn a_syntax_error_points_at_its_place() {
    let run = run(&["-c", "SELECT 1;\nSELECT 2 +\n  FROM;"]);
    assert_eq!(run.code, Some(1));
    let mut lines = run.err.lines().skip_while(|line| !line.starts_with("LINE "));
    let (line, caret) = (lines.next().unwrap_or(&run.err), lines.next().unwrap_or_default());
    assert!(line == "LINE 3:   FROM;" || line == "LINE 3:   FROM", "{}", run.err);
    assert_eq!(caret.trim(), "^", "{}", run.err);
}

#[test]
fn an_unknown_column_is_pointed_at_with_wide_characters_before_it() {
    let run = run(&["-c", "SELECT '日本語', wrong FROM (SELECT 1 AS n)"]);
    let lines: Vec<&str> = run.err.lines().collect();
    assert_eq!(run.code, Some(1));
    assert!(lines[0].contains("wrong"), "{}", run.err);
    // LINE 1: SELECT '日本語', wrong
    let column = "LINE 1: SELECT '".len() + 6 + "', ".len();
    assert_eq!(lines.last().copied(), Some(format!("{:column$}^", "").as_str()), "{}", run.err);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let many = "SELECT * FROM generate_series(1, 10000000)";
    for format in ["table", "csv", "json", "ndjson", "markdown", "arrow", "parquet"] {
        let mut child = command()
            .args(["--format", format, "-c", many])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::with_capacity(16, child.stdout.take().unwrap());
        out.read_exact(&mut [0; 4]).unwrap();
        drop(out);
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{format}: {err}");
        assert_eq!(err, "", "{format}");
    }
}

#[test]
fn rows_arrive_while_the_statement_still_runs() {
    let endless = "SELECT * FROM generate_series(1, 1000000000000)";
    let mut child =
        command().args(["--format", "csv", "-c", endless]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "value\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_a_full_standard_error_is_none() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let run = |arguments: &[&str], out: Stdio, err: Stdio| {
        command().args(arguments).stdout(out).stderr(err).output().unwrap()
    };
    let output = run(&["-c", "SELECT 1"], full().into(), Stdio::piped());
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("the result cannot be written: No space left"), "{err}");
    let output = run(&["-c", "SELECT wrong"], Stdio::piped(), full().into());
    assert_eq!(output.status.code(), Some(1));
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_run() {
    let endless = "SELECT sum(a.value * b.value) FROM generate_series(1, 1000000) a \
                   CROSS JOIN generate_series(1, 1000000) b";
    let child = command().args(["-c", endless]).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"));
}

#[test]
fn unreadable_input_is_named() {
    let missing = run(&["-f", "no/such/file.sql"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("no/such/file.sql cannot be read"), "{}", missing.err);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin1.sql");
    std::fs::write(&path, b"SELECT '\xe9'").unwrap();
    let latin1 = run(&["-f", path.to_str().unwrap()]);
    assert_eq!(latin1.code, Some(1));
    assert!(
        latin1.err.contains("not UTF-8") && latin1.err.contains("position 8"),
        "{}",
        latin1.err
    );

    let nowhere = run(&["-o", "no/such/folder/x.csv", "-c", "SELECT 1"]);
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.err.contains("'no/such/folder/x.csv' cannot be written"), "{}", nowhere.err);
}

#[test]
fn odd_input_is_an_error_and_never_a_crash() {
    for text in [
        "",
        ";",
        ";;;",
        "--",
        "/* open",
        "'open",
        "\"open",
        "$$ open",
        "SELECT",
        ")",
        "\\",
        "\\nonsense",
        "\\set",
        "\\g",
        "SELECT 1 \\gx",
        "SELECT :missing",
        "\u{0}",
        "SELECT E'\\",
        "😀",
        "\\i",
        "\\watch x",
        "\\d nowhere",
        "\\o |",
        "\\pset format xml",
        "((((",
        "SELECT 1 AS \"\n\"",
    ] {
        let run = run_with_input(&[], text);
        assert!(matches!(run.code, Some(0 | 1)), "{text:?}: {:?} {}", run.code, run.err);
        assert!(!run.err.contains("panicked"), "{text:?}: {}", run.err);
        assert_eq!(run.code == Some(1), run.err.contains("ERROR: "), "{text:?}: {}", run.err);
    }
}
