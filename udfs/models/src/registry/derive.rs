//! What a model is, read from the files that its makers ship with it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::manifest::{Architecture, Manifest, Modality, ModelFile, Pooling, Prefixes, TextRecipe};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";
const MODULES: &str = "modules.json";
const SENTENCE_BERT: &str = "sentence_bert_config.json";
const PROMPTS: &str = "config_sentence_transformers.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// Nomic's models are trained for this many tokens, whatever their tables would take.
const NOMIC_TOKENS: usize = 2048;

/// The manifest of the model in a folder, without hashes and sources.
pub(super) fn derive(name: &str, folder: &Path) -> Result<Manifest> {
    if !folder.is_dir() {
        return Err(Error::file(folder, "is not a folder: a model is a folder with its files"));
    }
    let mut files = Vec::new();
    let network = match Json::read(folder, CONFIG)? {
        Some(config) => {
            files.push(CONFIG.to_string());
            let network = Network::of(&config)?;
            files.push(weights(folder)?);
            network
        }
        None => {
            files.push(lite0_weights(folder)?);
            Network::image(Architecture::EfficientNetLite0, 1280)
        }
    };
    let text = match network.text {
        Some(text) => Some(recipe(folder, text, &mut files)?),
        None => None,
    };
    let architecture = network.architecture;
    Ok(Manifest {
        name: name.to_string(),
        about: format!("{} model in {}", architecture.name(), folder.display()),
        licence: "its owner's".to_string(),
        architecture,
        modality: network.modality,
        dims: network.dims,
        min_dims: network.dims,
        text,
        parts: Vec::new(),
        files: files.into_iter().map(|name| ModelFile { name, sha256: None }).collect(),
        sources: Vec::new(),
    })
}

/// What config.json says.
struct Network {
    architecture: Architecture,
    modality: Modality,
    dims: usize,
    text: Option<Text>,
}

/// What a network does with text if nothing else is said.
struct Text {
    pooling: Pooling,
    /// Whether a sentence encoder's files may say something else.
    sentences: bool,
    tokens: usize,
}

impl Network {
    fn of(config: &Json) -> Result<Self> {
        let kind = config.text("model_type").unwrap_or_default();
        match kind {
            "bert" => {
                let positions = config.text("position_embedding_type").unwrap_or("absolute");
                if positions != "absolute" {
                    return Err(
                        config.wrong(format!("BERT with {positions} positions is not supported"))
                    );
                }
                let tokens = config.count(&["max_position_embeddings"])?;
                Self::sentences(config, Architecture::Bert, &["hidden_size"], tokens)
            }
            "xlm-roberta" => {
                // Its positions start after the padding's.
                let positions = config.count(&["max_position_embeddings"])?;
                let tokens = positions.saturating_sub(1 + config.count(&["pad_token_id"])?);
                Self::sentences(config, Architecture::XlmRoberta, &["hidden_size"], tokens)
            }
            "nomic_bert" if config.has("img_size") => {
                let dims = config.count(&["n_embd", "hidden_size"])?;
                Ok(Self::image(Architecture::NomicVision, dims))
            }
            "nomic_bert" => {
                let tokens = config.count(&["n_positions", "max_position_embeddings"])?;
                let trained = config.count(&["max_trained_positions"]).unwrap_or(NOMIC_TOKENS);
                let dims = ["n_embd", "hidden_size"];
                Self::sentences(config, Architecture::NomicBert, &dims, tokens.min(trained))
            }
            // What the two say by default is left out of their files.
            "clip" => {
                let dims = config.count(&["projection_dim"])?;
                let tokens = config.inner("text_config", "max_position_embeddings").unwrap_or(77);
                Ok(Self::pair(Architecture::Clip, dims, Pooling::EndOfText, tokens))
            }
            "siglip" => {
                let dims = config.inner("vision_config", "hidden_size").unwrap_or(768);
                let tokens = config.inner("text_config", "max_position_embeddings").unwrap_or(64);
                Ok(Self::pair(Architecture::Siglip, dims, Pooling::Last, tokens))
            }
            _ => Err(config.wrong(unsupported(config, kind))),
        }
    }

