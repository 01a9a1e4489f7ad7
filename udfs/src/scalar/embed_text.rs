//! `embed_text(text [, task [, dims [, model [, long_text]]]])`: texts become vectors.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Result, ScalarValue, internal_err, plan_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use portolan_models::{LongText, Manifest, Models, Task, TextRequest};

use super::arguments::{self, Arguments};
use super::configured::Configured;
use super::vectors;
use crate::fingerprint::Fingerprint;

/// The parameters, in their order.
pub const PARAMETERS: &[&str] = &["text", "task", "dims", "model", "long_text"];

/// The function, in a session with these settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmbedText {
    session: Configured,
    signature: Signature,
}

/// A call, as its constants say.
struct Call {
    manifest: Manifest,
    request: TextRequest,
}

impl EmbedText {
    /// With models that are shared, in a session that begins.
    pub fn new(models: Arc<Models>) -> Self {
        let signature = arguments::signature(PARAMETERS);
        Self { session: Configured::new(models), signature }
    }

    fn call(&self, constants: &[Option<&ScalarValue>]) -> Result<Call> {
        let arguments = Arguments::new("embed_text", PARAMETERS, constants);
        let task = match arguments.text("task")? {
            None => Task::SearchDocument,
            Some(name) => match Task::from_name(name) {
                Some(task) => task,
                None => {
                    let tasks: Vec<&str> = Task::ALL.iter().map(|task| task.name()).collect();
                    return plan_err!(
                        "embed_text: '{name}' is no task; it is one of '{}'",
                        tasks.join("', '")
                    );
                }
            },
        };
        let long = match arguments.text("long_text")? {
            None => LongText::Truncate,
            Some(name) => match LongText::from_name(name) {
                Some(mode) => mode,
                None => {
                    return plan_err!(
                        "embed_text: long_text is 'truncate' or 'mean', not '{name}'"
                    );
                }
            },
        };
        let preferences = self.session.preferences();
        let model = self.session.model(arguments.text("model")?, "text_model");
        let manifest =
            self.session.models.manifest(model, &preferences).map_err(vectors::failure)?;
        if manifest.text.is_none() {
            return plan_err!(
                "embed_text: model '{model}' takes images, not texts; use embed_image"
            );
        }
        let dims = vectors::dims("embed_text", &manifest, arguments.whole("dims")?)?;
        Ok(Call { manifest, request: TextRequest { task, dims, long } })
    }
}

impl ScalarUDFImpl for EmbedText {
    fn name(&self) -> &str {
        "embed_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        arguments::coerce(
            "embed_text",
            PARAMETERS,
            &[DataType::Utf8, DataType::Utf8, DataType::Int64, DataType::Utf8, DataType::Utf8],
            types,
        )
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("embed_text says its type by its arguments")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let Call { manifest, request } = self.call(args.scalar_arguments)?;
        let preferences = self.session.preferences();
        let revision =
            self.session.models.revision(&manifest, &preferences).map_err(vectors::failure)?;
        let fingerprint = Fingerprint {
            space: manifest.shared_space().map(str::to_string),
            model: manifest.name,
            revision,
            recipe: portolan_models::RECIPE,
            task: Some(request.task),
            dims: request.dims,
        };
        let field = Field::new(self.name(), vectors::vector_type(request.dims)?, true);
        Ok(Arc::new(fingerprint.mark(field)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constants = arguments::constants(&args.args);
        let Call { manifest, request } = self.call(&constants)?;
        let Some(texts) = args.args.first() else {
            return internal_err!("embed_text without a text");
        };
        let is_scalar = matches!(texts, ColumnarValue::Scalar(_));
        let texts = texts.to_array(if is_scalar { 1 } else { args.number_rows })?;
        let texts = texts.as_string::<i32>().iter().collect::<Vec<_>>();
        let preferences = self.session.preferences();
        let vectors = vectors::embed(
            "embed_text",
            &args.config_options,
            &self.session.settings,
            &texts,
            request.dims,
            str::to_string,
            |texts, work| {
                self.session.models.embed_texts(&manifest, texts, request, &preferences, work)
            },
        )?;
        vectors::value(vectors, is_scalar)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let session = self.session.with(config)?;
        Some(ScalarUDF::new_from_impl(Self { session, ..self.clone() }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(documentation())
    }
}

fn documentation() -> &'static Documentation {
    use std::sync::LazyLock;

    use datafusion_expr::DocSection;
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "Embedding", description: None },
            "The vector of a text. NULL gives NULL; the same text is never run twice.",
            "embed_text(text [, task [, dims [, model [, long_text]]]])",
        )
        .with_sql_example(
            "```sql\nSELECT embed_text('cheap flights', 'search_query', 384, 'all-MiniLM-L6-v2');\n```",
        )
        .with_argument("text", "The text.")
        .with_argument(
            "task",
            "'search_document' (default), 'search_query', 'classification' or 'clustering'; a constant.",
        )
        .with_argument(
            "dims",
            "Length of the vector: the model's own (default), or fewer where it can be cut; a constant.",
        )
        .with_argument("model", "The model; portolan.text_model if not given; a constant.")
        .with_argument(
            "long_text",
            "What becomes of a text that is longer than the model takes: 'truncate' (default) embeds its beginning, 'mean' averages its pieces; a constant.",
        )
        .build()
    });
    &DOCUMENTATION
}
