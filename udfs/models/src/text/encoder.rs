//! The network: BERT, RoBERTa and NomicBert, which differ in their positions and feed-forward.
//!
//! A run's sequences are packed into one matrix without padding, so that every linear layer is one
//! large product.

use std::ops::Range;
use std::path::Path;

use portolan_math::{Attention, Rope, Scratch, add_bias};

use super::config::{Architecture, TextConfig};
use super::feed_forward::{FeedForward, FeedSpace};
use super::names::{self, LayerNames};
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

/// Buffers of a run, used again by the next.
#[derive(Default)]
pub struct Workspace {
    sequences: Vec<Range<usize>>,
    hidden: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    feed: FeedSpace,
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

/// The weights of a model's folder.
pub fn tensors(folder: &Path) -> Result<Tensors> {
    let tensors = Tensors::open(&folder.join("model.safetensors"))?;
    Ok(tensors.without_prefix("bert.").without_prefix("roberta."))
}

/// Checks that a network of this shape can take some sequences.
pub fn check(config: &TextConfig, sequences: &[&[u32]]) -> Result<()> {
    for tokens in sequences {
        if tokens.len() > config.longest() {
            return Err(Error::Input(format!(
                "a text of {} tokens is longer than the {} that the model takes",
                tokens.len(),
                config.longest()
            )));
        }
        if let Some(token) = tokens.iter().find(|token| **token as usize >= config.vocabulary) {
            return Err(Error::Input(format!(
                "token {token} is not among the model's {}; its tokenizer.json is another model's",
                config.vocabulary
            )));
        }
    }
    Ok(())
}

impl Encoder {
    /// The encoder of a model's folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let config = TextConfig::read(&folder.join("config.json"))?;
        Self::load(config, &tensors(folder)?)
    }

    fn load(config: TextConfig, tensors: &Tensors) -> Result<Self> {
        let TextConfig { width, heads, epsilon, .. } = config;
        let words = tensors.table(names::WORDS, config.vocabulary, width)?;
        let positions = if config.architecture == Architecture::NomicBert {
            None
        } else {
            let rows = config.positions + config.first_position;
            Some(tensors.table(names::POSITIONS, rows, width)?)
        };
        let kind = match config.types {
            0 => vec![0.0; width],
            types => {
                let table = tensors.table(names::TYPES, types, width)?;
                table.row(0).unwrap_or_default().to_vec()
            }
        };
        let norm =
            LayerNorm::load(tensors, names::first_norm(config.architecture), width, epsilon)?;
        let layers = (0..config.layers)
            .map(|layer| Layer::load(tensors, layer, &config))
            .collect::<Result<_>>()?;
        let rope = config.rotary.as_ref().map(|rotary| {
            Rope::new(config.head(), rotary.base, config.positions.min(rotary.trained))
        });
        let attention = Attention { heads, head: config.head(), causal: false };
        Ok(Self { config, words, positions, kind, norm, rope, attention, layers })
    }

    /// Its shape.
    pub fn config(&self) -> &TextConfig {
        &self.config
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
                layer.feed.apply(hidden, &mut space.feed);
                layer.feed_norm.apply_biased(hidden, layer.feed.bias());
            }
        }
        Ok(())
    }

    /// What the first layer gets.
    fn embed(&self, sequences: &[&[u32]], space: &mut Workspace) -> Result<()> {
        check(&self.config, sequences)?;
        space.sequences.clear();
        space.hidden.clear();
        let mut start = 0;
        for tokens in sequences {
            for (place, &token) in tokens.iter().enumerate() {
                let from = space.hidden.len();
                space.hidden.extend_from_slice(self.words.row(token as usize).unwrap_or(&[]));
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
                let head = self.attention.head;
                let base = rotary.base_for(rows.len(), head);
                Rope::new(head, base, rows.len()).turn(qkv, stride, heads);
            }
            _ => rope.turn(qkv, stride, heads),
        }
    }
}

impl Layer {
    fn load(tensors: &Tensors, layer: usize, config: &TextConfig) -> Result<Self> {
        let TextConfig { width, epsilon, biased, .. } = *config;
        let names = LayerNames::of(config, layer);
        let linear = |name: &str, outputs, inputs| match biased {
            true => Linear::load(tensors, name, outputs, inputs),
            false => Linear::load_unbiased(tensors, name, outputs, inputs),
        };
        let norm = |name: &str| LayerNorm::load(tensors, name, width, epsilon);
        Ok(Self {
            qkv: match names.qkv.as_slice() {
                [stacked] => linear(stacked, 3 * width, width)?,
                parts => Linear::load_stack(tensors, parts, width, width)?,
            },
            out: linear(&names.out, width, width)?,
            attention_norm: norm(&names.attention_norm)?,
            feed: FeedForward::load(tensors, &names.feed, config, config.experts_of(layer))?,
            feed_norm: norm(&names.feed_norm)?,
        })
    }
}

/// Makes a buffer that long; what is in it is overwritten anyway.
pub fn resize(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    buffer.truncate(length);
}
