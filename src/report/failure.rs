//! A command's own failure: what, what to do next, and the causes below it.

use super::style::{Style, Tint};
use crate::error::{Failure, Kind};
use crate::plan::preflight::Refusal;

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

/// Everything that stands in the way of a plan, as one failure. It passes by itself if all of it does.
pub fn refused(refusals: &[Refusal]) -> Failure {
    let kind = if refusals.iter().all(|it| it.is_busy) { Kind::Busy } else { Kind::Preflight };
    let say = |it: &Refusal| match &it.target {
        Some(target) => format!("{target}: {}", it.what),
        None => it.what.clone(),
    };
    if let [one] = refusals {
        let failure = Failure::new(kind, format!("{}; nothing was changed", say(one)));
        return match &one.fix {
            Some(fix) => failure.help(fix),
            None => failure,
        };
    }
    let mut message = format!("{} things stand in the way; nothing was changed", refusals.len());
    for refusal in refusals {
        message.push_str(&format!("\n- {}", say(refusal)));
        for line in refusal.fix.iter().flat_map(|fix| fix.lines()) {
            message.push_str(&format!("\n    {line}"));
        }
    }
    Failure::new(kind, message)
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
    use crate::model::Name;

    fn refusal(what: &str, fix: Option<&str>, is_busy: bool) -> Refusal {
        let target = Name::new("web").ok();
        Refusal { target, what: what.to_owned(), fix: fix.map(str::to_owned), is_busy }
    }

    #[test]
    fn all_refusals_are_one_failure() {
        let one = refused(&[refusal("d-X of somebody is under way", Some("wait for it"), true)]);
        assert_eq!(
            (one.kind, failure_text(&one, Style::PLAIN).as_str()),
            (Kind::Busy, "error: web: d-X of somebody is under way; nothing was changed\n  help: wait for it\n")
        );
        let two = refused(&[
            refusal("group is IN_PLACE", Some("run:\n  aws deploy x"), false),
            refusal("alarm a is missing", None, false),
        ]);
        assert_eq!(two.kind, Kind::Preflight);
        assert_eq!(
            failure_text(&two, Style::PLAIN),
            "error: 2 things stand in the way; nothing was changed\n\
            - web: group is IN_PLACE\n    run:\n      aws deploy x\n- web: alarm a is missing\n"
        );
    }

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
