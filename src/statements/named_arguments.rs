//! Arguments by name in calls that the parser accepts but the planner does not understand: put in
//! their places before planning, with NULL (which means "the default") in the gaps.

use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, Expr, FunctionArg, FunctionArgExpr, UnaryOperator, Value,
};

use crate::error::{Error, Result};

/// The parameters of a function, in the order of its positional arguments.
#[derive(Debug)]
pub struct Signature {
    /// The function's name.
    pub function: &'static str,
    /// Parameters that must be given.
    pub required: &'static [&'static str],
    /// Parameters with a default.
    pub optional: &'static [&'static str],
}

/// The arguments of one call, each in its parameter's place.
#[derive(Debug, Clone)]
pub struct Arguments {
    signature: &'static Signature,
    /// As long as the signature has parameters.
    values: Vec<Option<Expr>>,
}

impl Signature {
    fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).copied()
    }

    /// Puts the arguments of a call in their places.
    pub fn bind(&'static self, arguments: &[FunctionArg]) -> Result<Arguments> {
        let mut values = vec![None; self.parameters().count()];
        let mut named = false;
        for (position, argument) in arguments.iter().enumerate() {
            let (name, value) = split(argument);
            let place = match &name {
                Some(name) => self.place(name)?,
                None if named => {
                    return Err(
                        self.refuse("an argument without a name cannot follow one with a name")
                    );
                }
                None => position,
            };
            named |= name.is_some();
            let FunctionArgExpr::Expr(value) = value else {
                return Err(self.refuse("'*' is no argument"));
            };
            let Some(slot) = values.get_mut(place) else {
                let most = self.parameters().count();
                return Err(self.refuse(&format!(
                    "{} arguments are too many, it takes up to {most}: {}",
                    arguments.len(),
                    self.parameters().collect::<Vec<_>>().join(", ")
                )));
            };
            if slot.replace(value).is_some() {
                return Err(self.refuse(&format!("'{}' is given twice", name.unwrap_or_default())));
            }
        }
        let arguments = Arguments { signature: self, values };
        match self.required.iter().find(|required| arguments.get(required).is_none()) {
            Some(missing) => Err(self.refuse(&format!("the argument '{missing}' is missing"))),
            None => Ok(arguments),
        }
    }

    fn place(&self, name: &str) -> Result<usize> {
        self.parameters().position(|parameter| parameter == name).ok_or_else(|| {
            let nearest =
                self.parameters().min_by_key(|other| strsim::damerau_levenshtein(other, name));
            self.refuse(&format!(
                "no argument is called '{name}'; did you mean '{}'? It takes {}",
                nearest.unwrap_or_default(),
                self.parameters().collect::<Vec<_>>().join(", ")
            ))
        })
    }

    fn refuse(&self, message: &str) -> Error {
        Error::sql(format!("{}: {message}", self.function))
    }
}

impl Arguments {
    /// The value of a parameter; NULL is as good as none.
    pub fn get(&self, parameter: &str) -> Option<&Expr> {
        let place = self.signature.parameters().position(|other| other == parameter)?;
        let value = self.values.get(place)?.as_ref()?;
        (!matches!(value, Expr::Value(value) if value.value == Value::Null)).then_some(value)
    }

    /// The same call without names: the gaps are NULL, and nothing follows the last value.
    pub fn positional(&self) -> Vec<FunctionArg> {
        let given = self.values.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.values
            .iter()
            .take(given)
            .map(|value| value.clone().unwrap_or_else(|| Expr::value(Value::Null)))
            .map(|value| FunctionArg::Unnamed(FunctionArgExpr::Expr(value)))
            .collect()
    }

    /// A parameter that is a text.
    pub fn text(&self, parameter: &str) -> Result<Option<String>> {
        self.literal(parameter, "a text in single quotes", text)
    }

    /// A parameter that is one text or a list of them.
    pub fn texts(&self, parameter: &str) -> Result<Option<Vec<String>>> {
        self.literal(parameter, "a text in single quotes, or a list ['…', '…']", |value| {
            match value {
                Expr::Array(Array { elem, .. }) => elem.iter().map(text).collect(),
                other => Some(vec![text(other)?]),
            }
        })
    }

    /// A parameter that is one byte, like a delimiter.
    pub fn byte(&self, parameter: &str) -> Result<Option<u8>> {
        self.literal(parameter, "one ASCII character, or '\\t'", |value| {
            match text(value)?.as_str() {
                "\\t" => Some(b'\t'),
                other => match other.as_bytes() {
                    [byte] => Some(*byte),
                    _ => None,
                },
            }
        })
    }

