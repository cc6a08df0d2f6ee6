//! Twelve mistakes of twelve kinds: each alone is one problem, all together are twelve, each at its place.

use super::changed;
use crate::config::{Facts, File, Need, Problems};

/// Two targets, two environments, stages, variables: everything that can be written wrong.
const GOOD: &str = include_str!("../testdata/shop.yml");

/// The kind, what stands there, what is written instead, the last part of that which is underlined, and what is said.
type Mistake = [&'static str; 5];

#[rustfmt::skip]
const MISTAKES: [Mistake; 12] = [
    ["a name that AWS would refuse", "acme-shipit", "acme..shipit", "acme..shipit", "`acme..shipit` cannot be a bucket's name"],
    ["a wrong type", "group_is_replaced: true  # web", "group_is_replaced: 1  # web", "1", "`group_is_replaced` must be true or false, not `1`"],
    ["an unknown key", "promote: manual", "promte: manual", "promte", "unknown key `promte`"],
    ["a key twice", "artifact: web", "artifact: web\n    artifact: api # again", "artifact", "the key `artifact` stands here a second time"],
    ["a bad unit", "bake: 10m", "bake: 5 min", "5 min", "`5 min` is not a length of time; write 90s, 5m, 1h30m or 2d"],
    ["an unterminated quote", "alarms: [\"web-5xx\"]", "alarms: [\"web-5xx]", "\"web-5xx", "this quote is never closed"],
    ["an impossible combination", "within: 2s", "within: 20s", "20s", "an answer may take 20s but is asked for every 10s"],
    ["two strategies at once", "blue_green: {}", "blue_green: {}\n      canary: { steps: [5%], every: 5m }", "canary", "`strategy` is already `blue_green`"],
    ["a reference to nothing", "artifact: api\n", "artifact: apy\n", "apy", "there is no artifact `apy`"],
    ["an override that points nowhere", "web: { health: { bake: 1m", "wep: { health: { bake: 1m", "wep", "there is no `wep` to override"],
    ["a tab", "      bake: 1h", "\tbake: 1h", "\t", "a tab cannot indent"],
    ["a second document", "# the end", "---\nversion: 1", "---", "a second document begins here"],
];

fn problems(text: &str) -> Problems {
    let facts = Facts::default();
    File::parse(text, "shop.yml").and_then(|file| file.pipelines(&facts, Need::AllButRelease)).unwrap_err()
}

/// Line, column and message of a mistake in a text, and the lines that show it.
fn expected(text: &str, [_, _, is, marked, message]: Mistake) -> (usize, usize, String) {
    let at = text.find(is).unwrap() + is.rfind(marked).unwrap();
    let line = text[..at].matches('\n').count() + 1;
    let (before, source) = (text[..at].rsplit('\n').next().unwrap(), text.lines().nth(line - 1).unwrap());
    let (column, source) = (before.chars().count() + 1, source.replace('\t', " "));
    let marks = " ".repeat(column - 1) + &"^".repeat(marked.chars().count());
    (line, column, format!("shop.yml:{line}:{column}: {message}\n{line:>5} | {source}\n      | {marks}\n  help: "))
}

#[test]
fn the_good_one_is_good() {
    let file = File::parse(GOOD, "shop.yml").unwrap();
    assert_eq!(file.pipelines(&Facts::default(), Need::AllButRelease).unwrap().len(), 2);
}

#[test]
fn each_alone_is_one() {
    for mistake in MISTAKES {
        let [kind, was, is, ..] = mistake;
        let text = changed(GOOD, was, is);
        let problems = problems(&text);
        assert_eq!(problems.list().len(), 1, "{kind}: {problems}");
        let (line, column, shown) = expected(&text, mistake);
        let span = problems.list()[0].span.unwrap();
        assert_eq!((span.line, span.column), (line, column), "{kind}: {problems}");
        assert!(problems.to_string().starts_with(&shown), "{kind}: {problems}\nis not\n{shown}");
    }
}

#[test]
fn all_together_are_twelve() {
    let text = MISTAKES.iter().fold(GOOD.to_owned(), |text, [_, was, is, ..]| changed(&text, was, is));
    let problems = problems(&text);
    assert_eq!(problems.list().len(), 12, "{problems}");
    let shown = problems.to_string();
    for mistake in MISTAKES {
        let (line, column, expected) = expected(&text, mistake);
        assert!(shown.contains(&expected), "{}: {shown}\nlacks\n{expected}", mistake[0]);
        let is_there = |problem: &crate::yaml::Problem| {
            problem.span.is_some_and(|span| (span.line, span.column) == (line, column)) && problem.help.is_some()
        };
        assert_eq!(problems.list().iter().filter(|problem| is_there(problem)).count(), 1);
    }
}

#[test]
fn any_two_are_two() {
    for (index, one) in MISTAKES.iter().enumerate() {
        for other in &MISTAKES[index + 1..] {
            let text = changed(&changed(GOOD, one[1], one[2]), other[1], other[2]);
            let problems = problems(&text);
            assert_eq!(problems.list().len(), 2, "{} and {}: {problems}", one[0], other[0]);
        }
    }
}
