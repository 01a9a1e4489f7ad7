//! Words of a text, in any script.

use unicode_segmentation::UnicodeSegmentation;

/// Characters of a word in a script without spaces, beyond which it is more likely a clause.
const LONGEST: usize = 8;

/// What stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A word in lower case.
    Word(String),
    /// Something between words that no phrase goes across.
    Break,
}

/// Which kind of characters a word is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Han,
    Hiragana,
    /// All that Unicode's rules divide into words.
    Other,
}

fn script(word: &str) -> Script {
    match word.chars().next() {
        Some('\u{3041}'..='\u{309f}') => Script::Hiragana,
        Some('\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '々') => Script::Han,
        _ => Script::Other,
    }
}

/// Whether a text is Japanese: Chinese has no kana.
fn has_kana(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '\u{3041}'..='\u{30ff}'))
}

/// Whether words of a text stand together without spaces.
pub fn joined(word: &str) -> bool {
    let other = |c| matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '々');
    word.chars().next().is_some_and(other)
}

/// The words of a text and the breaks between them.
///
/// Words are those of Unicode's rules. These take every Chinese character and every hiragana for a
/// word of its own: here the characters of a run of one script are one word, as Japanese changes its
/// script where a word ends, and in Chinese, which does not, every two that follow each other are.
pub fn pieces(text: &str, mut each: impl FnMut(Piece)) {
    let japanese = has_kana(text);
    let mut run = String::new();
    let mut kind = Script::Other;
    let mut fresh = true;
    let mut end = 0;
    let mut put = |piece: Piece| {
        // One break is as good as several.
        let breaks = piece == Piece::Break;
        if !(breaks && fresh) {
            each(piece);
        }
        fresh = breaks;
    };
    for (start, word) in text.unicode_word_indices() {
        let gap = text.get(end..start).unwrap_or_default();
        end = start + word.len();
        let script = script(word);
        if script != kind || !gap.is_empty() {
            close(&mut run, kind, japanese, &mut put);
        }
        if gap.chars().any(|c| !c.is_whitespace() && c != '-') {
            put(Piece::Break);
        }
        kind = script;
        if script == Script::Other {
            put(plain(word));
        } else {
            run.push_str(word);
        }
    }
    close(&mut run, kind, japanese, &mut put);
}

/// Ends a run of characters of one script.
fn close(run: &mut String, kind: Script, japanese: bool, put: &mut impl FnMut(Piece)) {
    let count = run.chars().count();
    if count == 0 {
        return;
    }
    if kind == Script::Han && !japanese {
        let characters: Vec<char> = run.chars().collect();
        for pair in characters.windows(2) {
            put(Piece::Word(pair.iter().collect()));
            put(Piece::Break);
        }
    } else if count <= LONGEST && (kind == Script::Han || count >= 3) {
        // Short hiragana are particles and endings.
        put(Piece::Word(std::mem::take(run)));
    } else {
        put(Piece::Break);
    }
    run.clear();
}

/// A word of a script with spaces: in lower case, without what English adds for possession; numbers
/// and single letters say nothing.
fn plain(word: &str) -> Piece {
    let lower = word.to_lowercase();
    let bare = ["'s", "’s"].iter().find_map(|end| lower.strip_suffix(end)).unwrap_or(&lower);
    let letters = bare.chars().filter(|c| c.is_alphabetic()).count();
    // Kana have words of one character, but hardly any that says something.
    if letters < 2 || letters * 2 < bare.chars().count() {
        return Piece::Break;
    }
    Piece::Word(bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        pieces(text, |piece| {
            all.push(match piece {
                Piece::Word(word) => word,
                Piece::Break => "|".into(),
            });
        });
        all
    }

    #[test]
    fn words_end_where_their_script_says() {
        assert_eq!(
            words("The dog's tail, 7 years old"),
            ["the", "dog", "tail", "|", "years", "old"]
        );
        assert_eq!(words("Größe der Straßen-Bahn"), ["größe", "der", "straßen", "bahn"]);
        assert_eq!(
            words("東京都の人口は増加している"),
            ["東京都", "|", "人口", "|", "増加", "している"]
        );
        assert_eq!(words("コンピュータで学ぶ"), ["コンピュータ", "|", "学", "|"]);
        assert_eq!(words("中国人民"), ["中国", "|", "国人", "|", "人民", "|"]);
        assert!(words("3.14 … !").iter().all(|word| word == "|"));
    }
}
