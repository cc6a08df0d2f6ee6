//! Violations that the rules must report, and what looks like one and is none.

use super::scan::Source;
use super::{BANS, RULES, findings_in};

/// The rule; the file's path; its text; where it must be reported and how the report begins.
type Plant = (&'static str, &'static str, &'static str, &'static str);

const PLANTS: &[Plant] = &[
    ("edges", "src/model/ids.rs", "use crate::plan::Plan;\n", "1: `model` must not use `plan`"),
    ("edges", "src/plan/fleet.rs", "use std::fmt;\nfn f() { crate::run::next() }\n", "2: `plan` must not use `run`"),
    ("edges", "src/run/fold.rs", "use crate::{\n    model::{Name, Id},\n    aws,\n};\n", "1: `run` must not use `aws`"),
    (
        "edges",
        "src/run/mod.rs",
        "#![deny(clippy::wildcard_enum_match_arm)]\nuse super::aws;\n",
        "2: `run` must not use `aws`",
    ),
    ("edges", "src/run/next.rs", "use clock::Clock;\n", "1: `run` must not use `clock`"),
    ("edges", "src/rehearsal/traffic.rs", "use crate::cli::Args;\n", "1: `rehearsal` must not use `cli`"),
    ("edges", "src/engine/act.rs", "let input = ::sandbox::doc!{};\n", "1: `engine` must not use `sandbox`"),
    ("edges", "src/engine/drive.rs", "use crate::Failure;\n", "1: `Failure` is not a module of EDGES"),
    ("edges", "src/extras.rs", "", "1: `extras` has no line in EDGES"),
    ("bans", "src/cli/plan.rs", "fn f() {\n    todo!()\n}\n", "2: `todo!` has no place here"),
    ("bans", "src/cli/plan.rs", "fn f() {\n    unimplemented!()\n}\n", "2: `unimplemented!` has no place here"),
    ("bans", "tests/cli.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n", "2: `#[ignore` has no place here"),
    ("bans", "crates/clock/src/lib.rs", "#[allow(dead_code)]\nfn f() {}\n", "1: `allow(dead_code` has no place here"),
    ("bans", "crates/clock/src/lib.rs", "// FIXME: later\n", "1: `FIXME` has no place here"),
    ("bans", "crates/clock/src/lib.rs", "fn f() {} // TODO: more\n", "1: `TODO` has no place here"),
    ("bans", "src/engine/act.rs", "fn f() {\n    println!(\"done\");\n}\n", "2: `println!` has no place here"),
    ("bans", "src/store/head.rs", "fn f() { eprintln!(\"{}\", 1) }\n", "1: `eprintln!` has no place here"),
    ("bans", "src/main.rs", "fn f() { std::io::stdout().flush() }\n", "1: `stdout()` has no place here"),
    (
        "bans",
        "crates/sandbox/src/hosts/agent.rs",
        "fn f() { io::stdout().lock() }\n",
        "1: `stdout()` has no place here",
    ),
    ("bans", "src/main.rs", "fn f() { std::io::stderr().flush() }\n", "1: `stderr()` has no place here"),
    ("bans", "src/engine/act.rs", "use aws_sdk_codedeploy::Client;\n", "1: `aws_sdk_*` has no place here"),
    ("bans", "src/rehearsal/traffic.rs", "use aws_sdk_sts::Client;\n", "1: `aws_sdk_*` has no place here"),
    ("bans", "src/plan/fleet.rs", "fn f() { g().await }\n", "1: `.await` has no place here"),
    ("bans", "src/model/ids.rs", "async fn f() {}\n", "1: `async` has no place here"),
    ("bans", "src/run/next.rs", "use std::time::SystemTime;\n", "1: `SystemTime` has no place here"),
    ("bans", "src/run/next.rs", "use std::time::Instant;\n", "1: `Instant` has no place here"),
    ("bans", "src/run/next.rs", "fn f() { Timestamp::now() }\n", "1: `::now()` has no place here"),
    ("bans", "src/run/next.rs", "use std::collections::HashMap;\n", "1: `HashMap` has no place here"),
    ("bans", "src/run/next.rs", "use std::collections::{BTreeMap, HashSet};\n", "1: `HashSet` has no place here"),
    ("bans", "src/config/check.rs", "fn f() { g().await }\n", "1: `.await` has no place here"),
    ("bans", "src/engine/act.rs", "fn f() { serde_yaml::from_str(\"\") }\n", "1: `serde_yaml` has no place here"),
    ("bans", "src/aws/observe.rs", "fn f(dry_run: bool) {}\n", "1: `dry_run` has no place here"),
    ("bans", "src/engine/act.rs", "const FLAG: &str = \"dry-run\";\n", "1: `dry-run` has no place here"),
    ("bans", "src/aws/site.rs", "const NAME: &str = \"the sandbox\";\n", "1: `sandbox*` has no place here"),
    ("bans", "src/probe/http.rs", "struct SandboxProbe;\n", "1: `Sandbox*` has no place here"),
    (
        "pure modules read nothing",
        "src/run/next.rs",
        "use std::{fmt, env};\n",
        "1: a pure module must not use `std::env`",
    ),
    (
        "pure modules read nothing",
        "src/plan/diff.rs",
        "fn f() { std::fs::read(p) }\n",
        "1: a pure module must not use `std::fs`",
    ),
    (
        "matches name every variant",
        "src/engine/mod.rs",
        "//! The engine.\n",
        "1: `#![deny(clippy::wildcard_enum_match_arm)]` is missing",
    ),
    ("empty names", "src/engine/act.rs", "struct StepManager;\n", "1: `StepManager` says nothing"),
    ("empty names", "src/engine/act.rs", "\npub(crate) fn helpers() {}\n", "2: `helpers` says nothing"),
    ("empty names", "src/engine/act.rs", "mod handler;\n", "1: `handler` says nothing"),
    ("empty names", "src/store/utils.rs", "", "1: `utils` says nothing"),
    ("test files", "tests/smoke.rs", "", "1: `smoke` would be one more binary"),
    ("test files", "tests/common/mod.rs", "", "1: `common` would be one more binary"),
];

