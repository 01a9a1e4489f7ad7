//! The rest of the line as it will probably go on, shown dim after the cursor; the right arrow
//! takes it.

use crate::repl::complete::complete;
use crate::repl::input;
use crate::repl::keywords::{follower, in_case_of};
use crate::repl::lexer::{Kind, tokens};
use crate::repl::names::Names;

/// Letters after which a word is guessed.
const ENOUGH: usize = 2;

/// What may follow `line`: as it went on before in `history`, newest first, or the next word.
pub fn hint<'h>(
    line: &str,
    names: &Names,
    mut history: impl Iterator<Item = &'h str>,
) -> Option<String> {
    if line.trim().is_empty() {
        return None;
    }
    if let Some(entry) = history.find(|entry| entry.len() > line.len() && entry.starts_with(line)) {
        return Some(entry[line.len()..].to_string());
    }
    if input::is_complete(line) {
        return None;
    }
    let tokens = tokens(line);
    let last = tokens.last()?;
    match last.kind {
        Kind::Blank => {
            let word = tokens.iter().rev().find(|token| token.is_significant())?;
            let next = (word.kind == Kind::Word).then(|| follower(word.text))??;
            Some(in_case_of(next, word.text))
        }
        Kind::Word if last.text.chars().count() >= ENOUGH => {
            let (start, candidates) = complete(names, line, line.len());
            let typed = line.get(start..)?;
            // The shortest is the one that is not yet another one's beginning.
            let best = candidates.into_iter().min_by_key(|candidate| candidate.inserted.len())?;
            let rest = best.inserted.strip_prefix(typed)?;
            (!rest.is_empty()).then(|| rest.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hinted(line: &str) -> Option<String> {
        let names = Names { functions: vec!["embed_text".to_string()], ..Names::default() };
        let history = ["select 1 + 1;", "select 1;"];
        hint(line, &names, history.into_iter())
    }

    #[test]
    fn history_comes_first_then_the_next_word() {
        assert_eq!(hinted("select 1").as_deref(), Some(" + 1;"));
        assert_eq!(hinted("select x order ").as_deref(), Some("by"));
        assert_eq!(hinted("SELECT x GROUP ").as_deref(), Some("BY"));
        assert_eq!(hinted("select emb").as_deref(), Some("ed_text("));
        assert_eq!(hinted("select x wher").as_deref(), Some("e"));
        assert_eq!(hinted("select x;"), None);
        assert_eq!(hinted("select 'x whe"), None);
        assert_eq!(hinted(""), None);
    }
}
