//! The line editor in a real terminal: tmux types and looks.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::models;
use crate::skipped::skip;

/// How long anything may take to appear; unoptimised builds on busy machines are slow.
const PATIENCE: Duration = Duration::from_secs(30);
const COLUMNS: usize = 100;
const LINES: usize = 30;

/// A terminal with a session in it.
struct Terminal {
    socket: String,
    home: TempDir,
}

impl Terminal {
    /// Starts a session; `None`, with a word about it, where there is no tmux.
    fn start(name: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            skip("tmux is not installed: the line editor is not tested");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let socket = format!("portolan-{name}-{}", std::process::id());
        let terminal = Self { socket, home };
        terminal.launch();
        terminal.wait_for("portolan>");
        Some(terminal)
    }

    fn launch(&self) {
        let home = self.home.path().display();
        let program = env!("CARGO_BIN_EXE_portolan");
        let line = format!(
            "cd '{home}' && env -u PAGER -u RUST_BACKTRACE HOME='{home}' XDG_DATA_HOME='{home}' \
             '{program}'; echo \"exit code $?\"; sleep 600"
        );
        let (columns, lines) = (COLUMNS.to_string(), LINES.to_string());
        self.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &lines, &line]);
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output =
            Command::new("tmux").args(["-u", "-L", &self.socket]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Types text.
    fn text(&self, text: &str) {
        // A semicolon at the end would end tmux's own command.
        let text = match text.strip_suffix(';') {
            Some(rest) => format!("{rest}\\;"),
            None => text.to_string(),
        };
        self.tmux(&["send-keys", "-l", "--", &text]);
    }

    /// Presses a key that has a name.
    fn key(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Types a line and Enter.
    fn line(&self, text: &str) {
        self.text(text);
        self.key("Enter");
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen shows `text`, and gives the screen.
    fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |screen| screen.contains(text))
    }

    fn wait_until(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return screen;
            }
            assert!(started.elapsed() < PATIENCE, "never on the screen: {what}\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn clear(&self) {
        self.key("C-l");
        self.wait_until("a clear screen", |screen| screen.trim() == "portolan>");
    }

    fn history(&self) -> String {
        let file: &Path = &self.home.path().join("portolan/history");
        std::fs::read_to_string(file).unwrap_or_default()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}

#[test]
fn a_statement_may_take_several_lines() {
    let Some(terminal) = Terminal::start("lines") else { return };
    terminal.line("select 'a;");
    terminal.line("b' as x, -- not yet;");
    terminal.line("$$c;$$ as y");
    terminal.line(";");
    let screen = terminal.wait_for("(1 row)");
    assert!(screen.contains(" a;\\nb │ c;"), "{screen}");
    assert!(terminal.history().contains("select 'a;\\nb'"), "{}", terminal.history());

    terminal.clear();
    terminal.line("select 1 as one; select 2 as two;");
    let screen = terminal.wait_for(" two");
    assert!(screen.contains(" one"), "{screen}");
}

#[test]
fn tab_completes() {
    let Some(terminal) = Terminal::start("tab") else { return };
    terminal.line("create view harbours as select 7 as depth_in_metres;");
    terminal.wait_for("portolan>\n");
    terminal.clear();
    terminal.text("sel");
    terminal.key("Tab");
    terminal.wait_for("portolan> select");
    terminal.text(" depth_in_metres from har");
    // The names are looked up in the background: another Tab finds what the first did not.
    terminal.wait_until("the view's name", |screen| {
        terminal.key("Tab");
        screen.contains("from harbours")
    });
    terminal.line(";");
    let screen = terminal.wait_for("(1 row)");
    assert!(screen.contains("               7"), "{screen}");

    terminal.clear();
    std::fs::write(terminal.home.path().join("lighthouses.csv"), "a\n1\n").unwrap();
    terminal.text("select * from 'light");
    terminal.key("Tab");
    terminal.wait_for("from 'lighthouses.csv");
    terminal.key("C-c");
}

#[test]
fn ctrl_c_stops_a_statement() {
    let Some(terminal) = Terminal::start("stop") else { return };
    terminal.line(
        "select count(*) from generate_series(1, 1000000) a cross join generate_series(1, 1000000) b \
         where a.value % 7 <> b.value % 5;",
    );
    // What takes over a second says so.
    terminal.wait_for("running, 0:0");
    let pressed = Instant::now();
    terminal.key("C-c");
    terminal.wait_for("Stopped: the statement was interrupted.");
    assert!(pressed.elapsed() < Duration::from_secs(3), "{:?}", pressed.elapsed());
    let screen = terminal.screen();
    assert!(!screen.contains("running, 0:0"), "the progress line is erased: {screen}");
    terminal.line("select 40 + 2 as answer;");
    terminal.wait_for("     42");
}

/// A model at work is stopped as soon as any other statement.
#[test]
fn ctrl_c_stops_a_model() {
    if let Err(reason) = models::fetched() {
        return skip(&format!("stopping a model: {reason}"));
    }
    let Some(terminal) = Terminal::start("model") else { return };
    let folder = tokio::runtime::Runtime::new().unwrap().block_on(models::folder());
    terminal.line(&format!("set portolan.model_dir = '{folder}';"));
    terminal
        .line("set portolan.text_model = 'all-MiniLM-L6-v2'; set portolan.embed_cache = 'off';");
    terminal.line(
        "create table t as select value as id, repeat('a harbour and a ship ', 20) || value as text \
         from generate_series(1, 100000);",
    );
    terminal
        .wait_until("the table", |screen| screen.contains("Time:") || screen.contains("CREATE"));
    terminal.line("create table w (id bigint, v vector(384));");
    for (statement, at_work) in [
        ("select count(embed_text(text)) from t;", "tokens/s"),
        ("create table u as select id, embed_text(text) as v from t;", "tokens/s"),
        ("insert into w select id, embed_text(text) from t;", "tokens/s"),
        ("alter table t add column v as (embed_text(text));", "tokens/s"),
    ] {
        terminal.clear();
        terminal.line(statement);
        terminal.wait_for(at_work);
        let pressed = Instant::now();
        terminal.key("C-c");
        terminal.wait_for("Stopped: the statement was interrupted.");
        let waited = pressed.elapsed();
        println!("stopped after {waited:?}: {statement}");
        assert!(waited < Duration::from_secs(3), "{waited:?}: {statement}");
        terminal.line("select arrow_typeof(embed_text('a boat')) as kind;");
        terminal.wait_for("FixedSizeList(384 x Float32)");
    }
}

/// So are training, and functions of many rows.
#[test]
fn ctrl_c_stops_what_looks_at_many_rows() {
    let Some(terminal) = Terminal::start("rows") else { return };
    let numbers: Vec<String> = (1..=32).map(|i| format!("sin(value * {i}.7)")).collect();
    let vector = format!("[{}]::vector(32)", numbers.join(", "));
    let file = terminal.home.path().join("t.sql");
    // Labels that are bands of a direction: a regression comes nearer to them for as long as it may.
    let label = "floor((sin(value * 1.7) + sin(value * 2.7)) * 12)::bigint";
    let statement = format!(
        "create table t as select value as id, {label} as label, {vector} as v \
         from generate_series(1, 100000);"
    );
    std::fs::write(file, statement).unwrap();
    terminal.line("\\i t.sql");
    terminal.wait_for("CREATE TABLE");
    for statement in [
        "create classifier c on t (v, label) with (steps = 100000, c = 1e9);",
        "select count(i) from (select label_issue(v, label) over () as i from t);",
        "select count(o) from (select topics(v) over () as o from t);",
        "select count(d) from (select duplicates(v, id) over () as d from t);",
    ] {
        terminal.clear();
        terminal.line(statement);
        // What takes over a second says how far it is.
        terminal.wait_for("%)");
        let pressed = Instant::now();
        terminal.key("C-c");
        terminal.wait_for("Stopped: the statement was interrupted.");
        terminal.line("select 40 + 2 as answer;");
        terminal.wait_for("     42");
        let waited = pressed.elapsed();
        println!("stopped after {waited:?}: {statement}");
        assert!(waited < Duration::from_secs(3), "{waited:?}: {statement}");
    }
    terminal.clear();
    terminal.line("show classifiers;");
    terminal.wait_for("(0 rows)");
}

#[test]
fn ctrl_c_clears_the_line_and_ctrl_d_quits() {
    let Some(terminal) = Terminal::start("keys") else { return };
    terminal.text("select 'never run");
    terminal.key("C-c");
    terminal.line("select 40 + 2 as answer;");
    let screen = terminal.wait_for("(1 row)");
    assert!(screen.contains("     42"), "{screen}");
    terminal.key("C-d");
    terminal.wait_for("exit code 0");
}

#[test]
fn results_look_as_asked() {
    let Some(terminal) = Terminal::start("looks") else { return };
    let statement = "select [0.25, 0.5, 1.0, 2.0, 4.0] as v, null as n, '日本' as t, 1 as i;";
    terminal.line(statement);
    let screen = terminal.wait_for("Time: ");
    assert!(screen.contains(" [0.25, 0.5, … 5] │ NULL │ 日本 │ 1"), "{screen}");

    terminal.clear();
    terminal.line("\\timing off");
    terminal.wait_for("Timing is off.");
    terminal.line("\\x");
    terminal.wait_for("Expanded display is on.");
    terminal.clear();
    terminal.line(statement);
    let screen = terminal.wait_for("RECORD 1");
    assert!(screen.contains("v │ [0.25, 0.5, … 5]\nn │ NULL\nt │ 日本\ni │ 1"), "{screen}");
    assert!(!screen.contains("Time: "), "{screen}");

    terminal.line("\\x off");
    terminal.clear();
    let long = "select repeat('long words ', 50) as a, repeat('more words ', 50) as b, 1 as i;";
    terminal.line(long);
    let screen = terminal.wait_for("(1 row)");
    let row = screen.lines().find(|line| line.contains("… │ 1"));
    assert!(row.is_some(), "cut to the terminal: {screen}");
}

#[test]
fn what_there_is_can_be_listed() {
    let Some(terminal) = Terminal::start("list") else { return };
    terminal.line("create view harbours as select 7 as depth;");
    terminal.line("\\d");
    let screen = terminal.wait_for("(1 row)");
    assert!(screen.contains(" public │ harbours │ view"), "{screen}");
    terminal.clear();
    terminal.line("\\d harbours");
    let screen = terminal.wait_for("(1 row)");
    assert!(screen.contains(" depth"), "{screen}");
    terminal.line("\\nonsense");
    terminal.wait_for("there is no command \\nonsense");
}

#[test]
fn errors_point_at_their_place() {
    let Some(terminal) = Terminal::start("caret") else { return };
    terminal.line("select 1,");
    terminal.line("  wrong from (select 1 as n);");
    let screen = terminal.wait_for("LINE 2:");
    let lines: Vec<&str> = screen.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("LINE 2:   wrong")).unwrap();
    assert_eq!(lines[at + 1].find('^'), lines[at].find("wrong"), "{screen}");
    assert!(lines[at - 1].contains("ERROR: "), "{screen}");
}

