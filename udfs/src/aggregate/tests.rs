//! Measures as the engine calls them: in pieces, whose states are merged.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float64Array, Int64Array, StringArray,
};
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Schema};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::{Accumulator, AggregateUDF};
use datafusion_physical_expr::expressions::{Column, Literal};
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;

use super::*;
use crate::settings::Settings;
use crate::statement::Statement;
use crate::work::Work;

pub(super) fn vectors(rows: &[Option<[f32; 2]>]) -> ArrayRef {
    let rows = rows.iter().map(|row| row.map(|row| row.map(Some)));
    Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2))
}

fn field(name: &str, kind: DataType) -> FieldRef {
    Arc::new(Field::new(name, kind, true))
}

fn accumulator(
    function: &AggregateUDF,
    columns: &[&ArrayRef],
    options: &[ScalarValue],
) -> Result<Box<dyn Accumulator>> {
    let mut expressions: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
    let mut fields = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        expressions.push(Arc::new(Column::new("c", at)));
        fields.push(field("c", column.data_type().clone()));
    }
    for value in options {
        expressions.push(Arc::new(Literal::new(value.clone())));
        fields.push(field("k", value.data_type()));
    }
    let types: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
    let types = function.coerce_types(&types)?;
    let fields: Vec<FieldRef> =
        fields.iter().zip(types).map(|(given, kind)| field(given.name(), kind)).collect();
    let states = function.state_fields(StateFieldsArgs {
        name: "f",
        input_fields: &fields,
        return_field: field("f", DataType::Float64),
        ordering_fields: &[],
        is_distinct: false,
    })?;
    assert!(states.len() >= 2);
    let schema = Schema::new(fields.clone());
    function.accumulator(AccumulatorArgs {
        return_field: field("f", DataType::Float64),
        schema: &schema,
        ignore_nulls: false,
        order_bys: &[],
        is_reversed: false,
        name: "f",
        is_distinct: false,
        exprs: &expressions,
        expr_fields: &fields,
    })
}

/// What a measure says of rows that come in two pieces.
pub(super) fn measured(
    function: &AggregateUDF,
    first: &ArrayRef,
    second: &ArrayRef,
    options: &[ScalarValue],
) -> Result<ScalarValue> {
    let half = first.len() / 2;
    let mut all = accumulator(function, &[first, second], options)?;
    for (from, length) in [(0, half), (half, first.len() - half)] {
        let mut piece = accumulator(function, &[first, second], options)?;
        piece.update_batch(&[first.slice(from, length), second.slice(from, length)])?;
        let state: Vec<ArrayRef> =
            piece.state()?.iter().map(ScalarValue::to_array).collect::<Result<_>>()?;
        assert_eq!(state[0].len(), 1);
        all.merge_batch(&state)?;
    }
    assert!(all.size() > 0);
    let found = all.evaluate()?;
    let mut whole = accumulator(function, &[first, second], options)?;
    whole.update_batch(&[first.clone(), second.clone()])?;
    assert_eq!(whole.evaluate()?, found);
    Ok(found)
}

fn measure(kind: &'static MeasureKind) -> AggregateUDF {
    AggregateUDF::new_from_impl(Measure::new(kind))
}

fn number(value: ScalarValue) -> f64 {
    let ScalarValue::Float64(Some(value)) = value else { panic!("{value}") };
    value
}

/// Two clouds, and which one a row is of.
pub(super) fn clouds() -> (ArrayRef, ArrayRef) {
    let rows: Vec<Option<[f32; 2]>> = (0..60)
        .map(|row| {
            let (x, y) = ((row as f32 * 0.7).sin(), (row as f32 * 1.3).cos());
            Some(if row % 2 == 0 { [x + 20.0, y] } else { [x, y + 20.0] })
        })
        .collect();
    (vectors(&rows), Arc::new(Int64Array::from_iter_values((0..60).map(|row| row % 2))))
}