/// Nothing is to be found in any of these.
const INNOCENT: &[(&str, &str)] = &[
    ("src/model/ids.rs", "use crate::error::Result;\nuse crate::model::Name;\nuse super::units;\n"),
    ("crates/sandbox/src/s3/body.rs", "use super::super::doc::Doc;\nuse crate::doc;\nuse clock::Clock;\n"),
    ("crates/sandbox/src/elb/mod.rs", "use super::world::World;\npub(crate) enum Health {}\n"),
    ("src/store/journal.rs", "#[cfg(test)]\nmod tests {\n    use ::sandbox::World;\n    fn f() { println!() }\n}\n"),
    ("src/store/tests.rs", "use ::sandbox::World;\nuse aws_sdk_sts::Client;\n"),
    ("src/store/mod.rs", "#[cfg(test)]\nmod tests;\n"),
    ("src/rehearsal/provision/fleet.rs", "use aws_sdk_autoscaling::Client;\nuse ::sandbox::World;\n"),
    (
        "src/engine/drive.rs",
        "/// Nobody uses crate::cli or println! here, whatever `todo!` the sandbox has.\nfn f() {}\n",
    ),
    ("src/engine/drive.rs", "fn f() -> &'static str { \"use crate::cli; println!(); // FIXME\" }\n"),
    (
        "src/engine/drive.rs",
        "const A: &str = r#\"}\n\"todo!()\"#;\nconst B: [char; 3] = ['\"', '\\'', '{'];\nfn g<'a>(b: &'a u8) {}\n",
    ),
    ("crates/sandbox/src/hosts/supervisor.rs", "fn report() { io::stdout().lock() }\n"),
    ("src/cli/rehearse.rs", "use sandbox;\nfn f() { println!(\"dry-run\") }\n"),
    ("src/plan/mod.rs", "#![deny(clippy::wildcard_enum_match_arm)]\nuse std::collections::BTreeMap;\n"),
    ("src/aws/mod.rs", "fn stdout(f: fn(u8) -> u8) { command.stdout(Stdio::piped()) }\nstruct Utility;\n"),
    ("tests/scenario/fleet.rs", "use sandbox::World;\n"),
];

fn reports(path: &str, text: &str) -> Vec<String> {
    findings_in(&Source::new(path, text)).iter().map(ToString::to_string).collect()
}

#[test]
fn every_rule_reports_its_planted_violations() {
    for (name, path, text, expected) in PLANTS {
        let (_, rule) = RULES.iter().find(|(rule, _)| rule == name).expect("a plant names a rule");
        let found: Vec<String> = rule(&Source::new(path, text)).iter().map(ToString::to_string).collect();
        let is_it = found.len() == 1 && found[0].starts_with(&format!("{path}:{expected}"));
        assert!(is_it, "{path}\n{text}expected {expected}\nfound {found:#?}");
    }
}

#[test]
fn every_rule_and_every_ban_has_a_plant() {
    for (name, _) in RULES.iter().filter(|(name, _)| !name.ends_with("length")) {
        assert!(PLANTS.iter().any(|(rule, ..)| rule == name), "{name}");
    }
    for ban in BANS {
        let is_planted = |word: &str| PLANTS.iter().any(|(.., expected)| expected.contains(&format!("`{word}`")));
        assert!(ban.words.iter().any(|word| is_planted(word)), "{:?}", ban.words);
    }
}

#[test]
fn what_looks_like_a_violation_is_not_reported() {
    for (path, text) in INNOCENT {
        assert_eq!(reports(path, text), [""; 0], "{path}\n{text}");
    }
}

#[test]
fn lengths_are_counted() {
    let file = |lines: usize| reports("src/cli/mod.rs", &"//\n".repeat(lines));
    assert_eq!(file(500), [""; 0]);
    assert_eq!(file(501), ["src/cli/mod.rs:1: 501 lines, more than 500; split it by topic"]);

    let function = |lines: usize| {
        let body = "        let a = [1; 2];\n".repeat(lines - 2);
        reports(
            "src/cli/mod.rs",
            &format!("trait T {{\n    fn f(&self);\n\n    fn g(a: &str) -> bool {{\n{body}    }}\n}}\n"),
        )
    };
    assert_eq!(function(70), [""; 0]);
    assert_eq!(function(71), ["src/cli/mod.rs:4: `g` has 71 lines, more than 70; give its parts names"]);
}
