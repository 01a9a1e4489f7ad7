//! Calls as the engine makes them: constants and columns as expressions, columns as arrays.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Int64Array, NullArray, StringArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Int64Type};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::WindowUDF;
use datafusion_expr::function::{ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion_physical_expr::expressions::{Column, Literal};
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;

use super::*;
use crate::settings::Settings;
use crate::statement::Statement;
use crate::work::Work;

/// An argument.
pub(super) enum Given {
    Column(ArrayRef),
    Constant(ScalarValue),
}

use Given::{Column as C, Constant as K};

pub(super) fn call(function: &WindowUDF, given: &[Given]) -> Result<ArrayRef> {
    let (mut expressions, mut fields): (Vec<Arc<dyn PhysicalExpr>>, Vec<FieldRef>) =
        Default::default();
    for (at, given) in given.iter().enumerate() {
        let (expression, kind): (Arc<dyn PhysicalExpr>, DataType) = match given {
            C(array) => (Arc::new(Column::new(&at.to_string(), at)), array.data_type().clone()),
            K(value) => (Arc::new(Literal::new(value.clone())), value.data_type()),
        };
        expressions.push(expression);
        fields.push(Arc::new(Field::new(at.to_string(), kind, true)));
    }
    let types: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(function.coerce_types(&types)?, types);
    let needed = function.expressions(ExpressionArgs::new(&expressions, &fields));
    let columns: Vec<ArrayRef> = needed
        .iter()
        .map(|needed| {
            let at = expressions.iter().position(|other| Arc::ptr_eq(other, needed)).unwrap();
            let C(array) = &given[at] else { panic!("a constant is asked for as a column") };
            array.clone()
        })
        .collect();
    let args = PartitionEvaluatorArgs::new(&expressions, &fields, false, false);
    let mut evaluator = function.partition_evaluator_factory(args)?;
    let found = evaluator.evaluate_all(&columns, columns[0].len())?;
    let field = function.field(WindowUDFFieldArgs::new(&fields, "f"))?;
    assert_eq!(field.data_type(), found.data_type());
    assert_eq!(found.len(), columns[0].len());
    Ok(found)
}

fn map(kind: &'static MapKind) -> WindowUDF {
    WindowUDF::new_from_impl(MapXy::new(kind))
}

/// Rows around three corners, one after the other.
pub(super) fn corners(count: usize) -> ArrayRef {
    let rows = (0..count).map(|row| {
        let around = |at: usize| ((row * 7 + at * 3) as f32 * 0.7).sin();
        let value = |at| Some(around(at) + if row % 3 == at { 10.0 } else { 0.0 });
        Some((0..4).map(value).collect::<Vec<_>>())
    });
    Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 4))
}

/// The places' bits; `None` where there is none.
fn bits(places: &ArrayRef) -> Vec<Option<[u32; 2]>> {
    let places = places.as_struct();
    let axis = |at: usize| places.column(at).as_primitive::<Float32Type>();
    let bits = |row| [axis(0).value(row).to_bits(), axis(1).value(row).to_bits()];
    (0..places.len()).map(|row| places.is_valid(row).then(|| bits(row))).collect()
}

fn finite(places: &ArrayRef) -> bool {
    let all = bits(places).into_iter().flatten().flatten();
    all.map(f32::from_bits).all(f32::is_finite)
}

fn epochs(count: i64) -> [Given; 3] {
    [K(ScalarValue::Null), K(ScalarValue::Null), K(ScalarValue::Int64(Some(count)))]
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let rows = corners(120);
    // 53 and 120 have no common divisor.
    let other: UInt32Array = (0..120).map(|row| row * 53 % 120).collect();
    let shuffled = take(&rows, &other, None).unwrap();
    for kind in [&MAP_XY, &NOMAD_XY, &PCA_XY, &UMAP_XY] {
        let one = call(&map(kind), &[C(rows.clone())]).unwrap();
        assert!(finite(&one) && one.null_count() == 0, "{}", kind.name);
        let two = call(&map(kind), &[C(shuffled.clone())]).unwrap();
        assert_eq!(bits(&take(&one, &other, None).unwrap()), bits(&two), "{}", kind.name);
    }
}

