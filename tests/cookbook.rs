//! The guides in sql/cookbook: they run from the first statement to the last, and every question in
//! them has an answer.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use datafusion::arrow::util::pretty::pretty_format_batches;
use portolan::Database;

use crate::models;
use crate::skipped::skip;

/// Pictures of emoji, fetched once into the machine's own folder; the folder that they are in, or why
/// they are not there.
fn pictures() -> Result<&'static str, String> {
    static FETCHED: LazyLock<Result<String, String>> = LazyLock::new(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/fetch");
        let run = Command::new(script).args(["emoji", "noto"]).output();
        let run = run.map_err(|error| format!("data/fetch: {error}"))?;
        if !run.status.success() {
            return Err(String::from_utf8_lossy(&run.stderr).trim().to_string());
        }
        // It says of each what it is and where.
        let said = String::from_utf8_lossy(&run.stdout);
        let folder = said.lines().find_map(|line| line.strip_prefix("emoji: "));
        folder.map(str::to_string).ok_or_else(|| format!("data/fetch said {said}"))
    });
    FETCHED.as_ref().map(String::as_str).map_err(String::clone)
}

/// Runs a guide in a database of its own, and gives the answers to its queries as text.
async fn answers(guide: &str) -> Vec<(String, String)> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(project.join("sql/cookbook").join(guide)).unwrap();
    let mut text = text.replace("'data/", &format!("'{}/data/", project.display()));
    if let Ok(folder) = pictures() {
        for kind in ["emoji", "noto"] {
            text = text.replace(&format!("'{kind}/"), &format!("'{folder}/{kind}/"));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().to_str().unwrap()).await.unwrap();
    let mut answers = Vec::new();
    for statement in db.parse(&text).unwrap() {
        let said = statement.text().to_string();
        let result = db.run(&statement).await;
        let result = result.unwrap_or_else(|error| panic!("{guide}: {said}: {error}"));
        let rows =
            result.collect().await.unwrap_or_else(|error| panic!("{guide}: {said}: {error}"));
        let verb = said.lines().find(|line| !line.starts_with("--") && !line.is_empty());
        if verb.is_some_and(|line| line.starts_with("SELECT")) {
            assert!(rows.iter().any(|batch| batch.num_rows() > 0), "{guide}: no rows: {said}");
        }
        answers.push((said, pretty_format_batches(&rows).unwrap().to_string()));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn search() {
    if let Err(reason) = models::fetched() {
        return skip(&format!("cookbook: {reason}"));
    }
    let answers = answers("search.sql").await;
    let answer = |of: &str| answer(&answers, of);
    assert!(answer("EXPLAIN").contains("VectorSearch: glosses@"), "{}", answer("EXPLAIN"));
    let joined = answer("USING (query_index)");
    assert_eq!(joined.matches("something to eat").count(), 2, "{joined}");
    let animals = answer("which animals live in the sea?");
    assert!(animals.contains("noun.animal"), "{animals}");
    assert!(answer("SHOW INDEXES").contains("ivf_hnsw_sq"), "{}", answer("SHOW INDEXES"));
}

/// What a guide says to the statement that contains a text.
fn answer<'a>(answers: &'a [(String, String)], of: &str) -> &'a str {
    let found = answers.iter().find(|(said, _)| said.contains(of));
    found.map(|(_, answer)| answer.as_str()).unwrap_or_else(|| panic!("nothing says {of}"))
}

