//! The command: argument parsing, then the REPL or one statement.