#[test]
fn what_is_kept_is_kept_entirely() {
    let (rows, labels) = clouds();
    let l2 = [ScalarValue::Null, ScalarValue::from("l2")];
    for kind in [&TRUSTWORTHINESS, &NEIGHBORHOOD_PRESERVATION] {
        assert_eq!(number(measured(&measure(kind), &rows, &rows, &l2).unwrap()), 1.0);
    }
    let triplets = measured(&measure(&RANDOM_TRIPLET), &rows, &rows, &l2[1..]).unwrap();
    assert_eq!(number(triplets), 1.0);
    let right = measured(&measure(&KNN_ACCURACY), &rows, &labels, &[]).unwrap();
    assert_eq!(number(right), 1.0);
    for (metric, least) in [("l2", 0.9), ("cosine", 0.95)] {
        let options = [ScalarValue::from(metric)];
        let found = number(measured(&measure(&SILHOUETTE), &rows, &labels, &options).unwrap());
        assert!(found > least && found < 1.0, "{metric}: {found}");
    }
}

#[test]
fn a_map_by_chance_keeps_little() {
    let (rows, _) = clouds();
    let chance: Vec<Option<[f32; 2]>> =
        (0..60).map(|row| Some([(row * 37 % 60) as f32, (row * 23 % 60) as f32])).collect();
    let chance = vectors(&chance);
    let kept = measured(&measure(&NEIGHBORHOOD_PRESERVATION), &rows, &chance, &[]).unwrap();
    assert!(number(kept) < 0.5);
    let triplets = number(measured(&measure(&RANDOM_TRIPLET), &rows, &chance, &[]).unwrap());
    assert!((0.3..0.7).contains(&triplets), "{triplets}");
}

#[test]
fn rows_that_cannot_be_used_are_left_out() {
    let mut rows: Vec<Option<[f32; 2]>> = (0..20).map(|row| Some([row as f32, 1.0])).collect();
    rows[3] = None;
    rows[5] = Some([f32::NAN, 1.0]);
    let labels: Int64Array =
        (0..20).map(|row| (row != 7).then_some(i64::from(row >= 10))).collect();
    let work = Work::default();
    let statement = Statement::new(&Settings::default(), &work);
    let function = statement.aggregate_function(&measure(&KNN_ACCURACY)).unwrap();
    let (rows, labels): (ArrayRef, ArrayRef) = (vectors(&rows), Arc::new(labels));
    let k = [ScalarValue::Int64(Some(3))];
    let found = number(measured(&function, &rows, &labels, &k).unwrap());
    assert!(found > 0.8, "{found}");
    // It was asked twice.
    let notices = work.take_notices();
    assert_eq!(
        notices,
        [
            "knn_accuracy left out 6 rows: 4 without a vector or another argument that it needs, 2 with NaN or infinity"
        ]
    );
}

