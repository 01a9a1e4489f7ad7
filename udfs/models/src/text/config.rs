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
    /// Whether the linear layers add a bias.
    pub biased: bool,
    /// Whether the feed-forward is gated.
    pub gated: bool,
    /// Of which some layers have several feed-forwards.
    pub experts: Option<Experts>,
}

/// Several feed-forwards in one layer, of which each token goes through a few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Experts {
    /// How many there are.
    pub count: usize,
    /// Through how many of them a token goes.
    pub chosen: usize,
    /// Every so many layers have them, the second being the first of these.
    pub every: usize,
}

impl Experts {
    /// One that all tokens go through.
    pub const ALONE: Self = Self { count: 1, chosen: 1, every: 1 };
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
    /// Width of an attention head.
    pub fn head(&self) -> usize {
        self.width / self.heads.max(1)
    }

    /// The feed-forwards of a layer, the first being 0, where it has several.
    pub fn experts_of(&self, layer: usize) -> Option<Experts> {
        self.experts.filter(|experts| layer % experts.every == 1)
    }

    /// Multiplications and additions in the linear layers, of one token.
    pub fn flops(&self) -> u64 {
        let (width, inner) = (self.width as u64, self.inner as u64);
        let part = if self.gated { 3 } else { 2 };
        let layers = (0..self.layers).map(|layer| {
            let feeds = self.experts_of(layer).map_or(1, |experts| experts.chosen as u64);
            4 * width * width + feeds * part * width * inner
        });
        2 * layers.sum::<u64>()
    }

    /// The longest sequence that it can take.
    pub fn longest(&self) -> usize {
        match &self.rotary {
            Some(rotary) if rotary.scaling.is_none() => self.positions.min(rotary.trained),
            _ => self.positions,
        }
    }

    /// Reads a `config.json`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
        let json: Value = serde_json::from_str(&text)
            .map_err(|error| Error::file(path, format!("is not JSON: {error}")))?;
        Reader { path, json: &json }.read()
    }
}

impl Rotary {
    /// The base for a sequence of so many tokens, with heads of that width: it grows with those that
    /// are longer than what was trained, each for itself.
    pub fn base_for(&self, tokens: usize, head: usize) -> f64 {
        if tokens <= self.trained {
            return self.base;
        }
        let longer = tokens as f64 / self.trained as f64;
        let factor = self.scaling.unwrap_or(1.0);
        let power = head as f64 / (head as f64 - 2.0);
        self.base * (factor * longer - (factor - 1.0)).powf(power)
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
            biased: true,
            gated: false,
            experts: None,
        })
    }

    /// The original dialect says `n_embd`, that of the transformers library `hidden_size`.
    fn nomic_bert(&self) -> Result<TextConfig> {
        let mut gated = true;
        if let Some(activation) = self.json.get("activation_function") {
            gated = activation != "gelu";
            if gated {
                self.only("activation_function", "swiglu")?;
            }
            for (key, wanted) in [
                ("prenorm", false),
                ("qkv_proj_bias", !gated),
                ("mlp_fc1_bias", !gated),
                ("mlp_fc2_bias", !gated),
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
            biased: !gated,
            gated,
            experts: self.experts()?,
        })
    }

    /// Feed-forwards that take turns, where the file has such keys.
    fn experts(&self) -> Result<Option<Experts>> {
        let several = |key: &str| self.json.get(key).and_then(Value::as_u64).unwrap_or(0) > 0;
        if !several("moe_every_n_layers") || !several("num_experts") {
            return Ok(None);
        }
        for key in ["moe_normalize_expert_weights", "expert_choice_router", "num_shared_experts"] {
            let value = self.json.get(key).unwrap_or(&Value::Null);
            if !(value.is_null() || value == false || value == 0) {
                return Err(self.wrong(format!("has {key} = {value}, which cannot be run")));
            }
        }
        let experts = Experts {
            count: self.count(&["num_experts"])?,
            chosen: self.count(&["moe_top_k"])?,
            every: self.count(&["moe_every_n_layers"])?,
        };
        if experts.every < 2 || !(1..=experts.count).contains(&experts.chosen) {
            let Experts { count, chosen, every } = experts;
            return Err(self.wrong(format!(
                "chooses {chosen} of {count} experts in every layer of {every}, which cannot be run"
            )));
        }
        Ok(Some(experts))
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
    fn a_mixture_of_experts_is_read() {
        let mut json = original();
        json["activation_function"] = "gelu".into();
        for key in ["qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias"] {
            json[key] = true.into();
        }
        let keys = [("num_experts", 8), ("moe_top_k", 2), ("moe_every_n_layers", 2)];
        for (key, value) in keys {
            json[key] = value.into();
        }
        json["moe_normalize_expert_weights"] = false.into();
        json["num_shared_experts"] = 0.into();
        let config = read(&json).unwrap();
        assert_eq!(config.experts, Some(Experts { count: 8, chosen: 2, every: 2 }));
        assert!(config.biased && !config.gated);
        let with: Vec<usize> = (0..5).filter(|layer| config.experts_of(*layer).is_some()).collect();
        assert_eq!(with, [1, 3]);

        let refused = |key: &str, value: Value| {
            let mut json = json.clone();
            json[key] = value;
            read(&json).unwrap_err().to_string()
        };
        let said = refused("moe_normalize_expert_weights", true.into());
        assert!(said.contains("moe_normalize_expert_weights = true"), "{said}");
        assert!(refused("num_shared_experts", 1.into()).contains("num_shared_experts = 1"));
        assert!(refused("moe_top_k", 9.into()).contains("chooses 9 of 8 experts"));
        assert!(refused("mlp_fc1_bias", false.into()).contains("mlp_fc1_bias = false"));
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
