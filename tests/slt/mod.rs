//! The sqllogictest files.
