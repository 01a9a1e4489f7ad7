//! The text towers of CLIP and SigLIP.

use std::path::Path;

use super::config::TextShape;
use super::vit::Transformer;
use super::{TextTower, Workspace, resize};
use crate::error::{Error, Result};
use crate::nn::{LayerNorm, Linear, Table, Tensors};
use crate::text::Tokens;
use crate::vector;

/// Which token speaks for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// CLIP: a token sees only what comes before it, and the end of the text speaks; where its
    /// number is not known, the highest token is it.
    End(Option<u32>),
    /// SigLIP: every text is filled up with this token to the same length, all tokens are seen, and
    /// the last one speaks.
    Last(u32),
}

/// A text tower with its weights and tokenizer.
pub struct TextEncoder {
    tokens: Tokens,
    words: Table,
    positions: Table,
    transformer: Transformer,
    norm: LayerNorm,
    project: Linear,
    speaker: Speaker,
}

impl TextEncoder {
    /// The tower of a model's folder, whose vectors go through `project` last.
    pub fn load(
        folder: &Path,
        tensors: &Tensors,
        shape: &TextShape,
        speaker: Speaker,
        project: Linear,
    ) -> Result<Self> {
        let width = shape.tower.width;
        let embedding = |part: &str, rows| {
            tensors.table(&format!("text_model.embeddings.{part}.weight"), rows, width)
        };
        let causal = matches!(speaker, Speaker::End(_));
        let norm = "text_model.final_layer_norm";
        Ok(Self {
            tokens: Tokens::open(&folder.join("tokenizer.json"))?,
            words: embedding("token_embedding", shape.vocabulary)?,
            positions: embedding("position_embedding", shape.positions)?,
            transformer: Transformer::load(tensors, "text_model", &shape.tower, causal)?,
            norm: LayerNorm::load(tensors, norm, width, shape.tower.epsilon)?,
            project,
            speaker,
        })
    }

    /// The place of the token that speaks for a text.
    fn place(&self, text: &[u32]) -> Option<usize> {
        match self.speaker {
            Speaker::Last(_) => text.len().checked_sub(1),
            Speaker::End(end) => end
                .and_then(|end| text.iter().position(|&token| token == end))
                .or_else(|| text.iter().position(|token| Some(token) == text.iter().max())),
        }
    }
}

impl TextTower for TextEncoder {
    fn dims(&self) -> usize {
        self.project.outputs()
    }

    fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let most = self.positions.rows();
        let mut tokens = self.tokens.first("", text, most)?;
        if let Speaker::Last(filling) = self.speaker {
            tokens.resize(most, filling);
        }
        Ok(tokens)
    }

    fn run(
        &self,
        texts: &[&[u32]],
        space: &mut Workspace,
        out: &mut Vec<f32>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<()> {
        let width = self.words.width();
        let mut sequences = Vec::with_capacity(texts.len());
        let mut speakers = Vec::with_capacity(texts.len());
        space.hidden.clear();
        for text in texts {
            let start = space.hidden.len() / width;
            let place = self.place(text).filter(|_| text.len() <= self.positions.rows());
            let place = place.ok_or_else(|| {
                let most = self.positions.rows();
                Error::Input(format!("a text has {} tokens, not 1 to {most}", text.len()))
            })?;
            for (place, &token) in text.iter().enumerate() {
                let word = self.words.row(token as usize).ok_or_else(|| {
                    Error::Input(format!(
                        "token {token} is not among the model's {}; its tokenizer.json is another model's",
                        self.words.rows()
                    ))
                })?;
                let position = self.positions.row(place).into_iter().flatten();
                space.hidden.extend(word.iter().zip(position).map(|(word, place)| word + place));
            }
            sequences.push(start..start + text.len());
            speakers.push(start + place);
        }
        self.transformer.run(&sequences, space, stopped)?;
        let Workspace { hidden, normed, .. } = space;
        resize(normed, texts.len() * width);
        for (row, &speaker) in normed.chunks_exact_mut(width).zip(&speakers) {
            row.copy_from_slice(&hidden[speaker * width..][..width]);
        }
        self.norm.apply(normed);
        let from = out.len();
        out.resize(from + texts.len() * self.dims(), 0.0);
        self.project.apply(normed, &mut out[from..]);
        out[from..].chunks_exact_mut(self.dims()).for_each(vector::l2);
        Ok(())
    }
}
