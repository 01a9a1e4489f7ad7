//! What functions say of rows by the others, as the engine calls them.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, Float32Array, Int64Array,
    NullArray, StringArray, UInt32Array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Float32Type, Int32Type, Int64Type};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::WindowUDF;

use super::tests::Given::{self, Column as C, Constant as K};
use super::tests::{call, corners};
use super::*;
use crate::settings::Settings;
use crate::statement::Statement;
use crate::work::{Work, tests::stop_at};

/// All of them.
const KINDS: [&FindingKind; 8] = [
    &BOUNDARY,
    &CLUSTER_ID,
    &DUPLICATES,
    &LABEL_ISSUE,
    &OUTLIER_SCORE,
    &TOPIC_LABEL,
    &TOPICS,
    &UNIQUENESS,
];

fn function(kind: &'static FindingKind) -> WindowUDF {
    WindowUDF::new_from_impl(Finding::new(kind))
}

fn null() -> Given {
    K(ScalarValue::Null)
}

fn whole(value: i64) -> Given {
    K(ScalarValue::Int64(Some(value)))
}

fn float(value: f64) -> Given {
    K(ScalarValue::Float64(Some(value)))
}

/// What a function takes beside vectors: ids for some, texts and labels for others.
fn second(count: usize) -> ArrayRef {
    let words = ["a red fox", "a deep lake", "an old song"];
    let texts = (0..count).map(|row| Some(format!("{} {}", words[row % 3], row / 3 % 7)));
    Arc::new(texts.collect::<StringArray>())
}

fn arguments(kind: &FindingKind, rows: ArrayRef) -> Vec<Given> {
    let labels = (0..rows.len()).map(|row| i64::from(row % 8 >= 5));
    let second: Option<ArrayRef> = match kind.parameters[1] {
        "id" | "text" => Some(second(rows.len())),
        "label" => Some(Arc::new(Int64Array::from_iter_values(labels))),
        _ => None,
    };
    [rows].into_iter().chain(second).map(C).collect()
}

fn texts(column: &ArrayRef) -> Vec<Option<String>> {
    column.as_string::<i32>().iter().map(|text| text.map(str::to_string)).collect()
}

fn field(of: &ArrayRef, name: &str) -> ArrayRef {
    of.as_struct().column_by_name(name).unwrap().clone()
}

fn vectors(rows: &[Option<[f32; 2]>]) -> ArrayRef {
    let rows = rows.iter().map(|row| row.map(|row| row.map(Some)));
    Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2))
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let rows = corners(120);
    // 53 and 120 have no common divisor.
    let other: UInt32Array = (0..120).map(|row| row * 53 % 120).collect();
    for kind in KINDS {
        let given = arguments(kind, rows.clone());
        let one = call(&function(kind), &given).unwrap();
        // What is noise has no label.
        assert!(one.null_count() == 0 || kind.name == "topic_label", "{}", kind.name);
        let shuffled: Vec<Given> = given
            .into_iter()
            .map(|given| match given {
                C(column) => C(take(&column, &other, None).unwrap()),
                constant => constant,
            })
            .collect();
        let two = call(&function(kind), &shuffled).unwrap();
        assert_eq!(&take(&one, &other, None).unwrap(), &two, "{}", kind.name);
    }
}

#[test]
fn rows_that_cannot_be_used_have_nothing_and_one_notice() {
    let rows = vectors(&[
        Some([1.0, 2.0]),
        None,
        Some([0.0, 0.0]),
        Some([f32::INFINITY, 0.0]),
        Some([3.0, 4.0]),
        Some([3.0, 5.0]),
        Some([9.0, -5.0]),
        Some([f32::NAN, 1.0]),
    ]);
    let work = Work::default();
    let statement = Statement::new(&Settings::default(), &work);
    for kind in KINDS {
        let function = statement.window_function(&function(kind)).unwrap();
        let found = call(&function, &arguments(kind, rows.clone())).unwrap();
        for row in [1, 2, 3, 7] {
            assert!(found.is_null(row), "{}", kind.name);
        }
        assert_eq!(found.null_count(), 4, "{}", kind.name);
        let notices = work.take_notices();
        assert_eq!(notices.len(), 1);
        let begins = format!("{} left out 4 rows: 1 without a vector", kind.name);
        assert!(notices[0].starts_with(&begins), "{notices:?}");
        assert!(work.stage().is_none());
    }
}

