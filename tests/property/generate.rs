//! Random tables, conditions and values.

use std::fmt::{self, Debug, Formatter};

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::predicate::{Comparison, Number, Other, Predicate, Row, Text};

/// One case: what is in the tables and what is done to them.
#[derive(Clone)]
pub struct Case {
    pub rows: Vec<Row>,
    pub others: Vec<Other>,
    /// How many rows one INSERT writes: each makes a fragment.
    pub fragment: usize,
    /// Rows that are deleted before anything is tested.
    pub holes: Vec<i64>,
    /// Whether `a` is indexed, with some rows written after the index.
    pub indexed: bool,
    pub condition: Predicate,
    pub value: Number,
    /// A condition over both tables.
    pub join: Predicate,
}

impl Debug for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for rows in self.rows.chunks(self.fragment) {
            writeln!(f, "t: {}", list(rows))?;
        }
        writeln!(f, "u: {}", list(&self.others))?;
        writeln!(f, "holes: {:?}, indexed: {}", self.holes, self.indexed)?;
        writeln!(f, "condition: {}", self.condition)?;
        writeln!(f, "value: {}", self.value)?;
        writeln!(f, "join: {}", self.join)
    }
}

/// Rows as in `VALUES`.
pub fn list<T: ToString>(rows: &[T]) -> String {
    rows.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

pub fn case() -> impl Strategy<Value = Case> {
    let row = (number(), number(), text(), weighted(0.8, any::<bool>()));
    let other = (number(), text());
    (
        vec(row, 1..24),
        vec(other, 0..8),
        1usize..8,
        vec(1i64..24, 0..3),
        any::<bool>(),
        statement_condition(),
        value(Place::Statement),
        predicate(Place::Join),
    )
        .prop_map(|(rows, others, fragment, holes, indexed, condition, value, join)| Case {
            rows: (1..).zip(rows).map(|(id, (a, b, s, f))| Row { id, a, b, s, f }).collect(),
            others: (1..).zip(others).map(|(k, (x, s))| Other { k, x, s }).collect(),
            fragment,
            holes,
            indexed,
            condition,
            value,
            join,
        })
}

/// Where an expression stands, which decides what it can name.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// Of a statement on `t`: may have subqueries.
    Statement,
    /// Of a subquery over `u`, correlated with `t`.
    Subquery,
    /// Of a subquery over `u` alone.
    Alone,
    /// Of a join of `t` and `u`.
    Join,
}

fn number() -> impl Strategy<Value = Option<i64>> {
    weighted(0.75, -3i64..8)
}

fn text() -> impl Strategy<Value = Option<String>> {
    weighted(0.75, select(vec!["", "a", "ab", "Ab", "b%", "a_c", "it's"]).prop_map(String::from))
}

