//! `embed_image(image [, dims [, model]])`: images become vectors.

use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use bytes::Bytes;
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Result, ScalarValue, internal_err, plan_err};
use datafusion_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};
use portolan_models::{Embedded, Error, Manifest, Models, Preferences, Watch};

use super::arguments::{self, Arguments};
use super::configured::Configured;
use super::vectors;
use crate::files::Files;
use crate::fingerprint::Fingerprint;

/// The parameters, in their order.
pub const PARAMETERS: &[&str] = &["image", "dims", "model"];

/// Files that are in memory at a time.
const FILES: usize = 64;

/// The function, in a session with these settings.
#[derive(Debug, Clone)]
pub struct EmbedImage {
    session: Configured,
    files: Arc<dyn Files>,
    signature: Signature,
}

/// A row's image.
#[derive(Clone, Copy)]
enum Image<'a> {
    Bytes(&'a [u8]),
    File(&'a str),
}

impl EmbedImage {
    /// With models that are shared, in a session that begins and reads files by `files`.
    pub fn new(models: Arc<Models>, files: Arc<dyn Files>) -> Self {
        let signature = arguments::signature(PARAMETERS);
        Self { session: Configured::new(models), files, signature }
    }

    fn call(&self, constants: &[Option<&ScalarValue>]) -> Result<(Manifest, usize)> {
        let arguments = Arguments::new("embed_image", PARAMETERS, constants);
        let model = self.session.model(arguments.text("model")?, "image_model");
        let preferences = self.session.preferences();
        let manifest =
            self.session.models.manifest(model, &preferences).map_err(vectors::failure)?;
        if manifest.modality == portolan_models::Modality::Text {
            return plan_err!(
                "embed_image: model '{model}' takes texts, not images; use embed_text"
            );
        }
        let dims = vectors::dims("embed_image", &manifest, arguments.whole("dims")?)?;
        Ok((manifest, dims))
    }

    /// The vectors of some rows: files are read a few at a time.
    fn embed(
        &self,
        images: &[Image<'_>],
        manifest: &Manifest,
        dims: usize,
        preferences: &Preferences,
        watch: &dyn Watch,
    ) -> Result<Embedded, Error> {
        let mut all = Embedded { dims, tokens: Some(0), ..Embedded::default() };
        for (part, first) in images.chunks(FILES).zip((0..).step_by(FILES)) {
            let mut bytes = Vec::with_capacity(part.len());
            let mut rows = Vec::with_capacity(part.len());
            for (row, image) in part.iter().enumerate() {
                match self.read(*image, watch) {
                    Ok(content) => {
                        bytes.push(content);
                        rows.push(row);
                    }
                    Err(reason) => all.failures.push((first + row, Error::Input(reason))),
                }
            }
            let embedded =
                self.session.models.embed_images(manifest, &bytes, dims, preferences, watch)?;
            let start = all.values.len();
            all.values.resize(start + part.len() * dims, 0.0);
            for (row, vector) in rows.iter().zip(embedded.values.chunks_exact(dims)) {
                all.values[start + row * dims..][..dims].copy_from_slice(vector);
            }
            for (row, error) in embedded.failures {
                all.failures.push((first + rows[row], error));
            }
        }
        all.failures.sort_by_key(|(row, _)| *row);
        Ok(all)
    }

    fn read(&self, image: Image<'_>, watch: &dyn Watch) -> Result<Bytes, String> {
        match image {
            Image::Bytes(bytes) => Ok(Bytes::copy_from_slice(bytes)),
            Image::File(location) => self.files.read(location, &|| watch.stopped()),
        }
    }
}

impl PartialEq for EmbedImage {
    fn eq(&self, other: &Self) -> bool {
        self.session == other.session && Arc::ptr_eq(&self.files, &other.files)
    }
}

impl Eq for EmbedImage {}

impl Hash for EmbedImage {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.session.hash(state);
    }
}

impl ScalarUDFImpl for EmbedImage {
    fn name(&self) -> &str {
        "embed_image"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let first = match types.first() {
            Some(given) if given.is_string() || given.is_null() => DataType::Utf8,
            Some(DataType::Dictionary(_, values)) if values.is_string() => DataType::Utf8,
            Some(
                DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::FixedSizeBinary(_),
            )
            | None => DataType::Binary,
            Some(other) => {
                return plan_err!(
                    "embed_image: image is bytes, a path or a URL, not {other}; read_images reads files"
                );
            }
        };
        let wanted = [first, DataType::Int64, DataType::Utf8];
        arguments::coerce("embed_image", PARAMETERS, &wanted, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("embed_image says its type by its arguments")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let (manifest, dims) = self.call(args.scalar_arguments)?;
        let preferences = self.session.preferences();
        let revision =
            self.session.models.revision(&manifest, &preferences).map_err(vectors::failure)?;
        let recipe = portolan_models::RECIPE;
        let space = manifest.shared_space().map(str::to_string);
        let model = manifest.name;
        let fingerprint = Fingerprint { model, revision, space, recipe, task: None, dims };
        let field = Field::new(self.name(), vectors::vector_type(dims)?, true);
        Ok(Arc::new(fingerprint.mark(field)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constants = arguments::constants(&args.args);
        let (manifest, dims) = self.call(&constants)?;
        let Some(images) = args.args.first() else {
            return internal_err!("embed_image without an image");
        };
        let is_scalar = matches!(images, ColumnarValue::Scalar(_));
        let images = images.to_array(if is_scalar { 1 } else { args.number_rows })?;
        let preferences = self.session.preferences();
        let vectors = vectors::embed(
            "embed_image",
            &args.config_options,
            &self.session.settings,
            &rows(&images),
            dims,
            show,
            |images, work| self.embed(images, &manifest, dims, &preferences, work),
        )?;
        vectors::value(vectors, is_scalar)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let session = self.session.with(config)?;
        Some(ScalarUDF::new_from_impl(Self { session, ..self.clone() }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

fn rows(images: &ArrayRef) -> Vec<Option<Image<'_>>> {
    match images.as_string_opt::<i32>() {
        Some(paths) => paths.iter().map(|path| path.map(Image::File)).collect(),
        None => match images.as_binary_opt::<i32>() {
            Some(bytes) => bytes.iter().map(|bytes| bytes.map(Image::Bytes)).collect(),
            None => vec![None; images.len()],
        },
    }
}

/// A path, or the first bytes of a content.
fn show(image: Image<'_>) -> String {
    match image {
        Image::File(location) => location.to_string(),
        Image::Bytes(bytes) => {
            let mut text = String::from("\\x");
            for byte in bytes.iter().take(8) {
                let _ = write!(text, "{byte:02x}");
            }
            text
        }
    }
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DocSection { include: true, label: "Embedding", description: None },
        "The vector of an image: JPEG, PNG, WebP, GIF (its first picture), BMP or TIFF. NULL gives NULL; the same image is never run twice.",
        "embed_image(image [, dims [, model]])",
    )
    .with_sql_example(
        "```sql\nSELECT path, embed_image(bytes) FROM read_images('photos/**/*.jpg');\n```",
    )
    .with_argument("image", "The file's bytes, its path, or its URL in any store of the session.")
    .with_argument(
        "dims",
        "Length of the vector: the model's own (default), or fewer where it can be cut; a constant.",
    )
    .with_argument("model", "The model; portolan.image_model if not given; a constant.")
    .build()
});