/// The cells of an answer's rows.
fn cells(answer: &str) -> Vec<Vec<&str>> {
    let rows = answer.lines().filter(|line| line.starts_with('|')).skip(1);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn topics() {
    if let Err(reason) = models::fetched() {
        return skip(&format!("cookbook: {reason}"));
    }
    let answers = answers("topics.sql").await;
    let general = cells(answer(&answers, "AS noise"));
    assert_eq!(general.len(), 8, "{general:?}");
    let rows: usize = general.iter().map(|row| row[1].parse::<usize>().unwrap()).sum();
    let noise: usize = general.iter().map(|row| row[2].parse::<usize>().unwrap()).sum();
    assert!(rows == 1000 && noise <= 300, "{general:?}");
    // The dictionary's own classes are found again, some of them nearly whole.
    let agreed = cells(answer(&answers, "AS percent"));
    let percent: f64 = agreed[0][3].parse().unwrap();
    assert!(percent >= 50.0, "{agreed:?}");
    assert_eq!(cells(answer(&answers, "n_topics => 20")).len(), 20);
    assert_eq!(cells(answer(&answers, "GROUP BY cluster")).len(), 12);
    let japanese = answer(&answers, "topics(v, japanese)");
    let kana = japanese.chars().filter(|c| ('\u{3041}'..='\u{30ff}').contains(c)).count();
    assert!(kana > 5, "{japanese}");
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates() {
    if let Err(reason) = models::fetched() {
        return skip(&format!("cookbook: {reason}"));
    }
    let answers = answers("duplicates.sql").await;
    let counts = cells(answer(&answers, "AS cutoff"));
    let deleted = |cutoff: &str| {
        let is = |row: &&Vec<&str>| row[0] == cutoff && row[1] == "deletion candidate";
        counts.iter().find(is).map_or(0, |row| row[2].parse::<usize>().unwrap())
    };
    let (few, some, many) = (deleted("0.02"), deleted("0.05"), deleted("0.1"));
    assert!(few > 0 && 2 * few < some && 2 * some < many, "{counts:?}");
    let largest = cells(answer(&answers, "AS farthest"));
    assert!(largest.iter().all(|row| row[3].parse::<f64>().unwrap() <= 0.1), "{largest:?}");
    let left = cells(answer(&answers, "-- Now there are none."));
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0], ["singleton", &(1642 - some).to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn boundaries() {
    let answers = answers("boundaries.sql").await;
    let overlap = cells(answer(&answers, "LIMIT 8"));
    assert_eq!(overlap.len(), 8, "{overlap:?}");
    let four = cells(answer(&answers, "-- 4 and 9."));
    let alike: f64 = four[0][2].parse().unwrap();
    assert!(four[0][..2] == ["4", "4"] && alike > 90.0, "{four:?}");
    // Of 89 labels that were made wrong most are found, and hardly another one.
    let spoilt = cells(answer(&answers, "AS wrong"));
    let number = |row: usize, at: usize| spoilt[row][at].parse::<f64>().unwrap();
    assert!(number(1, 1) == 89.0 && number(1, 2) >= 55.0 && number(1, 4) >= 80.0, "{spoilt:?}");
    assert!(number(0, 2) <= 10.0 && number(1, 3) > 0.7 && number(0, 3) < 0.3, "{spoilt:?}");
    let drift = cells(answer(&answers, "AS jaccard_50"));
    assert!(drift[0][0].parse::<f64>().unwrap() < drift[0][2].parse::<f64>().unwrap(), "{drift:?}");
    let changed = cells(answer(&answers, "AS wrong_after"));
    let sum =
        |at: usize| changed.iter().map(|row| row[at].parse::<usize>().unwrap()).sum::<usize>();
    assert!(sum(1) < sum(2), "{changed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn classifiers() {
    if let Err(reason) = models::fetched() {
        return skip(&format!("cookbook: {reason}"));
    }
    let answers = answers("classifiers.sql").await;
    let numbers = |of: &str| -> Vec<f64> {
        let row = answer(&answers, of).lines().nth(3).unwrap_or_default();
        row.split('|').filter_map(|cell| cell.trim().parse().ok()).collect()
    };
    let seen = numbers("SELECT round(accuracy(said['label'], label), 3)");
    assert!(seen.iter().all(|measure| *measure > 0.9), "{seen:?}");
    // The old threshold is worse than the new one, on rows that neither was chosen by.
    let faded = numbers("recall_before");
    assert!(faded[3] > faded[1], "{faded:?}");
    let (text, trained) = (
        numbers(
            "AS f1, round(roc_auc(said['score'], animal), 3) AS roc_auc\nFROM (SELECT classify(v, 'animals') ",
        ),
        numbers("'animals_trained') AS said"),
    );
    assert!(text[3] > 0.8 && trained[1] > 0.8, "{text:?} {trained:?}");
    assert!(answer(&answers, "surest").contains("a plant"), "{}", answer(&answers, "surest"));
}

#[tokio::test(flavor = "multi_thread")]
async fn images() {
    if let Err(reason) = models::fetched().and_then(|()| pictures().map(|_| ())) {
        return skip(&format!("cookbook: {reason}"));
    }
    let answers = answers("images.sql").await;
    let numbers = |of: &str, row: usize, from: usize| -> Vec<f64> {
        let cells = cells(answer(&answers, of));
        cells[row][from..].iter().map(|cell| cell.parse().unwrap()).collect()
    };
    // What the text is nearest to are vehicles, and both kinds together are all pictures.
    let nearest = cells(answer(&answers, "LIMIT 8"));
    let vehicles = nearest.iter().filter(|row| row[1] == "true").count();
    assert!(vehicles >= 6, "{nearest:?}");
    for table in ["FROM scored GROUP", "FROM scored_noto GROUP"] {
        let spread = answer(&answers, table);
        assert_eq!(spread.matches('#').count(), 72, "{spread}");
    }
    // A line that is higher takes fewer, and its recall is lower.
    let lines = cells(answer(&answers, "unnest(["));
    let number = |row: usize, at: usize| lines[row][at].parse::<f64>().unwrap();
    assert!((1..6).all(|row| number(row, 1) < number(row - 1, 1)), "{lines:?}");
    assert!((1..6).all(|row| number(row, 3) <= number(row - 1, 3)), "{lines:?}");
    // The threshold that the guide takes is the one that it has found.
    let best = numbers("AS three_in_four_right", 0, 0);
    assert!(best[0] == 0.315 && best[1] > best[0], "{best:?}");
    let text = numbers("AS by_chance", 0, 0);
    assert!(text[0] > 2.0 * text[4] && text[3] > 0.7, "{text:?}");
    // Another hand, another line: on rows that neither was chosen by.
    let (own, old) = (numbers("'its own'", 0, 1), numbers("'its own'", 1, 1));
    assert!(own[0] > old[0] + 0.03 && own[3] > old[3] && own[1] > old[1], "{own:?} {old:?}");
    // Labels make a better classifier, also of pictures by a hand that it has not seen.
    let (twitter, google) = (numbers("hand DESC", 0, 1), numbers("hand DESC", 1, 1));
    assert!(twitter[2] > text[2] + 0.15 && twitter[3] > 0.9, "{twitter:?}");
    assert!(google[2] > own[3] && google[3] > 0.85, "{google:?}");
    let line = numbers("AS own FROM trained", 0, 0);
    assert!(line[3] > google[2], "{line:?} {google:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings() {
    if let Err(reason) = models::fetched().and_then(|()| pictures().map(|_| ())) {
        return skip(&format!("cookbook: {reason}"));
    }
    let answers = answers("embeddings.sql").await;
    let drift = cells(answer(&answers, "AS jaccard_50"));
    let number = |text: &str| text.parse::<f64>().unwrap();
    assert!(number(drift[0][0]) < 0.2 && number(drift[0][2]) > 0.3, "{drift:?}");
    // Names say better than looks what things are, to neighbours and to classifiers.
    let near = cells(answer(&answers, "knn_accuracy(says, subcategory)"));
    assert!(number(near[1][2]) > number(near[0][2]) + 0.2, "{near:?}");
    let trained = cells(answer(&answers, "ORDER BY accuracy DESC"));
    assert_eq!([trained[0][0], trained[1][0]], ["by_name", "by_looks"], "{trained:?}");
    let shared = cells(answer(&answers, "FROM shared GROUP BY same"));
    let rows: usize = shared.iter().map(|row| row[1].parse::<usize>().unwrap()).sum();
    assert_eq!(rows, 508, "{shared:?}");
    // Clock faces look like each other and are called like each other.
    let kinds = cells(answer(&answers, "AS found_by_looks"));
    assert_eq!(kinds[0][0], "time", "{kinds:?}");
    let near = answer(&answers, "'tomato'");
    assert!(near.contains("potato") && near.contains("hot pepper"), "{near}");
    let maps = cells(answer(&answers, "AS looks_on_seen"));
    assert!(maps[0].iter().all(|share| number(share) > 0.3), "{maps:?}");
}
