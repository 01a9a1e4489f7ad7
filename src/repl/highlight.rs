//! Colours for what is being typed.

use crate::repl::keywords::is_keyword;
use crate::repl::lexer::{Kind, Token, tokens};
use crate::repl::terminal::{BLUE, CYAN, DIM, GREEN, MAGENTA, PLAIN, Paint, RED, YELLOW};

/// The text with its colours; as wide as before.
pub fn highlighted(text: &str) -> String {
    let tokens = tokens(text);
    let mut painted = String::with_capacity(text.len() * 2);
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        match paint(token, next, at.checked_sub(1).and_then(|before| tokens.get(before))) {
            Some(paint) => {
                painted.push_str(paint);
                painted.push_str(token.text);
                painted.push_str(PLAIN);
            }
            None => painted.push_str(token.text),
        }
    }
    painted
}

fn paint(token: &Token<'_>, next: Option<&Token<'_>>, before: Option<&Token<'_>>) -> Option<Paint> {
    match token.kind {
        Kind::Comment => Some(DIM),
        Kind::String if token.closed => Some(GREEN),
        Kind::Identifier if token.closed => Some(CYAN),
        // A quote without an end swallows what follows: that should be seen.
        Kind::String | Kind::Identifier => Some(RED),
        Kind::Number => Some(MAGENTA),
        Kind::Word if before.is_some_and(|before| before.is_symbol("\\")) => Some(YELLOW),
        Kind::Word if before.is_some_and(|before| before.is_symbol(".")) => None,
        Kind::Word if is_keyword(token.text) => Some(BLUE),
        Kind::Word if next.is_some_and(|next| next.is_symbol("(")) => Some(CYAN),
        Kind::Symbol if token.text == "\\" => Some(YELLOW),
        Kind::Blank | Kind::Word | Kind::Symbol => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours() {
        assert_eq!(
            highlighted("select f(1), 'a' from t.key"),
            format!(
                "{BLUE}select{PLAIN} {CYAN}f{PLAIN}({MAGENTA}1{PLAIN}), {GREEN}'a'{PLAIN} \
                 {BLUE}from{PLAIN} t.key"
            )
        );
        assert_eq!(highlighted("'open"), format!("{RED}'open{PLAIN}"));
    }
}
