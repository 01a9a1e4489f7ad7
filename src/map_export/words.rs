//! Words in lines.

use super::colours::Colour;
use super::fonts::Fonts;
use super::layout::Mark;

/// Words in lines, of one size.
pub struct Block {
    /// Lines, and how wide they are.
    lines: Vec<(String, f32)>,
    /// The size of the letters.
    pub size: f32,
    bold: bool,
}

/// From one line to the next, in units of letters' size.
const LEADING: f32 = 1.16;
/// The widest a name is before it goes on in a second line, in units of letters' size.
const WIDEST: f32 = 8.5;
/// The most lines of a name.
const LINES: usize = 3;

impl Block {
    /// A text in lines of this size.
    pub fn new(fonts: &Fonts, text: &str, size: f32, bold: bool) -> Self {
        let lines = wrapped(text, &|text| fonts.width(text, bold));
        Self {
            lines: lines.into_iter().map(|(line, width)| (line, width * size)).collect(),
            size,
            bold,
        }
    }

    /// How wide the widest line is.
    pub fn width(&self) -> f32 {
        self.lines.iter().map(|(_, width)| *width).fold(0.0, f32::max)
    }

    /// How high all are.
    pub fn height(&self) -> f32 {
        self.lines.len() as f32 * self.size * LEADING
    }

    /// Its lines, around a middle.
    pub fn marks(self, [x, y]: [f32; 2], colour: Colour) -> Vec<Mark> {
        let top = y - self.height() / 2.0;
        let (size, bold) = (self.size, self.bold);
        let line = |(at, (text, width)): (usize, (String, f32))| Mark::Words {
            at: [x - width / 2.0, top + size * (0.92 + at as f32 * LEADING)],
            text,
            width,
            size,
            bold,
            colour,
            halo: true,
        };
        self.lines.into_iter().enumerate().map(line).collect()
    }
}

/// Lines of a text that are about as wide as each other, and how wide these are.
fn wrapped(text: &str, width: &dyn Fn(&str) -> f32) -> Vec<(String, f32)> {
    let pieces = pieces(text);
    let whole = width(text);
    let wanted = (whole / WIDEST).ceil().clamp(1.0, LINES as f32);
    // Lines of equal width, as far as words allow that.
    let mut widest =
        (whole / wanted).max(pieces.iter().map(|p| width(p.trim())).fold(0.0, f32::max));
    widest = widest.min(WIDEST * 1.6);
    loop {
        let mut lines: Vec<String> = vec![String::new()];
        for piece in &pieces {
            let last = lines.len() - 1;
            let longer = format!("{}{piece}", lines[last]);
            if lines[last].is_empty() || width(longer.trim()) <= widest * 1.001 {
                lines[last] = longer;
            } else {
                lines.push(piece.clone());
            }
        }
        if lines.len() <= LINES || widest > WIDEST * 1.6 {
            let cut = lines.len() > LINES;
            lines.truncate(LINES);
            if let Some(last) = lines.last_mut().filter(|_| cut) {
                *last = format!("{}…", last.trim_end());
            }
            let measured = lines.into_iter().map(|line| {
                let line = shortened(line.trim(), WIDEST * 2.0, width);
                let wide = width(&line);
                (line, wide)
            });
            return measured.collect();
        }
        widest *= 1.08;
    }
}

/// A text that ends before it is wider than it may be.
pub fn shortened(text: &str, most: f32, width: &dyn Fn(&str) -> f32) -> String {
    if width(text) <= most {
        return text.to_string();
    }
    let mut kept: Vec<char> = text.chars().collect();
    loop {
        kept.pop();
        let text: String = kept.iter().chain(&['…']).collect();
        if kept.is_empty() || width(&text) <= most {
            return text;
        }
    }
}

/// What a line may break between: words with the space behind them, and letters that are words.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = vec![String::new()];
    for letter in text.chars() {
        let alone = matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}');
        if let Some(last) = pieces.last_mut() {
            last.push(letter);
        }
        if alone || letter.is_whitespace() {
            pieces.push(String::new());
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    if pieces.is_empty() {
        pieces.push(String::new());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_go_on_in_further_lines() {
        let width = |text: &str| text.chars().count() as f32 * 0.6;
        let lines = wrapped("old songs of the harbour and the sea", &width);
        assert!((2..=LINES).contains(&lines.len()), "{lines:?}");
        let words: Vec<&str> = lines.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!(words.join(" "), "old songs of the harbour and the sea");
        assert_eq!(wrapped("lakes", &width).len(), 1);
        let letters = wrapped(&"湖".repeat(24), &width);
        assert!((2..=LINES).contains(&letters.len()), "{letters:?}");
        let endless = wrapped(&"x".repeat(200), &width);
        assert!(endless.len() == 1 && endless[0].0.ends_with('…'), "{endless:?}");
    }
}
