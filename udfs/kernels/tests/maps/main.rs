//! Maps as their callers see them.

mod data;
mod umap;
