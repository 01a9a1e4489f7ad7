//! The lines of former sessions: where they are kept, and which are not.

use std::path::PathBuf;

use crate::repl::lexer::{Kind, tokens};

/// Lines that are kept.
pub const LENGTH: usize = 10_000;

/// The file of former lines, its folder made; `None` where there is no home.
pub fn file() -> Option<PathBuf> {
    let folder = data_folder()?.join("portolan");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn data_folder() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    // The standard says that a relative path there is to be ignored.
    named.filter(|path| path.is_absolute()).or_else(|| {
        let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"))?;
        Some(PathBuf::from(home).join(".local/share"))
    })
}

/// Whether a line may be remembered: secrets are not, nor what begins with a blank.
pub fn is_kept(line: &str) -> bool {
    let has_word = |word: &str| {
        tokens(line).iter().any(|token| token.kind == Kind::Word && token.is_word(word))
    };
    let is_secret = has_word("secret") && (has_word("create") || has_word("alter"));
    !line.trim().is_empty() && !line.starts_with(' ') && !is_secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_kept() {
        assert!(is_kept("select 1;"));
        assert!(is_kept("select 'create secret';"));
        assert!(!is_kept("CREATE SECRET s (key 'x');"));
        assert!(!is_kept("select 1; create or replace\n persistent SECRET s (key 'x');"));
        assert!(!is_kept(" select 1;"));
        assert!(!is_kept("\n"));
    }
}
