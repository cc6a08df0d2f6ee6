use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn refused(text: &str) -> String {
    parse(text, "a.yml").expect_err(text).to_string()
}

#[test]
fn everything_keeps_its_place() {
    let text = "a: 1\nü: [x, \"y z\"]\nlist:\n  - {k: 2.5}\n  - ~\nfrom: &here {b: true}\nto: *here\n";
    let node = parse(text, "a.yml").unwrap();
    let at = |path: &[Step<'_>]| {
        let Span { line, column, start, end } = node.place(path);
        format!("{line}:{column} {}", &text[start..end])
    };
    use Step::{Item, Key};
    assert_eq!(at(&[Key("a")]), "1:4 1");
    assert_eq!(at(&[Key("ü")]), "2:1 ü");
    assert_eq!(at(&[Key("ü"), Item(1)]), "2:8 \"y z\"");
    assert_eq!(at(&[Key("list"), Item(0), Key("k")]), "4:9 2.5");
    assert_eq!(at(&[Key("list"), Item(0), Key("none"), Key("deeper")]), "4:5 {");
    assert_eq!(at(&[Key("to"), Key("b")]), "6:17 true");
    assert_eq!(node.get("to"), node.get("from"));
}

#[test]
fn nothing_is_guessed() {
    let node =
        parse("[no, yes, on, ~, '~', 012, 0x10, 1e3, .nan, 99999999999999999999, 1_000, '1', 2001-01-01]", "a.yml");
    let shown: Vec<String> = node.unwrap().items().iter().map(|item| format!("{:?}", item.value)).collect();
    let expected = "Text(\"no\") Text(\"yes\") Text(\"on\") Null Text(\"~\") Float(12.0) Int(16) Float(1000.0) Float(NaN) \
                    Float(1e20) Int(1000) Text(\"1\") Text(\"2001-01-01\")";
    assert_eq!(shown.join(" "), expected);
}

#[test]
fn what_is_no_yaml_is_refused_at_its_place() {
    for (text, expected) in [
        ("", "a.yml: empty"),
        ("# nothing\n", "a.yml: empty"),
        ("a: 1\na: 2\n", "a.yml:2:1: the key `a` stands here a second time"),
        ("a: {b: 1, \"b\": 2}", "a.yml:1:11: the key `b` stands here a second time"),
        ("a: b: c\n", "a.yml:1:5: a `:` cannot stand here"),
        ("a: [1, 2\nb: 3\n", "a.yml:2:2: a `:` cannot stand here"),
        ("a: \"x\nb: 3\n", "a.yml:1:4: this quote is never closed"),
        ("a: 'x", "a.yml:1:4: this quote is never closed"),
        ("a: \"b\"c", "a.yml:1:7: a value in quotes ended before this"),
        ("a:\n\t- b\n", "a.yml:2:1: a tab cannot indent"),
        ("a: 1\n---\nb: 2\n", "a.yml:2:1: a second document begins here"),
        ("a: 1\n...\nb: 2\n", "a.yml:3:1: a second document begins here"),
        ("<<: {a: 1}\n", "a.yml:1:1: `<<` does not merge here"),
        ("a: *x\n", "a.yml:1:4: this alias has no anchor"),
        ("a: &x [*x]\n", "a.yml:1:8: recursive reference not allowed here"),
        ("a: !foo b\n", "a.yml:1:9: the tag `!foo` means nothing here"),
        ("a: @b\n", "a.yml:1:4: unexpected character: `@'"),
        ("- a\nb: c\n", "a.yml:2:1: this does not fit the columns of the lines above"),
        ("[a]: b\n", "a.yml:1:1: a key is text"),
        ("a: }\n", "a.yml:1:4: misplaced bracket"),
        ("a: x\u{1b}[2J", "a.yml:1:5: the control character \\u{1b} does not belong here"),
        ("a: x\u{0}", "a.yml:1:5: the control character \\u{0} does not belong here"),
    ] {
        assert_eq!(refused(text).lines().next().unwrap(), expected, "{text:?}");
    }
}