#[test]
fn few_rows_and_equal_ones_are_answered() {
    for kind in KINDS.into_iter().filter(|kind| kind.name != "label_issue") {
        for count in 1..6 {
            let found = call(&function(kind), &arguments(kind, corners(count))).unwrap();
            assert_eq!(found.null_count(), 0, "{} {count}", kind.name);
        }
        for width in [1, 2, 4096] {
            let rows = (0..40).map(|_| Some(vec![Some(1.5); width as usize]));
            let rows = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, width);
            let found = call(&function(kind), &arguments(kind, Arc::new(rows))).unwrap();
            assert_eq!(found.null_count(), 0, "{} {width}", kind.name);
        }
        let nothing = Arc::new(NullArray::new(3));
        let nothing = call(&function(kind), &arguments(kind, nothing)).unwrap();
        assert_eq!(nothing.null_count(), 3, "{}", kind.name);
    }
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    let text = |value: &str| K(ScalarValue::from(value));
    let column = || C(Arc::new(Int64Array::from(vec![5; 9])) as ArrayRef);
    let words = || C(second(9));
    let floats = || C(Arc::new(Float32Array::from(vec![5.0; 9])) as ArrayRef);
    let ids = || C(Arc::new(Int64Array::from_iter_values(0..9)) as ArrayRef);
    for (kind, rest, expected) in [
        (&DUPLICATES, vec![null(), float(1.5)], "cutoff is a number from 0 to 1, not 1.5"),
        (&DUPLICATES, vec![column(), column()], "cutoff must be a constant"),
        (&BOUNDARY, vec![], "takes 2 to 5 arguments (v, label, k"),
        (&BOUNDARY, vec![words(), whole(0)], "k is a whole number from 1 to 1000, not 0"),
        (&BOUNDARY, vec![null()], "label is a text, a whole number or a boolean, not Null"),
        (&CLUSTER_ID, vec![whole(0)], "n_clusters is a whole number from 1 to 100000, not 0"),
        (&CLUSTER_ID, vec![null(), float(-0.1)], "noise is a number from 0 to 1, not -0.1"),
        (&LABEL_ISSUE, vec![floats()], "label is a text, a whole number or a boolean, not FLOAT"),
        (
            &LABEL_ISSUE,
            vec![column()],
            "two labels must have two different vectors each; 1 of 1 has",
        ),
        (&LABEL_ISSUE, vec![ids()], "two labels must have two different vectors each; 0 of 9 have"),
        (&LABEL_ISSUE, vec![words(), whole(1)], "folds is a whole number from 2 to 100, not 1"),
        (&OUTLIER_SCORE, vec![whole(0)], "k is a whole number from 1 to 1000, not 0"),
        (&UNIQUENESS, vec![text("dot")], "metric is one of 'cosine', 'l2', not 'dot'"),
        (&TOPIC_LABEL, vec![words(), whole(4)], "depth is a whole number from 1 to 3, not 4"),
        (&TOPIC_LABEL, vec![words(), null(), whole(0)], "n_topics is a whole number from 1 to"),
        (&TOPICS, vec![column()], "text is a text, not BIGINT; cast it"),
        (&TOPICS, vec![words(), null(), text("dot")], "metric is one of 'cosine', 'l2', not 'dot'"),
    ] {
        let mut given = vec![C(corners(9))];
        given.extend(rest);
        let error = call(&function(kind), &given).unwrap_err().to_string();
        assert!(error.contains(kind.name) && error.contains(expected), "{error}");
    }
    for kind in KINDS {
        let given = arguments(kind, second(3));
        let error = call(&function(kind), &given).unwrap_err().to_string();
        assert!(error.contains(&format!("{}: v is a vector", kind.name)), "{error}");
    }
}

#[test]
fn a_stopped_statement_stops() {
    let work = Work::default();
    let statement = Statement::new(&Settings::default(), &work);
    work.stop();
    for kind in KINDS {
        let function = statement.window_function(&function(kind)).unwrap();
        let error = call(&function, &arguments(kind, corners(30))).unwrap_err().to_string();
        assert!(error.contains(&format!("{} was stopped", kind.name)), "{error}");
    }
    // Also in the middle of it.
    for kind in KINDS {
        let work = Work::default();
        let statement = Statement::new(&Settings::default(), &work);
        let function = statement.window_function(&function(kind)).unwrap();
        let given = arguments(kind, corners(30_000));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while work.stage().is_none() {
                    std::thread::yield_now();
                }
                work.stop();
            });
            let error = call(&function, &given).unwrap_err().to_string();
            assert!(error.contains(&format!("{} was stopped", kind.name)), "{error}");
        });
    }
}

