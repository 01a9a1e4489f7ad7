//! `VECTOR(n)` and `HALFVEC(n)` as types of SQL, and text as vectors.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast;

/// The widest vector.
const MAX_DIMS: i32 = 65_536;

/// Plans our type names.
#[derive(Debug)]
pub struct VectorTypes;

impl TypePlanner for VectorTypes {
    fn plan_type(&self, sql_type: &ast::DataType) -> Result<Option<DataType>> {
        let ast::DataType::Custom(name, arguments) = sql_type else { return Ok(None) };
        let name = name.to_string().to_lowercase();
        let item = match name.as_str() {
            "vector" => DataType::Float32,
            "halfvec" => DataType::Float16,
            _ => return Ok(None),
        };
        let dims = match arguments.as_slice() {
            [dims] => dims.parse::<i32>().ok().filter(|dims| (1..=MAX_DIMS).contains(dims)),
            _ => None,
        };
        let Some(dims) = dims else {
            return plan_err!(
                "{}({}) is not a type; give the number of dimensions, 1 to {MAX_DIMS}, as {}(512)",
                name.to_uppercase(),
                arguments.join(", "),
                name.to_uppercase()
            );
        };
        Ok(Some(DataType::FixedSizeList(Arc::new(Field::new("item", item, true)), dims)))
    }
}
