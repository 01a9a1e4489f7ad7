//! CREATE SECRET, DROP SECRET, SHOW SECRETS: parsed from the text, because the SQL parser knows none
//! of them and must not see a secret either.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::session::secrets::{OnConflict, SECRET_OPTIONS, Secret, SecretKind};

/// One of the statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretStatement {
    /// `CREATE [OR REPLACE] [TEMPORARY] SECRET [IF NOT EXISTS] [name] (…)`
    Create {
        /// The secret, checked.
        secret: Secret,
        /// What happens to one of the same name.
        on_conflict: OnConflict,
    },
    /// `DROP SECRET [IF EXISTS] name`
    Drop {
        /// Its name.
        name: String,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
    /// `SHOW SECRETS`
    Show,
}

/// Parses a statement, if it is one about secrets.
pub fn parse(text: &str) -> Option<Result<SecretStatement>> {
    // Look at the first words only: what is no statement about secrets is left to the SQL parser.
    let words = after_comments(text).split(|c: char| c.is_whitespace() || c == '(' || c == ';');
    let head: Vec<_> =
        words.filter(|word| !word.is_empty()).take(5).map(str::to_ascii_uppercase).collect();
    let head: Vec<_> = head.iter().map(String::as_str).collect();
    match *head.as_slice() {
        ["SHOW", "SECRETS", ..] => {}
        ["DROP", "SECRET", ..] | ["DROP", "TEMPORARY", "SECRET", ..] => {}
        ["CREATE", "SECRET", ..]
        | ["CREATE", "TEMPORARY" | "TEMP" | "PERSISTENT", "SECRET", ..] => {}
        ["CREATE", "OR", "REPLACE", "SECRET", ..] => {}
        ["CREATE", "OR", "REPLACE", "TEMPORARY" | "TEMP" | "PERSISTENT", "SECRET"] => {}
        _ => return None,
    }
    Some(Words::new(text).and_then(|mut words| words.statement()))
}

fn after_comments(text: &str) -> &str {
    let text = text.trim_start();
    let rest = match (text.strip_prefix("--"), text.strip_prefix("/*")) {
        (Some(line), _) => line.split_once('\n').map(|(_, rest)| rest),
        (_, Some(block)) => block.split_once("*/").map(|(_, rest)| rest),
        (None, None) => return text,
    };
    rest.map_or("", after_comments)
}

/// The text of a statement without what stands in its parentheses.
pub fn shown(text: &str) -> String {
    match text.split_once('(') {
        Some((head, _)) => format!("{}(…)", head),
        None => text.to_string(),
    }
}

/// Runs a statement.
pub async fn run(db: &Database, statement: &SecretStatement) -> Result<ResultSet> {
    let secrets = db.stores().secrets();
    match statement {
        SecretStatement::Create { secret, on_conflict } => {
            secrets.create(secret.clone(), *on_conflict)?;
            Ok(ResultSet::done("CREATE SECRET"))
        }
        SecretStatement::Drop { name, if_exists } => {
            secrets.drop_secret(name, *if_exists)?;
            Ok(ResultSet::done("DROP SECRET"))
        }
        SecretStatement::Show => {
            let secrets = secrets.list();
            let column = |value: &dyn Fn(&Secret) -> String| -> ArrayRef {
                Arc::new(secrets.iter().map(|secret| Some(value(secret))).collect::<StringArray>())
            };
            let columns = vec![
                column(&|secret| secret.name.clone()),
                column(&|secret| secret.kind.name().to_string()),
                column(&|secret| secret.scopes().join(", ")),
            ];
            let fields =
                ["name", "type", "scope"].map(|name| Field::new(name, DataType::Utf8, false));
            let schema = Arc::new(Schema::new(fields.to_vec()));
            let batch = RecordBatch::try_new(schema.clone(), columns)?;
            Ok(ResultSet::batches(schema, vec![batch]))
        }
    }
}

/// The tokens of a statement, read from the front.
struct Words {
    tokens: std::vec::IntoIter<Token>,
}

impl Words {
    fn new(text: &str) -> Result<Self> {
        // The tokenizer's own message may quote the text, and with it a secret.
        let tokens = Tokenizer::new(&GenericDialect {}, text)
            .tokenize()
            .map_err(|error| refuse(&format!("a quote is not closed{}", error.location)))?;
        let tokens: Vec<_> = tokens
            .into_iter()
            .filter(|token| !matches!(token, Token::Whitespace(_) | Token::SemiColon))
            .collect();
        Ok(Self { tokens: tokens.into_iter() })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.as_slice().first()
    }

