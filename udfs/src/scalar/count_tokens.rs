//! `count_tokens(text [, model])`: how much of a model's room a text takes.

use std::sync::{Arc, LazyLock};

use arrow::array::{AsArray, Int32Array};
use arrow::datatypes::DataType;
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Result, exec_datafusion_err, internal_err};
use datafusion_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use portolan_models::Models;

use super::arguments::{self, Arguments};
use super::configured::Configured;
use super::vectors;

/// The parameters, in their order.
pub const PARAMETERS: &[&str] = &["text", "model"];

/// The function, in a session with these settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CountTokens {
    session: Configured,
    signature: Signature,
}

impl CountTokens {
    /// With models that are shared, in a session that begins.
    pub fn new(models: Arc<Models>) -> Self {
        let signature = arguments::signature(PARAMETERS);
        Self { session: Configured::new(models), signature }
    }
}

impl ScalarUDFImpl for CountTokens {
    fn name(&self) -> &str {
        "count_tokens"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        arguments::coerce("count_tokens", PARAMETERS, &[DataType::Utf8, DataType::Utf8], types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constants = arguments::constants(&args.args);
        let arguments = Arguments::new("count_tokens", PARAMETERS, &constants);
        let model = self.session.model(arguments.text("model")?, "text_model");
        let Some(texts) = args.args.first() else {
            return internal_err!("count_tokens without a text");
        };
        let is_scalar = matches!(texts, ColumnarValue::Scalar(_));
        let texts = texts.to_array(if is_scalar { 1 } else { args.number_rows })?;
        let model = self
            .session
            .models
            .text(model, &self.session.preferences())
            .map_err(vectors::failure)?;
        let tokens = model.tokens().map_err(vectors::failure)?;
        let counts = vectors::aside(|| {
            texts
                .as_string::<i32>()
                .iter()
                .map(|text| {
                    let Some(text) = text else { return Ok(None) };
                    let count = tokens.count(text).map_err(vectors::failure)?;
                    let count = i32::try_from(count).map_err(|_| {
                        exec_datafusion_err!("count_tokens: {count} tokens are too many")
                    })?;
                    Ok(Some(count))
                })
                .collect::<Result<Int32Array>>()
        })?;
        vectors::value(Arc::new(counts), is_scalar)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let session = self.session.with(config)?;
        Some(ScalarUDF::new_from_impl(Self { session, ..self.clone() }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DocSection { include: true, label: "Embedding", description: None },
        "The number of tokens of a text, without a task's prefix and what models put around a text.",
        "count_tokens(text [, model])",
    )
    .with_sql_example("```sql\nSELECT count_tokens('a portolan chart', 'all-MiniLM-L6-v2');\n```")
    .with_argument("text", "The text.")
    .with_argument("model", "The model; portolan.text_model if not given; a constant.")
    .build()
});