#[test]
fn bombs_are_refused_fast() {
    let aliases: String = (1..9)
        .map(|level| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", ")))
        .collect();
    let deep_blocks: String = (0..1000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    for (text, expected) in [
        (format!("a0: &a0 [x, x, x, x, x, x, x, x, x]\n{aliases}"), "more than 100000 values"),
        ("[".repeat(100_000), "nested deeper than 64 levels"),
        ("{a: ".repeat(100_000), "nested deeper than 64 levels"),
        ("- ".repeat(100_000), "nested deeper than 64 levels"),
        (deep_blocks, "nested deeper than 64 levels"),
        ("- a\n".repeat(MAX_NODES + 1), "more than 100000 values"),
        ("x".repeat(MAX_BYTES + 1), "larger than 1 MiB"),
        ("a: 1\n---\n".repeat(50_000), "a second document begins here"),
    ] {
        let begun = Instant::now();
        let shown = refused(&text);
        // What is not refused would take hours; a busy machine takes seconds.
        assert!(begun.elapsed().as_secs() < 60, "{:?} for {expected}", begun.elapsed());
        assert!(shown.contains(expected) && shown.len() < 1000, "{shown}");
    }
}

#[test]
fn hostile_and_long_lines_are_shown_harmlessly() {
    let text = format!("a: \u{202e}evil\u{200b}\r\nb: {}\u{1f600} key: here{}\n", "x".repeat(150), "y".repeat(150));
    let start = text.find("key").unwrap();
    let column = text.lines().nth(1).unwrap().chars().position(|c| c == 'k').unwrap() + 1;
    let (first, second) =
        (Span { line: 1, column: 4, start: 3, end: 10 }, Span { line: 2, column, start, end: start + 3 });
    let long = Problem::at(second, format!("\u{1b}[31m{}", "z".repeat(1000))).help("\nnext");
    let shown = Problems::new("a\u{7}.yml", &text, vec![long, Problem::at(first, "odd")]).to_string();
    let marks: Vec<&str> = shown.lines().filter(|line| line.contains('^')).collect();
    assert_eq!(marks[0], "      |    ^^^^^");
    let line = shown.lines().find(|line| line.contains("key")).unwrap();
    // The smiling face is two columns wide.
    let width = |text: &str| text.chars().map(|c| if c == '\u{1f600}' { 2 } else { 1 }).sum::<usize>();
    assert_eq!(width(line.split("key").next().unwrap()), marks[1].find('^').unwrap());
    assert!(line.chars().count() < 120 && line.contains('…'));
    assert!(shown.contains("\n    1 | a: \u{fffd}evil\u{fffd}\n"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}', '\r']) && shown.len() < 1500);
}

#[test]
fn of_very_many_problems_the_first_are_shown() {
    let text = "- a\n".repeat(500);
    let problem = |line: usize| Problem::at(Span { line, column: 3, start: 4 * line - 2, end: 4 * line - 1 }, "no");
    let problems = Problems::new("a.yml", &text, (1..=500).rev().map(problem).collect());
    assert_eq!(problems.list().len(), 500);
    assert!(problems.to_string().ends_with("\nerror: a.yml: 400 more problems"));
}

proptest! {
    #[test]
    fn random_text_never_panics(text in "([a-c:,{}\\[\\]&*!|>'\"%@`#?<~. \n\t-]|[ü\u{feff}\u{85}]|\\PC){0,80}") {
        if let Err(problems) = parse(&text, "a.yml") {
            let _ = problems.to_string();
        }
    }

    #[test]
    fn any_place_can_be_shown(text in "[a\u{4e00}\t\r\nü]{0,300}", line in 0..9usize, column in 0..400usize, start in 0..400usize, end in 0..400usize) {
        let problem = Problem::at(Span { line, column, start, end }, "x");
        let _ = Problems::new("a", &text, vec![problem]).to_string();
    }
}

#[test]
fn the_deepest_that_is_allowed_is_read() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
        let text = |depth: usize| format!("{}x{}", open.repeat(depth), close.repeat(depth));
        assert!(parse(&text(MAX_DEPTH), "a.yml").is_ok());
        assert!(parse(&text(MAX_DEPTH + 1), "a.yml").is_err());
    }
}