    /// Takes the word if it comes next.
    fn take(&mut self, keyword: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword));
        if is_next {
            self.tokens.next();
        }
        is_next
    }

    fn take_all(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().all(|keyword| self.take(keyword))
    }

    fn name(&mut self) -> Option<String> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let name = match word.quote_style {
                    Some(_) => word.value.clone(),
                    None => word.value.to_ascii_lowercase(),
                };
                self.tokens.next();
                Some(name)
            }
            _ => None,
        }
    }

    fn statement(&mut self) -> Result<SecretStatement> {
        if self.take("SHOW") {
            self.take("SECRETS");
            return self.end(SecretStatement::Show);
        }
        if self.take("DROP") {
            self.take("TEMPORARY");
            self.take("SECRET");
            let if_exists = self.take_all(&["IF", "EXISTS"]);
            let name = self.name().ok_or_else(|| refuse("write DROP SECRET [IF EXISTS] name"))?;
            return self.end(SecretStatement::Drop { name, if_exists });
        }
        self.take("CREATE");
        let replace = self.take_all(&["OR", "REPLACE"]);
        if self.take("PERSISTENT") {
            return Err(Error::Unsupported(
                "CREATE SECRET: secrets are kept in memory only, never stored; leave PERSISTENT out".to_string(),
            ));
        }
        let _ = self.take("TEMPORARY") || self.take("TEMP");
        self.take("SECRET");
        let keep = self.take_all(&["IF", "NOT", "EXISTS"]);
        let on_conflict = match (replace, keep) {
            (true, true) => return Err(refuse("OR REPLACE and IF NOT EXISTS exclude each other")),
            (true, false) => OnConflict::Replace,
            (false, true) => OnConflict::Keep,
            (false, false) => OnConflict::Refuse,
        };
        let name = self.name();
        let secret = self.secret(name)?;
        self.end(SecretStatement::Create { secret, on_conflict })
    }

    fn secret(&mut self, name: Option<String>) -> Result<Secret> {
        let form = "write CREATE SECRET name (TYPE s3, KEY_ID '…', SECRET '…')";
        if self.tokens.next() != Some(Token::LParen) {
            return Err(refuse(form));
        }
        let mut given: Vec<(String, String)> = Vec::new();
        loop {
            let option = self.name().ok_or_else(|| refuse(form))?;
            let value = self.value(&option)?;
            if given.iter().any(|(other, _)| *other == option) {
                return Err(refuse(&format!("{} is given twice", option.to_ascii_uppercase())));
            }
            given.push((option, value));
            match self.tokens.next() {
                Some(Token::Comma) => {}
                Some(Token::RParen) => break,
                _ => {
                    return Err(refuse(&format!(
                        "a comma or ')' is missing after {}",
                        given
                            .last()
                            .map_or_else(String::new, |(option, _)| option.to_ascii_uppercase())
                    )));
                }
            }
        }
        build(name, given)
    }

    fn value(&mut self, option: &str) -> Result<String> {
        if matches!(self.peek(), Some(Token::RArrow | Token::Eq)) {
            self.tokens.next();
        }
        match self.tokens.next() {
            Some(Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) => Ok(text),
            Some(Token::Word(word)) => Ok(word.value),
            Some(Token::Number(number, _)) => Ok(number),
            _ => Err(refuse(&format!(
                "the value of {} is missing; write it in single quotes",
                option.to_ascii_uppercase()
            ))),
        }
    }

    fn end(&mut self, statement: SecretStatement) -> Result<SecretStatement> {
        match self.tokens.next() {
            None => Ok(statement),
            Some(_) => {
                Err(refuse("something follows after the end of the statement; leave it out"))
            }
        }
    }
}

fn build(name: Option<String>, given: Vec<(String, String)>) -> Result<Secret> {
    let kind = match given.iter().find(|(option, _)| option == "type") {
        Some((_, value)) => kind(value)?,
        None => return Err(refuse(&format!("TYPE is missing; it is one of {}", kinds()))),
    };
    let mut scope = None;
    let mut options = BTreeMap::new();
    for (option, value) in given {
        match option.as_str() {
            "type" => {}
            "scope" => scope = Some(value),
            // DuckDB's scripts say which of two sources they mean; both are what we do anyway.
            "provider"
                if ["config", "credential_chain"]
                    .contains(&value.to_ascii_lowercase().as_str()) => {}
            _ => {
                let name = option_of(kind, &option)?;
                let value = match name {
                    "url_style" | "use_ssl" => value.to_ascii_lowercase(),
                    _ => value,
                };
                options.insert(name, value);
            }
        }
    }
    let name = name.unwrap_or_else(|| format!("__default_{}", kind.name()));
    Secret::new(name, kind, scope, options)
}

fn kinds() -> String {
    SecretKind::ALL.map(SecretKind::name).join(", ")
}

fn kind(value: &str) -> Result<SecretKind> {
    let value = value.to_ascii_lowercase();
    SecretKind::ALL.into_iter().find(|kind| kind.name() == value).ok_or_else(|| {
        let nearest = SecretKind::ALL
            .iter()
            .min_by_key(|kind| strsim::damerau_levenshtein(kind.name(), &value))
            .map_or("", |kind| kind.name());
        refuse(&format!("TYPE is one of {}, not '{value}'; did you mean {nearest}?", kinds()))
    })
}

