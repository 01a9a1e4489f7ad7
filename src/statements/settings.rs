//! SET and RESET of `portolan.*`; DataFusion's own settings are its own.

use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Value};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::functions;
use crate::result::ResultSet;
use crate::session::Settings;

/// `None` for settings that are not ours.
pub async fn set(
    db: &Database,
    variable: &ObjectName,
    values: &[Expr],
) -> Result<Option<ResultSet>> {
    let name = variable.to_string().to_lowercase();
    let Some(own) = name.strip_prefix("portolan.") else { return Ok(None) };
    let [value] = values else {
        return Err(Error::Invalid(format!("SET {name} takes one value")));
    };
    let value = match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        Expr::Identifier(ident) => ident.value.clone(),
        other => other.to_string(),
    };
    if own == "memory_limit" {
        db.set_memory_limit(&value)?;
    }
    let state = db.context().state_ref();
    let mut state = state.write();
    state.config_mut().options_mut().set(&name, &value)?;
    functions::configure(&mut state)?;
    Ok(Some(ResultSet::done("SET")))
}

/// `None` for settings that are not ours.
pub fn reset(db: &Database, variable: &ObjectName) -> Result<Option<ResultSet>> {
    let name = variable.to_string().to_lowercase();
    let Some(own) = name.strip_prefix("portolan.") else { return Ok(None) };
    let state = db.context().state_ref();
    let mut state = state.write();
    let options = state.config_mut().options_mut();
    if let Some(settings) = options.extensions.get_mut::<Settings>() {
        settings.reset(own)?;
    }
    functions::configure(&mut state)?;
    drop(state);
    if own == "memory_limit" {
        db.reset_memory_limit()?;
    }
    Ok(Some(ResultSet::done("RESET")))
}
