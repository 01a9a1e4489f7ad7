//! Conditions as trees: their SQL, and their truth by SQL's three-valued logic.

use std::fmt::{self, Display, Formatter};

/// A row of the table `t` that statements change. `id` is its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: i64,
    pub a: Option<i64>,
    pub b: Option<i64>,
    pub s: Option<String>,
    pub f: Option<bool>,
}

/// A row of the table `u` that subqueries and joins read. `k` is its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Other {
    pub k: i64,
    pub x: Option<i64>,
    pub s: Option<String>,
}

/// What a condition can see.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    pub row: &'a Row,
    /// The row of `u`, inside a subquery or a join.
    pub other: Option<&'a Other>,
    /// All of `u`.
    pub others: &'a [Other],
}

#[derive(Debug, Clone)]
pub enum Number {
    Id,
    A,
    B,
    /// `u.k`, only inside.
    K,
    /// `u.x`, only inside.
    X,
    Literal(Option<i64>),
    Plus(Box<Number>, Box<Number>),
    Minus(Box<Number>, Box<Number>),
    Times(Box<Number>, Box<Number>),
    Absolute(Box<Number>),
    Length(Box<Text>),
    Coalesce(Box<Number>, Box<Number>),
    Case(Box<Predicate>, Box<Number>, Box<Number>),
    /// `(SELECT max(x) FROM u)`
    Greatest,
}

#[derive(Debug, Clone)]
pub enum Text {
    S,
    /// `u.s`, only inside.
    OtherS,
    Literal(Option<String>),
    Upper(Box<Text>),
}

#[derive(Debug, Clone, Copy)]
pub enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone)]
pub enum Predicate {
    Constant(Option<bool>),
    Flag,
    Numbers(Number, Comparison, Number),
    Texts(Text, Comparison, Text),
    Between {
        value: Number,
        low: Number,
        high: Number,
        negated: bool,
    },
    InList {
        value: Number,
        list: Vec<Option<i64>>,
        negated: bool,
    },
    /// `value IN (SELECT found FROM u WHERE condition)`
    InQuery {
        value: Number,
        found: Number,
        condition: Box<Predicate>,
        negated: bool,
    },
    /// `EXISTS (SELECT 1 FROM u WHERE condition)`
    Exists {
        condition: Box<Predicate>,
        negated: bool,
    },
    Like {
        value: Text,
        pattern: String,
        negated: bool,
    },
    NumberIsNull(Number, bool),
    TextIsNull(Text, bool),
    IsTrue(Box<Predicate>, bool),
    Not(Box<Predicate>),
    And(Box<Predicate>, Box<Predicate>),
    Or(Box<Predicate>, Box<Predicate>),
}

impl Number {
    pub fn value(&self, scope: Scope<'_>) -> Option<i64> {
        let row = scope.row;
        match self {
            Self::Id => Some(row.id),
            Self::A => row.a,
            Self::B => row.b,
            Self::K => scope.other.map(|other| other.k),
            Self::X => scope.other.and_then(|other| other.x),
            Self::Literal(value) => *value,
            Self::Plus(left, right) => Some(left.value(scope)? + right.value(scope)?),
            Self::Minus(left, right) => Some(left.value(scope)? - right.value(scope)?),
            Self::Times(left, right) => Some(left.value(scope)? * right.value(scope)?),
            Self::Absolute(inner) => inner.value(scope).map(i64::abs),
            Self::Length(text) => text.value(scope).map(|text| text.chars().count() as i64),
            Self::Coalesce(left, right) => left.value(scope).or_else(|| right.value(scope)),
            Self::Case(condition, yes, no) => match condition.holds(scope) {
                Some(true) => yes.value(scope),
                _ => no.value(scope),
            },
            Self::Greatest => scope.others.iter().filter_map(|other| other.x).max(),
        }
    }
}

