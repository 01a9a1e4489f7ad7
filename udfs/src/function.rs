//! A function of many rows: one of its sort, in a statement.

use std::fmt;
use std::hash::{Hash, Hasher};

use datafusion_expr::Signature;

use crate::scalar::arguments;
use crate::statement::Statement;

/// What makes one function of a sort another than the next.
pub trait Kind: 'static {
    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// Its parameters, in their order.
    fn parameters(&self) -> &'static [&'static str];
}

/// The function. The engine tells functions apart by name and statement.
pub struct Function<K: Kind> {
    pub(crate) kind: &'static K,
    pub(crate) statement: Statement,
    pub(crate) signature: Signature,
}

impl<K: Kind> Function<K> {
    /// In a statement about which nothing is known.
    pub fn new(kind: &'static K) -> Self {
        let signature = arguments::signature(kind.parameters());
        Self { kind, statement: Statement::default(), signature }
    }

    /// In this statement.
    pub(crate) fn within(&self, statement: &Statement) -> Self {
        Self { statement: statement.clone(), ..self.clone() }
    }
}

impl<K: Kind> Clone for Function<K> {
    fn clone(&self) -> Self {
        let (statement, signature) = (self.statement.clone(), self.signature.clone());
        Self { kind: self.kind, statement, signature }
    }
}

impl<K: Kind> fmt::Debug for Function<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Function").field(&self.kind.name()).finish()
    }
}

impl<K: Kind> PartialEq for Function<K> {
    fn eq(&self, other: &Self) -> bool {
        self.kind.name() == other.kind.name() && self.statement == other.statement
    }
}

impl<K: Kind> Eq for Function<K> {}

impl<K: Kind> Hash for Function<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.name().hash(state);
        self.statement.hash(state);
    }
}
