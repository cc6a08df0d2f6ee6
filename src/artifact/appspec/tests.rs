use std::collections::BTreeSet;

use super::super::open::{Packable, Recipe, open};
use super::*;

const GOOD: &str = include_str!("testdata/good.yml");
const MISTAKES: &str = include_str!("testdata/mistakes.txt");
const WARNINGS: &str = include_str!("testdata/warnings.txt");
const ACCEPTED: &str = include_str!("testdata/accepted.txt");
const AGENTS: &str = include_str!("testdata/agents.txt");

/// Added to a bundle by a line of a table: `x!` may be run.
const SCRIPTS: [(&str, &str); 13] = [
    ("scripts/start.sh!", "#!/bin/sh\nsystemctl start shop\n"),
    ("scripts/Stop.sh!", "#!/bin/sh\n"),
    ("scripts/cr.sh!", "#!/bin/sh\r\ntrue\r\n"),
    ("scripts/lines.sh!", "true\r\n"),
    ("scripts/bom.sh!", "\u{feff}#!/bin/bash\ntrue\n"),
    ("scripts/bom.py!", "\u{feff}#!/usr/bin/python3\n"),
    ("scripts/plain.sh", "#!/bin/sh\n"),
    ("scripts/helped.sh!", "#!/bin/sh\n\"$DIR\"/scripts/plain.sh\n"),
    ("scripts/plain.txt!", "true\n"),
    ("scripts/empty.sh!", ""),
    ("scripts/a b.sh!", "#!/bin/sh\n"),
    ("scripts/a-b_c.sh!", "#!/bin/sh\n"),
    ("scripts/server.sh!", "#!/bin/sh\ncd /srv\nnohup ./shop &\n"),
];

/// An opened artifact with an AppSpec and these files.
pub fn bundle(appspec: &[u8], files: &[(&str, &str)]) -> Opened {
    let nowhere = std::env::temp_dir().join(format!("shipit-no-tree-{}", std::process::id()));
    std::fs::create_dir_all(&nowhere).unwrap();
    let mut extra = vec![("appspec.yml".to_owned(), appspec.to_vec())];
    extra.extend(files.iter().map(|(name, text)| (name.trim_end_matches('!').to_owned(), text.as_bytes().to_vec())));
    let recipe = Recipe::whole(&nowhere, &extra);
    let mut opened = open(recipe).unwrap_or_else(|problems| panic!("{problems:?}"));
    let Packable::Tree(_, entries) = &mut opened.content else { panic!("no tree") };
    for name in files.iter().filter_map(|(name, _)| name.strip_suffix('!')) {
        entries.get_mut(name).unwrap().mode = 0o755;
    }
    let mut kept = Files::default();
    for (name, entry) in entries.iter() {
        kept.add(name, entry.kept());
    }
    opened.files = kept;
    opened
}

fn checked(appspec: &[u8]) -> (Option<AppSpec>, Report) {
    let mut files = SCRIPTS.to_vec();
    files.extend([("www/index.html", ""), ("www/css/a.css", ""), ("etc/shop.conf", "")]);
    check(&bundle(appspec, &files), "shop/appspec.yml", Agents::default())
}

fn said(text: &str) -> (String, String) {
    let (appspec, report) = checked(text.as_bytes());
    assert_eq!(appspec.is_some(), report.is_fine());
    (report.to_string(), report.warnings_text())
}

#[test]
fn a_good_spec_is_read() {
    let (spec, report) = checked(GOOD.as_bytes());
    assert_eq!(report, Report::default(), "{report} {}", report.warnings_text());
    let spec = spec.unwrap();
    assert_eq!(spec.os, Os::Linux);
    let hooks: Vec<_> =
        spec.hooks.iter().map(|hook| (hook.event.as_str(), hook.location.as_str(), hook.timeout)).collect();
    assert_eq!(
        hooks,
        [
            ("ApplicationStop", "scripts/Stop.sh", None),
            ("ApplicationStart", "scripts/start.sh", Some(300)),
            ("ApplicationStart", "scripts/Stop.sh", Some(60)),
        ]
    );
    assert_eq!(
        ["ApplicationStop", "ApplicationStart", "ValidateService"].map(|event| spec.longest(event)),
        [3600, 360, 0]
    );
}

/// The cases of a table: what the good AppSpec says, and what it says instead.
fn cases(table: &str) -> Vec<(&str, String, String)> {
    let cases = table.split("\n\n").filter(|case| case.contains("\n+ "));
    let case = |case: &'static str| {
        let mut lines = case.trim_start_matches('\n').lines();
        let was = lines.next().and_then(|line| line.strip_prefix("- ")).expect(case);
        let is = lines.next().and_then(|line| line.strip_prefix("+ ")).expect(case);
        assert!(GOOD.contains(was), "{was} is not in the AppSpec");
        (was, is.to_owned(), GOOD.replacen(was, &is.replace("\\n", "\n"), 1))
    };
    cases.map(|it| case(Box::leak(it.to_owned().into_boxed_str()))).collect()
}

