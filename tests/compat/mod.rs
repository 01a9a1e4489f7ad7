//! Other programs read what we write.