#[test]
fn of_nothing_nothing_is_said() {
    for kind in [&SILHOUETTE, &KNN_ACCURACY] {
        let (rows, labels) = (vectors(&[None, None]), Arc::new(Int64Array::from(vec![1, 2])) as _);
        let found = measured(&measure(kind), &rows, &labels, &[]).unwrap();
        assert_eq!(found, ScalarValue::Float64(None));
        let mut none = accumulator(&measure(kind), &[&rows, &labels], &[]).unwrap();
        assert_eq!(none.evaluate().unwrap(), ScalarValue::Float64(None));
        assert_eq!(none.state().unwrap().len(), 2);
    }
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    let (rows, labels) = clouds();
    let few = rows.slice(0, 20);
    for (kind, first, second, options, expected) in [
        (
            &TRUSTWORTHINESS,
            &few,
            &few,
            vec![],
            "trustworthiness with k = 15 needs more than 30 rows, not 20",
        ),
        (
            &TRUSTWORTHINESS,
            &rows,
            &rows,
            vec![ScalarValue::Int64(Some(0))],
            "trustworthiness: k is a whole number from 1 to 10000, not 0",
        ),
        (
            &TRUSTWORTHINESS,
            &rows,
            &labels,
            vec![],
            "trustworthiness: xy is a vector or a struct(x, y), not BIGINT",
        ),
        (
            &SILHOUETTE,
            &rows,
            &labels,
            vec![ScalarValue::from("dot")],
            "silhouette: metric is one of 'cosine', 'l2', not 'dot'",
        ),
    ] {
        let error = measured(&measure(kind), first, second, &options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

fn texts(rows: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(rows.to_vec()))
}

#[test]
fn labels_are_judged_as_scikit_learn_judges_them() {
    let truth = ["a", "a", "a", "b", "b", "c", "c", "c", "c", "a"];
    let pred = ["a", "b", "a", "b", "c", "c", "c", "a", "c", "d"];
    let rows = |all: [&'static str; 10]| texts(&all.map(Some));
    let (pred, truth) = (rows(pred), rows(truth));
    let said = |kind, options: &[ScalarValue]| {
        let function = AggregateUDF::new_from_impl(Verdict::new(kind));
        number(measured(&function, &pred, &truth, options).unwrap())
    };
    let average = |name: &str| [ScalarValue::from(name)];
    let positive = [ScalarValue::Null, ScalarValue::from("c")];
    // sklearn.metrics, with zero_division=0.
    for (got, right) in [
        (said(&ACCURACY, &[]), 0.6),
        (said(&PRECISION, &[]), 0.4791666667),
        (said(&RECALL, &[]), 0.4375),
        (said(&F1, &[]), 0.4553571429),
        (said(&PRECISION, &average("weighted")), 0.6666666667),
        (said(&RECALL, &average("weighted")), 0.6),
        (said(&F1, &average("weighted")), 0.6285714286),
        (said(&F1, &average("micro")), 0.6),
        (said(&PRECISION, &positive), 0.75),
        (said(&F1, &[ScalarValue::Null, ScalarValue::from("z")]), 0.0),
    ] {
        assert!((got - right).abs() < 1e-9, "{got} {right}");
    }
}

#[test]
fn pairs_are_merged_and_sorted() {
    let truth = texts(&[Some("b"), Some("a"), None, Some("a"), Some("b"), Some("a")]);
    let pred = texts(&[Some("a"), Some("a"), Some("a"), None, Some("a"), Some("a")]);
    let function = AggregateUDF::new_from_impl(Verdict::new(&CONFUSION));
    let found = measured(&function, &pred, &truth, &[]).unwrap().to_string();
    assert_eq!(found, "[{predicted: a, truth: a, n: 2}, {predicted: a, truth: b, n: 2}]");
}

#[test]
fn scores_are_merged_and_ranked() {
    let scores: ArrayRef =
        Arc::new(Float64Array::from(vec![Some(0.1), Some(0.4), Some(0.35), Some(0.8), None]));
    let truth: ArrayRef = Arc::new(BooleanArray::from(vec![false, false, true, true, true]));
    let said = |kind, options: &[ScalarValue]| {
        let function = AggregateUDF::new_from_impl(Ranked::new(kind));
        measured(&function, &scores, &truth, options)
    };
    assert_eq!(number(said(&ROC_AUC, &[]).unwrap()), 0.75);
    assert!((number(said(&AVERAGE_PRECISION, &[]).unwrap()) - 0.8333333333).abs() < 1e-9);
    assert_eq!(number(said(&BEST_THRESHOLD, &[]).unwrap()), 0.35);
    assert_eq!(number(said(&BEST_THRESHOLD, &[ScalarValue::from(0.9)]).unwrap()), 0.8);
    let wrong = said(&BEST_THRESHOLD, &[ScalarValue::from(2.0)]).unwrap_err().to_string();
    assert!(wrong.contains("precision is a share from 0 to 1, not 2"), "{wrong}");
}

#[test]
fn of_one_kind_of_rows_nothing_is_said() {
    let scores: ArrayRef = Arc::new(Float64Array::from(vec![0.1, 0.4]));
    let none: ArrayRef = Arc::new(BooleanArray::from(vec![false, false]));
    for kind in [&ROC_AUC, &AVERAGE_PRECISION, &BEST_THRESHOLD] {
        let function = AggregateUDF::new_from_impl(Ranked::new(kind));
        let found = measured(&function, &scores, &none, &[]).unwrap();
        assert_eq!(found, ScalarValue::Float64(None), "{}", kind.name);
    }
}
