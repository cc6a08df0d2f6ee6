use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::yaml::document;

/// The records of the agent 2.x, for the library that it reads them with.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether they can be read is asked")]
struct Spec {
    version: f64,
    os: String,
    #[serde(default)]
    hooks: BTreeMap<String, Option<Vec<Script>>>,
    #[serde(default)]
    files: Vec<File>,
    #[serde(default)]
    permissions: Vec<Permission>,
    file_exists_behavior: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether they can be read is asked")]
struct Script {
    location: Option<String>,
    runas: Option<String>,
    sudo: Option<bool>,
    timeout: Option<u32>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether they can be read is asked")]
struct File {
    source: Option<String>,
    destination: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether they can be read is asked")]
struct Permission {
    object: Option<String>,
    pattern: Option<String>,
    except: Option<Vec<String>>,
    r#type: Option<Vec<String>>,
    owner: Option<String>,
    group: Option<String>,
    mode: Option<String>,
    acls: Option<Vec<String>>,
    context: Option<Context>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether they can be read is asked")]
struct Context {
    name: Option<String>,
    r#type: Option<String>,
    range: Option<String>,
}

/// Whether the records hold a text, by our reading.
fn ours(text: &str) -> Result<(), String> {
    let document = document(text).map_err(|problem| problem.message)?;
    if document.more.is_some() {
        return Err("a second document".to_owned());
    }
    let root = document.root.ok_or("empty")?;
    let read = read(&root);
    if let Some(refused) = read.refused.first() {
        return Err(format!("{refused:?}"));
    }
    let is_there = |key| read.node.get(key).is_some();
    (is_there("version") && is_there("os")).then_some(()).ok_or_else(|| "a field is missing".to_owned())
}

fn theirs(text: &str) -> Result<(), String> {
    archived_serde_yaml::from_str::<Spec>(text).map(drop).map_err(|error| error.to_string())
}

fn compare(text: &str) {
    let (ours, theirs) = (ours(text), theirs(text));
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{text:?}\nours: {ours:?}\ntheirs: {theirs:?}");
}

/// How values are written.
const SPELLINGS: &[&str] = &[
    "",
    "~",
    "null",
    "Null",
    "NULL",
    "nULL",
    "''",
    "\"\"",
    "true",
    "True",
    "TRUE",
    "tRUE",
    "yes",
    "no",
    "on",
    "off",
    "y",
    "\"true\"",
    "0",
    "00",
    "1",
    "+1",
    "-1",
    "++1",
    "0900",
    "0300",
    "0x1A",
    "0X1A",
    "0o17",
    "0b11",
    "0x+1",
    "1_000",
    "1,000",
    "1.0",
    "60.0",
    "1.",
    ".5",
    "1e3",
    "0e0",
    "0.0",
    "-0.0",
    "+0.0",
    "0_0.0",
    ".inf",
    "-.inf",
    ".nan",
    "NaN",
    "inf",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "1:30",
    "2026-11-30",
    "a b",
    ":a",
    "a:b",
    "[]",
    "[a]",
    "[1, ~]",
    "{}",
    "{a: b}",
    "[[a]]",
    "!!str 1",
    "!!int 1",
    "!!int \"1\"",
    "!!float 0",
    "!!float \"0.0\"",
    "!!bool true",
    "!!null ~",
    "!!null a",
    "!!null \"\"",
    "! 1",
    "! \"1\"",
    "!Ref 1",
    "!Ref",
    "!a [x]",
    "!!set {a}",
    "&x 1",
    "|\n      1",
    "|-\n      1",
    ">-\n      true",
    "!!int |-\n      1",
    "!!bool |-\n      true",
    "!!float |-\n      0",
    "'1'",
    "\"\\x31\"",
];

/// Where `@` stands for a value.
const PLACES: &[&str] = &[
    "version: @\nos: linux\n",
    "version: 0.0\nos: @\n",
    "version: 0.0\nos: linux\nhooks: @\n",
    "version: 0.0\nos: linux\nhooks:\n  AfterInstall: @\n",
    "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - @\n",
    "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: @\n",
    "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - runas: @\n",
    "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - sudo: @\n",
    "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - timeout: @\n",
    "version: 0.0\nos: linux\nfiles: @\n",
    "version: 0.0\nos: linux\nfiles:\n    - @\n",
    "version: 0.0\nos: linux\nfiles:\n    - source: @\n",
    "version: 0.0\nos: linux\npermissions: @\n",
    "version: 0.0\nos: linux\npermissions:\n    - @\n",
    "version: 0.0\nos: linux\npermissions:\n    - mode: @\n",
    "version: 0.0\nos: linux\npermissions:\n    - except: @\n",
    "version: 0.0\nos: linux\npermissions:\n    - context: @\n",
    "version: 0.0\nos: linux\nfile_exists_behavior: @\n",
    "version: 0.0\nos: linux\nother: @\n",
    "version: 0.0\nos: linux\n? @\n: x\n",
    "x: &a @\nversion: 0.0\nos: *a\n",
    "x: &a @\nversion: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - timeout: *a\n",
    "version: 0.0\nos: linux\nhooks:\n  AfterInstall: [{<<: {timeout: @}}]\n",
];

/// Values in every place, each in every spelling.
#[test]
fn every_spelling_in_every_place_is_read_alike() {
    for place in PLACES {
        for spelling in SPELLINGS {
            compare(&place.replace('@', spelling));
        }
    }
}

#[test]
fn keys_and_documents_are_read_alike() {
    for text in [
        "version: 0.0\nos: linux\nos: linux\n",
        "version: 0.0\nos: linux\n\"os\": linux\n",
        "version: 0.0\nos: linux\nx: 1\nx: 2\n",
        "version: 0.0\nos: linux\nhooks: {A: [], A: [{sudo: yes}]}\n",
        "version: 0.0\nos: linux\nhooks: {A: [{sudo: true, sudo: true}]}\n",
        "version: 0.0\nos: linux\nfiles: [{source: a, source: b}]\n",
        "version: 0.0\nos: linux\nfiles: [{x: a, x: b}]\n",
        "version: 0.0\nos: linux\n---\n",
        "version: 0.0\nos: linux\n...\n",
        "version: 0.0\nos: linux\n... # more\n",
        "version: 0.0\nos: linux\n...\nx\n",
        "version: 0.0\nos: linux\n---\n\t[",
        "%YAML 1.1\n---\nversion: 0.0\nos: linux\n",
        "%YAML 2.0\n---\nversion: 0.0\nos: linux\n",
        "\u{feff}version: 0.0\nos: linux\n",
        "\u{feff}# a\nversion: 0.0\nos: linux\n",
        "\u{feff}{version: 0.0, os: linux}\n",
        "version: 0.0\r\nos: linux\r\n",
        "version: 0.0\ros: linux\r",
        "version: 0.0\u{85}os: linux",
        "version: 0.0\nos: linux\nx: a\u{7}b\n",
        "version: 0.0\nos: linux\nx: \"a\u{2028}b\"\n",
        "version: 0.0\nos: linux\nx: \u{1f600}\n",
        "version: 0.0\nos: linux\nx: &a [*a]\n",
        "version: 0.0\nos: linux\nx: *a\n",
        "version: 0.0\nos: linux\nx: [[[[[[[[]]]]]]]]\n",
        "- version: 0.0\n- os: linux\n",
        "0.0\n",
        "",
        " \n",
        "---\n",
        "# x\n",
    ] {
        compare(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Tabs, blanks, marks and quotes in any order: what is no YAML for one library is none for the other.
    #[test]
    fn libyaml_is_read_alike(text in "(a|b|: |:|- |-|\n|\n  |\n    | |\t|#|'|\"|\\[|\\]|\\{|\\}|, |\\||>|&x |\\*x|!t |~|---|\\.\\.\\.|\\?|%|1|\r\n|\u{feff}|ü|@){0,40}") {
        let ours = document(&text).map(|document| document.more.is_none());
        let theirs = archived_serde_yaml::from_str::<serde::de::IgnoredAny>(&text);
        prop_assert_eq!(matches!(ours, Ok(true)), theirs.is_ok(), "{:?}\nours: {:?}\ntheirs: {:?}", text, ours, theirs);
    }

    /// An AppSpec with tabs and blanks put into it.
    #[test]
    fn tabs_anywhere_are_read_alike(places in proptest::collection::vec((0..260usize, "[\t ]{1,2}"), 1..3)) {
        let mut text: Vec<char> = include_str!("../testdata/good.yml").chars().collect();
        for (at, blank) in places {
            let at = at.min(text.len());
            text.splice(at..at, blank.chars());
        }
        compare(&text.into_iter().collect::<String>());
    }
}
