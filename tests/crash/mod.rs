//! Nothing committed is lost when the process is killed.
//!
//! The command runs one statement after another on one database and is killed at random moments.
//! After each kill the database opens and holds either all of the statement or nothing of it; a
//! killed backfill goes on when its statement is run again. `PORTOLAN_CRASH_SEED` repeats a run,
//! `PORTOLAN_CRASH_KILLS` makes it longer.

mod embedding;
mod maps;
mod random;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use portolan::Database;
use tempfile::TempDir;

use random::Random;

const KILLS: u64 = 100;
const MADE_ROWS: i64 = 100_000;
const INSERTED_ROWS: i64 = 4_000;
const BACKFILL: &str = "ALTER TABLE base ADD COLUMN filled AS (id * 7 + 1)";

/// What the table `base` holds: id and v.
type Rows = BTreeMap<i64, i64>;

#[test]
fn killed_at_random_moments() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("PORTOLAN_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("PORTOLAN_CRASH_SEED={seed}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut victim = runtime.block_on(Victim::new(seed));
    let wanted = number("PORTOLAN_CRASH_KILLS").unwrap_or(KILLS);
    while victim.kills < wanted {
        match victim.random.below(4) {
            0 => runtime.block_on(victim.create_table_as()),
            1 => runtime.block_on(victim.insert()),
            2 => runtime.block_on(victim.update()),
            _ => runtime.block_on(victim.backfill()),
        }
    }
    println!("{} kills; {} statements ended before theirs", victim.kills, victim.survived);
}

struct Victim {
    folder: TempDir,
    random: Random,
    /// What was acknowledged, or found to be committed.
    rows: Rows,
    /// How long a statement of each kind takes when nothing kills it.
    usual: BTreeMap<&'static str, Duration>,
    kills: u64,
    survived: u64,
}

impl Victim {
    async fn new(seed: u64) -> Self {
        let mut victim = Self {
            folder: tempfile::tempdir().unwrap(),
            random: Random::new(seed),
            rows: Rows::new(),
            usual: BTreeMap::new(),
            kills: 0,
            survived: 0,
        };
        victim.finish("CREATE TABLE base (id BIGINT, v BIGINT)");
        for _ in 0..3 {
            let (sql, after) = victim.insertion();
            victim.finish(&sql);
            victim.rows = after;
        }
        victim.expect(&victim.rows.clone()).await;
        victim
    }

    async fn create_table_as(&mut self) {
        let sql = format!(
            "CREATE TABLE made AS SELECT value AS id, value * 2 AS v FROM generate_series(1, {MADE_ROWS})"
        );
        let finished = self.run("create table as", &sql);
        let database = self.open().await;
        match database.sql("SELECT count(*), sum(v) FROM made").await {
            Ok(result) => {
                let batches = result.collect().await.unwrap();
                let number = |column: usize| batches[0].column(column).as_primitive::<Int64Type>();
                assert_eq!(number(0).value(0), MADE_ROWS, "a part of a table");
                assert_eq!(
                    number(1).value(0),
                    MADE_ROWS * (MADE_ROWS + 1),
                    "a table of wrong rows"
                );
            }
            Err(error) => {
                assert!(!finished, "an acknowledged table is lost: {error}");
                let message = error.to_string();
                assert!(message.contains("does not exist"), "half a table: {message}");
                let tables =
                    "SELECT count(*) FROM information_schema.tables WHERE table_name = 'made'";
                assert_eq!(first_number(&database, tables).await, 0, "half a table is listed");
                // Its name is free again.
                self.finish(&sql);
            }
        }
        self.finish("DROP TABLE made");
        self.expect(&self.rows.clone()).await;
    }

    async fn insert(&mut self) {
        let (sql, after) = self.insertion();
        self.change("insert", &sql, after).await;
    }

    fn insertion(&self) -> (String, Rows) {
        let first = self.rows.last_key_value().map_or(1, |(id, _)| id + 1);
        let last = first + INSERTED_ROWS - 1;
        let mut after = self.rows.clone();
        after.extend((first..=last).map(|id| (id, id % 10)));
        let sql = format!(
            "INSERT INTO base SELECT value, value % 10 FROM generate_series({first}, {last})"
        );
        (sql, after)
    }

    async fn update(&mut self) {
        let (step, part) = (self.random.below(100) as i64, self.random.below(5) as i64);
        let sql = format!("UPDATE base SET v = v + {step} WHERE id % 5 = {part}");
        let mut after = self.rows.clone();
        for (_, v) in after.iter_mut().filter(|(id, _)| *id % 5 == part) {
            *v += step;
        }
        self.change("update", &sql, after).await;
    }

