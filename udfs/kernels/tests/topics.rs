//! Topics of rows whose topics are known, and what they are called.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use portolan_kernels::Error;
use portolan_kernels::graph::{Graph, NONE};
use portolan_kernels::labels::{self, Label, Language, labels};
use portolan_kernels::neighbours::{self, Metric};
use portolan_kernels::random::{number, signed};
use portolan_kernels::rows::Rows;
use portolan_kernels::topics::{Depth, Options, Placed, Topics, counts_for, place, topics};
use portolan_kernels::watch::{Unwatched, Watch};

const WIDTH: usize = 32;

/// Rows of `general` middles with `special` middles around each, and the number of each row's special
/// one.
fn nested(general: u64, special: u64, each: u64, spread: f32) -> (Vec<f32>, Vec<u32>) {
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for row in 0..general * special * each {
        let middle = number(1, 0, row) % (general * special);
        labels.push(middle as u32);
        values.extend((0..WIDTH as u64).map(|i| {
            let above = signed(2, middle / special, i);
            above + 0.5 * signed(3, middle, i) + spread * signed(4, row, i)
        }));
    }
    (values, labels)
}

fn graph(rows: Rows, metric: Metric) -> Graph {
    neighbours::graph(rows, &neighbours::Options { metric, ..Default::default() }, &Unwatched)
        .unwrap()
}

fn find(values: &[f32], width: usize, options: &Options) -> Topics {
    let rows = Rows::new(values, width).unwrap();
    topics(rows, &graph(rows, options.metric), options, &Unwatched).unwrap()
}

/// The share of rows that are in the most frequent topic of their label and the other way around.
fn agreement(labels: &[u32], topics: &[u32]) -> f64 {
    let share = |from: &[u32], to: &[u32]| -> f64 {
        let mut counts: BTreeMap<u32, BTreeMap<u32, usize>> = BTreeMap::new();
        for (&a, &b) in from.iter().zip(to) {
            *counts.entry(a).or_default().entry(b).or_insert(0) += 1;
        }
        let most = |one: &BTreeMap<u32, usize>| *one.values().max().unwrap();
        counts.values().map(most).sum::<usize>() as f64 / from.len() as f64
    };
    share(labels, topics).min(share(topics, labels))
}

/// What holds of all topics, whatever the rows.
fn check(found: &Topics, rows: usize, options: &Options) {
    let mut before: Option<&Depth> = None;
    for depth in &found.depths {
        assert_eq!((depth.topics.len(), depth.nearest.len()), (rows, rows));
        let mut sizes = vec![0; depth.count];
        depth.nearest.iter().for_each(|&topic| sizes[topic as usize] += 1);
        assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes.last() > Some(&0));
        for row in 0..rows {
            assert!(depth.topics[row] == NONE || depth.topics[row] == depth.nearest[row]);
            assert!((0.0..=1.0).contains(&depth.certainty[row]));
            if let Some(above) = before {
                assert_eq!(depth.parents[depth.nearest[row] as usize], above.nearest[row]);
                assert!(above.topics[row] != NONE || depth.topics[row] == NONE);
            }
        }
        for (topic, exemplars) in (0..).zip(&depth.exemplars) {
            assert!(!exemplars.is_empty());
            assert!(exemplars.iter().all(|&row| depth.nearest[row as usize] == topic));
        }
        before = Some(depth);
    }
    let first = &found.depths[0];
    let noise = first.topics.iter().filter(|&&topic| topic == NONE).count();
    assert!(noise as f64 <= f64::from(options.noise) * rows as f64 + 1e-6);
    assert!(first.parents.is_empty());
}

#[test]
fn planted_topics_are_found_at_both_depths() {
    let (values, labels) = nested(5, 6, 60, 0.25);
    for metric in [Metric::Cosine, Metric::L2] {
        let options = Options { counts: vec![5, 30], metric, ..Options::default() };
        let found = find(&values, WIDTH, &options);
        check(&found, labels.len(), &options);
        let general: Vec<u32> = labels.iter().map(|label| label / 6).collect();
        let (first, second) = (&found.depths[0], &found.depths[1]);
        // One of thirty may not be told apart from the one beside it.
        assert!(first.count == 5 && (29..=30).contains(&second.count), "{}", second.count);
        assert!(agreement(&general, &first.nearest) > 0.99);
        let right = agreement(&labels, &second.nearest);
        assert!(right > 0.93, "{metric:?} {right}");
        let noise = |depth: &Depth| depth.topics.iter().filter(|&&topic| topic == NONE).count();
        assert!(noise(first) * 100 < labels.len(), "{}", noise(first));
        assert!(noise(second) * 10 < labels.len(), "{}", noise(second));
    }
}