fn compare(table: &str, say: impl Fn(&str) -> String) {
    let mut actual = String::new();
    for (was, is, text) in cases(table) {
        actual += &format!("- {was}\n+ {is}\n{}\n\n", say(&text).trim_end());
    }
    assert!(actual.trim_end() == table.trim_end(), "the table should read:\n{actual}");
}

#[test]
fn each_mistake_alone_is_one_problem() {
    compare(MISTAKES, |text| {
        let (problems, warnings) = said(text);
        if problems.matches("shop/appspec.yml:").count() == 1 && warnings.is_empty() {
            problems
        } else {
            format!("not one problem:\n{problems}\n{warnings}")
        }
    });
}

#[test]
fn each_likely_trouble_alone_is_one_warning() {
    compare(WARNINGS, |text| {
        let (problems, warnings) = said(text);
        if problems.is_empty() && warnings.matches("shop/appspec.yml:").count() == 1 {
            warnings
        } else {
            format!("not one warning:\n{problems}\n{warnings}")
        }
    });
}

/// Every rule has a case that it refuses or warns of, and one near it that it lets pass.
#[test]
fn what_looks_like_a_mistake_and_is_none() {
    for (_, is, text) in cases(ACCEPTED) {
        assert_eq!(said(&text), (String::new(), String::new()), "{is}");
    }
}

#[test]
fn every_rule_is_tested_both_ways() {
    let sources = [
        include_str!("rules/files.rs"),
        include_str!("rules/head.rs"),
        include_str!("rules/hooks.rs"),
        include_str!("rules/nested.rs"),
        include_str!("rules/permissions.rs"),
        include_str!("rules/rights.rs"),
        include_str!("rules/scripts.rs"),
        include_str!("rules/whole.rs"),
        include_str!("records.rs"),
    ];
    let ids = |text: &'static str, mark: &'static str| {
        text.split(mark).skip(1).map(|rest| rest.split(['"', ']', '\n']).next().unwrap()).collect::<BTreeSet<&str>>()
    };
    let known: BTreeSet<&str> = sources.into_iter().flat_map(|source| ids(source, "appspec/")).collect();
    let said: BTreeSet<&str> = [MISTAKES, WARNINGS].into_iter().flat_map(|table| ids(table, "[appspec/")).collect();
    let accepted = ids(ACCEPTED, "= appspec/");
    // The last two are said within what the other agent refuses.
    let elsewhere = [&"bom", &"root", &"source-empty", &"timeout-unit"];
    assert_eq!(known.difference(&said).collect::<Vec<_>>(), elsewhere, "tested below");
    assert_eq!(known.difference(&accepted).collect::<Vec<_>>(), [&"bom", &"root"], "any other table shows these");
    assert_eq!(accepted.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "no such rule");
}

#[test]
fn what_is_no_spec_at_all() {
    for (bytes, expected) in [
        (&b""[..], "shop/appspec.yml: empty [appspec/empty]"),
        (b"# nothing\n", "shop/appspec.yml: empty [appspec/empty]"),
        (b"[]\n", "shop/appspec.yml:1:1: an AppSpec is a map, not a list [appspec/root]"),
        (b"shop\n", "shop/appspec.yml:1:1: an AppSpec is a map, not text [appspec/root]"),
        (b"os: \xff\n", "shop/appspec.yml: not UTF-8 [appspec/encoding]"),
        (b"version: 0.0\nos: 'linux\n", "shop/appspec.yml:3:1: a quote is still open here"),
        (b"version: 0.0\n\t\nos: linux\n", "shop/appspec.yml:2:1: a tab cannot stand here"),
        (b"version: 0.0\nos: linux\nhooks:\n\t# none\n", "shop/appspec.yml:4:1: a tab cannot stand here"),
        (b"version: 0.0\nos: linux\nfiles:\n  -\tsource: a\n", "shop/appspec.yml:4:4: a tab cannot stand here"),
        (
            b"\xef\xbb\xbfversion: 0.0\nos: linux\n",
            "shop/appspec.yml:1:1: the file begins with a byte order mark, which no agent reads past [appspec/bom]",
        ),
        (
            b"version: 0.0\nResources:\n  - f: {Type: AWS::Lambda::Function}\nHooks: []\n",
            "shop/appspec.yml:2:1: `Resources` is for Lambda functions and ECS services: no host gets anything by it \
             [appspec/platform]",
        ),
    ] {
        let problems = checked(bytes).1.to_string();
        assert_eq!(problems.lines().next(), Some(expected), "{problems}");
    }
    let (spec, report) = checked(b"\xef\xbb\xbf# shop\nversion: 0.0\nos: linux\n");
    assert!(spec.is_some() && report.warnings_text().contains("[appspec/bom]"), "{report:?}");
    let long = [b"version: 0.0\nos: linux\n#".as_slice(), &vec![b'x'; 1 << 20]].concat();
    assert_eq!(checked(&long).1.to_string(), "shop/appspec.yml: larger than 1 MiB [appspec/size]");
}

