//! A backfill that embeds is killed at random moments, and goes on: with a server that remembers
//! what it was asked for, and with a model of this machine.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use portolan::Database;
use tempfile::TempDir;

use super::random::Random;
use super::{End, first_number, killed_after};
use crate::models;
use crate::remote::server::{Reply, Server, right};
use crate::skipped::skip;

const KILLS: u64 = 12;
/// Each becomes a fragment, and so a step of the backfill.
const INSERTS: i64 = 6;
const BACKFILL: &str = "ALTER TABLE t ADD COLUMN v AS (embed_text(text))";

struct Victim {
    folder: TempDir,
    /// What every command says before its statement.
    settings: String,
    random: Random,
    kills: u64,
}

/// What is done of a backfill.
#[derive(Debug, Clone, Default)]
struct Done {
    /// Texts of rows that have their vector.
    filled: BTreeSet<String>,
    /// Vectors in the cache.
    cached: i64,
}

impl Victim {
    fn new(settings: &str, rows: i64) -> Self {
        let seed = std::env::var("PORTOLAN_CRASH_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
        println!("PORTOLAN_CRASH_SEED={seed}");
        let folder = tempfile::tempdir().unwrap();
        let random = Random::new(seed);
        let mut victim = Self { folder, settings: settings.to_string(), random, kills: 0 };
        victim.finish("CREATE TABLE t (id BIGINT PRIMARY KEY, text TEXT)");
        for part in 0..INSERTS {
            let (first, last) = (part * rows + 1, (part + 1) * rows);
            victim.finish(&format!(
                "INSERT INTO t SELECT value, 'harbour ' || value FROM generate_series({first}, {last})"
            ));
        }
        victim
    }

    fn location(&self) -> String {
        self.folder.path().join("database").to_string_lossy().into_owned()
    }

    async fn open(&self) -> Database {
        let db = Database::open(&self.location()).await.unwrap();
        db.sql(&self.settings).await.unwrap();
        db
    }

    fn finish(&mut self, sql: &str) {
        match self.attempt(sql, Duration::from_secs(600)) {
            End::Finished => {}
            End::Killed => panic!("{sql}: not finished in ten minutes"),
            End::Failed(error) => panic!("{sql}: {error}"),
        }
    }

    fn attempt(&mut self, sql: &str, patience: Duration) -> End {
        let sql = format!("{}; {sql}", self.settings);
        let (status, said) = killed_after(&self.folder, &self.location(), &sql, patience);
        match status.code() {
            Some(0) => End::Finished,
            Some(_) => End::Failed(said),
            None => {
                self.kills += 1;
                End::Killed
            }
        }
    }

    async fn done(&self) -> Done {
        let db = self.open().await;
        let cached = db.sql("SHOW CACHE").await.unwrap().collect().await.unwrap();
        let cached = cached[0].column(0).as_primitive::<Int64Type>().value(0);
        // Killed early, there is no column yet.
        let Ok(rows) = db.sql("SELECT text FROM t WHERE v IS NOT NULL").await else {
            return Done { cached, ..Done::default() };
        };
        let batches = rows.collect().await.unwrap();
        let texts = batches.iter().flat_map(|batch| {
            let texts = batch.column(0).as_string::<i32>();
            texts.iter().map(|text| text.unwrap().to_string()).collect::<Vec<_>>()
        });
        Done { filled: texts.collect(), cached }
    }

    /// The statement again and again, killed each time until it gets to its end. `each` sees what
    /// was done after every kill.
    async fn backfill(&mut self, usual: Duration, mut each: impl FnMut(&Done)) {
        let mut before = Done::default();
        let mut attempts = 0;
        loop {
            // Ever longer, so that it ends.
            attempts += 1;
            let patience = usual.mul_f64(self.random.fraction() * f64::from(attempts));
            match self.attempt(BACKFILL, patience) {
                End::Finished => break,
                End::Killed => {}
                // The last kill came after the last commit.
                End::Failed(error) if error.contains("already exists") => break,
                End::Failed(error) => panic!("{BACKFILL}: {error}"),
            }
            let done = self.done().await;
            assert!(done.filled.is_superset(&before.filled), "filled rows are empty again");
            assert!(done.cached >= before.cached, "cached vectors are lost");
            each(&done);
            before = done;
        }
    }
}

fn vector(text: &str) -> Vec<f32> {
    let number: f32 = text.rsplit(' ').next().unwrap().parse().unwrap();
    let mut vector = vec![0.5; 384];
    vector[0] = number;
    vector
}

/// The server is slow enough for a kill to find it at work.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_embedded_is_not_asked_for_again() {
    const ROWS: i64 = 50;
    let server = Server::start(|_, texts| Reply {
        delay: Duration::from_millis(100),
        ..right(texts, vector)
    });
    let settings = format!(
        "SET portolan.text_model = 'all-MiniLM-L6-v2'; SET portolan.model_dir = '/no/models'; \
         SET portolan.inference_mode = 'remote'; SET portolan.remote_url = '{}'",
        server.url()
    );
    let mut victim = Victim::new(&settings, ROWS);
    let (mut rounds, mut between) = (0, 0);
    while victim.kills < KILLS {
        let first = server.requests().len();
        let mut checks: Vec<(usize, Done)> = Vec::new();
        victim
            .backfill(Duration::from_millis(1000), |done| {
                checks.push((server.requests().len(), done.clone()));
            })
            .await;
        for (asked, done) in &checks {
            let later = server.texts_from(*asked);
            let again: Vec<_> = later.iter().filter(|text| done.filled.contains(*text)).collect();
            assert!(again.is_empty(), "embedded, committed and asked for again: {again:?}");
            let rest = (INSERTS * ROWS - done.cached) as usize;
            let later: BTreeSet<_> = later.into_iter().collect();
            assert!(later.len() <= rest, "{} texts asked for, {rest} not cached", later.len());
            let filled = done.filled.len();
            assert_eq!(filled % ROWS as usize, 0, "half a fragment");
            between += usize::from(filled > 0 && done.cached < INSERTS * ROWS);
        }
        let asked: BTreeSet<_> = server.texts_from(first).into_iter().collect();
        assert_eq!(asked.len() as i64, INSERTS * ROWS);

        let db = victim.open().await;
        let wrong = "SELECT count(*) FROM t WHERE v IS NULL \
                     OR abs(v[1] / v[2] * 0.5 - id) > 0.001";
        assert_eq!(first_number(&db, wrong).await, 0, "rows with another text's vector");
        drop(db);
        victim.finish("ALTER TABLE t DROP COLUMN v; VACUUM CACHE");
        rounds += 1;
    }
    println!("{} kills in {rounds} rounds, {between} of them between two commits", victim.kills);
    assert!(between > 0, "no kill fell between two commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_has_the_vector_of_its_text() {
    if let Err(reason) = models::fetched() {
        return skip(&format!("a killed backfill with a model: {reason}"));
    }
    let settings = "SET portolan.text_model = 'all-MiniLM-L6-v2'";
    let mut victim = Victim::new(settings, 60);
    let started = Instant::now();
    victim.finish(BACKFILL);
    let usual = started.elapsed();
    while victim.kills < KILLS / 2 {
        victim.finish("ALTER TABLE t DROP COLUMN v; VACUUM CACHE");
        victim.backfill(usual, |_| {}).await;
        let db = victim.open().await;
        db.sql("SET portolan.embed_cache = 'off'").await.unwrap();
        let wrong = "SELECT count(*) FROM t WHERE v IS DISTINCT FROM embed_text(text)";
        assert_eq!(first_number(&db, wrong).await, 0, "vectors of another text, or none");
    }
}
