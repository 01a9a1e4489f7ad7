//! Backslash commands: what there is, and what a line of one means. Doing it is the shell's part.

use std::path::PathBuf;
use std::time::Duration;

use crate::repl::variables::Variables;

/// What `\?` prints, and the one list of names for completion.
pub const COMMANDS: &[(&str, &str)] = &[
    ("\\d [PATTERN]", "tables and views; with a name, its columns"),
    ("\\d+ [PATTERN]", "the same with more about each"),
    ("\\dt, \\dv [PATTERN]", "tables; views"),
    ("\\di, \\dm, \\dM, \\dc", "indexes; maps; models; classifiers"),
    ("\\map [MAP]", "look at the maps in a browser"),
    ("\\df[+] [PATTERN]", "functions; with + how they are called"),
    ("\\dn", "schemas"),
    ("\\l", "databases"),
    ("\\c [DB]", "open another database; without a name, say which is open"),
    ("\\g [FILE or |COMMAND]", "run the statement, send its result elsewhere"),
    ("\\gx [FILE or |COMMAND]", "the same, one line a column"),
    ("\\watch [SECONDS]", "run the statement again and again until Ctrl-C"),
    ("\\e [FILE]", "edit the statement, or a file, in $EDITOR"),
    ("\\i FILE", "run the statements and commands of a file"),
    ("\\o [FILE or |COMMAND]", "send all results elsewhere; without a name, back here"),
    ("\\x [on or off]", "one line a column"),
    ("\\timing [on or off]", "how long each statement took"),
    ("\\pset NAME VALUE", "null TEXT, format FORMAT, pager on or off"),
    ("\\set [NAME [VALUE]]", "a variable, for :name, :'name' and :\"name\" in statements"),
    ("\\unset NAME", "forget a variable"),
    ("\\echo TEXT", "print a text"),
    ("\\! COMMAND", "run a shell command"),
    ("\\?", "this list"),
    ("\\q", "quit; so does Ctrl-D"),
];

/// What a backslash command asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `\d`, `\dt`, `\dv` without a name
    Relations { kind: Relations, pattern: Option<String>, detailed: bool },
    /// `\d name`
    Describe { name: String, detailed: bool },
    /// `\di`, `\dm`, …: what a statement of ours lists
    Listing(&'static str),
    /// `\map`
    Map(Option<String>),
    /// `\df`
    Functions { pattern: Option<String>, detailed: bool },
    /// `\dn`
    Schemas,
    /// `\l`
    Databases,
    /// `\c`
    Connect(Option<String>),
    /// `\g`, `\gx`
    Go { target: Option<Target>, expanded: bool },
    /// `\watch`
    Watch(Duration),
    /// `\e`
    Edit(Option<PathBuf>),
    /// `\i`
    Include(PathBuf),
    /// `\o`
    Output(Option<Target>),
    /// `\x`; without an argument the other way round
    Expanded(Option<bool>),
    /// `\timing`; without an argument the other way round
    Timing(Option<bool>),
    /// `\pset null`
    Null(String),
    /// `\pset format`
    Format(String),
    /// `\pset pager`
    Pager(Option<bool>),
    /// `\set`
    Variables,
    /// `\set name value`
    Set(String, String),
    /// `\unset`
    Unset(String),
    /// `\echo`
    Echo(String),
    /// `\!`
    Shell(String),
    /// `\?`
    Help,
    /// `\q`
    Quit,
}

/// Which relations a listing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relations {
    All,
    Tables,
    Views,
}

/// Where a result is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    File(PathBuf),
    Command(String),
}

impl Command {
    /// The meaning of a line without its backslash.
    pub fn parse(line: &str, variables: &Variables) -> Result<Self, String> {
        let name_end = match line.chars().next() {
            Some('!' | '?') => 1,
            _ => line.find(char::is_whitespace).unwrap_or(line.len()),
        };
        let (name, rest) = line.split_at(name_end);
        let arguments = Arguments { command: name, rest: rest.trim(), variables };
        let detailed = name.ends_with('+');
        match name.trim_end_matches('+') {
            "d" => Ok(match arguments.pattern() {
                Some(name) if !is_pattern(&name) => Self::Describe { name, detailed },
                pattern => Self::Relations { kind: Relations::All, pattern, detailed },
            }),
            "dt" => Ok(arguments.relations(Relations::Tables, detailed)),
            "dv" => Ok(arguments.relations(Relations::Views, detailed)),
            "di" => arguments.none(Self::Listing("SHOW INDEXES")),
            "dm" => arguments.none(Self::Listing("SHOW MAPS")),
            "dM" => arguments.none(Self::Listing("SHOW MODELS")),
            "dc" => arguments.none(Self::Listing("SHOW CLASSIFIERS")),
            "map" => Ok(Self::Map(arguments.pattern())),
            "df" => Ok(Self::Functions { pattern: arguments.pattern(), detailed }),
            "dn" => arguments.none(Self::Schemas),
            "l" => arguments.none(Self::Databases),
            "c" | "connect" => arguments.optional().map(Self::Connect),
            "g" => Ok(Self::Go { target: arguments.target()?, expanded: false }),
            "gx" => Ok(Self::Go { target: arguments.target()?, expanded: true }),
            "watch" => arguments.seconds().map(Self::Watch),
            "e" | "edit" => Ok(Self::Edit(arguments.optional()?.map(PathBuf::from))),
            "i" | "include" => Ok(Self::Include(arguments.required("a file")?.into())),
            "o" | "out" => arguments.target().map(Self::Output),
            "x" => arguments.switch().map(Self::Expanded),
            "timing" => arguments.switch().map(Self::Timing),
            "pset" => arguments.pset(),
            "set" => arguments.set(),
            "unset" => arguments.required("the name of a variable").map(Self::Unset),
            "echo" => Ok(Self::Echo(arguments.all()?.join(" "))),
            "!" => Ok(Self::Shell(arguments.rest.to_string())),
            "?" | "h" | "help" => Ok(Self::Help),
            "q" | "quit" => Ok(Self::Quit),
            _ => Err(format!("there is no command \\{name}; \\? lists those that there are")),
        }
    }
}

