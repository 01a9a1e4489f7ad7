//! Maps as their callers see them.

#![allow(clippy::unwrap_used)]

mod data;
mod nomad;
mod order;
mod umap;
