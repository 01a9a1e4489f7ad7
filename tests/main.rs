//! The one integration binary: one link instead of many.

mod cli;
mod compat;
mod crash;
mod property;
mod skipped;
mod slt;
mod stores;
