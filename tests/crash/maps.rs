//! A map that is made, brought up to date or dropped is killed at random moments: afterwards the old one
//! is there or the new one, never a mixture.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use datafusion::arrow::util::display::array_value_to_string;
use portolan::Database;
use tempfile::TempDir;

use super::random::Random;
use super::{killed_after, killed_when};

const KILLS: u64 = 16;
const ROWS: u64 = 400;
/// Rows that come before a map is brought up to date.
const COME: u64 = 10;
/// Rows that leave then.
const LEAVE: u64 = 3;

/// What a map's tables say, each in one line: those of one map have the same rows and seed.
const SAYS: [&str; 5] = [
    "SELECT rows || ' rows of seed ' || seed || ', of version ' || table_version || ', made ' || CAST(refreshed AS TEXT) FROM m.info",
    "SELECT count(*) || ' ' || sum(id) || ' ' || round(sum(CAST(x AS DOUBLE)), 3) || ' ' || round(sum(CAST(y AS DOUBLE)), 3) || ' ' || sum(topic_id) FROM m.points",
    "SELECT count(*) || ' ' || sum(size) || ' ' || round(sum(CAST(x AS DOUBLE)), 3) FROM m.topics WHERE depth = 1",
    "SELECT count(*) || ' ' || sum(id) || ' ' || sum(array_length(neighbors)) FROM m.neighbors",
    "SELECT count(*) || ' ' || count(DISTINCT tag) FROM m.tags",
];
/// Rows that one of a map's tables has and another one has not.
const TORN: &str = "SELECT (SELECT count(*) FROM m.points) - rows
    + (SELECT count(*) FROM m.neighbors) - rows + (SELECT sum(size) FROM m.topics WHERE depth = 1) - rows
    + (SELECT count(*) FROM m.points AS p LEFT ANTI JOIN m.neighbors AS n ON p.id = n.id)
    + (SELECT count(*) FROM m.tags AS t LEFT ANTI JOIN m.points AS p ON t.id = p.id)
    + (SELECT count(*) FROM (SELECT unnest(neighbors) AS near FROM m.neighbors) AS n
        LEFT ANTI JOIN m.points AS p ON n.near['id'] = p.id)
    FROM m.info";

/// What there is of a map: a line from each of its tables.
type Map = Option<[String; 5]>;

struct Victim {
    folder: TempDir,
    random: Random,
    /// How long a statement of each kind takes when nothing kills it.
    usual: BTreeMap<&'static str, Duration>,
    kills: u64,
    /// What was found after each statement that was killed.
    found: BTreeMap<&'static str, u64>,
}

impl Victim {
    fn location(&self) -> String {
        self.folder.path().join("database").to_string_lossy().into_owned()
    }

    /// Runs a statement to its end.
    fn finish(&mut self, kind: &'static str, sql: &str) {
        let started = Instant::now();
        assert!(self.attempt(sql, Duration::from_secs(600)));
        self.usual.insert(kind, started.elapsed());
    }

    /// Runs a statement and kills it at a random moment; true if it came to its end before.
    fn run(&mut self, kind: &'static str, sql: &str) -> bool {
        let usual = self.usual.get(kind).copied().unwrap_or(Duration::from_secs(1));
        let patience = usual.mul_f64(self.random.fraction() * 1.1);
        let ended = self.attempt(sql, patience);
        self.kills += u64::from(!ended);
        ended
    }

    /// Runs a statement, and kills it after so long; true if it came to its end before.
    fn attempt(&self, sql: &str, patience: Duration) -> bool {
        let (status, said) = killed_after(&self.folder, &self.location(), sql, patience);
        assert!(matches!(status.code(), Some(0) | None), "{sql}: {said}");
        status.success()
    }

    /// What there is of the map, which is whole.
    async fn map(&self) -> Map {
        let db = Database::open(&self.location()).await.unwrap();
        let maps = db.sql("SHOW MAPS").await.unwrap().collect().await.unwrap();
        if maps.iter().all(|batch| batch.num_rows() == 0) {
            let error = db.sql("SELECT * FROM m.points").await.err().unwrap().to_string();
            assert!(error.contains("does not exist") || error.contains("not found"), "{error}");
            return None;
        }
        assert_eq!(first(&db, TORN).await, "0", "parts of two maps");
        let mut says = Vec::new();
        for sql in SAYS {
            says.push(first(&db, sql).await);
        }
        says.try_into().ok()
    }
}

async fn first(db: &Database, sql: &str) -> String {
    let rows = db.sql(sql).await.unwrap().collect().await.unwrap();
    array_value_to_string(rows[0].column(0), 0).unwrap()
}

fn rows(from: u64, to: u64) -> String {
    format!(
        "SELECT value AS id, CAST([sin(value), cos(value), value % 5] AS VECTOR(3)) AS v FROM generate_series({from}, {to})"
    )
}

