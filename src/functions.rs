//! Our SQL functions in a DataFusion session.

use datafusion::prelude::SessionContext;

/// Registers Portolan's SQL functions with a session of your own.
///
/// ```
/// use datafusion::prelude::SessionContext;
///
/// let context = SessionContext::new();
/// portolan::register_functions(&context);
/// ```
pub fn register_functions(context: &SessionContext) {
    for function in portolan_udfs::scalar_functions() {
        context.register_udf(function.as_ref().clone());
    }
}