#[test]
fn equal_rows_of_different_labels_are_told_apart_whatever_their_order() {
    let row = |row: i64| Some(vec![Some((row / 2) as f32), Some(1.0)]);
    let numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    let backwards: Vec<i64> = numbers.iter().rev().copied().collect();
    let places = |numbers: &[i64]| {
        let rows = numbers.iter().map(|number| row(*number));
        let rows = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2);
        let labels: Int64Array = numbers.iter().map(|number| Some(number % 2)).collect();
        let null = || K(ScalarValue::Null);
        let rest = [null(), null(), K(ScalarValue::Int64(Some(20))), null(), null()];
        let mut given = vec![C(Arc::new(rows) as ArrayRef)];
        given.extend(rest);
        given.push(C(Arc::new(labels)));
        bits(&call(&map(&UMAP_XY), &given).unwrap())
    };
    let mut two = places(&backwards);
    two.reverse();
    assert_eq!(places(&numbers), two);
}

/// A call by names: NULL where nothing is given.
fn named(rows: &ArrayRef, options: Vec<(&str, Given)>) -> Result<ArrayRef> {
    let mut given: Vec<Given> = UMAP_XY.parameters.iter().map(|_| K(ScalarValue::Null)).collect();
    given[0] = C(rows.clone());
    for (name, value) in options {
        given[UMAP_XY.parameters.iter().position(|other| *other == name).unwrap()] = value;
    }
    call(&map(&UMAP_XY), &given)
}

/// How far apart the same rows are on two maps, on average.
fn apart(one: &ArrayRef, other: &ArrayRef) -> f32 {
    let places = |map: &ArrayRef| -> Vec<[f32; 2]> {
        bits(map).into_iter().map(|place| place.unwrap().map(f32::from_bits)).collect()
    };
    let (one, other) = (places(one), places(other));
    let each = one.iter().zip(&other).map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]));
    each.sum::<f32>() / one.len() as f32
}

#[test]
fn a_map_aligned_to_another_lies_on_it_whatever_the_order_of_rows() {
    let rows = corners(120);
    let first = call(&map(&UMAP_XY), &[C(rows.clone())]).unwrap();
    // Another seed alone turns it.
    let seed = || ("seed", K(ScalarValue::Int64(Some(5))));
    let alone = named(&rows, vec![seed()]).unwrap();
    let aligned = named(&rows, vec![seed(), ("align_to", C(first.clone()))]).unwrap();
    assert!(apart(&aligned, &first) < 0.5 * apart(&alone, &first));
    let other: UInt32Array = (0..120).map(|row| row * 53 % 120).collect();
    let moved = |array: &ArrayRef| take(array, &other, None).unwrap();
    let shuffled = named(&moved(&rows), vec![seed(), ("align_to", C(moved(&first)))]).unwrap();
    assert_eq!(bits(&moved(&aligned)), bits(&shuffled));
    // Equal rows are told apart by where they were.
    let same: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
        (0..120).map(|row| Some(vec![Some((row / 6) as f32), Some(1.0)])),
        2,
    ));
    let one = named(&same, vec![("align_to", C(first.clone()))]).unwrap();
    let two = named(&moved(&same), vec![("align_to", C(moved(&first)))]).unwrap();
    assert_eq!(bits(&moved(&one)), bits(&two));
    // Where there was no place, there is none.
    let gone: UInt32Array = (0..120).map(|row| (row != 7).then_some(row)).collect();
    let gaps = take(&first, &gone, None).unwrap();
    let aligned = named(&rows, vec![("align_to", C(gaps))]).unwrap();
    assert!(aligned.is_null(7) && aligned.null_count() == 1);
}