#[test]
fn three_depths_fit_into_each_other_and_noise_is_bounded() {
    // Rows without any pattern: nothing is sure, and the bound is what holds.
    let values: Vec<f32> = (0..3000 * WIDTH as u64).map(|i| signed(7, 0, i)).collect();
    for noise in [0.3, 0.1, 0.0] {
        let options = Options { counts: vec![4, 12, 60], noise, ..Options::default() };
        let found = find(&values, WIDTH, &options);
        assert_eq!(found.depths.len(), 3);
        check(&found, 3000, &options);
        let none = found.depths[0].topics.iter().filter(|&&topic| topic == NONE).count();
        assert!(none as f32 >= 0.9 * noise * 3000.0, "{none}");
    }
}

#[test]
fn neither_order_nor_threads_are_seen() {
    let (mut values, _) = nested(4, 8, 40, 0.6);
    values.extend_from_within(..40 * WIDTH);
    let count = values.len() / WIDTH;
    let options = Options { counts: vec![4, 20, 70], ..Options::default() };
    let first = find(&values, WIDTH, &options);
    for (step, threads) in [(7, 1), (641, 3)] {
        let turned: Vec<usize> = (0..count).map(|i| i * step % count).collect();
        let moved: Vec<f32> =
            turned.iter().flat_map(|&i| values[i * WIDTH..(i + 1) * WIDTH].to_vec()).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let other = pool.install(|| find(&moved, WIDTH, &options));
        for (first, other) in first.depths.iter().zip(&other.depths) {
            assert_eq!((first.count, &first.parents), (other.count, &other.parents));
            for (place, &i) in turned.iter().enumerate() {
                assert_eq!(other.nearest[place], first.nearest[i]);
            }
        }
    }
}

#[test]
fn new_rows_go_where_their_neighbours_are() {
    let (values, labels) = nested(4, 6, 60, 0.2);
    let (old, new) = values.split_at(values.len() * 9 / 10);
    let (old_labels, new_labels) = labels.split_at(labels.len() * 9 / 10);
    let options = Options { counts: vec![4, 24], ..Options::default() };
    let found = find(old, WIDTH, &options);
    let (old, new) = (Rows::new(old, WIDTH).unwrap(), Rows::new(new, WIDTH).unwrap());
    let index = neighbours::Index::build(old, &Default::default(), &Unwatched).unwrap();
    let near = index.query(new, &Unwatched).unwrap();
    let placed: Vec<Vec<Placed>> = place(&near, new.len(), &found).unwrap();
    let mut right = 0;
    for (row, &label) in new_labels.iter().enumerate() {
        let same: Vec<u32> = (0..old.len())
            .filter(|&i| old_labels[i] == label)
            .map(|i| found.depths[1].nearest[i])
            .collect();
        let one = placed[1][row];
        right += usize::from(
            same.iter().filter(|&&topic| topic == one.nearest).count() * 2 > same.len(),
        );
        assert_eq!(found.depths[1].parents[one.nearest as usize], placed[0][row].nearest);
        assert!(one.topic == NONE || one.topic == one.nearest && placed[0][row].topic != NONE);
        assert!((0.0..=1.0).contains(&one.certainty));
    }
    assert!(right * 100 >= new_labels.len() * 97, "{right} of {}", new_labels.len());
    // A row between two topics is noise, one with no neighbours in no topic.
    let lone =
        Graph { k: 2, neighbours: vec![0, 1, NONE, NONE], distances: vec![0.0; 4], recall: 1.0 };
    let depth = Depth { count: 2, topics: vec![0, 1], nearest: vec![0, 1], ..Depth::default() };
    let placed = place(&lone, 2, &Topics { depths: vec![depth] }).unwrap();
    assert_eq!(placed[0][0], Placed { topic: NONE, nearest: 0, certainty: 0.5 });
    assert_eq!(placed[0][1], Placed { topic: NONE, nearest: NONE, certainty: 0.0 });
    assert!(matches!(place(&lone, 3, &Topics::default()), Err(Error::Shape(_))));
}

