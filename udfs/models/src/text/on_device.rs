//! The same network in tensors of a device. Sequences of a run are padded to the longest of them and
//! masked: a device would rather multiply what is not needed than many small matrices.

use std::path::Path;

use candle_core::{D, Result as Made, Tensor};
use parking_lot::Mutex;
use portolan_math::Rope;

use super::config::{Architecture, Experts, TextConfig};
use super::encoder::{check, tensors};
use super::names::{self, FeedNames, LayerNames};
use super::routing::visits;
use crate::device::{Accelerator, failure};
use crate::error::{Error, Result};
use crate::nn::on_device::{Linear, Loader, Norm, attend};

/// Tokens of a run, padding included, where nothing else is said.
const RUN_TOKENS: usize = 32 << 10;

/// Most numbers of a run's attention, which grow with the square of a sequence: 1 GiB.
const RUN_SCORES: usize = 256 << 20;

/// Sequences of up to so many tokens make a run with any shorter ones. Among longer ones the padding would
/// be more than the tokens.
const SHORT: usize = 64;

/// A text encoder with its weights, on a device.
pub struct DeviceEncoder {
    config: TextConfig,
    device: candle_core::Device,
    words: Tensor,
    /// What is added for a token's place: nothing where positions are rotary.
    positions: Option<Tensor>,
    /// What is added for the only type that is used, the first.
    kind: Option<Tensor>,
    norm: Norm,
    /// Cosines, then sines of each position.
    turns: Option<Tensor>,
    layers: Vec<Layer>,
    /// Runs take turns: the device's memory is that of one.
    turn: Mutex<()>,
}

/// What becomes of the hidden states of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooled {
    /// Their mean.
    Mean,
    /// That of the first token.
    First,
}

struct Layer {
    qkv: Linear,
    out: Linear,
    attention_norm: Norm,
    feed: FeedForward,
    feed_norm: Norm,
}

enum FeedForward {
    Gelu { up: Linear, down: Linear },
    Gated { up: Linear, gate: Linear, down: Linear },
    Mixed { router: Linear, experts: Vec<(Linear, Linear)>, shape: Experts, bias: Tensor },
}

/// Sequences side by side.
struct Batch {
    count: usize,
    longest: usize,
    lengths: Vec<usize>,
    /// Nothing for tokens, and next to minus infinity for padding; `None` without any.
    mask: Option<Tensor>,
    /// Cosines and sines of each position, of all sequences or of each.
    turns: Option<(Tensor, Tensor)>,
}

impl DeviceEncoder {
    /// The encoder of a model's folder.
    pub fn open(folder: &Path, device: &Accelerator) -> Result<Self> {
        let config = TextConfig::read(&folder.join("config.json"))?;
        let tensors = tensors(folder)?;
        Self::load(&Loader::new(&tensors, device), config)
    }

    /// Its shape.
    pub fn config(&self) -> &TextConfig {
        &self.config
    }

    /// How many of some sequences, the longest first, make a run: one at least.
    pub fn run_of(&self, lengths: impl Iterator<Item = usize>, tokens: Option<usize>) -> usize {
        let tokens = tokens.unwrap_or(RUN_TOKENS);
        let mut longest = 0;
        let fits = lengths.enumerate().take_while(|(index, length)| {
            longest = longest.max(*length);
            let rows = (index + 1) * longest;
            let alike = longest <= SHORT || length * 2 >= longest;
            alike && rows <= tokens && rows * longest * self.config.heads <= RUN_SCORES
        });
        fits.count().max(1)
    }

    /// One vector for each sequence, of the network's width. Between layers it asks whether it is
    /// still wanted.
    pub fn run(
        &self,
        sequences: &[&[u32]],
        pooled: Pooled,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        check(&self.config, sequences)?;
        let _turn = self.turn.lock();
        let batch = self.batch(sequences).map_err(failure)?;
        let mut hidden = self.embed(sequences, &batch).map_err(failure)?;
        for layer in &self.layers {
            if stopped() {
                return Err(Error::Stopped);
            }
            hidden = self.layer(layer, &hidden, &batch).map_err(failure)?;
        }
        self.pool(&hidden, &batch, pooled).map_err(failure)
    }