#[test]
fn options_of_umap_change_the_map() {
    let rows = corners(120);
    let plain = named(&rows, vec![]).unwrap();
    let number = |value: f64| K(ScalarValue::Float64(Some(value)));
    let truth = |value: bool| K(ScalarValue::Boolean(Some(value)));
    assert_eq!(bits(&named(&rows, vec![("densmap", truth(false))]).unwrap()), bits(&plain));
    let dense = named(&rows, vec![("densmap", truth(true))]).unwrap();
    assert!(finite(&dense) && bits(&dense) != bits(&plain));
    for spread in [0.01, 3.0, 100.0] {
        let wide = named(&rows, vec![("spread", number(spread))]).unwrap();
        assert!(finite(&wide) && bits(&wide) != bits(&plain), "{spread}");
    }
    // Labels that have nothing to do with the rows.
    let labels: ArrayRef = Arc::new(Int64Array::from_iter_values((0..120).map(|row| row / 3 % 2)));
    let labelled = |weight: f64| {
        let label = ("label", C(labels.clone()));
        named(&rows, vec![label, ("target_weight", number(weight))]).unwrap()
    };
    assert_ne!(bits(&labelled(0.1)), bits(&labelled(0.9)));
}

#[test]
fn rows_that_cannot_be_used_have_no_place_and_one_notice() {
    let rows = vec![
        Some(vec![Some(1.0), Some(2.0)]),
        None,
        Some(vec![Some(0.0), Some(0.0)]),
        Some(vec![Some(f32::INFINITY), Some(0.0)]),
        Some(vec![Some(3.0), Some(4.0)]),
        Some(vec![Some(3.0), Some(5.0)]),
        Some(vec![Some(9.0), Some(-5.0)]),
    ];
    let rows: ArrayRef =
        Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2));
    let work = Work::default();
    let statement = Statement::new(&Settings::default(), &work);
    for (kind, nulls) in [(&UMAP_XY, 3), (&NOMAD_XY, 3), (&PCA_XY, 2)] {
        let function = statement.window_function(&map(kind)).unwrap();
        let places = call(&function, &[C(rows.clone())]).unwrap();
        assert_eq!(places.null_count(), nulls, "{}", kind.name);
        assert!(finite(&places));
        let notices = work.take_notices();
        assert_eq!(notices.len(), 1);
        let begins = format!("{} left out {nulls} rows: 1 without a vector", kind.name);
        assert!(notices[0].starts_with(&begins), "{notices:?}");
        assert!(work.stage().is_none());
    }
}