/// A row between two topics, a little nearer to one of them, belongs where its neighbours are.
#[test]
fn neighbours_have_a_say() {
    const EACH: usize = 40;
    let mut values = Vec::new();
    for row in 0..2 * EACH {
        let towards = [0.05 * signed(8, row as u64, 0), 0.05 * signed(8, row as u64, 1)];
        let at = if row < EACH { [1.0, 0.0] } else { [0.0, 1.0] };
        values.extend([at[0] + towards[0], at[1] + towards[1]]);
    }
    values.extend([0.69, 0.72]);
    let rows = Rows::new(&values, 2).unwrap();
    let side = |row: usize| if row < EACH { 0 } else { EACH };
    for others in [0, EACH] {
        let near = |row: usize| {
            let from = if row == 2 * EACH { others } else { side(row) };
            (from..from + EACH).filter(move |&other| other != row).take(5)
        };
        let neighbours: Vec<u32> = (0..=2 * EACH).flat_map(near).map(|row| row as u32).collect();
        let distances = vec![0.1; neighbours.len()];
        let graph = Graph { k: 5, neighbours, distances, recall: 1.0 };
        let options = Options { counts: vec![2], ..Options::default() };
        let found = topics(rows, &graph, &options, &Unwatched).unwrap();
        let nearest = &found.depths[0].nearest;
        assert_ne!(nearest[0], nearest[EACH]);
        assert_eq!(nearest[2 * EACH], nearest[others]);
    }
}

#[test]
fn few_rows_have_few_topics() {
    assert_eq!(counts_for(100_000), [8, 64, 512]);
    assert_eq!(counts_for(20_000), [8, 64, 500]);
    assert_eq!(counts_for(1), [1]);
    for rows in [1, 2, 9, 50, 300, 1500, 4000] {
        let counts = counts_for(rows);
        assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{rows} {counts:?}");
        assert!(counts.iter().all(|&count| count <= rows), "{rows} {counts:?}");
    }
    let none = find(&[], WIDTH, &Options::default());
    assert_eq!(none, Topics::default());
    for rows in [1, 2, 5] {
        let same = vec![1.0; rows * 3];
        let found = find(&same, 3, &Options { counts: vec![2, 4], ..Options::default() });
        assert_eq!(found.depths[1].nearest, vec![0; rows]);
        assert_eq!(found.depths[1].topics, vec![0; rows]);
    }
}

#[test]
fn what_has_no_topics_is_refused() {
    let (values, _) = nested(2, 2, 20, 0.3);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let near = graph(rows, Metric::Cosine);
    let run = |options: &Options| topics(rows, &near, options, &Unwatched);
    for counts in [vec![0], vec![4, 3], vec![1; 9]] {
        let wrong = run(&Options { counts, ..Options::default() });
        assert!(matches!(wrong, Err(Error::Option(_))));
    }
    let wrong = run(&Options { noise: 1.5, ..Options::default() });
    assert!(matches!(wrong, Err(Error::Option(_))));
    let wrong = run(&Options { metric: Metric::Dot, ..Options::default() });
    assert!(matches!(wrong, Err(Error::Option(_))));
    let fewer = Rows::new(&values[WIDTH..], WIDTH).unwrap();
    let wrong = topics(fewer, &near, &Options::default(), &Unwatched);
    assert!(matches!(wrong, Err(Error::Shape(_))));
}

/// Stops after so many questions.
struct Impatient(AtomicUsize);

