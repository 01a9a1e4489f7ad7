//! Summaries as the engine calls them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, Int64Array, StringArray,
    UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{Float32Type, Float64Type};
use datafusion_common::ScalarValue;
use datafusion_expr::AggregateUDF;

use super::tests::{clouds, measured, vectors};
use super::*;
use crate::settings::Settings;
use crate::statement::Statement;
use crate::work::Work;

fn function(kind: &'static SummaryKind) -> AggregateUDF {
    AggregateUDF::new_from_impl(Summary::new(kind))
}

/// What is said of pairs of labels.
fn pairs(found: &ScalarValue) -> Vec<(String, String, f64)> {
    let ScalarValue::List(list) = found else { panic!("{found}") };
    let list = list.value(0);
    let column = |at: usize| list.as_struct().column(at).clone();
    let (label, other, share) = (column(0), column(1), column(2));
    let text = |of: &ArrayRef, row| of.as_string::<i32>().value(row).to_string();
    let share = |row| share.as_primitive::<Float64Type>().value(row);
    (0..list.len()).map(|row| (text(&label, row), text(&other, row), share(row))).collect()
}

#[test]
fn neighbours_of_a_label_carry_others() {
    let rows = [0.0, 1.0, 2.1, 3.3, 10.0].map(|x| Some([x, 0.0]));
    let labels = ["a", "a", "b", "b", "c"];
    let labels: ArrayRef = Arc::new(StringArray::from(labels.to_vec()));
    let options = [ScalarValue::Int64(Some(1)), ScalarValue::from("l2")];
    let found = measured(&function(&CLASS_OVERLAP), &vectors(&rows), &labels, &options).unwrap();
    let pair = |label: &str, other: &str, share| (label.to_string(), other.to_string(), share);
    // 0 and 1 have each other, 2.1 has 1, 3.3 has 2.1, 10 has 3.3.
    let expected =
        [pair("a", "a", 1.0), pair("b", "a", 0.5), pair("b", "b", 0.5), pair("c", "b", 1.0)];
    assert_eq!(pairs(&found), expected);
}

#[test]
fn labels_that_are_not_there_and_labels_that_are_too_many() {
    let (rows, _) = clouds();
    let none: ArrayRef = Arc::new(StringArray::new_null(60));
    assert!(pairs(&measured(&function(&CLASS_OVERLAP), &rows, &none, &[]).unwrap()).is_empty());
    let nothing = vectors(&[None, None]);
    let found = measured(&function(&CLASS_OVERLAP), &nothing, &none.slice(0, 2), &[]).unwrap();
    assert!(found.is_null());
    let many: Vec<Option<[f32; 2]>> = (0..5000).map(|row| Some([row as f32, 1.0])).collect();
    let labels: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5000));
    let error = measured(&function(&CLASS_OVERLAP), &vectors(&many), &labels, &[]).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("class_overlap: 5000 different labels are more than the 4096"),
        "{error}"
    );
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 60]));
    let error = measured(&function(&CLASS_OVERLAP), &rows, &numbers, &[]).unwrap_err().to_string();
    assert!(error.contains("label is a text, a whole number or a boolean, not DOUBLE"), "{error}");
}

/// Rows of numbers that look like chance.
fn cloud(count: usize, width: usize, seed: f32) -> ArrayRef {
    let row = |row: usize| {
        Some(
            (0..width)
                .map(move |at| Some(((row * width + at) as f32 * seed).sin()))
                .collect::<Vec<_>>(),
        )
    };
    let rows = (0..count).map(row);
    Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, width as i32))
}

/// jaccard_10, jaccard_50, cka and procrustes.
fn differences(found: &ScalarValue) -> Vec<Option<f64>> {
    let ScalarValue::Struct(found) = found else { panic!("{found}") };
    found
        .columns()
        .iter()
        .map(|column| column.as_primitive::<Float64Type>().iter().next().unwrap())
        .collect()
}