#[test]
fn stopping_takes_a_moment_whatever_is_being_done() {
    let mut state = 7u64;
    let number = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    });
    let values: Float32Array = number.take(40_000 * 48).map(Some).collect();
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let rows: ArrayRef = Arc::new(FixedSizeListArray::new(item, 48, Arc::new(values), None));
    for kind in [&TOPICS, &DUPLICATES, &LABEL_ISSUE] {
        let mut stages = 0;
        for nth in 1..=12 {
            let work = Work::default();
            let statement = Statement::new(&Settings::default(), &work);
            let function = statement.window_function(&function(kind)).unwrap();
            let given = arguments(kind, rows.clone());
            let (done, since) = stop_at(&work, nth, || call(&function, &given));
            // There are not so many stages.
            let Some(since) = since else { break };
            let error = done.unwrap_err().to_string();
            assert!(error.contains(&format!("{} was stopped", kind.name)), "{error}");
            assert!(since < Duration::from_secs(2), "{} {nth}: {since:?}", kind.name);
            stages = nth;
        }
        assert!(stages > 0, "{} was done before it could be stopped", kind.name);
    }
}

/// Memory that is never short, and how much was asked for.
#[derive(Default)]
struct Counted {
    asked: AtomicUsize,
    least: AtomicUsize,
}

impl crate::work::Memory for Counted {
    fn reserve(&self, whom: &str, bytes: usize) -> Result<Box<dyn Any + Send>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if bytes < self.least.load(Ordering::Relaxed) {
            return datafusion_common::exec_err!("{whom} wants only {bytes}");
        }
        Ok(Box::new(()))
    }
}

#[test]
fn memory_is_asked_for_first() {
    struct Nothing;
    impl crate::work::Memory for Nothing {
        fn reserve(&self, whom: &str, bytes: usize) -> Result<Box<dyn Any + Send>> {
            datafusion_common::exec_err!("{whom} wants {bytes}")
        }
    }
    let work = Work::default();
    work.count_memory(Arc::new(Nothing));
    let statement = Statement::new(&Settings::default(), &work);
    for kind in KINDS {
        let function = statement.window_function(&function(kind)).unwrap();
        let error = call(&function, &arguments(kind, corners(100))).unwrap_err().to_string();
        // At least the rows themselves.
        let bytes: usize = error.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(error.contains(&format!("{} wants", kind.name)) && bytes > 100 * 4 * 4, "{error}");
    }
}

#[test]
fn what_two_calls_need_is_made_once() {
    let work = Work::default();
    let counted = Arc::new(Counted::default());
    work.count_memory(counted.clone());
    let statement = Statement::new(&Settings::default(), &work);
    let asked = |kind: &'static FindingKind, given: &[Given]| {
        let before = counted.asked.load(Ordering::Relaxed);
        let function = statement.window_function(&function(kind)).unwrap();
        call(&function, given).unwrap();
        counted.asked.load(Ordering::Relaxed) - before
    };
    // For itself, for the graph and for the topics; then only for itself.
    let mut given = arguments(&TOPIC_LABEL, corners(90));
    assert_eq!(asked(&TOPIC_LABEL, &given), 3);
    assert_eq!(asked(&TOPICS, &given), 1);
    given.push(whole(2));
    assert_eq!(asked(&TOPIC_LABEL, &given), 1);
    // Another number of topics needs other topics, of the same graph.
    given.push(whole(5));
    assert_eq!(asked(&TOPIC_LABEL, &given), 2);
    // A map and a list of neighbours take that, too.
    let map = statement.window_function(&WindowUDF::new_from_impl(MapXy::new(&UMAP_XY))).unwrap();
    let before = counted.asked.load(Ordering::Relaxed);
    call(&map, &[C(corners(90))]).unwrap();
    let near =
        statement.window_function(&WindowUDF::new_from_impl(Neighbors::new(&NEIGHBORS))).unwrap();
    call(&near, &[C(corners(90)), C(second(90)), whole(4)]).unwrap();
    assert_eq!(counted.asked.load(Ordering::Relaxed) - before, 2);
    // Other vectors are others.
    assert_eq!(asked(&TOPICS, &arguments(&TOPICS, corners(91))), 3);
}