#[test]
fn killed_at_random_moments() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("PORTOLAN_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("PORTOLAN_CRASH_SEED={seed}");
    let wanted = number("PORTOLAN_CRASH_KILLS").unwrap_or(KILLS);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut victim = Victim {
        folder: tempfile::tempdir().unwrap(),
        random: Random::new(seed),
        usual: BTreeMap::new(),
        kills: 0,
        found: BTreeMap::new(),
    };
    victim.finish(
        "table",
        &format!(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, v VECTOR(3)); INSERT INTO t {}",
            rows(1, ROWS)
        ),
    );
    // Every map that is made has a seed of its own: so it differs from all before it.
    let mut made = 0;
    let mut create = || {
        made += 1;
        (format!("CREATE OR REPLACE MAP m ON t (v) WITH (n_epochs = 100, seed = {made})"), made)
    };
    victim.finish("CREATE", &create().0);
    let change = |last: u64, gone: u64| {
        format!(
            "INSERT INTO t {}; DELETE FROM t WHERE id <= {}",
            rows(last + 1, last + COME),
            gone + LEAVE
        )
    };
    let mut tags = 0;
    let (mut last, mut gone) = (ROWS, 0);
    victim.finish("change", &change(last, gone));
    (last, gone) = (last + COME, gone + LEAVE);
    victim.finish("REFRESH", "REFRESH MAP m");
    victim.finish("TAG", "ALTER MAP m TAG 'one' WHERE id % 5 = 0");
    victim.finish("DROP", "DROP MAP m");
    let mut there: Map = runtime.block_on(victim.map());
    assert!(there.is_none());
    while victim.kills < wanted {
        let kind = match (&there, victim.random.below(10)) {
            (None, _) | (_, 0..=2) => "CREATE",
            (_, 3..=5) => "REFRESH",
            (_, 6..=8) => "TAG",
            _ => "DROP",
        };
        let (statement, seed) = match kind {
            "CREATE" => create(),
            "REFRESH" => {
                victim.finish("change", &change(last, gone));
                (last, gone) = (last + COME, gone + LEAVE);
                ("REFRESH MAP m".to_string(), 0)
            }
            "TAG" => {
                tags += 1;
                (format!("ALTER MAP m TAG 'tag {tags}' WHERE id % 5 = 0"), 0)
            }
            _ => ("DROP MAP m".to_string(), 0),
        };
        let ended = victim.run(kind, &statement);
        let now = runtime.block_on(victim.map());
        if now == there {
            assert!(!ended, "an acknowledged {kind} is lost");
        } else {
            let anew = match (&now, &there) {
                (None, _) => kind == "DROP",
                (Some(now), _) if kind == "CREATE" => {
                    now[0].starts_with(&format!("{} rows of seed {seed},", last - gone))
                }
                (Some(now), Some(old)) if kind == "REFRESH" => {
                    // All of it is of the same rows, and none of it as it was.
                    now[0].starts_with(&format!("{} rows of", last - gone))
                        && now.iter().zip(old).take(4).all(|(now, old)| now != old)
                }
                // Nothing of it but the tags.
                (Some(now), Some(old)) if kind == "TAG" => now[..4] == old[..4],
                _ => false,
            };
            assert!(anew, "{statement}: {there:?} became {now:?}");
        }
        if !ended {
            let found = if now == there { "the old one" } else { "the new one" };
            *victim.found.entry(found).or_default() += 1;
        }
        there = now;
    }
    println!("{} kills, and there was after them {:?}", victim.kills, victim.found);
}

/// Rows whose neighbours and places take a few seconds each.
const MANY: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, v VECTOR(64));
    INSERT INTO t SELECT value, CAST([COORDINATES] AS VECTOR(64)) FROM generate_series(1, 40000)";

#[tokio::test]
async fn a_map_that_was_cut_off_goes_on_where_it_was() {
    let coordinates: Vec<String> = (1..=64).map(|i| format!("sin(value * {i}.37)")).collect();
    let table = MANY.replace("COORDINATES", &coordinates.join(", "));
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let map = "CREATE MAP m ON t (v) WITH (duplicates = false)";
    for name in ["killed", "whole"] {
        let db = Database::open(&place(name)).await.unwrap();
        db.sql(&table).await.unwrap().collect().await.unwrap();
    }
    let stages = folder.path().join("killed/m.map/_stages");
    let kept = |stage: &str| {
        let files = std::fs::read_dir(&stages).into_iter().flatten().flatten();
        let named =
            |file: &std::fs::DirEntry| file.file_name().to_string_lossy().starts_with(stage);
        // A file that is not whole yet has another name.
        let whole = |file: &std::fs::DirEntry| !file.file_name().to_string_lossy().contains('#');
        files.filter(named).find(whole).map(|file| file.metadata().unwrap().modified().unwrap())
    };
    for stage in ["neighbours", "places"] {
        let before = kept("neighbours");
        let there = || kept(stage).is_some();
        let (status, said) = killed_when(&folder, &place("killed"), map, there);
        assert_eq!(status.code(), None, "it ended before '{stage}' was kept: {said}");
        // They were not looked for again.
        assert!(before.is_none_or(|before| kept("neighbours") == Some(before)));
        let db = Database::open(&place("killed")).await.unwrap();
        let maps = db.sql("SHOW MAPS").await.unwrap().collect().await.unwrap();
        assert_eq!(maps.iter().map(|batch| batch.num_rows()).sum::<usize>(), 0);
    }

    // The end is as if nothing had happened, and nothing is left over.
    let mut says = Vec::new();
    for name in ["killed", "whole"] {
        let db = Database::open(&place(name)).await.unwrap();
        db.sql(map).await.unwrap().collect().await.unwrap();
        let all = "SELECT count(*) || ' ' || sum(id * CAST(x AS DOUBLE)) || ' ' || sum(id * CAST(y AS DOUBLE)) FROM m.points";
        says.push((first(&db, all).await, first(&db, SAYS[3]).await));
        assert!(!folder.path().join(name).join("m.map/_stages").exists());
    }
    assert_eq!(says[0], says[1]);
}