impl Text {
    pub fn value(&self, scope: Scope<'_>) -> Option<String> {
        match self {
            Self::S => scope.row.s.clone(),
            Self::OtherS => scope.other.and_then(|other| other.s.clone()),
            Self::Literal(value) => value.clone(),
            Self::Upper(inner) => inner.value(scope).map(|text| text.to_uppercase()),
        }
    }
}

impl Comparison {
    fn holds<T: PartialOrd>(self, left: Option<T>, right: Option<T>) -> Option<bool> {
        let (left, right) = (left?, right?);
        Some(match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        })
    }
}

impl Predicate {
    /// True, false, or NULL.
    pub fn holds(&self, scope: Scope<'_>) -> Option<bool> {
        match self {
            Self::Constant(value) => *value,
            Self::Flag => scope.row.f,
            Self::Numbers(left, comparison, right) => {
                comparison.holds(left.value(scope), right.value(scope))
            }
            Self::Texts(left, comparison, right) => {
                comparison.holds(left.value(scope), right.value(scope))
            }
            Self::Between { value, low, high, negated } => {
                let value = value.value(scope);
                let above = Comparison::GreaterOrEqual.holds(value, low.value(scope));
                let below = Comparison::LessOrEqual.holds(value, high.value(scope));
                negate_if(*negated, and(above, below))
            }
            Self::InList { value, list, negated } => {
                negate_if(*negated, is_in(value.value(scope), list.iter().copied()))
            }
            Self::InQuery { value, found, condition, negated } => {
                let others = scope.others_where(condition);
                let found = others.map(|other| found.value(Scope { other: Some(other), ..scope }));
                negate_if(*negated, is_in(value.value(scope), found))
            }
            Self::Exists { condition, negated } => {
                Some(scope.others_where(condition).next().is_some() != *negated)
            }
            Self::Like { value, pattern, negated } => {
                let value = value.value(scope);
                negate_if(*negated, value.map(|value| like(value.as_bytes(), pattern.as_bytes())))
            }
            Self::NumberIsNull(value, negated) => Some(value.value(scope).is_none() != *negated),
            Self::TextIsNull(value, negated) => Some(value.value(scope).is_none() != *negated),
            Self::IsTrue(inner, truth) => Some(inner.holds(scope) == Some(*truth)),
            Self::Not(inner) => inner.holds(scope).map(|truth| !truth),
            Self::And(left, right) => and(left.holds(scope), right.holds(scope)),
            Self::Or(left, right) => {
                let neither =
                    and(negate_if(true, left.holds(scope)), negate_if(true, right.holds(scope)));
                negate_if(true, neither)
            }
        }
    }
}

impl<'a> Scope<'a> {
    /// The rows of `u` for which a condition is true.
    pub fn others_where(self, condition: &Predicate) -> impl Iterator<Item = &'a Other> {
        let others = self.others.iter();
        others.filter(move |other| {
            condition.holds(Scope { other: Some(other), ..self }) == Some(true)
        })
    }
}

fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn negate_if(negated: bool, truth: Option<bool>) -> Option<bool> {
    truth.map(|truth| truth != negated)
}

/// `value IN (…)`: false for an empty list even if the value is NULL.
fn is_in(value: Option<i64>, list: impl Iterator<Item = Option<i64>>) -> Option<bool> {
    let list: Vec<_> = list.collect();
    if list.is_empty() {
        return Some(false);
    }
    let value = value?;
    if list.contains(&Some(value)) {
        Some(true)
    } else if list.contains(&None) {
        None
    } else {
        Some(false)
    }
}

/// `LIKE`, for patterns without escapes.
fn like(text: &[u8], pattern: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'%', rest)), _) => {
            like(text, rest) || text.split_first().is_some_and(|(_, text)| like(text, pattern))
        }
        (Some((b'_', rest)), Some((_, text))) => like(text, rest),
        (Some((wanted, rest)), Some((found, text))) => wanted == found && like(text, rest),
        _ => false,
    }
}