/// Whether a name stands for all that match it.
fn is_pattern(name: &str) -> bool {
    !name.starts_with(['\'', '"']) && name.contains(['*', '?'])
}

/// What follows the name of a command.
struct Arguments<'a> {
    command: &'a str,
    rest: &'a str,
    variables: &'a Variables,
}

impl Arguments<'_> {
    /// A name or a pattern, quotes and all; a semicolon after it is a habit, not a part of it.
    fn pattern(&self) -> Option<String> {
        let text = self.rest.trim_end_matches(';').trim_end();
        (!text.is_empty()).then(|| self.variables.substitute(text).into_owned())
    }

    fn relations(&self, kind: Relations, detailed: bool) -> Command {
        Command::Relations { kind, pattern: self.pattern(), detailed }
    }

    /// The words: `'…'` keeps blanks together, `:name` is a variable's value.
    fn all(&self) -> Result<Vec<String>, String> {
        let mut words = Vec::new();
        let mut rest = self.rest.trim_start();
        while !rest.is_empty() {
            let (word, after) = self.word(rest)?;
            words.push(word);
            rest = after.trim_start();
        }
        Ok(words)
    }

    fn word<'t>(&self, text: &'t str) -> Result<(String, &'t str), String> {
        let mut word = String::new();
        let mut chars = text.char_indices().peekable();
        let mut quoted = false;
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' if quoted && chars.peek().is_some_and(|&(_, next)| next == '\'') => {
                    chars.next();
                    word.push('\'');
                }
                '\'' => quoted = !quoted,
                '\\' if quoted => match chars.next() {
                    Some((_, 'n')) => word.push('\n'),
                    Some((_, 't')) => word.push('\t'),
                    Some((_, other)) => word.push(other),
                    None => {}
                },
                c if c.is_whitespace() && !quoted => return Ok((self.value(word), &text[at..])),
                c => word.push(c),
            }
        }
        if quoted {
            return Err(format!("\\{}: the quote in {} has no end", self.command, self.rest));
        }
        // What stood in quotes is meant as it is.
        let word = if text.starts_with('\'') { word } else { self.value(word) };
        Ok((word, ""))
    }

    /// The value of a variable, if the word is `:name`.
    fn value(&self, word: String) -> String {
        let value = word.strip_prefix(':').and_then(|name| self.variables.get(name));
        value.map(str::to_string).unwrap_or(word)
    }

    fn optional(&self) -> Result<Option<String>, String> {
        let mut words = self.all()?;
        match words.len() {
            0 | 1 => Ok(words.pop()),
            _ => Err(format!("\\{} has one argument, not {}", self.command, words.len())),
        }
    }

    fn required(&self, what: &str) -> Result<String, String> {
        self.optional()?.ok_or_else(|| format!("\\{} needs {what}", self.command))
    }

    fn none(&self, command: Command) -> Result<Command, String> {
        match self.pattern() {
            None => Ok(command),
            Some(_) => Err(format!("\\{} has no arguments", self.command)),
        }
    }

    fn switch(&self) -> Result<Option<bool>, String> {
        self.optional()?.map(|text| self.on_or_off(&text)).transpose()
    }

    fn on_or_off(&self, text: &str) -> Result<bool, String> {
        match text.trim_end_matches(';').to_ascii_lowercase().as_str() {
            "on" | "true" | "1" | "yes" => Ok(true),
            "off" | "false" | "0" | "no" => Ok(false),
            _ => Err(format!("\\{} is 'on' or 'off', not '{text}'", self.command)),
        }
    }

    fn seconds(&self) -> Result<Duration, String> {
        let Some(text) = self.optional()? else { return Ok(Duration::from_secs(2)) };
        let seconds = text.parse().ok().filter(|seconds| (0.01..=86_400.0).contains(seconds));
        seconds
            .map(Duration::from_secs_f64)
            .ok_or_else(|| format!("\\watch takes a number of seconds, not '{text}'"))
    }

    fn target(&self) -> Result<Option<Target>, String> {
        match self.rest.strip_prefix('|') {
            Some(line) if line.trim().is_empty() => {
                Err(format!("\\{} | needs a command after the bar", self.command))
            }
            Some(line) => Ok(Some(Target::Command(line.trim().to_string()))),
            None => Ok(self.optional()?.map(|path| Target::File(path.into()))),
        }
    }

    fn pset(&self) -> Result<Command, String> {
        let words = self.all()?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["null"] => Ok(Command::Null(String::new())),
            ["null", text] => Ok(Command::Null(text.to_string())),
            ["format", name] => Ok(Command::Format(name.to_string())),
            ["pager"] => Ok(Command::Pager(None)),
            ["pager", value] => self.on_or_off(value).map(|on| Command::Pager(Some(on))),
            ["expanded"] => Ok(Command::Expanded(None)),
            ["expanded", value] => self.on_or_off(value).map(|on| Command::Expanded(Some(on))),
            _ => {
                Err("\\pset sets 'null TEXT', 'format FORMAT', 'pager on' or 'expanded on'"
                    .to_string())
            }
        }
    }

    fn set(&self) -> Result<Command, String> {
        let words = self.all()?;
        match words.split_first() {
            None => Ok(Command::Variables),
            Some((name, _)) if !name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                Err(format!("a variable's name is made of letters, digits and '_', not '{name}'"))
            }
            Some((name, values)) => Ok(Command::Set(name.clone(), values.concat())),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        let mut variables = Variables::default();
        variables.set("file", "x y.csv".to_string());
        Command::parse(line, &variables)
    }

    #[test]
    fn names_and_patterns() {
        let describe =
            |name: &str| Ok(Command::Describe { name: name.to_string(), detailed: false });
        assert_eq!(parse("d ports;"), describe("ports"));
        assert_eq!(parse("d \"My Table\""), describe("\"My Table\""));
        assert_eq!(parse("d 'x?.parquet'"), describe("'x?.parquet'"));
        let relations = |kind, pattern: Option<&str>, detailed| {
            Ok(Command::Relations { kind, pattern: pattern.map(str::to_string), detailed })
        };
        assert_eq!(parse("d"), relations(Relations::All, None, false));
        assert_eq!(parse("d+ p*"), relations(Relations::All, Some("p*"), true));
        assert_eq!(parse("dt p"), relations(Relations::Tables, Some("p"), false));
        assert_eq!(parse("dm"), Ok(Command::Listing("SHOW MAPS")));
        assert_eq!(parse("dM"), Ok(Command::Listing("SHOW MODELS")));
        assert_eq!(parse("map"), Ok(Command::Map(None)));
        assert_eq!(parse("map \"My Map\";"), Ok(Command::Map(Some("\"My Map\"".into()))));
    }

    #[test]
    fn arguments_are_words() {
        assert_eq!(parse("i 'a b.sql'"), Ok(Command::Include("a b.sql".into())));
        assert_eq!(parse("i :file"), Ok(Command::Include("x y.csv".into())));
        assert_eq!(parse("set a 'it''s' b"), Ok(Command::Set("a".into(), "it'sb".into())));
        assert_eq!(parse("set"), Ok(Command::Variables));
        assert_eq!(parse("echo a  'b  c' :file"), Ok(Command::Echo("a b  c x y.csv".into())));
        assert_eq!(parse("!ls -l"), Ok(Command::Shell("ls -l".into())));
        assert_eq!(parse("x"), Ok(Command::Expanded(None)));
        assert_eq!(parse("timing off"), Ok(Command::Timing(Some(false))));
        assert_eq!(parse("watch 0.5"), Ok(Command::Watch(Duration::from_millis(500))));
        assert_eq!(parse("pset null '∅'"), Ok(Command::Null("∅".into())));
        assert_eq!(
            parse("o |sort -r"),
            Ok(Command::Output(Some(Target::Command("sort -r".into()))))
        );
        let target = Some(Target::File("x.csv".into()));
        assert_eq!(parse("g x.csv"), Ok(Command::Go { target, expanded: false }));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, expected) in [
            ("foo", "there is no command \\foo"),
            ("i", "\\i needs a file"),
            ("i a b", "one argument, not 2"),
            ("x maybe", "'on' or 'off', not 'maybe'"),
            ("watch never", "a number of seconds, not 'never'"),
            ("echo 'a", "has no end"),
            ("set a-b 1", "letters, digits"),
            ("o |", "needs a command"),
            ("di x", "has no arguments"),
            ("", "there is no command"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
