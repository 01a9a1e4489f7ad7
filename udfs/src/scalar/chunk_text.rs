//! `chunk_text(text, max_tokens [, overlap [, model]])`: a long text in pieces.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Int32Builder, ListBuilder, StringBuilder, StructBuilder};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Result, internal_err, plan_err};
use datafusion_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use portolan_models::Models;
use portolan_models::text::{Chunk, Tokens};

use super::arguments::{self, Arguments};
use super::configured::Configured;
use super::vectors;

/// The parameters, in their order.
pub const PARAMETERS: &[&str] = &["text", "max_tokens", "overlap", "model"];

/// The function, in a session with these settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChunkText {
    session: Configured,
    signature: Signature,
}

impl ChunkText {
    /// With models that are shared, in a session that begins.
    pub fn new(models: Arc<Models>) -> Self {
        let signature = arguments::signature(PARAMETERS);
        Self { session: Configured::new(models), signature }
    }
}

impl ScalarUDFImpl for ChunkText {
    fn name(&self) -> &str {
        "chunk_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let wanted = [DataType::Utf8, DataType::Int64, DataType::Int64, DataType::Utf8];
        arguments::coerce("chunk_text", PARAMETERS, &wanted, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        let piece = DataType::Struct(fields());
        Ok(DataType::List(Arc::new(Field::new_list_field(piece, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constants = arguments::constants(&args.args);
        let arguments = Arguments::new("chunk_text", PARAMETERS, &constants);
        let Some(most) = arguments.whole("max_tokens")? else {
            return plan_err!(
                "chunk_text: max_tokens is missing; chunk_text(text, 256) gives pieces of up to 256 tokens"
            );
        };
        let overlap = arguments.whole("overlap")?.unwrap_or(0);
        let (Ok(size), Ok(shared)) = (usize::try_from(most), usize::try_from(overlap)) else {
            return plan_err!(
                "chunk_text: max_tokens is 1 or more and overlap 0 or more, not {most} and {overlap}"
            );
        };
        if size == 0 || shared >= size {
            return plan_err!(
                "chunk_text: max_tokens is 1 or more and overlap less than it, not {most} and {overlap}"
            );
        }
        let model = self.session.model(arguments.text("model")?, "text_model");
        let Some(texts) = args.args.first() else {
            return internal_err!("chunk_text without a text");
        };
        let is_scalar = matches!(texts, ColumnarValue::Scalar(_));
        let texts = texts.to_array(if is_scalar { 1 } else { args.number_rows })?;
        let model = self
            .session
            .models
            .text(model, &self.session.preferences())
            .map_err(vectors::failure)?;
        let tokens = model.tokens().map_err(vectors::failure)?;
        let chunks = vectors::aside(|| chunks(&texts, tokens, size, shared))?;
        vectors::value(chunks, is_scalar)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let session = self.session.with(config)?;
        Some(ScalarUDF::new_from_impl(Self { session, ..self.clone() }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("chunk", DataType::Utf8, true),
        Field::new("start", DataType::Int32, true),
        Field::new("length", DataType::Int32, true),
        Field::new("tokens", DataType::Int32, true),
    ])
}

fn chunks(texts: &ArrayRef, tokens: &Tokens, most: usize, overlap: usize) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(StructBuilder::from_fields(fields(), texts.len()));
    for text in texts.as_string::<i32>().iter() {
        let Some(text) = text else {
            lists.append(false);
            continue;
        };
        let mut counted = Characters { text, bytes: 0, characters: 0 };
        for chunk in tokens.chunks(text, most, overlap).map_err(vectors::failure)? {
            append(lists.values(), chunk, &mut counted);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// `substr(text, start, length)` is the chunk, so both are counted in characters, from 1.
fn append(piece: &mut StructBuilder, chunk: Chunk, counted: &mut Characters<'_>) {
    let Chunk { start, end, tokens } = chunk;
    let text = counted.text.get(start..end).unwrap_or_default();
    let whole = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let first = counted.before(start) + 1;
    if let Some(texts) = piece.field_builder::<StringBuilder>(0) {
        texts.append_value(text);
    }
    for (place, number) in [(1, first), (2, text.chars().count()), (3, tokens)] {
        if let Some(numbers) = piece.field_builder::<Int32Builder>(place) {
            numbers.append_value(whole(number));
        }
    }
    piece.append(true);
}

/// Counts the characters before places that come one after another, or a little before the last.
struct Characters<'a> {
    text: &'a str,
    bytes: usize,
    characters: usize,
}

impl Characters<'_> {
    fn before(&mut self, byte: usize) -> usize {
        let between = |from: usize, to: usize| {
            self.text.get(from..to).map_or(0, |piece| piece.chars().count())
        };
        self.characters = if byte >= self.bytes {
            self.characters + between(self.bytes, byte)
        } else {
            self.characters - between(byte, self.bytes)
        };
        self.bytes = byte;
        self.characters
    }
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DocSection { include: true, label: "Embedding", description: None },
        "A text in pieces of a limited number of tokens, which end between words where they can. Each is a struct(chunk, start, length, tokens): start and length are in characters, so that substr(text, start, length) is the chunk. For unnest.",
        "chunk_text(text, max_tokens [, overlap [, model]])",
    )
    .with_sql_example(
        "```sql\nSELECT id, unnest(chunk_text(body, 256, 32)) AS piece FROM documents;\n```",
    )
    .with_argument("text", "The text.")
    .with_argument("max_tokens", "The most tokens of a piece; a constant.")
    .with_argument("overlap", "Tokens that a piece shares with the one before, 0 if not given; a constant.")
    .with_argument("model", "The model whose tokens are counted; portolan.text_model if not given; a constant.")
    .build()
});