    fn image(architecture: Architecture, dims: usize) -> Self {
        Self { architecture, modality: Modality::Image, dims, text: None }
    }

    fn pair(architecture: Architecture, dims: usize, pooling: Pooling, tokens: usize) -> Self {
        let text = Some(Text { pooling, sentences: false, tokens });
        Self { architecture, modality: Modality::Both, dims, text }
    }

    fn sentences(
        config: &Json,
        architecture: Architecture,
        dims: &[&str],
        tokens: usize,
    ) -> Result<Self> {
        let dims = config.count(dims)?;
        let text = Some(Text { pooling: Pooling::Mean, sentences: true, tokens });
        Ok(Self { architecture, modality: Modality::Text, dims, text })
    }
}

fn unsupported(config: &Json, kind: &str) -> String {
    let class = config.value.pointer("/architectures/0").and_then(Value::as_str);
    let what = match (kind, class) {
        ("", None) => "names no architecture".to_string(),
        ("", Some(class)) => format!("names the architecture {class}, which is not supported"),
        (kind, None) => format!("names the architecture '{kind}', which is not supported"),
        (kind, Some(class)) => {
            format!("names the architecture '{kind}' ({class}), which is not supported")
        }
    };
    use Architecture::*;
    let supported = [Bert, NomicBert, XlmRoberta, NomicVision, Clip, Siglip, EfficientNetLite0];
    format!("{what}; these are: {}", supported.map(Architecture::name).join(", "))
}

fn weights(folder: &Path) -> Result<String> {
    if folder.join(WEIGHTS).is_file() {
        return Ok(WEIGHTS.to_string());
    }
    let has = |name: &str| folder.join(name).is_file();
    let instead = if has("model.safetensors.index.json") {
        "; its weights are in several files: save them as one (max_shard_size)"
    } else if has("pytorch_model.bin") {
        "; pytorch_model.bin is not read: save it as safetensors (safe_serialization)"
    } else {
        ""
    };
    Err(Error::file(folder, format!("has no weights ({WEIGHTS}){instead}")))
}

/// EfficientNet-Lite0 is one file, by the name that its makers give it.
fn lite0_weights(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).map_err(|error| Error::file(folder, error))?;
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.starts_with("efficientnet-lite0") && name.ends_with(".pth"));
    match <[String; 1]>::try_from(names) {
        Ok([name]) => Ok(name),
        Err(names) if names.is_empty() => Err(Error::file(
            folder,
            format!(
                "has no {CONFIG}, nor the one file of EfficientNet-Lite0 (efficientnet-lite0….pth)"
            ),
        )),
        Err(names) => {
            Err(Error::file(folder, format!("has more than one of {}", names.join(", "))))
        }
    }
}

fn recipe(folder: &Path, text: Text, files: &mut Vec<String>) -> Result<TextRecipe> {
    if !folder.join(TOKENIZER).is_file() {
        let remedy = "save its tokenizer as a fast one (PreTrainedTokenizerFast.save_pretrained)";
        return Err(Error::file(folder, format!("has no {TOKENIZER}; {remedy}")));
    }
    files.push(TOKENIZER.to_string());
    let mut also = |name: &str| -> Result<Option<Json>> {
        let found = Json::read(folder, name)?;
        files.extend(found.iter().map(|_| name.to_string()));
        Ok(found)
    };
    let tokenizer = also(TOKENIZER_CONFIG)?;
    let said = |json: &Option<Json>, key| json.as_ref().and_then(|it| it.count(&[key]).ok());
    let mut recipe = TextRecipe {
        prefixes: Prefixes::default(),
        pooling: text.pooling,
        layer_norm: false,
        max_tokens: said(&tokenizer, "model_max_length").unwrap_or(text.tokens),
    };
    if text.sentences {
        let longest = also(SENTENCE_BERT)?;
        recipe.max_tokens = said(&longest, "max_seq_length").unwrap_or(recipe.max_tokens);
        if let Some(modules) = also(MODULES)?
            && let Some(path) = pooling_module(&modules)?
        {
            let name = format!("{path}/{CONFIG}");
            let pooling = also(&name)?;
            let missing = || Error::file(folder, format!("has no {name}, which {MODULES} names"));
            recipe.pooling = pooling_of(&pooling.ok_or_else(missing)?)?;
        }
        if let Some(prompts) = also(PROMPTS)? {
            recipe.prefixes = prefixes(&prompts);
        }
    }
    // A tokenizer without a limit says so with a number beyond all tables.
    recipe.max_tokens = recipe.max_tokens.min(text.tokens);
    Ok(recipe)
}

