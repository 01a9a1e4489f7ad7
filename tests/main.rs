//! The one integration binary: one link instead of many.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod classifiers;
mod cli;
mod compat;
mod cookbook;
mod crash;
mod devices;
mod faults;
mod maps;
mod models;
mod property;
mod python;
mod remembered;
mod remote;
mod rows;
mod serve;
mod skipped;
mod slt;
mod stores;
mod writers;