#[test]
fn the_answer_is_the_same_where_nothing_can_be_kept() {
    let work = Work::default();
    let counted = Arc::new(Counted::default());
    // What calls need is more than that; what they would keep is less.
    counted.least.store(30_000, Ordering::Relaxed);
    work.count_memory(counted.clone());
    let statement = Statement::new(&Settings::default(), &work);
    let given = arguments(&TOPICS, corners(90));
    let alone = call(&function(&TOPICS), &given).unwrap();
    let short = statement.window_function(&function(&TOPICS)).unwrap();
    for _ in 0..2 {
        assert_eq!(&call(&short, &given).unwrap(), &alone);
    }
    // For itself, and in vain twice for the graph and twice for the topics; all of it twice.
    assert_eq!(counted.asked.load(Ordering::Relaxed), 10);
}

#[test]
fn near_copies_are_told_apart_by_their_ids() {
    // Two directions, and one row that is alone.
    let rows = vectors(&[
        Some([1.0, 0.001]),
        Some([1.0, 0.0]),
        Some([2.0, 0.0]),
        Some([0.0, 1.0]),
        Some([0.0, 3.0]),
        Some([-1.0, -1.0]),
    ]);
    let ids = |ids: [Option<&str>; 6]| C(Arc::new(StringArray::from(ids.to_vec())) as ArrayRef);
    let found = |ids: Given| {
        let found = call(&function(&DUPLICATES), &[C(rows.clone()), ids]).unwrap();
        let classes = texts(&field(&found, "duplicate_class"));
        let short = |class: &Option<String>| class.clone().unwrap()[..1].to_string();
        let clusters = field(&found, "cluster_id");
        let clusters: Vec<Option<i32>> = clusters.as_primitive::<Int32Type>().iter().collect();
        (classes.iter().map(short).collect::<String>(), clusters)
    };
    let of = [Some("f"), Some("e"), Some("d"), Some("c"), Some("b"), Some("a")];
    assert_eq!(found(ids(of)), ("ddrdrs".into(), [2, 2, 2, 1, 1, 0].map(some).into()));
    // No id is no reason to be kept.
    let of = [Some("f"), Some("e"), None, None, Some("b"), Some("a")];
    assert_eq!(found(ids(of)), ("drddrs".into(), [2, 2, 2, 1, 1, 0].map(some).into()));
    let (classes, _) = found(null());
    assert_eq!(classes.matches('r').count(), 2, "{classes}");
    let all = call(&function(&DUPLICATES), &[C(rows), null(), float(1.0)]).unwrap();
    let distances = field(&all, "distance_to_retained");
    assert!(distances.as_primitive::<Float32Type>().values().iter().all(|far| *far <= 2.0));
}

/// 0 stands for none.
fn some(number: i32) -> Option<i32> {
    (number > 0).then_some(number)
}

#[test]
fn topics_are_named_by_their_texts_of_any_type() {
    let plain = second(90);
    let given = |texts: ArrayRef| [C(corners(90)), C(texts), null(), whole(3)];
    let label = function(&TOPIC_LABEL);
    let named = call(&label, &given(plain.clone())).unwrap();
    let names = texts(&named);
    for (row, word) in ["fox", "lake", "song"].into_iter().enumerate() {
        let name = names[row].as_deref().unwrap();
        assert!(name.contains(word), "{name}");
        assert!(names.iter().skip(row).step_by(3).all(|other| other.as_deref() == Some(name)));
    }
    for kind in [
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    ] {
        assert_eq!(&call(&label, &given(cast(&plain, &kind).unwrap())).unwrap(), &named);
    }
    // A row without a text has the topic of its vector; without any, topics are numbered.
    let some: StringArray =
        (0..90).map(|row| (row > 5).then(|| plain.as_string::<i32>().value(row))).collect();
    let some = call(&label, &given(Arc::new(some))).unwrap();
    assert_eq!(some.null_count(), 0);
    let none = call(&label, &[C(corners(90)), null(), null(), whole(3)]).unwrap();
    assert!(texts(&none)[0].as_deref().unwrap().starts_with("topic "));
}

