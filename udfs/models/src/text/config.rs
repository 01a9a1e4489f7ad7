//! A text model's `config.json`, in the dialects that checkpoints come with.

use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};

/// The networks that the encoder knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// BERT: MiniLM, bge, gte.
    Bert,
    /// XLM-RoBERTa and RoBERTa: positions begin after the padding token's.
    Roberta,
    /// NomicBert: rotary positions and a gated feed-forward.
    NomicBert,
}

/// The shape of a text encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct TextConfig {
    /// Which network.
    pub architecture: Architecture,
    /// Length of a hidden state.
    pub width: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Number of layers.
    pub layers: usize,
    /// Width inside the feed-forward.
    pub inner: usize,
    /// Number of different tokens.
    pub vocabulary: usize,
    /// Number of token types.
    pub types: usize,
    /// The longest sequence.
    pub positions: usize,
    /// Number of rows of the position table before the first position.
    pub first_position: usize,
    /// What the layer norms add to a variance.
    pub epsilon: f32,
    /// Rotary positions.
    pub rotary: Option<Rotary>,
}

/// Rotary positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotary {
    /// The base of the frequencies.
    pub base: f64,
    /// Positions that the model was trained on.
    pub trained: usize,
    /// How much longer than that texts may be, where the base grows with them.
    pub scaling: Option<f64>,
}

impl TextConfig {
    /// Reads a `config.json`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
        let json: Value = serde_json::from_str(&text)
            .map_err(|error| Error::file(path, format!("is not JSON: {error}")))?;
        Reader { path, json: &json }.read()
    }
}

struct Reader<'a> {
    path: &'a Path,
    json: &'a Value,
}

