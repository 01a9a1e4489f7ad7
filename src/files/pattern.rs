//! Patterns in file names: `*` and `?` within a path segment, `[a-z]`, `**` for any number of
//! segments, `{a,b}` for either.

use glob::{MatchOptions, Pattern};

use crate::error::{Error, Result};

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    // `*` does not mean hidden files, as in a shell.
    require_literal_leading_dot: true,
};

/// Whether a name has characters that make it a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// The folder before the first segment with a pattern, and the rest.
pub fn split(location: &str) -> (&str, &str) {
    let first = location.find(['*', '?', '[', '{']).unwrap_or(location.len());
    match location.get(..first).and_then(|before| before.rfind(std::path::is_separator)) {
        Some(slash) => location.split_at(slash + 1),
        None => ("", location),
    }
}

/// Patterns without braces that together match what `pattern` does, each as its segments.
#[derive(Debug)]
pub struct Glob {
    /// From the top; a segment `**` stands for any number of folders.
    pub segments: Vec<Segment>,
}

/// One segment of a path.
#[derive(Debug, Clone)]
pub enum Segment {
    /// This very name.
    Name(String),
    /// Names that match.
    Pattern(Pattern),
    /// Any number of folders.
    Folders,
}

impl Segment {
    /// Whether a name is meant; `**` is not asked.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Pattern(pattern) => pattern.matches_with(name, OPTIONS),
            Self::Folders => !name.starts_with('.'),
        }
    }
}

/// The globs of a pattern.
pub fn parse(pattern: &str) -> Result<Vec<Glob>> {
    expand_braces(pattern).iter().map(|pattern| Glob::parse(pattern)).collect()
}

impl Glob {
    fn parse(pattern: &str) -> Result<Self> {
        let refuse =
            |why: &str| Error::Invalid(format!("the pattern '{pattern}' cannot be read: {why}"));
        let segments = pattern
            .split('/')
            .filter(|segment| !segment.is_empty() && *segment != ".")
            .map(|segment| match segment {
                "**" => Ok(Segment::Folders),
                _ if segment.contains("**") => Err(refuse("'**' stands alone between slashes")),
                _ if is_pattern(segment) => {
                    Pattern::new(segment).map(Segment::Pattern).map_err(|error| refuse(error.msg))
                }
                _ => Ok(Segment::Name(segment.to_string())),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { segments })
    }

    /// Whether the folders and the name of a file, from the top of this glob, match.
    pub fn matches(segments: &[Segment], path: &[&str]) -> bool {
        match (segments, path) {
            ([], []) => true,
            ([Segment::Folders, rest @ ..], _) => {
                Self::matches(rest, path)
                    || matches!(path, [first, below @ ..]
                        if Segment::Folders.matches(first) && Self::matches(segments, below))
            }
            ([segment, rest @ ..], [name, below @ ..]) => {
                segment.matches(name) && Self::matches(rest, below)
            }
            _ => false,
        }
    }
}

/// `a{b,c}d` as `abd` and `acd`; braces nest.
fn expand_braces(pattern: &str) -> Vec<String> {
    let Some((before, inside, after)) = first_braces(pattern) else {
        return vec![pattern.to_string()];
    };
    inside
        .into_iter()
        .flat_map(|choice| expand_braces(&format!("{before}{choice}{after}")))
        .collect()
}

/// The text before the first braces, the choices in them, and the text after.
fn first_braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let open = pattern.find('{')?;
    let mut depth = 0usize;
    let mut choices = Vec::new();
    let mut start = open + 1;
    for (at, character) in pattern.char_indices().skip_while(|(at, _)| *at < open) {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => {
                choices.push(pattern.get(start..at)?);
                return Some((pattern.get(..open)?, choices, pattern.get(at + 1..)?));
            }
            '}' => depth -= 1,
            ',' if depth == 1 => {
                choices.push(pattern.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let path: Vec<_> = path.split('/').collect();
        parse(pattern).unwrap().iter().any(|glob| Glob::matches(&glob.segments, &path))
    }

    #[test]
    fn what_patterns_match() {
        for (pattern, path) in [
            ("*.csv", "a.csv"),
            ("day=*/x.csv", "day=1/x.csv"),
            ("**/*.csv", "a.csv"),
            ("**/*.csv", "a/b/c.csv"),
            ("a/**/c.csv", "a/c.csv"),
            ("?[0-9].{csv,tsv}", "a1.tsv"),
            ("{a/b,c}/x", "a/b/x"),
            ("{a,{b,c}d}/x", "cd/x"),
            (".hidden/*", ".hidden/x"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("*.csv", "a/b.csv"),
            ("*.csv", ".a.csv"),
            ("**/*.csv", ".git/a.csv"),
            ("**/*.csv", "a.tsv"),
            ("a/*/c.csv", "a/c.csv"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        let error = parse("a**b").unwrap_err().to_string();
        assert!(error.contains("stands alone"), "{error}");
        assert!(parse("a[b").is_err());
    }

    #[test]
    fn the_folder_before_the_pattern() {
        assert_eq!(split("s3://b/x/day=*/y.csv"), ("s3://b/x/", "day=*/y.csv"));
        assert_eq!(split("*.csv"), ("", "*.csv"));
        assert_eq!(split("a/b.csv"), ("a/", "b.csv"));
    }
}