#[test]
fn windows_has_other_paths_and_no_modes() {
    let text = "version: 0.0\nos: windows\nfiles:\n  - source: \\WWW\\index.html\n    destination: c:\\web\n\
                hooks:\n  AfterInstall:\n    - location: scripts\\PLAIN.sh\n";
    assert_eq!(said(text), (String::new(), String::new()));
    let (problems, _) = said(&format!("{text}permissions:\n  - object: /x\n"));
    assert!(problems.contains("there are no permissions on Windows [appspec/permissions]"), "{problems}");
}

#[test]
fn a_file_that_is_left_out_is_said_to_be() {
    let root = std::env::temp_dir().join(format!("shipit-left-out-{}", std::process::id()));
    std::fs::create_dir_all(root.join("bin")).unwrap();
    let text = "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: bin/x.sh\n";
    for (name, text) in [("appspec.yml", text), ("bin/x.sh", ""), (".gitignore", "bin\n")] {
        std::fs::write(root.join(name), text).unwrap();
    }
    let opened = open(Recipe::whole(&root, &[])).map_err(drop).unwrap();
    let report = check(&opened, "appspec.yml", Agents::default()).1.to_string();
    std::fs::remove_dir_all(&root).unwrap();
    assert!(report.ends_with("  help: it is on disk, but `exclude` or an ignore file leaves it out; `include: [/bin/x.sh]` at the artifact ships it"), "{report}");
}

/// The bytes of a line of the table of agents.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (_, false) => byte,
            (_, true) => match rest.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'x') => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other.unwrap(),
            },
        });
    }
    bytes
}

/// What an agent refuses is refused, naming it; what both take is never refused, and neither is what the only agent takes.
#[test]
fn each_agent_is_taken_at_its_word() {
    let files: Vec<(&str, &str)> =
        ["a.sh!", "b.sh!", "1.1!", "1.10!", ":a.sh!", "2026-01-01!", "x", "a", "b", "1", "true"]
            .map(|name| (name, "#!/bin/sh\n"))
            .into();
    let mut wrong = Vec::new();
    for line in AGENTS.lines().filter(|line| !line.starts_with('#')) {
        let (words, text) = (line[..16].split_whitespace().collect::<Vec<_>>(), unescaped(&line[16..]));
        let opened = bundle(&text, &files);
        let said = |only| check(&opened, "appspec.yml", Agents { only }).1.to_string();
        let takes = [words[0] == "takes", words[1] == "takes"];
        for (agent, takes) in [Agent::V1, Agent::V2].into_iter().zip(takes) {
            if said(Some(agent)).is_empty() != takes {
                wrong.push(format!("{}, {takes}: {line}\n{}", agent.name(), said(Some(agent))));
            }
        }
        let both = said(None);
        let is_named = |agent: Agent| both.contains(agent.name());
        let is_right = match takes {
            [true, true] => both.is_empty(),
            [false, false] => !both.is_empty(),
            [true, false] => is_named(Agent::V2),
            [false, true] => is_named(Agent::V1),
        };
        if !is_right {
            wrong.push(format!("both, {takes:?}: {line}\n{both}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

proptest::proptest! {
    #[test]
    fn random_specs_never_panic(text in "((version|os|hooks|files|permissions|mode|timeout|location|source|destination|object|except|type|acls|- |  |\n|: |0|x|/|\\*|'|\\[|\\]){0,60})") {
        let _ = said(&text);
    }

    /// The good AppSpec with a few pieces cut out, doubled or replaced.
    #[test]
    fn mutated_specs_never_panic(changes in proptest::collection::vec((0..400usize, 0..40usize, "[ -~\n\t\u{feff}ü]{0,6}"), 1..6)) {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, length, new) in changes {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, new.chars());
        }
        let text: String = text.into_iter().collect();
        let _ = said(&format!("{text}{GOOD}"));
        let _ = said(&text);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _ = checked(&bytes);
    }
}
