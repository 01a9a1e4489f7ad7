//! Variables of the session, set with `\set` and put into statements as psql does: `:name` as it
//! is, `:'name'` as a string, `:"name"` as an identifier; never inside quotes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::repl::lexer::{Kind, Token, tokens};

/// Names and values.
#[derive(Debug, Default)]
pub struct Variables {
    values: BTreeMap<String, String>,
}

impl Variables {
    pub fn set(&mut self, name: &str, value: String) {
        self.values.insert(name.to_string(), value);
    }

    pub fn unset(&mut self, name: &str) {
        self.values.remove(name);
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The text with the values of the variables in it. A name that is not set stays as it is:
    /// `a[1:n]` and `x::int` are SQL.
    pub fn substitute<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.values.is_empty() || !text.contains(':') {
            return Cow::Borrowed(text);
        }
        let mut result = String::with_capacity(text.len());
        let mut rest = tokens(text).into_iter().peekable();
        while let Some(token) = rest.next() {
            let value = match rest.peek() {
                Some(name) if token.is_symbol(":") => self.value_of(name),
                _ => None,
            };
            match value {
                Some(value) => {
                    result.push_str(&value);
                    rest.next();
                }
                None => result.push_str(token.text),
            }
        }
        Cow::Owned(result)
    }

    /// What stands for `:name`.
    fn value_of(&self, name: &Token<'_>) -> Option<String> {
        let unquoted = || name.text.get(1..name.text.len().checked_sub(1)?);
        match name.kind {
            Kind::Word | Kind::Number => self.get(name.text).map(str::to_string),
            Kind::String if name.closed && name.text.starts_with('\'') => {
                self.get(unquoted()?).map(|value| format!("'{}'", value.replace('\'', "''")))
            }
            Kind::Identifier if name.closed && name.text.starts_with('"') => {
                self.get(unquoted()?).map(|value| format!("\"{}\"", value.replace('"', "\"\"")))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_for_names_outside_quotes() {
        let mut variables = Variables::default();
        variables.set("n", "5".to_string());
        variables.set("who", "O'Brien \"x\"".to_string());
        for (text, expected) in [
            ("select :n", "select 5"),
            ("select :n+:n", "select 5+5"),
            ("select :'who'", "select 'O''Brien \"x\"'"),
            ("select :\"who\"", "select \"O'Brien \"\"x\"\"\""),
            ("select ':n', \":n\", $$:n$$ -- :n", "select ':n', \":n\", $$:n$$ -- :n"),
            ("select x::n, a[1:m], :m", "select x::n, a[1:m], :m"),
            ("select a[1:n]", "select a[1:5]"),
            ("select : n, :", "select : n, :"),
        ] {
            assert_eq!(variables.substitute(text), expected);
        }
    }
}
