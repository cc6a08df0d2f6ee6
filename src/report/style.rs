//! How things may look: colour, Unicode, width. A value, so that every text can be tested in every form. No meaning
//! is carried by colour or by a symbol alone.

use crate::model::harmless;

/// How things may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colours are used.
    pub colour: bool,
    /// Whether letters beyond ASCII are used.
    pub unicode: bool,
    /// Columns that a line may have.
    pub width: usize,
    /// Whether the lines of a log are broken between words: a terminal would break them anywhere, programs read whole ones.
    pub wraps: bool,
}

/// What the process was started with, as far as it decides on looks. Empty variables count as unset.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Whether the output is a terminal.
    pub is_terminal: bool,
    /// Its columns, if it is one.
    pub columns: Option<usize>,
    /// `NO_COLOR`.
    pub no_color: String,
    /// `TERM`.
    pub term: String,
    /// The first of `LC_ALL`, `LC_CTYPE`, `LANG` that is not empty.
    pub locale: String,
}

impl Style {
    /// No terminal: no colour, 80 columns, Unicode.
    pub const PLAIN: Style = Style { colour: false, unicode: true, width: 80, wraps: false };

    /// What fits the surroundings. An unset locale is taken for UTF-8 off a terminal: CI systems set none and show it.
    pub fn choose(around: &Surroundings) -> Style {
        let locale = around.locale.to_lowercase();
        let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
        Style {
            colour: around.is_terminal && around.no_color.is_empty() && around.term != "dumb",
            unicode: is_utf8 || (locale.is_empty() && !around.is_terminal),
            width: around.columns.filter(|_| around.is_terminal).unwrap_or(80).clamp(20, 200),
            wraps: around.is_terminal,
        }
    }

    /// Text as it may be written: one line, harmless, in ASCII if need be.
    pub fn text(&self, text: &str) -> String {
        let text = harmless(text, 2000);
        if self.unicode { text } else { text.chars().map(ascii).collect() }
    }

    /// Text in a tint, if colours are used.
    pub fn paint(&self, tint: Tint, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", tint.code())
        } else {
            text.to_owned()
        }
    }

    /// A line's mark.
    pub fn mark(&self, mark: Mark) -> String {
        self.paint(mark.tint(), &self.text(mark.symbol()))
    }
}

/// What a colour says, beside the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tint {
    /// Well.
    Good,
    /// Not well.
    Bad,
    /// On the way back, or waiting for a person.
    Caution,
    /// Less important.
    Quiet,
    /// More important.
    Strong,
}

impl Tint {
    fn code(self) -> &'static str {
        match self {
            Tint::Good => "32",
            Tint::Bad => "31",
            Tint::Caution => "33",
            Tint::Quiet => "2",
            Tint::Strong => "1",
        }
    }
}

/// What a line is about, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Something began.
    Begun,
    /// Something is done.
    Done,
    /// Something failed.
    Failed,
    /// The way back.
    Back,
    /// A person is waited for, or nobody drives.
    Paused,
    /// A fact.
    Fact,
    /// Something to know that is no failure.
    Trouble,
    /// Still waiting: heartbeats and notes, which no replay repeats.
    Still,
}

impl Mark {
    /// Its symbol, before it is made ASCII.
    pub fn symbol(self) -> &'static str {
        match self {
            Mark::Begun => "▸",
            Mark::Done => "✓",
            Mark::Failed => "✗",
            Mark::Back => "↺",
            Mark::Paused => "‖",
            Mark::Fact => "•",
            Mark::Trouble => "!",
            Mark::Still => "·",
        }
    }

    /// Its colour.
    pub fn tint(self) -> Tint {
        match self {
            Mark::Done => Tint::Good,
            Mark::Failed => Tint::Bad,
            Mark::Back | Mark::Paused | Mark::Trouble => Tint::Caution,
            Mark::Begun | Mark::Fact => Tint::Strong,
            Mark::Still => Tint::Quiet,
        }
    }
}

/// The nearest ASCII for the letters that shipit itself uses; a question mark for others.
fn ascii(letter: char) -> &'static str {
    match letter {
        ' '..='~' => &ASCII[letter as usize - 32..=letter as usize - 32],
        '→' => "->",
        '…' => "...",
        '≥' => ">=",
        '≤' => "<=",
        '✓' => "+",
        '✗' | '×' => "x",
        '↺' => "<",
        '▸' => ">",
        '•' | '–' | '—' | '─' => "-",
        '‖' => "=",
        '·' => ".",
        '“' | '”' => "\"",
        '‘' | '’' => "'",
        _ => "?",
    }
}

const ASCII: &str = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_follow_the_surroundings() {
        let terminal = Surroundings {
            is_terminal: true,
            columns: Some(120),
            locale: "de_DE.UTF-8".to_owned(),
            term: "xterm".to_owned(),
            ..Surroundings::default()
        };
        let screen = |colour, unicode, width| Style { colour, unicode, width, wraps: true };
        assert_eq!(Style::choose(&terminal), screen(true, true, 120));
        let set = |change: fn(&mut Surroundings)| {
            let mut around = terminal.clone();
            change(&mut around);
            Style::choose(&around)
        };
        assert_eq!(set(|around| around.no_color = "1".to_owned()), screen(false, true, 120));
        assert_eq!(set(|around| around.term = "dumb".to_owned()), screen(false, true, 120));
        assert_eq!(set(|around| around.locale = "C".to_owned()), screen(true, false, 120));
        assert_eq!(set(|around| around.locale = String::new()), screen(true, false, 120));
        assert_eq!(set(|around| around.columns = Some(3)), screen(true, true, 20));
        assert_eq!(set(|around| around.is_terminal = false), Style::PLAIN);
        assert_eq!(Style::choose(&Surroundings::default()), Style::PLAIN);
    }

    #[test]
    fn ascii_says_the_same() {
        let style = Style { unicode: false, ..Style::PLAIN };
        assert_eq!(style.text("r1 → r2 … ≥ 90% ~ é\u{1b}[31m"), "r1 -> r2 ... >= 90% ~ ?");
        assert_eq!(style.mark(Mark::Done), "+");
        assert_eq!(Style { colour: true, ..Style::PLAIN }.mark(Mark::Failed), "\u{1b}[31m✗\u{1b}[0m");
    }
}