struct Literal<T>(Option<T>);

impl Display for Literal<i64> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) if value < 0 => write!(f, "({value})"),
            Some(value) => write!(f, "{value}"),
            None => write!(f, "NULL::BIGINT"),
        }
    }
}

impl Display for Literal<&str> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => write!(f, "'{}'", value.replace('\'', "''")),
            None => write!(f, "NULL::TEXT"),
        }
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let flag = self.f.map_or("NULL".to_string(), |flag| flag.to_string());
        let (a, b, s) = (Literal(self.a), Literal(self.b), Literal(self.s.as_deref()));
        write!(f, "({}, {a}, {b}, {s}, {flag})", self.id)
    }
}

impl Display for Other {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}, {})", self.k, Literal(self.x), Literal(self.s.as_deref()))
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => write!(f, "t.id"),
            Self::A => write!(f, "t.a"),
            Self::B => write!(f, "t.b"),
            Self::K => write!(f, "u.k"),
            Self::X => write!(f, "u.x"),
            Self::Literal(value) => write!(f, "{}", Literal(*value)),
            Self::Plus(left, right) => write!(f, "({left} + {right})"),
            Self::Minus(left, right) => write!(f, "({left} - {right})"),
            Self::Times(left, right) => write!(f, "({left} * {right})"),
            Self::Absolute(inner) => write!(f, "abs({inner})"),
            Self::Length(text) => write!(f, "char_length({text})"),
            Self::Coalesce(left, right) => write!(f, "coalesce({left}, {right})"),
            Self::Case(condition, yes, no) => {
                write!(f, "CASE WHEN {condition} THEN {yes} ELSE {no} END")
            }
            Self::Greatest => write!(f, "(SELECT max(u.x) FROM u)"),
        }
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::S => write!(f, "t.s"),
            Self::OtherS => write!(f, "u.s"),
            Self::Literal(value) => write!(f, "{}", Literal(value.as_deref())),
            Self::Upper(inner) => write!(f, "upper({inner})"),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::Unequal => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

impl Display for Predicate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { "NOT " } else { "" };
        match self {
            Self::Constant(Some(truth)) => write!(f, "{truth}"),
            Self::Constant(None) => write!(f, "NULL::BOOLEAN"),
            Self::Flag => write!(f, "t.f"),
            Self::Numbers(left, comparison, right) => write!(f, "({left} {comparison} {right})"),
            Self::Texts(left, comparison, right) => write!(f, "({left} {comparison} {right})"),
            Self::Between { value, low, high, negated } => {
                write!(f, "({value} {}BETWEEN {low} AND {high})", not(negated))
            }
            Self::InList { value, list, negated } => {
                let list: Vec<_> = list.iter().map(|item| Literal(*item).to_string()).collect();
                write!(f, "({value} {}IN ({}))", not(negated), list.join(", "))
            }
            Self::InQuery { value, found, condition, negated } => {
                let not = not(negated);
                write!(f, "({value} {not}IN (SELECT {found} FROM u WHERE {condition}))")
            }
            Self::Exists { condition, negated } => {
                write!(f, "({}EXISTS (SELECT 1 FROM u WHERE {condition}))", not(negated))
            }
            Self::Like { value, pattern, negated } => {
                let pattern = Literal(Some(pattern.as_str()));
                write!(f, "({value} {}LIKE {pattern})", not(negated))
            }
            Self::NumberIsNull(value, negated) => write!(f, "({value} IS {}NULL)", not(negated)),
            Self::TextIsNull(value, negated) => write!(f, "({value} IS {}NULL)", not(negated)),
            Self::IsTrue(inner, truth) => write!(f, "({inner} IS {truth})"),
            Self::Not(inner) => write!(f, "(NOT {inner})"),
            Self::And(left, right) => write!(f, "({left} AND {right})"),
            Self::Or(left, right) => write!(f, "({left} OR {right})"),
        }
    }
}
