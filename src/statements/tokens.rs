//! What is put in other words before DataFusion's parser sees it.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::catalog::MARK;
use crate::statements::grammar::word;

/// The tokens of a statement in words that the parser and the planner know.
pub fn rewrite(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    column_names_into_alias(versions_into_names(tokens))
}

/// `t VERSION AS OF 3` becomes the table `"t@v3"` under the name `t`. The parser has the words for
/// few dialects, and the planner forgets what it parsed; the catalog knows such names.
fn versions_into_names(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let significant = |from: usize| {
        (from..tokens.len()).filter(|&i| !matches!(tokens[i].token, Token::Whitespace(_)))
    };
    let mut at = 0;
    while at < tokens.len() {
        let mut ahead = significant(at);
        let found: Option<[usize; 4]> =
            (|| Some([ahead.next()?, ahead.next()?, ahead.next()?, ahead.next()?]))();
        let version = found.and_then(|[kind, as_, of, value]| {
            let spelled = kind == at && word(&tokens[as_], "as") && word(&tokens[of], "of");
            match &tokens[value].token {
                Token::Number(n, _) if spelled && word(&tokens[kind], "version") => {
                    Some((value, format!("v{n}")))
                }
                Token::SingleQuotedString(t) if spelled && word(&tokens[kind], "timestamp") => {
                    Some((value, format!("t{t}")))
                }
                _ => None,
            }
        });
        let name = out.iter().rposition(|t| !matches!(t.token, Token::Whitespace(_)));
        if let (Some((value, version)), Some(name)) = (version, name)
            && let Token::Word(table) = out[name].token.clone()
        {
            let folded =
                if table.quote_style.is_some() { table.value } else { table.value.to_lowercase() };
            let span = out[name].span;
            out[name].token = quoted_word(format!("{folded}{MARK}{version}"));
            at = value + 1;
            let alias_follows =
                significant(at).next().is_some_and(|next| match &tokens[next].token {
                    Token::Word(w) => {
                        w.quote_style.is_some()
                            || w.keyword == Keyword::AS
                            || w.keyword == Keyword::NoKeyword
                    }
                    _ => false,
                });
            if !alias_follows {
                for token in [Token::make_keyword("AS"), quoted_word(folded)] {
                    out.push(TokenWithSpan { token, span });
                }
            }
            continue;
        }
        out.push(tokens[at].clone());
        at += 1;
    }
    out
}

/// `CREATE TABLE t (a, b) AS query` becomes `CREATE TABLE t AS SELECT * FROM (query) AS t (a, b)`:
/// the parser knows lists of columns only with their types.
fn column_names_into_alias(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let Some((open, close)) = bare_column_list(&tokens) else { return tokens };
    let span = tokens[open].span;
    let plain = |token: Token| TokenWithSpan { token, span };
    let words = |text: &str| -> Vec<TokenWithSpan> {
        text.split(' ').map(|word| plain(Token::make_keyword(word))).collect()
    };
    let Some(as_) = (close + 1..tokens.len()).find(|&at| word(&tokens[at], "as")) else {
        return tokens;
    };
    let query_end = tokens.iter().rposition(|token| token.token != Token::EOF).unwrap_or(as_) + 1;
    let mut out = tokens[..open].to_vec();
    out.extend(words("AS SELECT"));
    out.push(plain(Token::Mul));
    out.extend(words("FROM"));
    out.push(plain(Token::LParen));
    out.extend_from_slice(&tokens[as_ + 1..query_end]);
    out.push(plain(Token::RParen));
    out.extend(words("AS"));
    out.push(plain(quoted_word("query".to_string())));
    out.extend_from_slice(&tokens[open..=close]);
    out
}

/// Where the parentheses of `CREATE TABLE t (a, b) AS` are.
fn bare_column_list(tokens: &[TokenWithSpan]) -> Option<(usize, usize)> {
    let seen: Vec<usize> =
        (0..tokens.len()).filter(|&at| !matches!(tokens[at].token, Token::Whitespace(_))).collect();
    let first = *seen.first()?;
    if !word(&tokens[first], "create") {
        return None;
    }
    let table = seen.iter().take(6).position(|&at| word(&tokens[at], "table"))?;
    let open = (table..seen.len()).find(|&i| tokens[seen[i]].token == Token::LParen)?;
    let mut name = seen[table + 1..open].iter().map(|&at| &tokens[at]).collect::<Vec<_>>();
    if let [if_, not, exists, ..] = name.as_slice()
        && (word(if_, "if") && word(not, "not") && word(exists, "exists"))
    {
        name.drain(..3);
    }
    let before_is_name = name.len() % 2 == 1
        && name.iter().enumerate().all(|(i, part)| match part.token {
            Token::Word(_) => i % 2 == 0,
            Token::Period => i % 2 == 1,
            _ => false,
        });
    let close = (open..seen.len()).find(|&i| tokens[seen[i]].token == Token::RParen)?;
    let inside = &seen[open + 1..close];
    let alternating = inside.iter().enumerate().all(|(i, &at)| match &tokens[at].token {
        Token::Word(_) => i % 2 == 0,
        Token::Comma => i % 2 == 1,
        _ => false,
    });
    let names_only = before_is_name && inside.len() % 2 == 1 && alternating;
    let then_as = word(&tokens[*seen.get(close + 1)?], "as");
    (names_only && then_as).then(|| (seen[open], seen[close]))
}

fn quoted_word(value: String) -> Token {
    Token::Word(Word { value, quote_style: Some('"'), keyword: Keyword::NoKeyword })
}

#[cfg(test)]
mod tests {
    use crate::statements::parse::{Kind, parse};
    use crate::statements::split::split;
    use datafusion::common::config::Dialect;

    fn parsed(text: &str) -> Kind {
        parse(&split(text)[0], Dialect::Generic, 50).unwrap()
    }

    #[test]
    fn versions_become_names_with_an_alias() {
        for (text, expected) in [
            ("SELECT * FROM t VERSION AS OF 3", r#"SELECT * FROM "t@v3" AS "t""#),
            ("SELECT * FROM s.T version as of 3 x", r#"SELECT * FROM s."t@v3" x"#),
            (
                "SELECT * FROM t TIMESTAMP AS OF '2026-01-01' WHERE a",
                r#"SELECT * FROM "t@t2026-01-01" AS "t" WHERE a"#,
            ),
        ] {
            match parsed(text) {
                Kind::Sql(statement) => assert_eq!(statement.to_string(), expected),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_call_in_the_query_is_no_list_of_columns() {
        for text in [
            "CREATE TABLE t AS SELECT lower(a) AS b FROM u",
            "CREATE TABLE t AS SELECT STRUCT(a) AS b FROM u",
        ] {
            match parsed(text) {
                Kind::Sql(statement) => assert_eq!(statement.to_string(), text),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_table_of_a_query_can_name_its_columns() {
        match parsed("CREATE OR REPLACE TABLE s.t (a, \"B\") AS VALUES (1, (2))") {
            Kind::Sql(statement) => assert_eq!(
                statement.to_string(),
                r#"CREATE OR REPLACE TABLE s.t AS SELECT * FROM (VALUES (1, (2))) AS "query" (a, "B")"#
            ),
            other => panic!("{other:?}"),
        }
    }
}
