//! A command's own failure: what, what to do next, and the causes below it.

use super::style::{Style, Tint};
use crate::error::Failure;

/// Causes that are shown; deeper ones say nothing more to a person.
const CAUSES: usize = 6;

/// `error: …`, its help and its causes. Lines that a message brings along (a piece of source, a command) stay as they are.
pub fn failure_text(failure: &Failure, style: Style) -> String {
    let mut text = String::new();
    let mut lines = failure.message.lines();
    let first = style.text(lines.next().unwrap_or_default());
    text.push_str(&format!("{} {}\n", style.paint(Tint::Bad, "error:"), style.paint(Tint::Strong, &first)));
    for line in lines {
        text.push_str(&format!("{}\n", style.text(line)));
    }
    for cause in causes(failure) {
        text.push_str(&format!("  because: {}\n", style.text(&cause)));
    }
    for (place, line) in failure.help.iter().flat_map(|help| help.lines()).enumerate() {
        let label = if place == 0 { style.paint(Tint::Caution, "help:") } else { "     ".to_owned() };
        text.push_str(&format!("  {label} {}\n", style.text(line)));
    }
    text
}

/// What led to it, outermost first; a cause that repeats the one above it is left out.
pub fn causes(failure: &Failure) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut next = std::error::Error::source(failure);
    while let Some(cause) = next.filter(|_| causes.len() < CAUSES) {
        let said = cause.to_string();
        if !said.is_empty() && !causes.last().is_some_and(|last| last.contains(&said)) {
            causes.push(said);
        }
        next = cause.source();
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_failure_says_what_and_what_to_do() {
        let inner = std::io::Error::other("connection reset\u{1b}[2J");
        let failure =
            Failure::new(Kind::Preflight, "group web is IN_PLACE\n   3 | source").because(inner).help("run:\n  aws x");
        assert_eq!(
            failure_text(&failure, Style::PLAIN),
            "error: group web is IN_PLACE\n   3 | source\n  because: connection reset\n  help: run:\n          aws x\n"
        );
    }
}