    fn batch(&self, sequences: &[&[u32]]) -> Made<Batch> {
        let lengths: Vec<usize> = sequences.iter().map(|tokens| tokens.len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let count = lengths.len();
        let mask = match lengths.iter().all(|length| *length == longest) {
            true => None,
            false => {
                let masks = lengths.iter().flat_map(|length| {
                    (0..longest).map(move |place| if place < *length { 0.0 } else { f32::MIN })
                });
                let masks: Vec<f32> = masks.collect();
                Some(Tensor::from_vec(masks, (count, 1, 1, longest), &self.device)?)
            }
        };
        let turns = self.turns(&lengths, longest)?;
        Ok(Batch { count, longest, lengths, mask, turns })
    }

    /// Cosines and sines for the positions of some sequences.
    fn turns(&self, lengths: &[usize], longest: usize) -> Made<Option<(Tensor, Tensor)>> {
        let (Some(rotary), Some(turns)) = (&self.config.rotary, &self.turns) else {
            return Ok(None);
        };
        let head = self.config.head();
        let turns = match longest > rotary.trained {
            false => turns.narrow(0, 0, longest)?.reshape((1, 1, longest, head))?,
            true => {
                // A sequence that is longer than what was trained has frequencies of its own.
                let mut all = Vec::with_capacity(lengths.len() * longest * head);
                for length in lengths {
                    let rope = Rope::new(head, rotary.base_for(*length, head), longest);
                    all.extend_from_slice(rope.turns());
                }
                Tensor::from_vec(all, (lengths.len(), 1, longest, head), &self.device)?
            }
        };
        let half = head / 2;
        let cosines = turns.narrow(D::Minus1, 0, half)?.contiguous()?;
        let sines = turns.narrow(D::Minus1, half, half)?.contiguous()?;
        Ok(Some((cosines, sines)))
    }

    /// What the first layer gets: a row for each token, and for each place of padding.
    fn embed(&self, sequences: &[&[u32]], batch: &Batch) -> Made<Tensor> {
        let Batch { count, longest, .. } = *batch;
        let mut ids = Vec::with_capacity(count * longest);
        for (tokens, end) in sequences.iter().zip((longest..).step_by(longest.max(1))) {
            ids.extend_from_slice(tokens);
            ids.resize(end, 0);
        }
        let ids = Tensor::from_vec(ids, count * longest, &self.device)?;
        let mut rows = self.words.index_select(&ids, 0)?;
        if let Some(kind) = &self.kind {
            rows = rows.broadcast_add(kind)?;
        }
        if let Some(positions) = &self.positions {
            let width = self.config.width;
            let places = positions.narrow(0, self.config.first_position, longest)?;
            rows = rows.reshape((count, longest, width))?.broadcast_add(&places)?;
            rows = rows.reshape((count * longest, width))?;
        }
        self.norm.apply(&rows)
    }

    fn layer(&self, layer: &Layer, hidden: &Tensor, batch: &Batch) -> Made<Tensor> {
        let mixed = self.attend(&layer.qkv.apply(hidden)?, batch)?;
        let hidden = layer.attention_norm.apply(&(hidden + layer.out.apply(&mixed)?)?)?;
        layer.feed_norm.apply(&(&hidden + layer.feed.apply(&hidden)?)?)
    }

    fn attend(&self, qkv: &Tensor, batch: &Batch) -> Made<Tensor> {
        let (heads, head) = (self.config.heads, self.config.head());
        let Batch { count, longest, .. } = *batch;
        let qkv = qkv.reshape((count, longest, 3, heads, head))?;
        // [sequence, head, place, number]
        let part = |index| qkv.narrow(2, index, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
        let (mut queries, mut keys, values) = (part(0)?, part(1)?, part(2)?);
        if let Some(turns) = &batch.turns {
            queries = turn(&queries, turns)?;
            keys = turn(&keys, turns)?;
        }
        let mixed = attend(&queries, &keys, &values, batch.mask.as_ref())?;
        mixed.reshape((count * longest, self.config.width))
    }

    /// One vector for each sequence, of its own tokens alone.
    fn pool(&self, hidden: &Tensor, batch: &Batch, pooled: Pooled) -> Made<Vec<Vec<f32>>> {
        let Batch { count, longest, .. } = *batch;
        let hidden = hidden.reshape((count, longest, self.config.width))?;
        let pooled = match pooled {
            Pooled::First => hidden.narrow(1, 0, 1)?.squeeze(1)?,
            Pooled::Mean => {
                let shares = batch.lengths.iter().flat_map(|length| {
                    let share = 1.0 / (*length).max(1) as f32;
                    (0..longest).map(move |place| if place < *length { share } else { 0.0 })
                });
                let shares = shares.collect::<Vec<f32>>();
                let shares = Tensor::from_vec(shares, (count, 1, longest), &self.device)?;
                shares.matmul(&hidden)?.squeeze(1)?
            }
        };
        pooled.to_vec2()
    }
}

/// Turns each head by its position; the first half of it with the second.
fn turn(heads: &Tensor, (cosines, sines): &(Tensor, Tensor)) -> Made<Tensor> {
    let half = heads.dim(D::Minus1)? / 2;
    let low = heads.narrow(D::Minus1, 0, half)?;
    let high = heads.narrow(D::Minus1, half, half)?;
    let turned_low = (low.broadcast_mul(cosines)? - high.broadcast_mul(sines)?)?;
    let turned_high = (high.broadcast_mul(cosines)? + low.broadcast_mul(sines)?)?;
    Tensor::cat(&[turned_low, turned_high], D::Minus1)
}

impl FeedForward {
    fn apply(&self, rows: &Tensor) -> Made<Tensor> {
        match self {
            Self::Gelu { up, down } => down.apply(&up.apply(rows)?.gelu_erf()?),
            Self::Gated { up, gate, down } => {
                down.apply(&(up.apply(rows)? * gate.apply(rows)?.silu()?)?)
            }
            Self::Mixed { router, experts, shape, bias } => {
                let routed: Vec<f32> = router.apply(rows)?.flatten_all()?.to_vec1()?;
                let mut sums = rows.zeros_like()?;
                for ((up, down), visits) in experts.iter().zip(visits(&routed, shape)) {
                    if visits.is_empty() {
                        continue;
                    }
                    let count = visits.len();
                    // Rows of a run are far fewer than what an u32 counts.
                    let places: Vec<u32> = visits.iter().map(|visit| visit.row as u32).collect();
                    let places = Tensor::from_vec(places, count, rows.device())?;
                    let weights: Vec<f32> = visits.iter().map(|visit| visit.weight).collect();
                    let weights = Tensor::from_vec(weights, (count, 1), rows.device())?;
                    let gathered = rows.index_select(&places, 0)?;
                    let answers = down.apply(&up.apply(&gathered)?.gelu_erf()?)?;
                    sums = sums.index_add(&places, &answers.broadcast_mul(&weights)?, 0)?;
                }
                sums.broadcast_add(bias)
            }
        }
    }
}

impl DeviceEncoder {
    fn load(loader: &Loader<'_>, config: TextConfig) -> Result<Self> {
        let width = config.width;
        let rotary = config.architecture == Architecture::NomicBert;
        let positions = match rotary {
            true => None,
            false => {
                let rows = config.positions + config.first_position;
                Some(loader.table(names::POSITIONS, rows, width)?)
            }
        };
        let kind = match config.types {
            0 => None,
            types => {
                Some(loader.table(names::TYPES, types, width)?.narrow(0, 0, 1).map_err(failure)?)
            }
        };
        let turns = config.rotary.as_ref().map(|rotary| {
            let rows = config.positions.min(rotary.trained);
            let rope = Rope::new(config.head(), rotary.base, rows);
            loader.tensor(rope.turns(), (rows, config.head()))
        });
        Ok(Self {
            device: loader.device().clone(),
            words: loader.table(names::WORDS, config.vocabulary, width)?,
            positions,
            kind,
            norm: loader.norm(names::first_norm(config.architecture), width, config.epsilon)?,
            turns: turns.transpose()?,
            layers: (0..config.layers)
                .map(|layer| Layer::load(loader, layer, &config))
                .collect::<Result<_>>()?,
            turn: Mutex::default(),
            config,
        })
    }
}

impl Layer {
    fn load(loader: &Loader<'_>, layer: usize, config: &TextConfig) -> Result<Self> {
        let TextConfig { width, biased, epsilon, .. } = *config;
        let names = LayerNames::of(config, layer);
        Ok(Self {
            qkv: loader.linear(&names.qkv, 3 * width / names.qkv.len().max(1), width, biased)?,
            out: loader.linear(&[names.out], width, width, biased)?,
            attention_norm: loader.norm(&names.attention_norm, width, epsilon)?,
            feed: FeedForward::load(loader, &names.feed, config, config.experts_of(layer))?,
            feed_norm: loader.norm(&names.feed_norm, width, epsilon)?,
        })
    }
}

impl FeedForward {
    fn load(
        loader: &Loader<'_>,
        names: &FeedNames,
        config: &TextConfig,
        experts: Option<Experts>,
    ) -> Result<Self> {
        let TextConfig { width, inner, biased, .. } = *config;
        let linear = |name: &String, outputs, inputs| {
            loader.linear(std::slice::from_ref(name), outputs, inputs, biased)
        };
        Ok(match names {
            FeedNames::Plain { up, down } => {
                Self::Gelu { up: linear(up, inner, width)?, down: linear(down, width, inner)? }
            }
            FeedNames::Gated { up, gate, down } => Self::Gated {
                up: linear(up, inner, width)?,
                gate: linear(gate, inner, width)?,
                down: linear(down, width, inner)?,
            },
            FeedNames::Experts { router, up, down, bias } => {
                let shape = experts.unwrap_or(Experts::ALONE);
                let up = loader.table(up, shape.count * inner, width)?;
                let down = loader.table(down, shape.count * inner, width)?;
                let expert = |index: usize| -> Made<(Linear, Linear)> {
                    let up = up.narrow(0, index * inner, inner)?.t()?;
                    let down = down.narrow(0, index * inner, inner)?;
                    Ok((Linear::unbiased(up), Linear::unbiased(down)))
                };
                let experts = (0..shape.count).map(expert).collect::<Made<_>>().map_err(failure)?;
                Self::Mixed {
                    router: loader.linear(
                        std::slice::from_ref(router),
                        shape.count,
                        width,
                        false,
                    )?,
                    experts,
                    shape,
                    bias: loader.vector(bias, width)?,
                }
            }
        })
    }
}
