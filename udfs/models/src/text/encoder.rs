//! The network: BERT, RoBERTa and NomicBert, which differ in their positions and feed-forward.
//!
//! A run's sequences are packed into one matrix without padding, so that every linear layer is one
//! large product.

use std::ops::Range;
use std::path::Path;

use portolan_math::{Attention, Rope, Scratch, add_bias, gelu, silu_times};

use super::config::{Architecture, TextConfig};
use crate::error::{Error, Result};
use crate::nn::{LayerNorm, Linear, Table, Tensors};

/// Rows that go through a small layer together from the attention on: what it makes of so many stays
/// in the second cache.
const BLOCK: usize = 48;

/// Most weights of a small layer, which lie in the third cache while block after block goes through. A
/// larger layer takes all rows at once, because its weights come from memory each time.
const SMALL: usize = 2 << 20;

/// A text encoder with its weights.
pub struct Encoder {
    config: TextConfig,
    words: Table,
    /// What is added for a token's place: nothing where positions are rotary.
    positions: Option<Table>,
    /// What is added for the only type that is used, the first.
    kind: Vec<f32>,
    norm: LayerNorm,
    rope: Option<Rope>,
    attention: Attention,
    layers: Vec<Layer>,
}

struct Layer {
    qkv: Linear,
    out: Linear,
    attention_norm: LayerNorm,
    feed: FeedForward,
    feed_norm: LayerNorm,
}

enum FeedForward {
    Gelu { up: Linear, down: Linear },
    Gated { up: Linear, gate: Linear, down: Linear },
}

/// Buffers of a run, used again by the next.
#[derive(Default)]
pub struct Workspace {
    sequences: Vec<Range<usize>>,
    hidden: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    up: Vec<f32>,
    gate: Vec<f32>,
    scratch: Scratch,
}

impl Workspace {
    /// The hidden states of the run's sequences, in their order.
    pub fn hidden(&self, width: usize) -> impl Iterator<Item = &[f32]> {
        self.sequences.iter().map(move |rows| &self.hidden[rows.start * width..rows.end * width])
    }

    /// Gives memory back that a run of much more than `tokens` tokens took.
    pub fn shrink(&mut self, tokens: usize, width: usize) {
        if self.hidden.capacity() > 2 * tokens * width {
            *self = Self::default();
        }
    }
}

impl Encoder {
    /// The encoder of a model's folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let config = TextConfig::read(&folder.join("config.json"))?;
        let tensors = Tensors::open(&folder.join("model.safetensors"))?
            .without_prefix("bert.")
            .without_prefix("roberta.");
        Self::load(config, &tensors)
    }

    fn load(config: TextConfig, tensors: &Tensors) -> Result<Self> {
        let TextConfig { width, heads, epsilon, .. } = config;
        let nomic = config.architecture == Architecture::NomicBert;
        let words = tensors.table("embeddings.word_embeddings.weight", config.vocabulary, width)?;
        let positions = if nomic {
            None
        } else {
            let rows = config.positions + config.first_position;
            Some(tensors.table("embeddings.position_embeddings.weight", rows, width)?)
        };
        let kind = match config.types {
            0 => vec![0.0; width],
            types => {
                let table =
                    tensors.table("embeddings.token_type_embeddings.weight", types, width)?;
                table.row(0).unwrap_or_default().to_vec()
            }
        };
        let norm = if nomic { "emb_ln" } else { "embeddings.LayerNorm" };
        let norm = LayerNorm::load(tensors, norm, width, epsilon)?;
        let layers = (0..config.layers)
            .map(|layer| {
                if nomic {
                    Layer::nomic(tensors, layer, &config)
                } else {
                    Layer::bert(tensors, layer, &config)
                }
            })
            .collect::<Result<_>>()?;
        let rope = config.rotary.as_ref().map(|rotary| {
            Rope::new(width / heads, rotary.base, config.positions.min(rotary.trained))
        });
        let attention = Attention { heads, head: width / heads, causal: false };
        Ok(Self { config, words, positions, kind, norm, rope, attention, layers })
    }

    /// Its shape.
    pub fn config(&self) -> &TextConfig {
        &self.config
    }

    /// The longest sequence that it can take.
    pub fn longest(&self) -> usize {
        match &self.config.rotary {
            Some(rotary) if rotary.scaling.is_none() => self.config.positions.min(rotary.trained),
            _ => self.config.positions,
        }
    }

    /// Computes the hidden states of some sequences, which lie in the workspace afterwards. Between
    /// layers it asks whether it is still wanted.
    pub fn run(
        &self,
        sequences: &[&[u32]],
        space: &mut Workspace,
        stopped: &dyn Fn() -> bool,
    ) -> Result<()> {
        let width = self.config.width;
        self.embed(sequences, space)?;
        let rows = space.hidden.len() / width;
        resize(&mut space.qkv, rows * 3 * width);
        resize(&mut space.mixed, rows * width);
        let small = width * self.config.inner <= SMALL;
        let block = if small { BLOCK } else { rows.max(1) };
        for layer in &self.layers {
            if stopped() {
                return Err(Error::Stopped);
            }
            layer.qkv.apply(&space.hidden, &mut space.qkv);
            if let Some(rope) = &self.rope {
                for rows in &space.sequences {
                    self.turn(rope, rows, &mut space.qkv);
                }
            }
            self.attention.apply(
                &space.qkv,
                &space.sequences,
                &mut space.scratch,
                &mut space.mixed,
            );
            let (hidden, mixed) = (&mut space.hidden, &space.mixed);
            for (hidden, mixed) in hidden.chunks_mut(block * width).zip(mixed.chunks(block * width))
            {
                layer.out.multiply_add(mixed, hidden);
                layer.attention_norm.apply_biased(hidden, layer.out.bias());
                layer.feed.apply(hidden, &mut space.up, &mut space.gate);
                layer.feed_norm.apply_biased(hidden, layer.feed.bias());
            }
        }
        Ok(())
    }

    /// Multiplications and additions in the linear layers, of one token.
    pub fn flops(&self) -> u64 {
        let (width, inner) = (self.config.width as u64, self.config.inner as u64);
        let feed = if self.config.architecture == Architecture::NomicBert { 3 } else { 2 };
        2 * self.config.layers as u64 * (4 * width * width + feed * width * inner)
    }

    /// What the first layer gets.
    fn embed(&self, sequences: &[&[u32]], space: &mut Workspace) -> Result<()> {
        space.sequences.clear();
        space.hidden.clear();
        let mut start = 0;
        for tokens in sequences {
            if tokens.len() > self.longest() {
                return Err(Error::Input(format!(
                    "a text of {} tokens is longer than the {} that the model takes",
                    tokens.len(),
                    self.longest()
                )));
            }
            for (place, &token) in tokens.iter().enumerate() {
                let word = self.words.row(token as usize).ok_or_else(|| {
                    Error::Input(format!(
                        "token {token} is not among the model's {}; its tokenizer.json is another model's",
                        self.words.rows()
                    ))
                })?;
                let from = space.hidden.len();
                space.hidden.extend_from_slice(word);
                let row = &mut space.hidden[from..];
                let place = place + self.config.first_position;
                let place = self.positions.as_ref().and_then(|table| table.row(place));
                add_bias(row, &self.kind);
                if let Some(place) = place {
                    add_bias(row, place);
                }
            }
            space.sequences.push(start..start + tokens.len());
            start += tokens.len();
        }
        self.norm.apply(&mut space.hidden);
        Ok(())
    }

    /// Turns the queries and keys of one sequence.
    fn turn(&self, rope: &Rope, rows: &Range<usize>, qkv: &mut [f32]) {
        let stride = 3 * self.config.width;
        let heads = 2 * self.config.heads;
        let qkv = &mut qkv[rows.start * stride..rows.end * stride];
        match &self.config.rotary {
            Some(rotary) if rows.len() > rotary.trained => {
                // Only for this sequence: the next has frequencies of its own.
                let head = self.attention.head;
                let longer = rows.len() as f64 / rotary.trained as f64;
                let factor = rotary.scaling.unwrap_or(1.0);
                let power = head as f64 / (head as f64 - 2.0);
                let base = rotary.base * (factor * longer - (factor - 1.0)).powf(power);
                Rope::new(head, base, rows.len()).turn(qkv, stride, heads);
            }
            _ => rope.turn(qkv, stride, heads),
        }
    }
}