    /// A parameter that is true or false.
    pub fn flag(&self, parameter: &str) -> Result<Option<bool>> {
        self.literal(parameter, "true or false", |value| match value {
            Expr::Value(value) => match &value.value {
                Value::Boolean(flag) => Some(*flag),
                _ => None,
            },
            _ => None,
        })
    }

    /// A parameter that is a whole number; `least` is the smallest allowed.
    pub fn whole(&self, parameter: &str, least: i64) -> Result<Option<i64>> {
        self.literal(parameter, &format!("a whole number from {least}"), |value| {
            whole(value).filter(|number| *number >= least)
        })
    }

    fn literal<T>(
        &self,
        parameter: &str,
        wanted: &str,
        read: impl FnOnce(&Expr) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(parameter) else { return Ok(None) };
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(self.signature.refuse(&format!("'{parameter}' is {wanted}, not {value}"))),
        }
    }
}

/// The name and the value of an argument. `header = false` is a name and a value, too: DuckDB writes
/// it so, and no function of ours compares a column here.
fn split(argument: &FunctionArg) -> (Option<String>, FunctionArgExpr) {
    match argument {
        FunctionArg::Named { name, arg, .. } => {
            (Some(name.value.to_ascii_lowercase()), arg.clone())
        }
        FunctionArg::ExprNamed { name, arg, .. } => {
            (Some(name.to_string().to_ascii_lowercase()), arg.clone())
        }
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        })) if matches!(**left, Expr::Identifier(_)) => {
            (Some(left.to_string().to_ascii_lowercase()), FunctionArgExpr::Expr((**right).clone()))
        }
        FunctionArg::Unnamed(value) => (None, value.clone()),
    }
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => {
                Some(text.clone())
            }
            Value::DollarQuotedString(text) => Some(text.value.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn whole(value: &Expr) -> Option<i64> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.to_string().parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => whole(expr)?.checked_neg(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::FunctionArguments;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    static SEARCH: Signature = Signature {
        function: "vector_search",
        required: &["table", "vector"],
        optional: &["k", "column", "filter"],
    };

    fn bind(call: &str) -> Result<Arguments> {
        let mut parser = Parser::new(&GenericDialect {}).try_with_sql(call).unwrap();
        let Expr::Function(function) = parser.parse_expr().unwrap() else { panic!("{call}") };
        let FunctionArguments::List(list) = function.args else { panic!("{call}") };
        SEARCH.bind(&list.args)
    }

    fn shown(arguments: &Arguments) -> String {
        let shown: Vec<_> = arguments.positional().iter().map(ToString::to_string).collect();
        shown.join(", ")
    }

    #[test]
    fn names_find_their_places_and_gaps_are_null() {
        let call = bind("f('t', embed('x'), filter => 'a = 1')").unwrap();
        assert_eq!(shown(&call), "'t', embed('x'), NULL, NULL, 'a = 1'");
        assert_eq!(call.text("filter").unwrap().as_deref(), Some("a = 1"));
        assert_eq!(call.whole("k", 1).unwrap(), None);
        let call = bind("f(vector => [1], TABLE => 't', k = 10)").unwrap();
        assert_eq!(shown(&call), "'t', [1], 10");
        assert_eq!(call.whole("k", 1).unwrap(), Some(10));
        assert_eq!(shown(&bind("f('t', v, 5)").unwrap()), "'t', v, 5");
    }

    #[test]
    fn a_wrong_call_is_told_what_is_right() {
        for (call, expected) in [
            (
                "f('t', v, kk => 5)",
                "no argument is called 'kk'; did you mean 'k'? It takes table, vector, k",
            ),
            ("f('t')", "the argument 'vector' is missing"),
            ("f('t', v, 1, 'c', 'f', 6)", "6 arguments are too many, it takes up to 5"),
            ("f('t', v, table => 'u')", "'table' is given twice"),
            ("f(table => 't', v)", "cannot follow one with a name"),
            ("f('t', *)", "'*' is no argument"),
        ] {
            let error = bind(call).unwrap_err().to_string();
            assert!(
                error.starts_with("vector_search: ") && error.contains(expected),
                "{call}: {error}"
            );
        }
        let zero = bind("f('t', v, k => 0)").unwrap().whole("k", 1).unwrap_err().to_string();
        assert_eq!(zero, "vector_search: 'k' is a whole number from 1, not 0");
        let text = bind("f('t', v, k => 'x')").unwrap().whole("k", 1).unwrap_err().to_string();
        assert!(text.ends_with("not 'x'"), "{text}");
    }
}
