//! Holds the text models to what the reference implementations make of the same weights and texts.
//! `make.py` wrote that down in `fixtures/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;
mod made_models;
mod minilm;
#[path = "../../../../tests/skipped.rs"]
mod skipped;
mod weights;
