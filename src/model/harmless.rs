//! Text of others (log tails of hosts, messages of AWS, names that people typed) made harmless for a terminal and for a
//! CI system's log: no escape sequence, no hidden or reordering character, no workflow command, bounded.

use std::iter::Peekable;
use std::str::Chars;

/// One line of at most `max` characters. Escape sequences and hidden characters go, line breaks and tabs become spaces,
/// what a CI system would take for a command is broken up by a space; indents stay. Doing it twice changes nothing.
pub fn harmless(text: &str, max: usize) -> String {
    let line = without_commands(visible(text, max.saturating_mul(2)).trim_end());
    if line.chars().count() <= max {
        return line;
    }
    let mut short: String = line.chars().take(max.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// The last `most` lines of a text, each harmless and at most `max` characters; says how many were left out.
pub fn harmless_lines(text: &str, most: usize, max: usize) -> Vec<String> {
    let mut lines: Vec<String> =
        text.split(['\n', '\r']).map(|line| harmless(line, max)).filter(|line| !line.trim().is_empty()).collect();
    let left_out = lines.len().saturating_sub(most);
    if left_out > 0 {
        lines.drain(..left_out);
        lines.insert(0, format!("… {left_out} earlier lines left out"));
    }
    lines
}

/// What a terminal would show of a text, at most about this many characters of it.
fn visible(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let mut count = 0;
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\u{1b}' | '\u{90}' | '\u{98}' | '\u{9b}' | '\u{9d}'..='\u{9f}' => skip_sequence(next, &mut rest),
            '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => shown.push(' '),
            hidden if is_hidden(hidden) => {}
            control if control.is_control() => shown.push('?'),
            other => shown.push(other),
        }
        count += 1;
        if count > most && shown.chars().count() > most {
            break;
        }
    }
    shown
}

/// Skips the rest of an escape sequence, never past the end of its line.
fn skip_sequence(first: char, rest: &mut Peekable<Chars<'_>>) {
    let kind = if first == '\u{1b}' { rest.next_if(|next| !matches!(next, '\n' | '\r')) } else { Some(first) };
    match kind {
        Some('[' | '\u{9b}') => {
            while rest.next_if(|next| matches!(next, ' '..='?')).is_some() {}
            rest.next_if(|next| matches!(next, '@'..='~'));
        }
        Some(']' | 'P' | 'X' | '^' | '_' | '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => {
            while let Some(next) = rest.next_if(|next| !matches!(next, '\n' | '\r')) {
                if matches!(next, '\u{7}' | '\u{9c}') || (next == '\u{1b}' && rest.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        Some(' ' | '#' | '%' | '('..='/') => {
            rest.next_if(|next| matches!(next, '0'..='~'));
        }
        _ => {}
    }
}

/// Characters that show nothing or reorder what is around them.
fn is_hidden(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A line with what CI systems act on broken up: `::name` at its start (GitHub), `##[name]`, `##vso[…]`,
/// `##teamcity[…]` anywhere in it.
pub fn without_commands(line: &str) -> String {
    let mut safe = String::with_capacity(line.len() + 1);
    let start = line.len() - line.trim_start().len();
    for (place, letter) in line.char_indices() {
        let rest = &line[place + letter.len_utf8()..];
        safe.push(letter);
        let is_word = |text: &str| text.trim_start_matches(|letter: char| letter.is_alphanumeric()).starts_with('[');
        if (place == start && letter == ':' && rest.starts_with(':'))
            || (letter == '#' && rest.strip_prefix('#').is_some_and(is_word))
        {
            safe.push(' ');
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_is_harmless() {
        for (text, expected) in [
            ("plain words stay: a::b #1 ##", "plain words stay: a::b #1 ##"),
            ("\u{1b}[31mred\u{1b}[0m and \u{1b}[1;2Hmoved", "red and moved"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}]never ends", ""),
            ("\u{1b}]never ends\nnext", " next"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}Pq#0;2;0\u{1b}\\six", "six"),
            ("\u{1b}(0x\u{1b}cy\u{1b}", "xy"),
            ("a\u{8}\u{7}\0b", "a???b"),
            ("one\r\ntwo\tthree\u{2028}four", "one  two three four"),
            ("ab\u{202e}cd\u{200b}\u{feff}", "abcd"),
            ("::error::x", ": :error::x"),
            ("  \u{1b}[0m ::set-output name=a::b", "   : :set-output name=a::b"),
            ("x ##[error]y", "x # #[error]y"),
            ("###vso[task.setvariable]", "## #vso[task.setvariable]"),
            ("#\u{1b}[0m#\u{200b}[group]", "# #[group]"),
            ("##teamcity[x]", "# #teamcity[x]"),
            ("0123456789abcdefghijklmnopqrstuvwxyz0123456789", "0123456789abcdefghijklmnopqrstuvwxyz012…"),
        ] {
            assert_eq!(harmless(text, 40), expected, "{text:?}");
        }
    }

    #[test]
    fn of_a_log_tail_the_end_is_kept() {
        let tail = "one\n\ntwo\r\n\u{1b}[31mthree\n::error::four\n";
        assert_eq!(harmless_lines(tail, 2, 40), ["… 2 earlier lines left out", "three", ": :error::four"]);
        assert_eq!(harmless_lines("one\ntwo", 2, 2), ["o…", "t…"]);
        assert!(harmless_lines("\n\n", 2, 40).is_empty());
    }

    #[test]
    fn much_text_costs_little() {
        assert_eq!(harmless(&"x".repeat(10_000_000), 10), "xxxxxxxxx…");
    }

    proptest! {
        #[test]
        fn always_bounded_and_final(text in "(\\PC|[\u{1b}\u{9b}\\[\\]:#\n\u{7}a\u{200b}]){0,60}", max in 1usize..50) {
            let once = harmless(&text, max);
            prop_assert!(once.chars().count() <= max);
            prop_assert!(!once.chars().any(|letter| letter.is_control() || is_hidden(letter)));
            prop_assert!(!once.trim_start().starts_with("::") && !once.contains("##["));
            prop_assert_eq!(harmless(&once, max), once);
        }
    }
}