impl FeedForward {
    /// Adds what it makes of some rows to them, without its last bias.
    fn apply(&self, rows: &mut [f32], first: &mut Vec<f32>, second: &mut Vec<f32>) {
        match self {
            Self::Gelu { up, down } => {
                resize(first, rows.len() / up.inputs() * up.outputs());
                up.multiply(rows, first);
                gelu(first, up.bias());
                down.multiply_add(first, rows);
            }
            Self::Gated { up, gate, down } => {
                resize(first, rows.len() / up.inputs() * up.outputs());
                resize(second, first.len());
                up.multiply(rows, first);
                gate.multiply(rows, second);
                silu_times(first, up.bias(), second, gate.bias());
                down.multiply_add(first, rows);
            }
        }
    }

    /// Its last bias.
    fn bias(&self) -> &[f32] {
        let (Self::Gelu { down, .. } | Self::Gated { down, .. }) = self;
        down.bias()
    }
}

impl Layer {
    fn bert(tensors: &Tensors, layer: usize, config: &TextConfig) -> Result<Self> {
        let TextConfig { width, inner, epsilon, .. } = *config;
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let linear =
            |part: &str, outputs, inputs| Linear::load(tensors, &name(part), outputs, inputs);
        let norm = |part: &str| LayerNorm::load(tensors, &name(part), width, epsilon);
        Ok(Self {
            qkv: Linear::load_stack(
                tensors,
                &["query", "key", "value"].map(|part| name(&format!("attention.self.{part}"))),
                width,
                width,
            )?,
            out: linear("attention.output.dense", width, width)?,
            attention_norm: norm("attention.output.LayerNorm")?,
            feed: FeedForward::Gelu {
                up: linear("intermediate.dense", inner, width)?,
                down: linear("output.dense", width, inner)?,
            },
            feed_norm: norm("output.LayerNorm")?,
        })
    }

    fn nomic(tensors: &Tensors, layer: usize, config: &TextConfig) -> Result<Self> {
        let TextConfig { width, inner, epsilon, .. } = *config;
        let name = |part: &str| format!("encoder.layers.{layer}.{part}");
        let linear = |part: &str, outputs, inputs| {
            Linear::load_unbiased(tensors, &name(part), outputs, inputs)
        };
        let norm = |part: &str| LayerNorm::load(tensors, &name(part), width, epsilon);
        Ok(Self {
            qkv: linear("attn.Wqkv", 3 * width, width)?,
            out: linear("attn.out_proj", width, width)?,
            attention_norm: norm("norm1")?,
            feed: FeedForward::Gated {
                up: linear("mlp.fc11", inner, width)?,
                gate: linear("mlp.fc12", inner, width)?,
                down: linear("mlp.fc2", width, inner)?,
            },
            feed_norm: norm("norm2")?,
        })
    }
}

/// Makes a buffer that long; what is in it is overwritten anyway.
fn resize(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    buffer.truncate(length);
}