#[test]
fn depths_lie_within_each_other() {
    let found = call(&function(&TOPICS), &arguments(&TOPICS, corners(900))).unwrap();
    let names: Vec<Vec<Option<String>>> =
        ["topic_1", "topic_2", "topic_3"].map(|name| texts(&field(&found, name))).into();
    let ids = field(&found, "topic_id");
    let ids = ids.as_primitive::<Int32Type>();
    // 900 rows have 8 topics and 24 below them, no third depth.
    assert!(names[2].iter().all(Option::is_none));
    let mut above = std::collections::HashMap::new();
    for (id, general) in ids.values().iter().zip(&names[0]) {
        assert!((9..=32).contains(id), "{id}");
        assert_eq!(above.entry(*id).or_insert(general), &general);
    }
    let noise = field(&found, "noise");
    assert!(noise.as_boolean().true_count() <= 270);
    // What is noise has no label.
    let labels = call(&function(&TOPIC_LABEL), &arguments(&TOPIC_LABEL, corners(900))).unwrap();
    assert_eq!(labels.null_count(), noise.as_boolean().true_count());
    let told = texts(&labels);
    assert!(told.iter().zip(&names[0]).all(|(told, name)| told.is_none() || told == name));
}

/// Numbers; `None` for NULL.
fn numbers(column: &ArrayRef) -> Vec<Option<f32>> {
    column.as_primitive::<Float32Type>().iter().collect()
}

/// Rows on a line, at these places.
fn on_a_line(places: &[f32]) -> ArrayRef {
    vectors(&places.iter().map(|x| Some([*x, 0.0])).collect::<Vec<_>>())
}

fn l2() -> Given {
    K(ScalarValue::from("l2"))
}

#[test]
fn neighbours_say_where_labels_meet() {
    let rows = on_a_line(&[0.0, 1.0, 2.1, 3.3, 10.0, 11.0]);
    let labels = StringArray::from(vec![Some("a"), Some("a"), Some("b"), None, Some("b"), None]);
    let given = [C(rows.clone()), C(Arc::new(labels) as ArrayRef), whole(2), l2()];
    let found = call(&function(&BOUNDARY), &given).unwrap();
    // The two nearest: a and b; a and b; a twice; b and a; 11 and 3.3, which have none; b.
    let expected =
        ["a", "a", "a", "a", "", "b"].map(|label| (!label.is_empty()).then(|| label.into()));
    assert_eq!(texts(&field(&found, "predicted")), expected);
    let purity = numbers(&field(&found, "purity"));
    assert_eq!(purity, [Some(0.5), Some(0.5), Some(0.0), None, None, None]);
    let entropy = numbers(&field(&found, "entropy"));
    assert_eq!(entropy[0], Some(std::f32::consts::LN_2));
    assert_eq!(entropy[2], Some(0.0));
    let margin = numbers(&field(&found, "margin"));
    assert_eq!((margin[0], margin[2]), (Some(0.0), Some(1.0)));
}

#[test]
fn labels_are_of_any_plain_type() {
    let rows = corners(60);
    let labels: Int64Array = (0..60).map(|row| Some(row % 3)).collect();
    let labels: ArrayRef = Arc::new(labels);
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    for kind in [DataType::Int8, DataType::UInt64, DataType::Utf8, DataType::Utf8View, dictionary] {
        let labels = cast(&labels, &kind).unwrap();
        for function in [function(&BOUNDARY), function(&LABEL_ISSUE)] {
            let found = call(&function, &[C(rows.clone()), C(labels.clone())]).unwrap();
            assert_eq!(&field(&found, "predicted"), &labels, "{kind}");
        }
    }
    let sides: ArrayRef = Arc::new((0..60).map(|row| Some(row % 3 == 1)).collect::<BooleanArray>());
    let found = call(&function(&BOUNDARY), &[C(rows), C(sides.clone())]).unwrap();
    assert_eq!(&field(&found, "predicted"), &sides);
}

#[test]
fn wrong_labels_are_found() {
    let (count, wrong) = (300, [4, 50, 121, 200]);
    let truth = |row: i64| row % 3;
    let labels = (0..count).map(|row| match row {
        7 => None,
        row if wrong.contains(&row) => Some((truth(row) + 1) % 3),
        row => Some(truth(row)),
    });
    let labels: Int64Array = labels.collect();
    let given = [C(corners(count as usize)), C(Arc::new(labels) as ArrayRef)];
    let said = call(&function(&LABEL_ISSUE), &given).unwrap();
    let (issues, scores) = (field(&said, "is_issue"), numbers(&field(&said, "score")));
    let predicted = field(&said, "predicted");
    let mut found = 0;
    let least = wrong.map(|row| scores[row as usize].unwrap()).into_iter().fold(1.0, f32::min);
    for row in 0..count {
        let at = row as usize;
        assert_eq!(predicted.as_primitive::<Int64Type>().value(at), truth(row));
        if row == 7 {
            assert!(issues.is_null(at) && scores[at].is_none());
            continue;
        }
        let is_wrong = wrong.contains(&row);
        found += usize::from(is_wrong && issues.as_boolean().value(at));
        assert!(is_wrong || !issues.as_boolean().value(at) && scores[at].unwrap() < least, "{row}");
    }
    // A row between classes may be judged less confidently than its class is on average.
    assert!(found >= 3, "{found}");
}

