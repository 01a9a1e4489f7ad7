//! Where one statement ends and the next begins, without parsing either: the REPL must know while
//! the text is still unfinished, and a syntax error in one statement must not hide the others.

/// One statement of a longer text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The statement without its semicolon and the blanks around it.
    pub text: &'a str,
    /// Where it begins in the whole text, in bytes.
    pub offset: usize,
    /// Whether a semicolon ended it.
    pub terminated: bool,
}

/// What is still open at the end of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Nothing: the last statement has its semicolon, or there is no statement.
    Nothing,
    /// A statement without a semicolon.
    Statement,
    /// `'…`
    String,
    /// `"…`
    Identifier,
    /// `/* …`
    Comment,
    /// `$tag$ …`
    DollarQuote,
    /// `( …`
    Parenthesis,
}

/// The statements of `text`, empty ones left out.
pub fn split(text: &str) -> Vec<Piece<'_>> {
    scan(text).0
}

/// What `text` still lacks to be whole statements.
pub fn open_at_end(text: &str) -> Open {
    scan(text).1
}

fn scan(text: &str) -> (Vec<Piece<'_>>, Open) {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let mut start = 0; // of the current statement
    let mut content = false; // whether it holds more than blanks and comments
    let mut depth = 0usize;
    let mut at = 0;
    let mut open = Open::Nothing;
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += match rest[0] {
            b';' => {
                push(&mut pieces, text, start, at, content, true);
                start = at + 1;
                content = false;
                depth = 0;
                1
            }
            b'-' if rest.starts_with(b"--") => {
                rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len())
            }
            b'/' if rest.starts_with(b"/*") => match comment(rest) {
                Some(length) => length,
                None => {
                    open = Open::Comment;
                    rest.len()
                }
            },
            quote @ (b'\'' | b'"' | b'`') => {
                content = true;
                let escapes = quote == b'\''
                    && at > 0
                    && matches!(bytes[at - 1], b'e' | b'E')
                    && (at == 1 || !is_word(bytes[at - 2]));
                match quoted(rest, quote, escapes) {
                    Some(length) => length,
                    None => {
                        open = if quote == b'\'' { Open::String } else { Open::Identifier };
                        rest.len()
                    }
                }
            }
            b'$' if at == 0 || !is_word(bytes[at - 1]) => {
                content = true;
                match dollar_tag(rest) {
                    None => 1,
                    Some(tag) => match find(&rest[tag.len()..], tag) {
                        Some(end) => tag.len() + end + tag.len(),
                        None => {
                            open = Open::DollarQuote;
                            rest.len()
                        }
                    },
                }
            }
            other => {
                content |= !other.is_ascii_whitespace();
                match other {
                    b'(' => depth += 1,
                    b')' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                1
            }
        };
    }
    push(&mut pieces, text, start, bytes.len(), content, false);
    if open == Open::Nothing && content {
        open = if depth > 0 { Open::Parenthesis } else { Open::Statement };
    }
    (pieces, open)
}

fn push<'a>(
    pieces: &mut Vec<Piece<'a>>,
    text: &'a str,
    start: usize,
    end: usize,
    content: bool,
    terminated: bool,
) {
    if content {
        let piece = &text[start..end];
        let trimmed = piece.trim_start();
        let offset = start + (piece.len() - trimmed.len());
        pieces.push(Piece { text: trimmed.trim_end(), offset, terminated });
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The length of the comment that `rest` begins with; comments nest.
fn comment(rest: &[u8]) -> Option<usize> {
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => {
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
fn quoted(rest: &[u8], quote: u8, backslash_escapes: bool) -> Option<usize> {
    let mut at = 1;
    while at < rest.len() {
        if backslash_escapes && rest[at] == b'\\' {
            at += 2;
        } else if rest[at] != quote {
            at += 1;
        } else if rest.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
    None
}

/// The `$tag$` that `rest` begins with.
fn dollar_tag(rest: &[u8]) -> Option<&[u8]> {
    let end = 1 + rest[1..].iter().position(|&b| !is_word(b))?;
    (rest[end] == b'$' && !rest.get(1).is_some_and(u8::is_ascii_digit)).then(|| &rest[..=end])
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn semicolons_inside_quotes_and_comments_do_not_split() {
        assert_eq!(texts("select 1; select 2"), ["select 1", "select 2"]);
        assert_eq!(texts("select ';' ; select \"a;b\""), ["select ';'", "select \"a;b\""]);
        assert_eq!(texts("select 'it''s;' -- a; b\n; x"), ["select 'it''s;' -- a; b", "x"]);
        assert_eq!(texts("/* ; /* ; */ ; */ select 1;;"), ["/* ; /* ; */ ; */ select 1"]);
        assert_eq!(
            texts("select $$a;b$$; select $q$ $$;$$ $q$"),
            ["select $$a;b$$", "select $q$ $$;$$ $q$"]
        );
        assert_eq!(texts(r"select E'a\';b'; 2"), [r"select E'a\';b'", "2"]);
        assert_eq!(texts("-- only a comment\n;"), Vec::<&str>::new());
    }

    #[test]
    fn what_is_open_is_named() {
        assert_eq!(open_at_end("select 1;"), Open::Nothing);
        assert_eq!(open_at_end("  -- nothing\n"), Open::Nothing);
        assert_eq!(open_at_end("select 1"), Open::Statement);
        assert_eq!(open_at_end("select (1"), Open::Parenthesis);
        assert_eq!(open_at_end("select 'a"), Open::String);
        assert_eq!(open_at_end("select \"a"), Open::Identifier);
        assert_eq!(open_at_end("select /* a"), Open::Comment);
        assert_eq!(open_at_end("select $x$ a $$"), Open::DollarQuote);
    }

    #[test]
    fn offsets_point_at_the_statement() {
        let text = "select 1;\n  select 2;";
        let pieces = split(text);
        assert!(text[pieces[1].offset..].starts_with("select 2"));
        assert!(pieces[1].terminated);
    }
}
