//! The words of a text that may be unfinished or wrong: for everything that looks at SQL while it
//! is being typed. Nothing is lost: the tokens, put together, are the text.

/// What a token is, as far as one can say without a grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Blank,
    Comment,
    Word,
    Number,
    /// `'…'`, `E'…'`, `$tag$…$tag$`
    String,
    /// `"…"` or `` `…` ``
    Identifier,
    Symbol,
}

/// A piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// Whether a quote or a comment found its end.
    pub closed: bool,
}

impl Token<'_> {
    pub fn end(&self) -> usize {
        self.offset + self.text.len()
    }

    pub fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// Whether it is more than blanks and comments.
    pub fn is_significant(&self) -> bool {
        !matches!(self.kind, Kind::Blank | Kind::Comment)
    }
}

/// The tokens of `text`.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    tokens_from(text, 0).collect()
}

/// The tokens from a byte on; what is before it counts for nothing.
pub fn tokens_from(text: &str, start: usize) -> impl Iterator<Item = Token<'_>> {
    let mut at = start;
    std::iter::from_fn(move || {
        let token = token_at(text, at)?;
        at = token.end();
        Some(token)
    })
}

fn token_at(text: &str, at: usize) -> Option<Token<'_>> {
    let rest = text.get(at..)?;
    let first = rest.chars().next()?;
    let token = |kind, length: Option<usize>| {
        let (text, closed) = match length.and_then(|length| rest.get(..length)) {
            Some(text) => (text, true),
            None => (rest, false),
        };
        Some(Token { kind, text, offset: at, closed })
    };
    let while_true =
        |accept: fn(char) -> bool| Some(rest.find(|c: char| !accept(c)).unwrap_or(rest.len()));
    if first.is_whitespace() {
        return token(Kind::Blank, while_true(char::is_whitespace));
    }
    if rest.starts_with("--") {
        return token(Kind::Comment, Some(rest.find('\n').unwrap_or(rest.len())));
    }
    if rest.starts_with("/*") {
        return token(Kind::Comment, comment(rest));
    }
    if rest.starts_with("E'") || rest.starts_with("e'") {
        return token(Kind::String, quoted(&rest[1..], b'\'', true).map(|length| length + 1));
    }
    match first {
        '\'' => token(Kind::String, quoted(rest, b'\'', false)),
        '"' => token(Kind::Identifier, quoted(rest, b'"', false)),
        '`' => token(Kind::Identifier, quoted(rest, b'`', false)),
        '$' => match dollar_tag(rest) {
            Some(tag) => {
                let end = rest[tag.len()..].find(tag);
                token(Kind::String, end.map(|end| end + 2 * tag.len()))
            }
            None => token(Kind::Symbol, Some(1)),
        },
        '0'..='9' => token(Kind::Number, Some(number(rest))),
        c if is_word(c) => token(Kind::Word, while_true(|c| is_word(c) || c == '$')),
        _ if rest.starts_with("::") || rest.starts_with("=>") => token(Kind::Symbol, Some(2)),
        _ => token(Kind::Symbol, Some(first.len_utf8())),
    }
}

/// Whether a character may be part of a name.
pub fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || (!c.is_ascii() && !c.is_whitespace())
}

/// The length of the comment that `rest` begins with; comments nest.
fn comment(rest: &str) -> Option<usize> {
    let mut depth = 0;
    let mut at = 0;
    while let Some(next) = rest.get(at..).and_then(|tail| tail.find(['/', '*'])) {
        at += next;
        match rest.get(at..at + 2) {
            Some("/*") => (depth, at) = (depth + 1, at + 2),
            Some("*/") => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
    None
}

/// The length of the quoted text that `rest` begins with; a doubled quote stands for itself.
fn quoted(rest: &str, quote: u8, backslash_escapes: bool) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        if backslash_escapes && byte == b'\\' {
            at += 2;
        } else if byte != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
    None
}

/// The `$tag$` that `rest` begins with.
fn dollar_tag(rest: &str) -> Option<&str> {
    let name = &rest[1..];
    let end = name.find(|c: char| !is_word(c))?;
    let is_tag = name[end..].starts_with('$') && !name.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &rest[..end + 2])
}

fn number(rest: &str) -> usize {
    let mut previous = '0';
    rest.find(|c: char| {
        let exponent_sign = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E');
        let goes_on = c.is_ascii_alphanumeric() || c == '.' || c == '_' || exponent_sign;
        previous = c;
        !goes_on
    })
    .unwrap_or(rest.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        tokens(text)
            .into_iter()
            .filter(|token| token.kind != Kind::Blank)
            .map(|token| (token.kind, token.text))
            .collect()
    }

    #[test]
    fn every_kind() {
        use Kind::{Comment, Identifier, Number, String, Symbol, Word};
        assert_eq!(
            kinds(r#"select 'it''s', "a b", 1.5e-3 -- end"#),
            [
                (Word, "select"),
                (String, "'it''s'"),
                (Symbol, ","),
                (Identifier, "\"a b\""),
                (Symbol, ","),
                (Number, "1.5e-3"),
                (Comment, "-- end"),
            ]
        );
        assert_eq!(
            kinds("x::int /* a /* b */ c */ $$;$$ E'\\''"),
            [
                (Word, "x"),
                (Symbol, "::"),
                (Word, "int"),
                (Comment, "/* a /* b */ c */"),
                (String, "$$;$$"),
                (String, "E'\\''"),
            ]
        );
    }

    #[test]
    fn what_is_not_closed_says_so() {
        for text in ["'a", "\"a", "/* a", "$x$ a", "E'a\\'"] {
            let last = tokens(text).pop().unwrap();
            assert!(!last.closed, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "(?s)[-'\"$/*;:e\\\\ a1é日\n(]{0,30}") {
            let whole: String = tokens(&text).iter().map(|token| token.text).collect();
            prop_assert_eq!(whole, text);
        }
    }
}