fn value(place: Place) -> BoxedStrategy<Number> {
    let mut leaves = vec![
        number().prop_map(Number::Literal).boxed(),
        text_value(place).prop_map(|text| Number::Length(Box::new(text))).boxed(),
    ];
    if place != Place::Alone {
        leaves.push(select(vec![Number::Id, Number::A, Number::B]).boxed());
        leaves.push(select(vec![Number::A, Number::B]).boxed());
    }
    leaves.push(match place {
        Place::Statement => Just(Number::Greatest).boxed(),
        _ => select(vec![Number::K, Number::X]).boxed(),
    });
    let (left, right) =
        if place == Place::Alone { (Number::K, Number::X) } else { (Number::A, Number::B) };
    proptest::strategy::Union::new(leaves)
        .prop_recursive(2, 6, 2, move |inner| {
            let pair = (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
            prop_oneof![
                pair.clone().prop_map(|(left, right)| Number::Plus(left, right)),
                pair.clone().prop_map(|(left, right)| Number::Minus(left, right)),
                pair.clone().prop_map(|(left, right)| Number::Times(left, right)),
                pair.clone().prop_map(|(left, right)| Number::Coalesce(left, right)),
                inner.prop_map(|inner| Number::Absolute(Box::new(inner))),
                (pair, comparison()).prop_map({
                    let (left, right) = (left.clone(), right.clone());
                    move |((yes, no), comparison)| {
                        let condition = Predicate::Numbers(left.clone(), comparison, right.clone());
                        Number::Case(Box::new(condition), yes, no)
                    }
                }),
            ]
        })
        .boxed()
}

fn text_value(place: Place) -> BoxedStrategy<Text> {
    let column = select(match place {
        Place::Statement => vec![Text::S],
        Place::Subquery | Place::Join => vec![Text::S, Text::OtherS],
        Place::Alone => vec![Text::OtherS],
    });
    prop_oneof![
        3 => column.clone(),
        1 => column.prop_map(|column| Text::Upper(Box::new(column))),
        2 => text().prop_map(Text::Literal),
    ]
    .boxed()
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::*;
    select(vec![Equal, Unequal, Less, LessOrEqual, Greater, GreaterOrEqual])
}

fn leaf(place: Place) -> BoxedStrategy<Predicate> {
    let pattern = select(vec!["%", "a%", "%b", "_", "a_", "%'%", ""]).prop_map(String::from);
    prop_oneof![
        1 => weighted(0.7, any::<bool>()).prop_map(Predicate::Constant),
        1 => Just(if place == Place::Alone { Predicate::Constant(None) } else { Predicate::Flag }),
        5 => (value(place), comparison(), value(place))
            .prop_map(|(left, comparison, right)| Predicate::Numbers(left, comparison, right)),
        2 => (text_value(place), comparison(), text_value(place))
            .prop_map(|(left, comparison, right)| Predicate::Texts(left, comparison, right)),
        1 => (value(place), value(place), value(place), any::<bool>()).prop_map(
            |(value, low, high, negated)| Predicate::Between { value, low, high, negated }
        ),
        2 => (value(place), vec(number(), 1..4), any::<bool>())
            .prop_map(|(value, list, negated)| Predicate::InList { value, list, negated }),
        1 => (text_value(place), pattern, any::<bool>())
            .prop_map(|(value, pattern, negated)| Predicate::Like { value, pattern, negated }),
        1 => (value(place), any::<bool>())
            .prop_map(|(value, negated)| Predicate::NumberIsNull(value, negated)),
        1 => (text_value(place), any::<bool>())
            .prop_map(|(value, negated)| Predicate::TextIsNull(value, negated)),
    ]
    .boxed()
}

/// Subqueries that are never NULL, so that they can stand anywhere: DataFusion takes a NULL of an
/// IN that is not a condition of its own for false, and NOT makes that true.
fn subquery() -> BoxedStrategy<Predicate> {
    let condition = || predicate(Place::Subquery).prop_map(Box::new);
    let (value, found) = (Just(Number::Id), Just(Number::K));
    prop_oneof![
        (value, found, condition(), any::<bool>()).prop_map(in_query),
        (condition(), any::<bool>())
            .prop_map(|(condition, negated)| Predicate::Exists { condition, negated }),
    ]
    .boxed()
}

/// A subquery full of NULLs. It is not correlated: DataFusion looks for NULLs in all of its rows.
fn subquery_with_nulls() -> impl Strategy<Value = Predicate> {
    let value = select(vec![Number::Id, Number::A, Number::B]);
    let condition = predicate(Place::Alone).prop_map(Box::new);
    (value, Just(Number::X), condition, any::<bool>()).prop_map(in_query)
}

fn in_query(
    (value, found, condition, negated): (Number, Number, Box<Predicate>, bool),
) -> Predicate {
    Predicate::InQuery { value, found, condition, negated }
}

/// A statement's WHERE.
fn statement_condition() -> impl Strategy<Value = Predicate> {
    let any_condition = || predicate(Place::Statement);
    prop_oneof![
        3 => any_condition(),
        1 => (subquery_with_nulls(), any_condition())
            .prop_map(|(query, other)| Predicate::And(Box::new(query), Box::new(other))),
    ]
}

fn predicate(place: Place) -> BoxedStrategy<Predicate> {
    let leaf = if place == Place::Statement {
        prop_oneof![5 => leaf(place), 2 => subquery()].boxed()
    } else {
        leaf(place)
    };
    leaf.prop_recursive(3, 8, 2, |inner| {
        let boxed = inner.prop_map(Box::new);
        prop_oneof![
            2 => (boxed.clone(), boxed.clone())
                .prop_map(|(left, right)| Predicate::And(left, right)),
            2 => (boxed.clone(), boxed.clone())
                .prop_map(|(left, right)| Predicate::Or(left, right)),
            2 => boxed.clone().prop_map(Predicate::Not),
            1 => (boxed, any::<bool>()).prop_map(|(inner, truth)| Predicate::IsTrue(inner, truth)),
        ]
    })
    .boxed()
}
