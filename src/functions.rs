//! Our SQL functions in a DataFusion session.

use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::execution::registry::FunctionRegistry;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use portolan_models::{Environment, Models};
use portolan_udfs::vector::VectorOperators;
use portolan_udfs::{Files, LocalFiles};

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
    register_with(context, &Models::new(environment, cache), &(Arc::new(LocalFiles) as _));
}

/// Registers them with models that something else uses too.
pub(crate) fn register_with(
    context: &SessionContext,
    models: &Arc<Models>,
    files: &Arc<dyn Files>,
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
    for function in portolan_udfs::aggregate_functions() {
        context.register_udaf(function.as_ref().clone());
    }
    for function in portolan_udfs::scalar_functions(models, files) {
        let config = context.copied_config();
        let configured = function.inner().with_updated_config(config.options());
        context.register_udf(configured.unwrap_or_else(|| function.as_ref().clone()));
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
