//! Random tables, conditions and values.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::predicate::{Comparison, Number, Other, Predicate, Row, Text};

/// One case: what is in the tables and what is done to them.
#[derive(Debug, Clone)]
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

pub fn case() -> impl Strategy<Value = Case> {
    let row = (number(), number(), text(), weighted(0.8, any::<bool>()));
    let other = (number(), text());
    (
        vec(row, 1..24),
        vec(other, 0..8),
        1usize..8,
        vec(1i64..24, 0..3),
        any::<bool>(),
        predicate(Place::Statement),
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
        Just(Number::Id).boxed(),
        Just(Number::A).boxed(),
        Just(Number::B).boxed(),
        number().prop_map(Number::Literal).boxed(),
        text_value(place).prop_map(|text| Number::Length(Box::new(text))).boxed(),
    ];
    if place == Place::Statement {
        leaves.push(Just(Number::Greatest).boxed());
    } else {
        leaves.push(Just(Number::K).boxed());
        leaves.push(Just(Number::X).boxed());
    }
    proptest::strategy::Union::new(leaves)
        .prop_recursive(2, 6, 2, move |inner| {
            let pair = (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
            prop_oneof![
                pair.clone().prop_map(|(left, right)| Number::Plus(left, right)),
                pair.clone().prop_map(|(left, right)| Number::Minus(left, right)),
                pair.clone().prop_map(|(left, right)| Number::Times(left, right)),
                pair.clone().prop_map(|(left, right)| Number::Coalesce(left, right)),
                inner.prop_map(|inner| Number::Absolute(Box::new(inner))),
                (pair, comparison()).prop_map(|((yes, no), comparison)| {
                    let condition = Predicate::Numbers(Number::A, comparison, Number::B);
                    Number::Case(Box::new(condition), yes, no)
                }),
            ]
        })
        .boxed()
}

fn text_value(place: Place) -> BoxedStrategy<Text> {
    let column = if place == Place::Statement {
        Just(Text::S).boxed()
    } else {
        prop_oneof![Just(Text::S), Just(Text::OtherS)].boxed()
    };
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
        1 => Just(Predicate::Flag),
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

fn subquery() -> BoxedStrategy<Predicate> {
    let condition = || predicate(Place::Subquery).prop_map(Box::new);
    prop_oneof![
        (value_of_row(), condition(), any::<bool>()).prop_map(|(value, condition, negated)| {
            Predicate::InQuery { value, condition, negated }
        }),
        (condition(), any::<bool>())
            .prop_map(|(condition, negated)| Predicate::Exists { condition, negated }),
    ]
    .boxed()
}

fn value_of_row() -> impl Strategy<Value = Number> {
    select(vec![Number::Id, Number::A, Number::B])
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