#[test]
fn two_embeddings_are_held_against_each_other() {
    let rows = cloud(200, 6, 12.9);
    let same = measured(&function(&DRIFT), &rows, &rows, &[]).unwrap();
    for (found, expected) in differences(&same).into_iter().zip([1.0, 1.0, 1.0, 0.0]) {
        assert!((found.unwrap() - expected).abs() < 1e-6, "{same}");
    }
    let other = cloud(200, 4, 78.2);
    let far = differences(&measured(&function(&DRIFT), &rows, &other, &[]).unwrap());
    assert!(far[0].unwrap() < 0.2 && far[1].unwrap() < 0.4, "{far:?}");
    assert!(far[2].unwrap() < 0.4 && far[3].unwrap() > 0.6, "{far:?}");
    // In whichever order the rows come: to the bit.
    let turned: UInt32Array = (0..200).map(|row| row * 53 % 200).collect();
    let (a, b) = (take(&rows, &turned, None).unwrap(), take(&other, &turned, None).unwrap());
    assert_eq!(differences(&measured(&function(&DRIFT), &a, &b, &[]).unwrap()), far);
    // Of few rows less is said.
    let few = |count| {
        let (a, b) = (rows.slice(0, count), other.slice(0, count));
        let found = differences(&measured(&function(&DRIFT), &a, &b, &[]).unwrap());
        found.iter().map(Option::is_some).collect::<Vec<_>>()
    };
    assert_eq!(few(51), [true, false, true, true]);
    assert_eq!(few(11), [false, false, true, true]);
    assert_eq!(few(2), [false; 4]);
}

#[test]
fn rows_that_one_embedding_has_not_are_left_out() {
    let mut a: Vec<Option<[f32; 2]>> =
        (0..40).map(|row| Some([(row as f32).sin(), (row as f32).cos()])).collect();
    let mut b = a.clone();
    (a[3], b[4], b[5], a[6]) = (None, Some([0.0, 0.0]), Some([f32::NAN, 1.0]), Some([0.0, 0.0]));
    let work = Work::default();
    let statement = Statement::new(&Settings::default(), &work);
    let function = statement.aggregate_function(&function(&DRIFT)).unwrap();
    let found = differences(&measured(&function, &vectors(&a), &vectors(&b), &[]).unwrap());
    assert_eq!(found[0], Some(1.0));
    // It was asked twice.
    assert_eq!(
        work.take_notices(),
        [
            "drift left out 8 rows: 2 without a vector or another argument that it needs, 2 with NaN or infinity, 4 with zeros only, which have no direction"
        ]
    );
    work.stop();
    let error = measured(&function, &vectors(&a), &vectors(&b), &[]).unwrap_err().to_string();
    assert!(error.contains("drift was stopped"), "{error}");
}

#[test]
fn two_sets_are_held_against_each_other() {
    let rows = cloud(200, 6, 12.9);
    let sides = |of: fn(usize) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..200).map(of)))
    };
    let alike = sides(|row| if row % 3 == 0 { "a" } else { "b" });
    let found = differences(&measured(&function(&SET_DRIFT), &rows, &alike, &[]).unwrap());
    assert!((found[0].unwrap() - 0.5).abs() < 0.15, "{found:?}");
    assert!(found[1].unwrap() < 0.1, "{found:?}");
    // Sides by what a number of the row is.
    let first = rows.as_fixed_size_list().values().as_primitive::<Float32Type>().values().to_vec();
    let apart: Vec<&str> =
        first.chunks(6).map(|row| if row[0] > 0.0 { "later" } else { "before" }).collect();
    let apart: ArrayRef = Arc::new(StringArray::from(apart));
    let found = differences(&measured(&function(&SET_DRIFT), &rows, &apart, &[]).unwrap());
    assert!(found[0].unwrap() > 0.95 && found[1].unwrap() > 0.15, "{found:?}");
    // In whichever order the rows come, and whichever set comes first: to the bit.
    let turned: UInt32Array = (0..200).map(|row| (row * 53 + 7) % 200).collect();
    let (v, side) = (take(&rows, &turned, None).unwrap(), take(&apart, &turned, None).unwrap());
    assert_eq!(differences(&measured(&function(&SET_DRIFT), &v, &side, &[]).unwrap()), found);
    // Of few rows nothing is said, and of three sets neither.
    let few = measured(&function(&SET_DRIFT), &rows.slice(0, 12), &alike.slice(0, 12), &[]);
    assert_eq!(differences(&few.unwrap()), [None, None]);
    let three = sides(|row| ["a", "b", "c"][row % 3]);
    let error = measured(&function(&SET_DRIFT), &rows, &three, &[]).unwrap_err().to_string();
    assert!(error.contains("set_drift: the rows are of 3 sets"), "{error}");
}