impl Reader<'_> {
    fn read(&self) -> Result<TextConfig> {
        let config = match self.json.get("model_type").and_then(Value::as_str) {
            Some("bert") => self.bert(Architecture::Bert)?,
            Some("xlm-roberta" | "roberta") => self.bert(Architecture::Roberta)?,
            Some("nomic_bert") => self.nomic_bert()?,
            other => {
                let named = other.map_or("names no model_type".to_string(), |name| {
                    format!("is of model_type '{name}'")
                });
                return Err(self.wrong(format!(
                    "{named}; text models are bert, xlm-roberta, roberta and nomic_bert"
                )));
            }
        };
        if config.heads == 0 || !config.width.is_multiple_of(config.heads) {
            let (width, heads) = (config.width, config.heads);
            return Err(self.wrong(format!("has {heads} heads for a width of {width}")));
        }
        Ok(config)
    }

    fn bert(&self, architecture: Architecture) -> Result<TextConfig> {
        self.only("hidden_act", "gelu")?;
        if self.json.get("position_embedding_type").is_some() {
            self.only("position_embedding_type", "absolute")?;
        }
        let first_position = match architecture {
            Architecture::Roberta => self.count(&["pad_token_id"])? + 1,
            _ => 0,
        };
        let rows = self.count(&["max_position_embeddings"])?;
        Ok(TextConfig {
            architecture,
            width: self.count(&["hidden_size"])?,
            heads: self.count(&["num_attention_heads"])?,
            layers: self.count(&["num_hidden_layers"])?,
            inner: self.count(&["intermediate_size"])?,
            vocabulary: self.count(&["vocab_size"])?,
            types: self.count(&["type_vocab_size"])?,
            positions: rows.saturating_sub(first_position),
            first_position,
            epsilon: self.number(&["layer_norm_eps"])? as f32,
            rotary: None,
        })
    }

    /// The original dialect says `n_embd`, that of the transformers library `hidden_size`.
    fn nomic_bert(&self) -> Result<TextConfig> {
        if self.json.get("num_experts").and_then(Value::as_u64).is_some_and(|experts| experts > 1) {
            return Err(self.wrong("is a mixture of experts, which this version cannot run"));
        }
        if self.json.get("activation_function").is_some() {
            self.only("activation_function", "swiglu")?;
            for (key, wanted) in [
                ("prenorm", false),
                ("qkv_proj_bias", false),
                ("mlp_fc1_bias", false),
                ("mlp_fc2_bias", false),
                ("rotary_emb_interleaved", false),
            ] {
                match self.json.get(key).and_then(Value::as_bool) {
                    Some(value) if value == wanted => {}
                    Some(value) => {
                        return Err(
                            self.wrong(format!("has {key} = {value}; only {wanted} can be run"))
                        );
                    }
                    None => return Err(self.missing(key)),
                }
            }
            if self.number(&["rotary_emb_fraction"])? != 1.0 {
                return Err(self.wrong("turns only a part of each head by its position; only rotary_emb_fraction = 1 can be run"));
            }
        } else {
            self.only("hidden_act", "silu")?;
        }
        let base = match self.json.get("rope_parameters") {
            Some(rope) if !rope.is_null() => {
                if let Some(kind) = rope.get("rope_type").and_then(Value::as_str)
                    && kind != "default"
                {
                    return Err(
                        self.wrong(format!("has rope_type '{kind}'; only 'default' can be run"))
                    );
                }
                rope.get("rope_theta")
                    .and_then(Value::as_f64)
                    .ok_or_else(|| self.missing("rope_parameters.rope_theta"))?
            }
            _ => self.number(&["rotary_emb_base", "rope_theta"])?,
        };
        let positions = self.count(&["n_positions", "max_position_embeddings"])?;
        let trained = match self.json.get("max_trained_positions").and_then(Value::as_u64) {
            Some(trained) => usize::try_from(trained).unwrap_or(positions),
            None => positions,
        };
        let scaling = self.json.get("rotary_scaling_factor").and_then(Value::as_f64);
        Ok(TextConfig {
            architecture: Architecture::NomicBert,
            width: self.count(&["n_embd", "hidden_size"])?,
            heads: self.count(&["n_head", "num_attention_heads"])?,
            layers: self.count(&["n_layer", "num_hidden_layers"])?,
            inner: self.count(&["n_inner", "intermediate_size"])?,
            vocabulary: self.count(&["vocab_size"])?,
            types: self.count(&["type_vocab_size"])?,
            positions,
            first_position: 0,
            epsilon: self.number(&["layer_norm_epsilon", "layer_norm_eps"])? as f32,
            rotary: Some(Rotary { base, trained, scaling }),
        })
    }

    /// The first of some keys that is there.
    fn find(&self, keys: &[&str]) -> Result<&Value> {
        keys.iter()
            .find_map(|key| self.json.get(*key).filter(|value| !value.is_null()))
            .ok_or_else(|| self.missing(&keys.join("' or '")))
    }

    /// A whole number; some files write it as 2048.0.
    fn count(&self, keys: &[&str]) -> Result<usize> {
        let value = self.find(keys)?;
        value
            .as_u64()
            .or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && *x >= 0.0).map(|x| x as u64))
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| *count < 1 << 32)
            .ok_or_else(|| {
                self.wrong(format!("has {} = {value}, which is not a count", keys.join(" or ")))
            })
    }

    fn number(&self, keys: &[&str]) -> Result<f64> {
        let value = self.find(keys)?;
        value.as_f64().ok_or_else(|| {
            self.wrong(format!("has {} = {value}, which is not a number", keys.join(" or ")))
        })
    }

    fn only(&self, key: &str, wanted: &str) -> Result<()> {
        match self.find(&[key])?.as_str() {
            Some(value) if value == wanted => Ok(()),
            value => Err(self.wrong(format!(
                "has {key} = {}; only '{wanted}' can be run",
                value.map_or("something else".to_string(), |value| format!("'{value}'"))
            ))),
        }
    }

    fn missing(&self, key: &str) -> Error {
        self.wrong(format!("has no '{key}'"))
    }

    fn wrong(&self, reason: impl ToString) -> Error {
        Error::file(self.path, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: &Value) -> Result<TextConfig> {
        Reader { path: Path::new("config.json"), json }.read()
    }

    fn original() -> Value {
        json!({
            "model_type": "nomic_bert", "n_embd": 768, "n_head": 12, "n_layer": 12,
            "n_inner": 3072, "n_positions": 8192, "max_trained_positions": 2048,
            "vocab_size": 30528, "type_vocab_size": 2, "layer_norm_epsilon": 1e-12,
            "activation_function": "swiglu", "prenorm": false, "qkv_proj_bias": false,
            "mlp_fc1_bias": false, "mlp_fc2_bias": false, "rotary_emb_base": 1000,
            "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": false,
            "rotary_scaling_factor": null
        })
    }

    #[test]
    fn both_dialects_mean_the_same() {
        let one = read(&original()).unwrap();
        let other = json!({
            "model_type": "nomic_bert", "hidden_size": 768, "num_attention_heads": 12,
            "num_hidden_layers": 12, "intermediate_size": 3072, "max_position_embeddings": 8192,
            "max_trained_positions": 2048, "vocab_size": 30528, "type_vocab_size": 2,
            "layer_norm_eps": 1e-12, "hidden_act": "silu",
            "rope_parameters": {"rope_theta": 1000.0, "rope_type": "default"}
        });
        assert_eq!(one, read(&other).unwrap());
        assert_eq!(one.rotary, Some(Rotary { base: 1000.0, trained: 2048, scaling: None }));
    }

    #[test]
    fn a_key_that_is_missing_is_an_error_and_never_a_default() {
        for key in original().as_object().unwrap().keys() {
            if ["rotary_scaling_factor", "max_trained_positions", "activation_function"]
                .contains(&key.as_str())
            {
                continue;
            }
            let mut json = original();
            json.as_object_mut().unwrap().remove(key);
            let error = read(&json).unwrap_err().to_string();
            assert!(error.contains(key) || error.contains("model_type"), "{key}: {error}");
        }
    }

    #[test]
    fn positions_of_roberta_begin_after_the_padding() {
        let json = json!({
            "model_type": "xlm-roberta", "hidden_size": 32, "num_attention_heads": 2,
            "num_hidden_layers": 1, "intermediate_size": 64, "max_position_embeddings": 514,
            "vocab_size": 100, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
            "hidden_act": "gelu", "pad_token_id": 1
        });
        let config = read(&json).unwrap();
        assert_eq!((config.first_position, config.positions), (2, 512));
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        let mut json = original();
        json["rotary_emb_interleaved"] = true.into();
        assert!(read(&json).unwrap_err().to_string().contains("rotary_emb_interleaved"));
        json = original();
        json["n_head"] = 7.into();
        assert!(read(&json).unwrap_err().to_string().contains("7 heads for a width of 768"));
        json = json!({"model_type": "llama"});
        assert!(read(&json).unwrap_err().to_string().contains("'llama'"));
        json = json!({});
        assert!(read(&json).unwrap_err().to_string().contains("names no model_type"));
    }
}
