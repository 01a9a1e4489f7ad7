//! Which filters Lance evaluates itself. Comparisons of a column with constants, NULL tests and
//! their combinations: these it answers from its indexes and statistics, with DataFusion's own
//! meaning. Everything else, functions above all, stays in DataFusion: a model that ran inside
//! Lance's decode pool, which has one worker on small machines, would block it for ever.

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};

/// Whether Lance can evaluate `filter` over a table of this schema, exactly.
pub fn lance_evaluates(filter: &Expr, schema: &Schema) -> bool {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And | Operator::Or => {
                lance_evaluates(left, schema) && lance_evaluates(right, schema)
            }
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq => comparable(left, right, schema) || comparable(right, left, schema),
            _ => false,
        },
        Expr::Not(inner) => lance_evaluates(inner, schema),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => column_type(inner, schema).is_some(),
        Expr::Column(_) => column_type(filter, schema) == Some(&DataType::Boolean),
        Expr::Between(Between { expr, low, high, .. }) => {
            comparable(expr, low, schema) && comparable(expr, high, schema)
        }
        Expr::InList(InList { expr, list, .. }) => {
            list.iter().all(|item| comparable(expr, item, schema))
        }
        _ => false,
    }
}

fn comparable(column: &Expr, constant: &Expr, schema: &Schema) -> bool {
    let Some(data_type) = column_type(column, schema) else { return false };
    match constant {
        // A NULL constant makes the comparison NULL, which an index could mistake for false
        // under a NOT; DataFusion folds it away before it matters.
        Expr::Literal(value, _) => {
            !value.is_null() && !is_nan(value) && value.data_type() == *data_type
        }
        _ => false,
    }
}

fn is_nan(value: &ScalarValue) -> bool {
    match value {
        ScalarValue::Float32(Some(v)) => v.is_nan(),
        ScalarValue::Float64(Some(v)) => v.is_nan(),
        _ => false,
    }
}

fn column_type<'a>(expr: &Expr, schema: &'a Schema) -> Option<&'a DataType> {
    let Expr::Column(Column { name, .. }) = expr else { return None };
    // Lance reads a dot as a path into a struct.
    if name.contains(['.', '`', '"']) {
        return None;
    }
    let data_type = schema.field_with_name(name).ok()?.data_type();
    let plain = data_type.is_integer()
        || matches!(
            data_type,
            DataType::Float32
                | DataType::Float64
                | DataType::Boolean
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Date32
                | DataType::Date64
                | DataType::Timestamp(..)
                | DataType::Decimal128(..)
        );
    plain.then_some(data_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::Field;
    use datafusion::prelude::{abs, col, lit};

    #[test]
    fn functions_and_odd_names_stay_in_datafusion() {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("x.y", DataType::Int64, true),
            Field::new("b", DataType::Boolean, true),
        ]);
        let yes = [
            col("a").gt(lit(1i64)),
            lit(1i64).lt(col("a")),
            col("a").eq(lit(1i64)).and(col("b")).or(col("a").is_null()),
            col("a").in_list(vec![lit(1i64), lit(2i64)], true),
        ];
        let no = [
            abs(col("a")).gt(lit(1i64)),
            col("a").gt(lit(1i32)),
            col("a").gt(col("a")),
            Expr::Column(Column::from_name("x.y")).gt(lit(1i64)),
            col("a").eq(Expr::Literal(ScalarValue::Int64(None), None)),
        ];
        assert!(yes.iter().all(|filter| lance_evaluates(filter, &schema)));
        assert!(no.iter().all(|filter| !lance_evaluates(filter, &schema)));
    }
}
