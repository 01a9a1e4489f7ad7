//! The formats that results are written in.

use std::path::Path;

use clap::ValueEnum;

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for people: vectors short, NULL shown
    Table,
    /// Comma-separated values with a header; nested values and vectors as JSON
    Csv,
    /// Tab-separated values with a header; nested values and vectors as JSON
    Tsv,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    #[value(alias = "jsonl")]
    Ndjson,
    /// A table for documents
    #[value(alias = "md")]
    Markdown,
    /// Arrow IPC: a file with -o, a stream otherwise
    Arrow,
    /// Parquet
    Parquet,
}

impl Format {
    /// The format that a file's ending asks for.
    pub fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "json" => Some(Self::Json),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "md" | "markdown" => Some(Self::Markdown),
            "arrow" | "feather" | "arrows" => Some(Self::Arrow),
            "parquet" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The format of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::from_str(name, true).ok()
    }

    /// Its name.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default()
    }

    /// All names, for messages and completion.
    pub fn names() -> Vec<String> {
        Self::value_variants().iter().map(|format| format.name()).collect()
    }

    /// Whether people read it: they are told of statements without rows, too.
    pub fn is_for_people(self) -> bool {
        self == Self::Table
    }

    /// Whether it would disturb a terminal.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }
}