#[test]
fn tall_results_are_paged() {
    let Some(terminal) = Terminal::start("pager") else { return };
    if Command::new("less").arg("-V").output().is_err() {
        skip("less is not installed: the pager is not tested");
        return;
    }
    terminal.line("select value from generate_series(1, 100000);");
    let screen =
        terminal.wait_until("the pager's first page", |screen| screen.contains("    20\n"));
    assert!(!screen.contains("portolan>\n"), "{screen}");
    terminal.key("q");
    terminal.wait_until("the prompt", |screen| screen.trim_end().ends_with("portolan>"));
    terminal.line("select 40 + 2 as answer;");
    terminal.wait_for("     42");
}

#[test]
fn variables_watch_and_secrets() {
    let Some(terminal) = Terminal::start("rest") else { return };
    terminal.line("\\set n 41");
    terminal.line("select :n + 1 as answer \\watch 0.2");
    terminal.wait_until("two answers", |screen| screen.matches("     42\n").count() >= 2);
    terminal.key("C-c");
    terminal.wait_until("the prompt", |screen| screen.trim_end().ends_with("portolan>"));
    terminal.line("create secret s (type s3, key_id 'hush');");
    terminal.line("\\echo over");
    terminal.wait_for("\nover");
    let history = terminal.history();
    assert!(history.contains("watch 0.2") && !history.contains("hush"), "{history}");
}
