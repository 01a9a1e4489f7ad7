//! The line editor and its surroundings.