#[test]
fn too_many_labels_are_no_labels() {
    let labels: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1001));
    let error = call(&function(&LABEL_ISSUE), &[C(corners(1001)), C(labels)]).unwrap_err();
    assert!(error.to_string().contains("1001 different labels are more than the 1000"), "{error}");
}

#[test]
fn rows_that_are_unlike_others_stand_out() {
    let rows = on_a_line(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 20.0, 5.0]);
    let unique = call(&function(&UNIQUENESS), &[C(rows.clone()), l2()]).unwrap();
    let unique = numbers(&unique);
    assert_eq!(unique[8], Some(1.0));
    // 20 has 7, 6 and 5 (twice) around it; 5 has its repeat, 4 and 6.
    let share = (0.3 + 0.1) / (0.6 * 13.0 + 0.3 * 14.0 + 0.1 * 15.0);
    assert!((unique[5].unwrap() - share).abs() < 1e-6, "{unique:?}");
    let out = numbers(&call(&function(&OUTLIER_SCORE), &[C(rows), whole(3), l2()]).unwrap());
    let most = out.iter().flatten().copied().fold(0.0, f32::max);
    assert_eq!(out[8], Some(most));
    assert!(most > 5.0, "{out:?}");
    let alone = on_a_line(&[3.0]);
    assert_eq!(
        numbers(&call(&function(&UNIQUENESS), &[C(alone.clone()), l2()]).unwrap()),
        [Some(1.0)]
    );
    let out = call(&function(&OUTLIER_SCORE), &[C(alone), null(), l2()]).unwrap();
    assert_eq!(numbers(&out), [Some(1.0)]);
}

#[test]
fn clusters_are_numbered_by_their_size() {
    let row = |row: usize| match row {
        0..30 => [10.0 + row as f32 / 30.0, 0.0],
        30..50 => [0.0, 10.0 + row as f32 / 30.0],
        _ => [-10.0 - row as f32 / 30.0, -10.0],
    };
    let rows = vectors(&(0..60).map(|at| Some(row(at))).collect::<Vec<_>>());
    let found = call(&function(&CLUSTER_ID), &[C(rows.clone()), whole(3)]).unwrap();
    let expected = |at| {
        Some(if at < 30 {
            1
        } else if at < 50 {
            2
        } else {
            3
        })
    };
    let ids: Vec<Option<i32>> = found.as_primitive::<Int32Type>().iter().collect();
    assert_eq!(ids, (0..60).map(expected).collect::<Vec<_>>());
    // More clusters than rows are as many as there are rows.
    let found = call(&function(&CLUSTER_ID), &[C(rows.slice(0, 4)), whole(99)]).unwrap();
    assert_eq!(found.null_count(), 0);
    // What may be noise and lies among others is in none.
    let given = [C(corners(300)), whole(40), float(0.5)];
    let found = call(&function(&CLUSTER_ID), &given).unwrap();
    assert!((1..=150).contains(&found.null_count()), "{}", found.null_count());
}

#[test]
fn places_on_a_map_are_compared_by_their_distance() {
    let place = |x: Vec<f64>, y: Vec<f64>| -> ArrayRef {
        let axis = |name: &str, values| {
            let field = Field::new(name, DataType::Float64, true);
            (Arc::new(field), Arc::new(arrow::array::Float64Array::from(values)) as ArrayRef)
        };
        Arc::new(arrow::array::StructArray::from(vec![axis("x", x), axis("y", y)]))
    };
    // One direction, two clusters.
    let rows = place(vec![1.0, 1.1, 9.0, 9.2], vec![1.0, 1.1, 9.0, 9.2]);
    let found = call(&function(&CLUSTER_ID), &[C(rows), whole(2)]).unwrap();
    let ids = found.as_primitive::<Int32Type>();
    assert_eq!(ids.value(0), ids.value(1));
    assert_ne!(ids.value(0), ids.value(2));
}