/// The folder of the pooling module, if there is one; nothing else may change the vectors.
fn pooling_module(modules: &Json) -> Result<Option<String>> {
    let mut pooling = None;
    for module in modules.value.as_array().into_iter().flatten() {
        let said = |key| module.get(key).and_then(Value::as_str).unwrap_or_default();
        match said("type").rsplit('.').next().unwrap_or_default() {
            "Transformer" if said("path").is_empty() => {}
            "Transformer" => {
                return Err(modules.wrong(format!(
                    "keeps the network in '{}': move its files to the model's own folder",
                    said("path")
                )));
            }
            "Pooling" => pooling = Some(said("path").to_string()),
            // Every vector gets the length 1.
            "Normalize" => {}
            other => {
                return Err(modules.wrong(format!(
                    "asks for a module {other}, which is not supported; Transformer, Pooling and \
                     Normalize are"
                )));
            }
        }
    }
    Ok(pooling)
}

fn pooling_of(config: &Json) -> Result<Pooling> {
    if config.value.get("include_prompt") == Some(&Value::Bool(false)) {
        return Err(config.wrong("leaves the prompt out of the mean, which is not supported"));
    }
    let mut modes: Vec<&str> = config.text("pooling_mode").into_iter().collect();
    for (key, value) in config.value.as_object().into_iter().flatten() {
        if let Some(mode) = key.strip_prefix("pooling_mode_")
            && value == &Value::Bool(true)
        {
            modes.push(mode);
        }
    }
    match modes.as_slice() {
        ["mean_tokens" | "mean"] => Ok(Pooling::Mean),
        ["cls_token" | "cls"] => Ok(Pooling::First),
        _ => Err(config.wrong(format!(
            "asks for the pooling '{}', which is not supported; mean and cls are",
            modes.join(" and ")
        ))),
    }
}

fn prefixes(config: &Json) -> Prefixes {
    let prompts = config.value.get("prompts").and_then(Value::as_object);
    let prompt = |names: &[&str]| {
        let named = prompts
            .into_iter()
            .flatten()
            .find(|(name, _)| names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)));
        named.and_then(|(_, prompt)| prompt.as_str()).map(str::to_string)
    };
    let default = config.text("default_prompt_name").and_then(|name| prompt(&[name]));
    let or_default = |names| prompt(names).or_else(|| default.clone()).unwrap_or_default();
    Prefixes {
        search_query: or_default(&["search_query", "query"]),
        search_document: or_default(&["search_document", "document", "passage"]),
        classification: or_default(&["classification"]),
        clustering: or_default(&["clustering"]),
    }
}

/// A file of settings.
struct Json {
    path: PathBuf,
    value: Value,
}

impl Json {
    /// None where there is no such file.
    fn read(folder: &Path, name: &str) -> Result<Option<Self>> {
        let path = folder.join(name);
        if !path.is_file() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(|error| Error::file(&path, error))?;
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(Self { path, value })),
            Err(error) => Err(Error::file(path, format!("is not JSON: {error}"))),
        }
    }

    fn wrong(&self, reason: impl ToString) -> Error {
        Error::file(&self.path, reason)
    }

    fn has(&self, key: &str) -> bool {
        self.value.get(key).is_some()
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.value.get(key).and_then(Value::as_str)
    }

    /// A count by whichever of its names the file uses.
    fn count(&self, keys: &[&str]) -> Result<usize> {
        let counts = keys.iter().filter_map(|key| as_count(self.value.get(*key)?));
        counts.into_iter().next().ok_or_else(|| {
            self.wrong(format!("has no '{}' that is a whole number", keys.join("' or '")))
        })
    }

    fn inner(&self, part: &str, key: &str) -> Option<usize> {
        as_count(self.value.get(part)?.get(key)?)
    }
}

fn as_count(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|count| usize::try_from(count).ok())
}