fn option_of(kind: SecretKind, option: &str) -> Result<&'static str> {
    let allowed = || {
        SECRET_OPTIONS.iter().filter(|known| known.kinds.contains(&kind)).map(|known| known.name)
    };
    let aliases = [("account_secret", "account_key"), ("token", "bearer_token"), ("key", "key_id")];
    let option =
        aliases.iter().find(|(alias, _)| *alias == option).map_or(option, |(_, name)| name);
    allowed().find(|name| *name == option).ok_or_else(|| {
        let nearest = allowed().min_by_key(|name| strsim::damerau_levenshtein(name, option));
        let names: Vec<_> = allowed().chain(["scope"]).map(str::to_ascii_uppercase).collect();
        refuse(&format!(
            "a secret of TYPE {} has no option {}; did you mean {}? It has {}",
            kind.name(),
            option.to_ascii_uppercase(),
            nearest.unwrap_or_default().to_ascii_uppercase(),
            names.join(", ")
        ))
    })
}

fn refuse(message: &str) -> Error {
    Error::sql(format!("secrets: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(text: &str) -> (Secret, OnConflict) {
        match parse(text).unwrap().unwrap() {
            SecretStatement::Create { secret, on_conflict } => (secret, on_conflict),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_forms_of_create() {
        let (secret, on_conflict) = created(
            "create secret Mine (type s3, key_id 'a''b', SECRET 's', Region 'eu', use_ssl false, url_style PATH,
             scope 's3://bucket/x');",
        );
        assert_eq!((secret.name.as_str(), secret.kind), ("mine", SecretKind::S3));
        assert_eq!(secret.scopes(), ["s3://bucket/x"]);
        assert_eq!(on_conflict, OnConflict::Refuse);
        let (secret, on_conflict) = created(
            "CREATE OR REPLACE TEMPORARY SECRET \"My S3\" (TYPE = s3, PROVIDER credential_chain)",
        );
        assert_eq!((secret.name.as_str(), on_conflict), ("My S3", OnConflict::Replace));
        let (secret, on_conflict) =
            created("CREATE SECRET IF NOT EXISTS (TYPE http, BEARER_TOKEN 't')");
        assert_eq!((secret.name.as_str(), on_conflict), ("__default_http", OnConflict::Keep));
        let (secret, _) = created("-- mine\n/* too */ CREATE SECRET(TYPE gcs)");
        assert_eq!(secret.kind, SecretKind::Gcs);
    }

    #[test]
    fn drop_and_show() {
        let dropped =
            |name: &str, if_exists| SecretStatement::Drop { name: name.to_string(), if_exists };
        assert_eq!(parse("DROP SECRET a").unwrap().unwrap(), dropped("a", false));
        assert_eq!(parse("drop secret if exists A").unwrap().unwrap(), dropped("a", true));
        assert_eq!(parse("show secrets").unwrap().unwrap(), SecretStatement::Show);
        for other in
            ["SELECT 1", "CREATE TABLE secret (a INT)", "SHOW TABLES", "DROP TABLE secret", ""]
        {
            assert!(parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn errors_name_the_remedy_and_no_value() {
        for (text, expected) in [
            (
                "CREATE SECRET (TYPE s4, SECRET 'hunter2')",
                "s3, gcs, azure, http, not 's4'; did you mean s3?",
            ),
            ("CREATE SECRET (KEY_ID 'hunter2')", "TYPE is missing"),
            ("CREATE SECRET (TYPE s3, KEYID 'hunter2')", "did you mean KEY_ID?"),
            (
                "CREATE SECRET (TYPE gcs, KEY_ID 'hunter2')",
                "a secret of TYPE gcs has no option KEY_ID",
            ),
            ("CREATE SECRET (TYPE s3, KEY_ID 'hunter2)", "a quote is not closed"),
            ("CREATE SECRET (TYPE s3, KEY_ID 'hunter2'", "a comma or ')' is missing after KEY_ID"),
            ("CREATE SECRET (TYPE s3, KEY_ID 'hunter2' SECRET 'x')", "is missing after KEY_ID"),
            ("CREATE SECRET (TYPE s3, KEY_ID)", "the value of KEY_ID is missing"),
            ("CREATE SECRET x", "write CREATE SECRET name"),
            ("CREATE SECRET (TYPE s3) hunter2", "something follows"),
            ("CREATE PERSISTENT SECRET (TYPE s3)", "never stored"),
            ("CREATE SECRET (TYPE s3, TYPE s3)", "TYPE is given twice"),
            ("CREATE SECRET (TYPE s3, USE_SSL maybe)", "USE_SSL is true or false"),
            ("DROP SECRET", "write DROP SECRET"),
        ] {
            let error = parse(text).unwrap().unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(expected) && !shown.contains("hunter2"), "{text}: {shown}");
        }
    }
}
