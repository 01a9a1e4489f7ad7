//! A function that runs a model, for the rows of a table with a key: the key's columns come after
//! its own arguments, so that a row that fails can be named by its key.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};

use crate::runs_a_model;
use crate::work::Work;

/// The function for rows whose key has these columns; `None` where it runs no model, or knows a key
/// already.
pub fn with_key(function: &Arc<ScalarUDF>, names: &[String]) -> Option<ScalarUDF> {
    let inner: &dyn std::any::Any = function.inner().as_ref();
    if !runs_a_model(function) || inner.is::<WithKey>() || names.is_empty() {
        return None;
    }
    let names = names.to_vec().into();
    Some(ScalarUDF::new_from_impl(WithKey { function: function.clone(), names }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct WithKey {
    function: Arc<ScalarUDF>,
    names: Arc<[String]>,
}

/// The keys of the rows that a function is called for.
#[derive(Debug)]
pub(crate) struct Keys {
    names: Arc<[String]>,
    columns: Vec<ArrayRef>,
}

impl Keys {
    /// `id 17`, or `city Genoa and year 1350`, of one of the rows.
    pub(crate) fn named(&self, row: usize) -> String {
        let parts = self.names.iter().zip(self.values(row));
        parts.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(" and ")
    }

    /// The values alone: `17`, or `Genoa, 1350`.
    pub(crate) fn text(&self, row: usize) -> String {
        self.values(row).collect::<Vec<_>>().join(", ")
    }

    fn values(&self, row: usize) -> impl Iterator<Item = String> {
        self.columns.iter().map(move |column| {
            let options = FormatOptions::default().with_null("NULL");
            match ArrayFormatter::try_new(column, &options) {
                Ok(values) if row < column.len() => values.value(row).to_string(),
                _ => "?".to_string(),
            }
        })
    }
}

impl WithKey {
    /// What is the function's own of a list that ends with something for each column of the key.
    fn own<'a, T>(&self, all: &'a [T]) -> &'a [T] {
        all.get(..all.len().saturating_sub(self.names.len())).unwrap_or_default()
    }
}

impl ScalarUDFImpl for WithKey {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.function.schema_name(self.own(args))
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let own = self.own(types);
        let mut coerced = self.function.coerce_types(own)?;
        coerced.extend(types.iter().skip(own.len()).cloned());
        Ok(coerced)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.return_type(self.own(types))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.return_field_from_args(ReturnFieldArgs {
            arg_fields: self.own(args.arg_fields),
            scalar_arguments: self.own(args.scalar_arguments),
        })
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let own = self.own(&args.args).len();
        if own == 0 {
            return internal_err!("{} with a key and no arguments", self.name());
        }
        let rows = args.number_rows;
        let columns = args.args.split_off(own).into_iter();
        let columns = columns.map(|column| column.into_array(rows)).collect::<Result<_>>()?;
        args.arg_fields.truncate(own);
        let mut options = ConfigOptions::clone(&args.config_options);
        let work = options.extensions.get::<Work>().cloned().unwrap_or_default();
        options.extensions.insert(work.for_rows(Keys { names: self.names.clone(), columns }));
        args.config_options = Arc::new(options);
        self.function.invoke_with_args(args)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let function = Arc::new(self.function.inner().with_updated_config(config)?);
        Some(ScalarUDF::new_from_impl(Self { function, names: self.names.clone() }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};

    #[test]
    fn keys_are_named() {
        let city = Arc::new(StringArray::from(vec![Some("Genoa"), None]));
        let year = Arc::new(Int64Array::from(vec![1350, 1351]));
        let one = Keys { names: vec!["id".to_string()].into(), columns: vec![year.clone()] };
        assert_eq!((one.named(1), one.text(1)), ("id 1351".to_string(), "1351".to_string()));
        let names = vec!["city".to_string(), "year".to_string()].into();
        let two = Keys { names, columns: vec![city, year] };
        assert_eq!(two.named(0), "city Genoa and year 1350");
        assert_eq!(two.text(1), "NULL, 1351");
    }
}