impl Watch for Impatient {
    fn stage(&self, _: &'static str, _: usize) {}
    fn done(&self, _: usize) {}
    fn stopped(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_err()
    }
}

#[test]
fn it_stops_when_nobody_waits() {
    let (values, _) = nested(4, 8, 40, 0.4);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let near = graph(rows, Metric::Cosine);
    let texts = vec!["red fox"; rows.len()];
    let found = find(&values, WIDTH, &Options::default());
    for patience in [0, 1, 3] {
        let watch = Impatient(patience.into());
        let stopped = topics(rows, &near, &Options::default(), &watch);
        assert_eq!(stopped, Err(Error::Stopped));
        let watch = Impatient(patience.into());
        let stopped = labels(&texts, &found, &labels::Options::default(), &watch);
        assert_eq!(stopped, Err(Error::Stopped));
    }
}

/// Topics as they are given: at the first depth two, at the second four of each.
fn given(rows: usize) -> Topics {
    let depth = |count: u32, parents: Vec<u32>| {
        let nearest: Vec<u32> = (0..rows as u32).map(|row| row % 8 * count / 8).collect();
        Depth {
            count: count as usize,
            topics: nearest.clone(),
            certainty: vec![1.0; rows],
            exemplars: (0..count).map(|topic| vec![topic * 8 / count]).collect(),
            nearest,
            parents,
        }
    };
    Topics { depths: vec![depth(2, vec![]), depth(8, vec![0, 0, 0, 0, 1, 1, 1, 1])] }
}

fn name(texts: &[&str], languages: &[Language]) -> Vec<Vec<Label>> {
    let options = labels::Options { languages: languages.to_vec(), ..labels::Options::default() };
    labels(texts, &given(texts.len()), &options, &Unwatched).unwrap()
}

/// Texts of eight topics, every one of which says its own words with what all of its half say.
fn said(templates: [&str; 2], words: [&str; 8]) -> Vec<String> {
    let all = (0..160).map(|row| {
        let topic = row % 8;
        templates[topic / 4].replace('*', words[topic])
    });
    all.collect()
}

fn check_names(texts: &[String], languages: &[Language], shorts: [&str; 2], own: [&str; 8]) {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let names = name(&texts, languages);
    for (label, short) in names[0].iter().zip(shorts) {
        assert!(label.short.contains(short), "{label:?}");
    }
    for (topic, (label, own)) in names[1].iter().zip(own).enumerate() {
        assert!(label.short.starts_with(own), "{label:?}");
        assert!(label.description.contains(own) && label.description.contains('“'));
        let above = &names[0][topic / 4].short;
        let words = |text: &str| -> HashSet<String> {
            text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        assert!(words(&label.short).is_disjoint(&words(above)), "{above}: {label:?}");
    }
    assert_eq!(names, name(&texts, languages));
}

#[test]
fn english_topics_are_called_by_their_words() {
    let own = ["fox", "owl", "pike", "newt", "violin", "oboe", "harp", "drum"];
    let texts = said(
        [
            "The * is one of the wild animals of the forest.",
            "She played the * in an orchestra, as they do.",
        ],
        own,
    );
    for languages in [&[][..], &[Language::English]] {
        check_names(&texts, languages, ["wild animals", "orchestra"], own);
    }
}

#[test]
fn german_topics_are_called_by_their_words() {
    let own = ["fuchs", "eule", "hecht", "molch", "geige", "flöte", "harfe", "trommel"];
    let texts = said(
        [
            "Das Tier * lebt in den Wäldern und ist sehr scheu.",
            "Im Orchester wird von ihr die * gespielt.",
        ],
        own,
    );
    check_names(&texts, &[], ["tier", "orchester"], own);
}

#[test]
fn japanese_topics_are_called_by_their_words() {
    let own = ["狐", "梟", "鯉", "蛙", "バイオリン", "笛", "琴", "太鼓"];
    let texts = said(["*は森林に住んでいる野生動物である。", "彼女は管弦楽団で*を演奏した。"], own);
    check_names(&texts, &[], ["野生動物", "管弦楽団"], own);
}

#[test]
fn forms_of_a_word_are_one_and_the_commonest_is_shown() {
    let texts = said(["Churches * and church", "stones *"], ["a"; 8].map(|_| ""));
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let names = name(&texts, &[Language::English]);
    assert_eq!(names[0][0].terms.len(), 1, "{:?}", names[0][0]);
    assert!(names[0][0].short.starts_with("church"));
    assert_eq!(names[0][1].short, "stones");
}

#[test]
fn topics_without_words_are_numbered() {
    let names = name(&["", "1 2", "…", "", "7", "", "", ""], &[]);
    assert_eq!(names[0][1].short, "topic 2");
    assert_eq!(names[1][7].short, "topic 2.4");
    assert!(matches!(
        labels(&["one"], &given(8), &labels::Options::default(), &Unwatched),
        Err(Error::Shape(_))
    ));
}
