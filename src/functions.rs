//! Our SQL functions in a DataFusion session.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::execution::registry::FunctionRegistry;
use datafusion::logical_expr::{Expr, LogicalPlan, ScalarUDF, WindowFunctionDefinition};
use datafusion::prelude::SessionContext;
use portolan_models::{Environment, Models};
use portolan_udfs::classifier::{Classifiers, NoClassifiers};
use portolan_udfs::map::{Maps, NoMaps};
use portolan_udfs::scalar::{Classify, OnMap};
use portolan_udfs::vector::VectorOperators;
use portolan_udfs::{Files, LocalFiles, Statement};

use crate::error::Result;
use crate::session::Settings;

/// Registers Portolan's SQL functions with a session of your own. Their settings are options of the
/// session, `SET portolan.text_model = 'all-MiniLM-L6-v2'`; vectors are cached in the user's cache
/// folder. Arguments must be given up to the last one that is not left out.
///
/// ```
/// use datafusion::prelude::SessionContext;
///
/// let context = SessionContext::new();
/// portolan::register_functions(&context);
/// ```
pub fn register_functions(context: &SessionContext) {
    let environment = Environment::of_process();
    let cache = environment.vectors.clone();
    let models = Models::new(environment, cache);
    let (files, classifiers) = (Arc::new(LocalFiles) as _, Arc::new(NoClassifiers) as _);
    register_with(context, &models, &files, &classifiers, &(Arc::new(NoMaps) as _));
}

/// Registers them with models that something else uses too.
pub(crate) fn register_with(
    context: &SessionContext,
    models: &Arc<Models>,
    files: &Arc<dyn Files>,
    classifiers: &Arc<dyn Classifiers>,
    maps: &Arc<dyn Maps>,
) {
    let state = context.state_ref();
    let mut state = state.write();
    let options = state.config_mut().options_mut();
    if options.extensions.get::<Settings>().is_none() {
        options.extensions.insert(Settings::default());
    }
    drop(state);
    let theirs = context.state();
    for function in theirs.scalar_functions().values().filter_map(portolan_udfs::instead_of) {
        context.register_udf(function);
    }
    let operators = Arc::new(VectorOperators);
    if let Err(error) = context.state_ref().write().register_expr_planner(operators) {
        // Only a session that cannot plan expressions refuses; it has no use for operators.
        debug_assert!(false, "{error}");
    }
    for function in portolan_udfs::scalar_functions(models, files, classifiers, maps) {
        let config = context.copied_config();
        let configured = function.inner().with_updated_config(config.options());
        context.register_udf(configured.unwrap_or_else(|| function.as_ref().clone()));
    }
    for function in portolan_udfs::window_functions() {
        context.register_udwf(function.as_ref().clone());
    }
    for function in portolan_udfs::aggregate_functions() {
        context.register_udaf(function.as_ref().clone());
    }
}

/// A plan whose functions of many rows know the statement that they run in; `None` where there are
/// none. The engine shows them neither settings nor what watches over them.
pub(crate) fn within(plan: &LogicalPlan, statement: &Statement) -> Result<Option<LogicalPlan>> {
    let mut any = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            any |= expr.exists(|expr| Ok(in_statement(expr, statement).is_some()))?;
            Ok(if any { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    if !any {
        return Ok(None);
    }
    let plan = plan.clone().transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|expr| {
                let ours = in_statement(&expr, statement);
                Ok(ours.map_or_else(|| Transformed::no(expr), Transformed::yes))
            })
        })
    });
    Ok(Some(plan.data()?))
}

/// Whether a plan asks classifiers or maps. The engine moves the fields of what a function gives below filters,
/// and the whole function with each of them: it would be asked of all rows, and more than once.
pub(crate) fn asks_what_is_stored(plan: &LogicalPlan) -> Result<bool> {
    let mut any = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            any |= expr.exists(|expr| {
                let Expr::ScalarFunction(call) = expr else { return Ok(false) };
                let function = call.func.inner();
                Ok(function.downcast_ref::<Classify>().is_some()
                    || function.downcast_ref::<OnMap>().is_some())
            })?;
            Ok(if any { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(any)
}

/// A call in its statement, if it is one of our functions of many rows.
fn in_statement(expr: &Expr, statement: &Statement) -> Option<Expr> {
    match expr {
        Expr::AggregateFunction(call) => {
            let mut call = call.clone();
            call.func = Arc::new(statement.aggregate_function(&call.func)?);
            Some(Expr::AggregateFunction(call))
        }
        Expr::WindowFunction(call) => {
            let ours = match &call.fun {
                WindowFunctionDefinition::AggregateUDF(function) => {
                    let ours = statement.aggregate_function(function)?;
                    WindowFunctionDefinition::AggregateUDF(Arc::new(ours))
                }
                WindowFunctionDefinition::WindowUDF(function) => {
                    let ours = statement.window_function(function)?;
                    WindowFunctionDefinition::WindowUDF(Arc::new(ours))
                }
            };
            let mut call = call.clone();
            call.fun = ours;
            Some(Expr::WindowFunction(call))
        }
        _ => None,
    }
}

/// Gives functions that depend on settings the settings of now.
pub(crate) fn configure(state: &mut SessionState) -> Result<()> {
    let config = state.config().options().clone();
    let changed: Vec<ScalarUDF> = state
        .scalar_functions()
        .values()
        .filter_map(|function| function.inner().with_updated_config(&config))
        .collect();
    for function in changed {
        state.register_udf(Arc::new(function))?;
    }
    Ok(())
}
