//! Where the cursor stands in an unfinished statement: what was typed before it, and which tables
//! the statement names.

use crate::repl::keywords::is_keyword;
use crate::repl::lexer::{Kind, Token, tokens, tokens_from};
use crate::repl::names::{Names, TableNames};

/// Whether a table's name comes after this word.
pub fn expects_table(word: &Token<'_>) -> bool {
    [
        "FROM", "JOIN", "INTO", "UPDATE", "TABLE", "DESCRIBE", "DESC", "VACUUM", "OPTIMIZE",
        "TRUNCATE", "OF",
    ]
    .iter()
    .any(|keyword| word.is_word(keyword))
}

/// The statement that the cursor is in.
pub struct Statement<'a> {
    /// What stands before the cursor, without blanks and comments.
    pub before: Vec<Token<'a>>,
    /// All of it, likewise.
    all: Vec<Token<'a>>,
    cursor: usize,
}

impl<'a> Statement<'a> {
    pub fn around(text: &'a str, cursor: usize) -> Self {
        let mut before: Vec<_> =
            tokens(&text[..cursor]).into_iter().filter(Token::is_significant).collect();
        let start = before.iter().rposition(|token| token.is_symbol(";")).map_or(0, |at| at + 1);
        before.drain(..start);
        let first = before.first().map_or(cursor, |token| token.offset);
        let mut all: Vec<_> = tokens_from(text, first).filter(Token::is_significant).collect();
        let end = all.iter().position(|token| token.is_symbol(";")).unwrap_or(all.len());
        all.truncate(end);
        Self { before, all, cursor }
    }

    /// The name at the cursor with what qualifies it: `a`, `.`, `b`.
    pub fn path_at_cursor(&self) -> &[Token<'a>] {
        let mut start = self.before.len();
        let mut end = self.cursor;
        while let Some(token) = start.checked_sub(1).and_then(|at| self.before.get(at))
            && token.end() == end
            && (matches!(token.kind, Kind::Word | Kind::Identifier) || token.is_symbol("."))
        {
            start -= 1;
            end = token.offset;
        }
        &self.before[start..]
    }

    /// What stands before the name at the cursor.
    pub fn word_before(&self, path_length: usize) -> Option<&Token<'a>> {
        self.before.len().checked_sub(path_length + 1).and_then(|at| self.before.get(at))
    }

    /// Whether the string at the cursor can be a file's name.
    pub fn expects_file(&self) -> bool {
        let Some(word) = self.word_before(1) else { return false };
        if ["FROM", "JOIN", "TO", "LOCATION", "DESCRIBE"].iter().any(|verb| word.is_word(verb)) {
            return true;
        }
        let function = self.word_before(2);
        word.is_symbol("(")
            && function.is_some_and(|name| name.text.to_lowercase().starts_with("read_"))
            || word.is_symbol(",") && self.in_from_list()
    }

    /// Whether a comma before the cursor separates tables: the last keyword was FROM.
    pub fn in_from_list(&self) -> bool {
        let keyword = self.before.iter().rev().find(|token| {
            token.kind == Kind::Word && is_keyword(token.text) && !token.is_word("AS")
        });
        keyword.is_some_and(|token| token.is_word("FROM"))
    }

    /// The tables that the statement names, with the names it gives them.
    pub fn tables<'n>(&self, names: &'n Names) -> Vec<(&'n str, &'n TableNames)>
    where
        'a: 'n,
    {
        let mut found = Vec::new();
        let mut from = false;
        for (at, token) in self.all.iter().enumerate() {
            let opens = expects_table(token) || (from && token.is_symbol(","));
            if token.kind == Kind::Word && is_keyword(token.text) && !token.is_word("AS") {
                from = token.is_word("FROM") || token.is_word("JOIN");
            }
            if !opens {
                continue;
            }
            let mut rest = self.all.get(at + 1..).unwrap_or_default();
            let mut name = rest.first();
            while let [_, dot, table, ..] = rest
                && dot.is_symbol(".")
            {
                name = Some(table);
                rest = rest.get(2..).unwrap_or_default();
            }
            let Some(name) = name else { continue };
            let name = unquoted(name.text);
            let table = names.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name));
            let Some(table) = table else { continue };
            let alias = match rest.get(1..) {
                Some([word, alias, ..]) if word.is_word("AS") => Some(alias),
                Some([alias, ..]) => Some(alias),
                _ => None,
            };
            let is_name = |token: &&Token<'_>| match token.kind {
                // The word at the cursor is still being typed.
                Kind::Word => !is_keyword(token.text) && token.end() != self.cursor,
                kind => kind == Kind::Identifier,
            };
            let alias =
                alias.filter(is_name).map_or(table.name.as_str(), |alias| unquoted(alias.text));
            found.push((alias, table));
        }
        found
    }
}

/// A name without its quotes.
pub fn unquoted(name: &str) -> &str {
    name.trim_matches(['"', '`'])
}
