//! What a text encoder's weights are called in its file.

use super::config::{Architecture, TextConfig};

/// What the weights of a layer are called.
pub struct LayerNames {
    /// Queries, keys and values: one stacked layer, or three.
    pub qkv: Vec<String>,
    /// What mixes the heads.
    pub out: String,
    /// The norm after the attention.
    pub attention_norm: String,
    /// What is between the norms.
    pub feed: FeedNames,
    /// The norm after the feed-forward.
    pub feed_norm: String,
}

/// What the weights of a feed-forward are called.
pub enum FeedNames {
    /// Two layers.
    Plain { up: String, down: String },
    /// Two whose outputs are multiplied, and one.
    Gated { up: String, gate: String, down: String },
    /// Several of two layers: `up` has a row for each output of each, `down` one for each input.
    Experts { router: String, up: String, down: String, bias: String },
}

/// The words' vectors.
pub const WORDS: &str = "embeddings.word_embeddings.weight";
/// What is added for a token's place.
pub const POSITIONS: &str = "embeddings.position_embeddings.weight";
/// What is added for a token's type.
pub const TYPES: &str = "embeddings.token_type_embeddings.weight";

/// The norm before the first layer.
pub fn first_norm(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Bert | Architecture::Roberta => "embeddings.LayerNorm",
        Architecture::NomicBert => "emb_ln",
    }
}

impl LayerNames {
    /// Those of a layer, the first being 0.
    pub fn of(config: &TextConfig, layer: usize) -> Self {
        match config.architecture {
            Architecture::Bert | Architecture::Roberta => {
                let name = |part: &str| format!("encoder.layer.{layer}.{part}");
                Self {
                    qkv: ["query", "key", "value"]
                        .map(|part| name(&format!("attention.self.{part}")))
                        .to_vec(),
                    out: name("attention.output.dense"),
                    attention_norm: name("attention.output.LayerNorm"),
                    feed: FeedNames::Plain {
                        up: name("intermediate.dense"),
                        down: name("output.dense"),
                    },
                    feed_norm: name("output.LayerNorm"),
                }
            }
            Architecture::NomicBert => {
                let name = |part: &str| format!("encoder.layers.{layer}.{part}");
                let feed = match (config.experts_of(layer), config.gated) {
                    (Some(_), _) => FeedNames::Experts {
                        router: name("mlp.router.layer"),
                        up: name("mlp.experts.mlp.w1"),
                        down: name("mlp.experts.mlp.w2"),
                        bias: name("mlp.experts.bias"),
                    },
                    (None, true) => FeedNames::Gated {
                        up: name("mlp.fc11"),
                        gate: name("mlp.fc12"),
                        down: name("mlp.fc2"),
                    },
                    (None, false) => {
                        FeedNames::Plain { up: name("mlp.fc1"), down: name("mlp.fc2") }
                    }
                };
                Self {
                    qkv: vec![name("attn.Wqkv")],
                    out: name("attn.out_proj"),
                    attention_norm: name("norm1"),
                    feed,
                    feed_norm: name("norm2"),
                }
            }
        }
    }
}
