//! What an oracle said, and how near a model must come to it.

use std::path::{Path, PathBuf};

use portolan_models::{
    Accelerator, Conditions, LongText, Task, TextEmbedder, TextModel, TextRecipe, TextRequest,
    Unwatched,
};
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;

/// The vectors of all texts for one request.
pub struct Expected {
    pub request: TextRequest,
    pub vectors: Vec<f32>,
}

impl Expected {
    /// The same of one text.
    pub fn of(&self, text: usize) -> Self {
        let dims = self.request.dims;
        let vectors = self.vectors[text * dims..][..dims].to_vec();
        Self { request: self.request, vectors }
    }
}

/// A file or folder of the fixtures.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/fixtures").join(name)
}

/// A JSON file of the fixtures.
pub fn json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

/// A fixture's expected vectors.
pub fn expected(name: &str) -> Vec<Expected> {
    let bytes = std::fs::read(path(name).join("expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let expected: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| {
            let [task, dims, long] = name.split('.').collect::<Vec<_>>().try_into().unwrap();
            let request = TextRequest {
                task: Task::from_name(task).unwrap(),
                dims: dims.parse().unwrap(),
                long: LongText::from_name(long).unwrap(),
            };
            let numbers = tensor.data().chunks_exact(4);
            let vectors = numbers.map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect();
            Expected { request, vectors }
        })
        .collect();
    assert!(!expected.is_empty());
    expected
}

/// A model that is held to a fixture.
pub struct Model {
    what: String,
    embedder: TextEmbedder,
}

impl Model {
    /// As it runs on processors, and as it runs on devices.
    pub fn open(what: &str, folder: &Path, recipe: &TextRecipe) -> [Self; 2] {
        let packed = TextModel::open(folder, recipe).unwrap();
        let padded = TextModel::open_on(folder, recipe, &Accelerator::processor()).unwrap();
        [(what.to_string(), packed), (format!("{what} on a device"), padded)]
            .map(|(what, model)| Self { embedder: TextEmbedder::new(model, what.clone()), what })
    }

    /// Texts together.
    pub fn check(&self, texts: &[&str], expected: &Expected) {
        let vectors = self.embed(texts, expected.request, None);
        self.assert_near("together", expected, &vectors);
    }

    /// Texts in small runs, and one by one.
    pub fn check_apart(&self, texts: &[&str], expected: &Expected) {
        let vectors = self.embed(texts, expected.request, Some(64));
        self.assert_near("in small runs", expected, &vectors);
        let vectors = texts.iter().flat_map(|text| self.embed(&[text], expected.request, None));
        self.assert_near("one by one", expected, &vectors.collect::<Vec<_>>());
    }

    fn embed(&self, texts: &[&str], request: TextRequest, run_tokens: Option<usize>) -> Vec<f32> {
        let conditions = Conditions { run_tokens, kept: None, watch: &Unwatched };
        let embedded = self.embedder.embed(texts, request, &conditions).unwrap();
        assert!(embedded.failures.is_empty(), "{}: {:?}", self.what, embedded.failures);
        embedded.values
    }

    /// Cosine of at least 0.99999 in every row, and no number off by more than 1e-4.
    fn assert_near(&self, how: &str, expected: &Expected, actual: &[f32]) {
        let Expected { request, vectors } = expected;
        assert_eq!(actual.len(), vectors.len());
        let rows = actual.chunks_exact(request.dims).zip(vectors.chunks_exact(request.dims));
        for (row, (actual, expected)) in rows.enumerate() {
            let cosine =
                dot(actual, expected) / (dot(actual, actual) * dot(expected, expected)).sqrt();
            let off = actual.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(
                cosine >= 0.99999 && off <= 1e-4,
                "{}, {request:?}, {how}, text {row}: cosine {cosine}, off by {off}",
                self.what
            );
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
