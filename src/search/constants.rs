//! `ORDER BY cosine(v, (SELECT v FROM t WHERE id = 7)) DESC`: a vector that a subquery gives is found
//! first, so that the search for its neighbours knows it while it is planned.

use std::collections::HashMap;

use datafusion::common::ScalarValue;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use portolan_udfs::vector::Between;

use crate::error::{Error, Result};

/// The plan with the results of such subqueries in their place; `None` where there are none.
pub async fn settled(state: &SessionState, plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let mut wanted: Vec<Subquery> = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && call.func.inner().downcast_ref::<Between>().is_some()
                {
                    for argument in &call.args {
                        argument.apply(|part| {
                            if let Expr::ScalarSubquery(query) = part
                                && query.outer_ref_columns.is_empty()
                                && !wanted.contains(query)
                            {
                                wanted.push(query.clone());
                            }
                            Ok(TreeNodeRecursion::Continue)
                        })?;
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut found = HashMap::new();
    for query in wanted {
        let value = value(state, &query).await?;
        found.insert(query, value);
    }
    let replaced = plan.clone().transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|part| match &part {
                Expr::ScalarSubquery(query) => match found.get(query) {
                    Some(value) => Ok(Transformed::yes(value.clone())),
                    None => Ok(Transformed::no(part)),
                },
                _ => Ok(Transformed::no(part)),
            })
        })
    });
    Ok(Some(replaced.data()?))
}

async fn value(state: &SessionState, query: &Subquery) -> Result<Expr> {
    let frame = DataFrame::new(state.clone(), query.subquery.as_ref().clone());
    // The fingerprint of the column goes with its value.
    let metadata =
        frame.schema().as_arrow().fields().first().map(|f| FieldMetadata::from(f.as_ref()));
    let empty = match frame.schema().as_arrow().fields().first() {
        Some(field) => ScalarValue::try_from(field.data_type())?,
        None => ScalarValue::Null,
    };
    let mut rows = frame.limit(0, Some(2))?.collect().await?;
    rows.retain(|batch| batch.num_rows() > 0);
    let value = match rows.as_slice() {
        [] => empty,
        [one] if one.num_rows() == 1 => ScalarValue::try_from_array(one.column(0), 0)?,
        _ => {
            return Err(Error::sql(
                "a subquery that stands for one vector gives several; add LIMIT 1, or a condition that one row meets",
            ));
        }
    };
    Ok(Expr::Literal(value, metadata.filter(|metadata| !metadata.is_empty())))
}