#[test]
fn few_rows_and_equal_ones_lie_somewhere() {
    for kind in [&MAP_XY, &NOMAD_XY, &PCA_XY, &UMAP_XY] {
        for count in 1..6 {
            let places = call(&map(kind), &[C(corners(count))]).unwrap();
            assert!(finite(&places) && places.null_count() == 0, "{} {count}", kind.name);
        }
        for width in [1, 2, 4096] {
            let rows = (0..40).map(|_| Some(vec![Some(1.5); width as usize]));
            let rows = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, width);
            let places = call(&map(kind), &[C(Arc::new(rows))]).unwrap();
            assert!(finite(&places) && places.null_count() == 0, "{} {width}", kind.name);
        }
        let nothing = call(&map(kind), &[C(Arc::new(NullArray::new(3)))]).unwrap();
        assert_eq!(nothing.null_count(), 3);
    }
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    let float = |value: f64| K(ScalarValue::Float64(Some(value)));
    let whole = |value: i64| K(ScalarValue::Int64(Some(value)));
    let text = |value: &str| K(ScalarValue::from(value));
    let null = || K(ScalarValue::Null);
    for (kind, options, expected) in [
        (&UMAP_XY, vec![whole(1)], "n_neighbors is a whole number from 2 to 1000, not 1"),
        (&UMAP_XY, vec![text("x")], "n_neighbors is a whole number, not x"),
        (&UMAP_XY, vec![null(), float(-0.1)], "min_dist is a number from 0 to 1, not -0.1"),
        (&UMAP_XY, vec![null(), float(f64::NAN)], "min_dist is a number from 0 to 1, not NaN"),
        (&UMAP_XY, vec![null(), null(), whole(0)], "n_epochs is a whole number from 1 to"),
        (
            &UMAP_XY,
            vec![null(), null(), null(), text("manhattan")],
            "metric is one of 'cosine', 'l2', not 'manhattan'",
        ),
        (
            &UMAP_XY,
            vec![null(), null(), null(), null(), float(1.5)],
            "seed is a whole number, not 1.5",
        ),
        (
            &UMAP_XY,
            vec![null(), null(), null(), null(), whole(-1)],
            "seed is a whole number from 0, not -1",
        ),
        (
            &UMAP_XY,
            vec![C(Arc::new(Int64Array::from(vec![5; 9])))],
            "n_neighbors must be a constant",
        ),
        (&NOMAD_XY, vec![whole(0)], "n_neighbors is a whole number from 1 to 255, not 0"),
        (&MAP_XY, vec![whole(1)], "n_neighbors is a whole number from 2 to 255, not 1"),
    ] {
        let mut given = vec![C(corners(9))];
        given.extend(options);
        let error = call(&map(kind), &given).unwrap_err().to_string();
        assert!(error.contains(&format!("{}: {expected}", kind.name)), "{error}");
    }
    let text = || C(Arc::new(StringArray::from(vec!["a"; 9])) as ArrayRef);
    let place = || C(call(&map(&PCA_XY), &[C(corners(9))]).unwrap());
    let yes = || K(ScalarValue::Boolean(Some(true)));
    for (options, expected) in [
        (vec![("densmap", whole(1))], "densmap is true or false, not 1"),
        (vec![("spread", float(0.0))], "spread is a number from 0.01 to 100, not 0"),
        (
            vec![("spread", float(2.0)), ("min_dist", float(2.5))],
            "min_dist is a number from 0 to 2, not 2.5",
        ),
        (vec![("target_weight", float(2.0))], "target_weight is a number from 0 to 1, not 2"),
        (
            vec![("align_to", text())],
            "align_to is a struct(x, y), a place on another map, not TEXT",
        ),
        (
            vec![("align_to", place()), ("label", text())],
            "a map that is aligned to another counts neither labels nor densities",
        ),
        (
            vec![("align_to", place()), ("densmap", yes())],
            "a map that is aligned to another counts neither labels nor densities",
        ),
    ] {
        let error = named(&corners(9), options).unwrap_err().to_string();
        assert!(error.contains(&format!("umap_xy: {expected}")), "{error}");
    }
    let texts = C(Arc::new(StringArray::from(vec!["a"])) as ArrayRef);
    let error = call(&map(&PCA_XY), &[texts]).unwrap_err().to_string();
    assert!(error.contains("pca_xy: v is a vector or a struct(x, y)"), "{error}");
}

#[test]
fn a_stopped_statement_stops() {
    let work = Work::default();
    let statement = Statement::new(&Settings::default(), &work);
    let function = statement.window_function(&map(&UMAP_XY)).unwrap();
    work.stop();
    let error = call(&function, &[C(corners(30))]).unwrap_err().to_string();
    assert!(error.contains("umap_xy was stopped"), "{error}");
    // Also in the middle of it.
    let work = Work::default();
    let statement = Statement::new(&Settings::default(), &work);
    let function = statement.window_function(&map(&UMAP_XY)).unwrap();
    let mut given = vec![C(corners(300))];
    given.extend(epochs(1_000_000));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while work.stage().is_none() {
                std::thread::yield_now();
            }
            work.stop();
        });
        let error = call(&function, &given).unwrap_err().to_string();
        assert!(error.contains("umap_xy was stopped"), "{error}");
    });
}