    /// The statement is run until it gets to its end, then the column is dropped.
    async fn backfill(&mut self) {
        loop {
            match self.attempt("backfill", BACKFILL) {
                End::Finished => break,
                End::Killed => self.expect(&self.rows.clone()).await,
                // The last kill came after the last commit.
                End::Failed(error) if error.contains("already exists") => break,
                End::Failed(error) => panic!("{BACKFILL}: {error}"),
            }
        }
        let database = self.open().await;
        let wrong = "SELECT count(*) FROM base WHERE filled IS DISTINCT FROM id * 7 + 1";
        assert_eq!(first_number(&database, wrong).await, 0, "rows that were not filled");
        self.finish("ALTER TABLE base DROP COLUMN filled");
        self.expect(&self.rows.clone()).await;
    }

    /// A statement that leads from `self.rows` to `after`, and nowhere else.
    async fn change(&mut self, kind: &'static str, sql: &str, after: Rows) {
        let finished = self.run(kind, sql);
        let found = self.found().await;
        assert!(!finished || found == after, "an acknowledged statement is lost: {sql}");
        assert!(found == after || found == self.rows, "half a statement: {sql}");
        self.rows = found;
        if self.rows.len() > 20 * INSERTED_ROWS as usize {
            self.finish("DELETE FROM base");
            self.rows.clear();
        }
    }

    async fn expect(&self, rows: &Rows) {
        assert!(self.found().await == *rows, "committed rows are lost");
    }

    async fn found(&self) -> Rows {
        let database = self.open().await;
        let batches =
            database.sql("SELECT id, v FROM base").await.unwrap().collect().await.unwrap();
        let mut rows = Rows::new();
        for batch in &batches {
            let ids = batch.column(0).as_primitive::<Int64Type>().values();
            let values = batch.column(1).as_primitive::<Int64Type>().values();
            for (id, v) in ids.iter().zip(values) {
                assert!(rows.insert(*id, *v).is_none(), "id {id} is there twice");
            }
        }
        rows
    }

    async fn open(&self) -> Database {
        Database::open(&self.location()).await.unwrap()
    }

    fn location(&self) -> String {
        self.folder.path().join("database").to_string_lossy().into_owned()
    }

    /// Runs a statement and kills it at a random moment; whether it came to its end before.
    fn run(&mut self, kind: &'static str, sql: &str) -> bool {
        match self.attempt(kind, sql) {
            End::Finished => true,
            End::Killed => false,
            End::Failed(error) => panic!("{sql}: {error}"),
        }
    }

    fn attempt(&mut self, kind: &'static str, sql: &str) -> End {
        let usual = self.usual.get(kind).copied().unwrap_or(Duration::from_secs(1));
        let patience = usual.mul_f64(1.1 * self.random.fraction());
        let started = Instant::now();
        let mut child = self.start(sql);
        while started.elapsed() < patience {
            if let Some(status) = child.try_wait().unwrap() {
                self.usual.insert(kind, (usual + started.elapsed()) / 2);
                return self.ended(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap(); // SIGKILL
        let status = child.wait().unwrap();
        self.ended(status)
    }

    fn ended(&mut self, status: ExitStatus) -> End {
        match status.code() {
            Some(0) => {
                self.survived += 1;
                End::Finished
            }
            Some(_) => End::Failed(std::fs::read_to_string(self.errors()).unwrap()),
            None => {
                self.kills += 1;
                End::Killed
            }
        }
    }

    /// Runs a statement to its end.
    fn finish(&self, sql: &str) {
        let status = self.start(sql).wait().unwrap();
        assert!(status.success(), "{sql}: {}", std::fs::read_to_string(self.errors()).unwrap());
    }

    fn start(&self, sql: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_portolan"))
            .args([&self.location(), "-c", sql])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.errors()).unwrap())
            .spawn()
            .unwrap()
    }

    /// What the last statement said on standard error.
    fn errors(&self) -> PathBuf {
        self.folder.path().join("errors")
    }
}

/// How a statement ended.
enum End {
    Finished,
    Killed,
    Failed(String),
}

async fn first_number(database: &Database, sql: &str) -> i64 {
    let batches = database.sql(sql).await.unwrap().collect().await.unwrap();
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

/// Runs a statement with the command, and kills it after so long; how it ended, and what it said.
fn killed_after(
    folder: &TempDir,
    location: &str,
    sql: &str,
    patience: Duration,
) -> (ExitStatus, String) {
    let started = Instant::now();
    killed_when(folder, location, sql, || started.elapsed() >= patience)
}

/// The same, as soon as something is so.
fn killed_when(
    folder: &TempDir,
    location: &str,
    sql: &str,
    is_time: impl Fn() -> bool,
) -> (ExitStatus, String) {
    let errors = folder.path().join("errors");
    let mut child = Command::new(env!("CARGO_BIN_EXE_portolan"))
        .args([location, "-c", sql])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&errors).unwrap())
        .spawn()
        .unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if is_time() {
            child.kill().unwrap(); // SIGKILL
            break child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    (status, std::fs::read_to_string(&errors).unwrap())
}
