//! Generated statements against a plain oracle.