#[test]
fn the_seed_is_the_sessions_or_the_calls() {
    let mut settings = Settings::default();
    datafusion_common::config::ExtensionOptions::set(&mut settings, "seed", "7").unwrap();
    let sevens = Statement::new(&settings, &Work::default());
    let mut given: Vec<Given> = vec![C(corners(60))];
    given.extend(epochs(30));
    let plain = call(&map(&UMAP_XY), &given).unwrap();
    let of_session = call(&sevens.window_function(&map(&UMAP_XY)).unwrap(), &given).unwrap();
    assert_ne!(bits(&plain), bits(&of_session));
    given.extend([K(ScalarValue::Null), K(ScalarValue::Int64(Some(7)))]);
    assert_eq!(bits(&call(&map(&UMAP_XY), &given).unwrap()), bits(&of_session));
}

#[test]
fn memory_is_asked_for_first() {
    struct Nothing;
    impl crate::work::Memory for Nothing {
        fn reserve(&self, whom: &str, bytes: usize) -> Result<Box<dyn std::any::Any + Send>> {
            datafusion_common::exec_err!("{whom} wants {bytes}")
        }
    }
    let work = Work::default();
    work.count_memory(Arc::new(Nothing));
    let statement = Statement::new(&Settings::default(), &work);
    let function = statement.window_function(&map(&UMAP_XY)).unwrap();
    let error = call(&function, &[C(corners(100))]).unwrap_err().to_string();
    // At least the rows themselves.
    let bytes: usize = error.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(error.contains("umap_xy wants") && bytes > 100 * 4 * 4, "{error}");
}

fn line(numbers: &[i64]) -> (ArrayRef, ArrayRef) {
    let rows = numbers.iter().map(|number| {
        // 9 has no vector; 3 and 4 are the same.
        let x = if *number == 4 { 3.0 } else { *number as f32 };
        (*number != 9).then(|| vec![Some(x * x), Some(1.0)])
    });
    let rows = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2);
    (Arc::new(rows), Arc::new(Int64Array::from(numbers.to_vec())))
}

#[test]
fn neighbours_are_called_by_their_ids() {
    let function = WindowUDF::new_from_impl(Neighbors::new(&NEIGHBORS));
    let near = |numbers: &[i64], k: i64| {
        let (rows, ids) = line(numbers);
        let k = K(ScalarValue::Int64(Some(k)));
        call(&function, &[C(rows), C(ids), k, K(ScalarValue::from("l2"))]).unwrap()
    };
    let ids = |near: &ArrayRef, row: usize| {
        let list = near.as_list::<i32>().value(row);
        list.as_struct().column(0).as_primitive::<Int64Type>().values().to_vec()
    };
    let found = near(&[0, 1, 2, 3, 9, 4], 2);
    assert_eq!(ids(&found, 0), [1, 2]);
    assert_eq!(ids(&found, 2), [1, 0]);
    assert_eq!(ids(&found, 3), [4, 2]);
    assert_eq!(ids(&found, 5), [3, 2]);
    assert!(found.is_null(4));
    let distances = found.as_list::<i32>().value(3);
    let distances = distances.as_struct().column(1).as_primitive::<Float32Type>();
    assert_eq!(distances.values(), &[0.0, 5.0]);
    // In whichever order they come, repeats as well.
    let other = near(&[4, 9, 3, 2, 1, 0], 2);
    assert_eq!(ids(&found, 2), ids(&other, 3));
    assert_eq!(ids(&found, 1), ids(&other, 4));
    // There are no more than there are.
    assert_eq!(ids(&near(&[0, 1, 2, 9], 15), 0).len(), 2);
    assert!(ids(&near(&[0], 15), 0).is_empty());
}