/// What is read of a text with mistakes, as JSON, and what is said.
fn mended(text: &str) -> String {
    fn json(node: &Node) -> String {
        match &node.value {
            Value::Map(entries) => {
                let shown: Vec<String> =
                    entries.iter().map(|it| format!("{}: {}", it.key.text, json(&it.value))).collect();
                format!("{{{}}}", shown.join(", "))
            }
            Value::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
            Value::Text(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            other => format!("{other:?}"),
        }
    }
    match read(text, "a.yml") {
        Err(problems) => format!("nothing; {problems:?}"),
        Ok(Read { node, problems, .. }) => {
            let said = problems.iter().map(|problem| {
                let span = problem.span.unwrap();
                assert_eq!(super::draft::span_of(text, span.start, span.end), span, "{text:?}");
                format!("{}:{} {:?} {}", span.line, span.column, &text[span.start..span.end], problem.message)
            });
            format!("{}; {}", json(&node), said.collect::<Vec<_>>().join("; "))
        }
    }
}

#[test]
fn what_a_person_sees_past_is_seen_past() {
    let (tab, quote, twice, document) = (
        "a tab cannot indent",
        "this quote is never closed",
        "the key `a` stands here a second time",
        "a second document begins here",
    );
    for (text, expected) in [
        ("a:\n\t- b\n", format!("{{a: [b]}}; 2:1 \"\\t\" {tab}")),
        ("a:\n  b: 1\n\tc: 2\nd: 1\n", format!("{{a: {{b: 1, c: 2}}, d: 1}}; 3:1 \"\\t\" {tab}")),
        ("a:\n  b: 1\n  \tc: 2\nd: 1\n", format!("{{a: {{b: 1, c: 2}}, d: 1}}; 3:3 \"\\t\" {tab}")),
        ("a:\n\tb: 1\n\tc:\n\t\td: 2\n\te: 3\n", format!("{{a: {{b: 1, c: {{d: 2}}, e: 3}}}}; 2:1 \"\\t\" {tab}")),
        ("a:\n  - b: 1\n\t\tc: 2\n  - b: 3\n", format!("{{a: [{{b: 1, c: 2}}, {{b: 3}}]}}; 3:1 \"\\t\\t\" {tab}")),
        ("a: [\n\t1,\n\t2\n]\n", format!("{{a: [1, 2]}}; 2:1 \"\\t\" {tab}")),
        ("a: \"x\nb: 3\n", format!("{{a: x, b: 3}}; 1:4 \"\\\"x\" {quote}")),
        ("a: 'x  # why\nb: 'y'\n", format!("{{a: x, b: y}}; 1:4 \"'x\" {quote}")),
        ("a: [\"b, c]\nd: \"e\"\n", format!("{{a: [b, c], d: e}}; 1:5 \"\\\"b\" {quote}")),
        ("a: { b: \"x }\nc: 1\n", format!("{{a: {{b: x}}, c: 1}}; 1:9 \"\\\"x\" {quote}")),
        (
            "a: |\n  \"x\nb: \"c\n# \"\nd: it's\ne: 'it''s\n",
            format!("{{a: \"x\n, b: c, d: it's, e: it's}}; 3:4 \"\\\"c\" {quote}; 6:4 \"'it''s\" {quote}"),
        ),
        ("a: 1\nb: 2\na: 3\n", format!("{{a: 1, b: 2}}; 3:1 \"a\" {twice}")),
        ("a: 1\n--- # two\nb: 2\n", format!("{{a: 1}}; 2:1 \"--- # two\" {document}")),
        ("a: 1\n---\n---\n---\n", format!("{{a: 1}}; 2:1 \"---\" {document}")),
        ("a: 1\n---\n\n# more\nb: 2\n", format!("{{a: 1}}; 2:1 \"---\" {document}")),
        ("---\na: 1\n...\n# no more\n", "{a: 1}; ".to_owned()),
        (
            "x:\n\ta: 'ü\n\ta: 3\n---\nb: }\n",
            format!(
                "{{x: {{a: ü}}}}; 2:1 \"\\t\" {tab}; 2:5 \"'ü\" {quote}; 3:2 \"a\" {twice}; 4:1 \"---\" {document}"
            ),
        ),
    ] {
        assert_eq!(mended(text), expected, "{text:?}");
    }
}
