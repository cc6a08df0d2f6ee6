//! Markdown as GitHub and GitLab read it. Texts of others stay texts: they make no link, no mention, no markup.

use super::layout::{Block, Row, Table};
use crate::model::harmless;

/// Most characters of one text.
const TEXT: usize = 2000;

/// A story as Markdown.
pub fn markdown(story: &[Block]) -> String {
    let mut text = String::new();
    for block in story {
        match block {
            Block::Title(title) => text.push_str(&format!("### {}\n\n", plain(title))),
            Block::Section(title) => text.push_str(&format!("\n#### {}\n\n", plain(title))),
            Block::Field(label, it) | Block::Note(label, it) => match *label {
                "" => text.push_str(&format!("  - {}\n", plain(it))),
                label => text.push_str(&format!("- **{label}**: {}\n", plain(it))),
            },
            Block::Table(it) => table(&mut text, it),
            Block::Commands(label, commands) => {
                let lines: Vec<String> =
                    commands.iter().map(|it| format!("{}   # {}", harmless(&it.command, TEXT), it.does)).collect();
                let lines = lines.join("\n");
                let fence = "`".repeat(longest_run(&lines).max(2) + 1);
                text.push_str(&format!("\n**{label}**\n\n{fence}sh\n{lines}\n{fence}\n"));
            }
            Block::Blank => text.push('\n'),
        }
    }
    text
}

fn table(text: &mut String, table: &Table) {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let headers: Vec<String> = table.headers.iter().map(|header| plain(header)).collect();
    text.push_str(&row(&headers));
    text.push_str(&row(&vec!["---".to_owned(); headers.len()]));
    for line in &table.rows {
        let mut cells: Vec<String> = match line {
            Row::Cells(cells) => cells.iter().map(|cell| plain(cell)).collect(),
            // Under the widest column there is most room for it.
            Row::Remark(remark) => {
                let mut cells = vec![String::new(); headers.len().min(2)];
                cells.push(format!("_{}_", plain(remark)));
                cells
            }
        };
        cells.resize(headers.len(), String::new());
        text.push_str(&row(&cells));
    }
}

/// A text in one line whose every letter is shown as it is. Behind `@`, `#` and in front of `//` an empty comment keeps
/// names, numbers and addresses from becoming mentions and links.
pub(super) fn plain(text: &str) -> String {
    let mut safe = String::new();
    for letter in harmless(text, TEXT).chars() {
        match letter {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '$' | '!' => {
                safe.push('\\');
                safe.push(letter);
            }
            '&' => safe.push_str("&amp;"),
            '@' => safe.push_str("@<!-- -->"),
            '#' => safe.push_str("\\#<!-- -->"),
            other => safe.push(other),
        }
    }
    safe.replace("://", ":<!-- -->//").replace("www.", "www<!-- -->.")
}

/// The longest run of backticks.
pub(super) fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_stay_texts() {
        for (text, expected) in [
            ("r2 goes to production", "r2 goes to production"),
            ("web: fleet shop / web", "web: fleet shop / web"),
            ("@everyone", "@<!-- -->everyone"),
            ("fixes #12", "fixes \\#<!-- -->12"),
            ("http://evil.example", "http:<!-- -->//evil.example"),
            ("see www.evil.example", "see www<!-- -->.evil.example"),
            ("[x](javascript:alert(1))", "\\[x\\](javascript:alert(1))"),
            ("<img src=x onerror=y>", "\\<img src=x onerror=y\\>"),
            ("![x](http://i)", "\\!\\[x\\](http:<!-- -->//i)"),
            ("a | b\n| c", "a \\| b \\| c"),
            ("**b** `c` ~~d~~ &lt;", "\\*\\*b\\*\\* \\`c\\` \\~\\~d\\~\\~ &amp;lt;"),
            ("\u{1b}[31mred\u{202e}", "red"),
            ("::error::x", ": :error::x"),
        ] {
            let safe = plain(text);
            assert_eq!(safe, expected, "{text:?}");
            assert!(!safe.contains('\n'));
        }
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        let command = super::super::Suggestion::new("shipit deploy 'a```b'", "runs this plan");
        let text = markdown(&[Block::Commands("next", vec![command])]);
        assert_eq!(text, "\n**next**\n\n````sh\nshipit deploy 'a```b'   # runs this plan\n````\n");
    }
}
