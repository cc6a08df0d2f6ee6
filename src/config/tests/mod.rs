use super::*;
use crate::error::Failure;

/// The pipeline of which the tables below change one thing.
const GOOD: &str = include_str!("../testdata/good.yml");
/// Mistakes: `- was`, `+ is`, then what is said about it.
const MISTAKES: &str = include_str!("../testdata/mistakes.txt");

mod environments;
mod reference;
mod tasks;
mod twelve;

/// Compares what is made with what is committed; `UPDATE=1 cargo test --lib config` writes it instead.
fn is_as_committed(path: &str, made: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let made = format!("{}\n", made.trim_end());
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(file, made).unwrap();
    }
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    let differing = made.lines().zip(committed.lines()).position(|(made, committed)| made != committed);
    let line = differing.unwrap_or_else(|| made.lines().count().min(committed.lines().count()));
    assert!(
        committed == made,
        "{path}:{} should read: {}\nrun `UPDATE=1 cargo test --lib config` and look at the difference",
        line + 1,
        made.lines().nth(line).unwrap_or_default(),
    );
}

fn changed(text: &str, was: &str, is: &str) -> String {
    let plain = |part: &str| part.replace("\\n", "\n").replace("\\t", "\t");
    assert!(text.contains(&plain(was)), "{was} is not in the pipeline");
    text.replacen(&plain(was), &plain(is), 1)
}

#[test]
fn each_mistake_alone_is_one_problem() {
    let mut actual = String::new();
    for case in MISTAKES.split("\n\n").filter(|case| !case.trim().is_empty()) {
        let mut lines = case.trim_start_matches('\n').lines();
        let was = lines.next().and_then(|line| line.strip_prefix("- ")).expect(case);
        let is = lines.next().and_then(|line| line.strip_prefix('+')).map(str::trim_start).expect(case);
        let text = changed(GOOD, was, is);
        let said = match parse(&text, "a.yml") {
            Ok(_) => "nothing".to_owned(),
            Err(problems) => {
                assert_eq!(problems.list().len(), 1, "{problems}");
                problems.to_string()
            }
        };
        actual += &format!("- {was}\n+ {is}\n{said}\n\n").replace("+ \n", "+\n");
    }
    is_as_committed("src/config/testdata/mistakes.txt", &actual);
}

/// Conditions are told apart by what they look at and not by what they are called.
#[test]
fn conditions_that_are_worded_alike_are_several() {
    let path = "{ path: /healthz, within: 2s, every: 10s, failures: 3 }";
    let metric = |of: &str| format!("{{ metric: {{ {of}, name: Depth, statistic: Sum }}, is: '< 5' }}");
    let of = |name: &str| metric(&format!("namespace: A, dimensions: {{ {name}: a }}"));
    for (one, other, key) in [
        (path.to_owned(), "{ path: /healthz, headers: { X-Tenant: { value: a } } }".to_owned(), "http"),
        (metric("namespace: A"), metric("namespace: B"), "metrics"),
        (of("Queue"), of("Topic"), "metrics"),
    ] {
        let text = changed(GOOD, &format!("http: [{path}]"), &format!("{key}: [{one}, {other}]"));
        assert!(parse(&text, "a.yml").is_ok(), "{one} {other}: {}", parse(&text, "a.yml").unwrap_err());
        let text = changed(GOOD, &format!("http: [{path}]"), &format!("{key}: [{one}, {one}]"));
        assert!(parse(&text, "a.yml").unwrap_err().to_string().contains("stands here twice"), "{one}");
    }
}

#[test]
fn many_mistakes_are_as_many_problems() {
    let changes = [
        ("version: 1", "version: 2"),
        ("pipeline: storefront", "pipeline: Store"),
        ("bucket: acme-shipit", "bucket: A"),
        ("path: examples/storefront", "path: 5"),
        ("account: \"111122223333\"", "account: 111122223333"),
        ("region: ap-northeast-2", "region: seoul"),
        ("deployment_group: storefront-web", "deployment_group: \"\""),
        ("group_is_replaced: true", "group_is_replaced: yes"),
        ("promote: automatic", "promote: auto"),
        ("keep_blue: 0m", "keep_blue: 0"),
        ("targets: {}", "targets: { helthy: 90% }"),
        ("failures: 3", "failures: 0"),
        ("bake: 5m", "bake:\n      bake_for: 5m"),
    ];
    let text = changes.iter().fold(GOOD.to_owned(), |text, (was, is)| changed(&text, was, is));
    let problems = parse(&text, "a.yml").unwrap_err();
    assert_eq!(problems.list().len(), changes.len() + 1, "{problems}");
    let places: Vec<_> = problems.list().iter().map(|problem| problem.span.unwrap().start).collect();
    assert!(places.is_sorted());
    let shown = problems.to_string();
    assert_eq!(shown.matches("error: a.yml:").count(), changes.len());
    let failure = Failure::from(problems);
    assert_eq!((failure.kind.exit_code(), failure.message), (2, shown));
}

#[test]
fn what_does_not_fit_together_is_said_at_once() {
    let changes = [
        ("bucket: acme-shipit", "bucket: 10.0.0.1, prefix: /"),
        ("account: \"111122223333\"", "account: \"999922223333\""),
        ("artifact: web", "artifact: shop"),
        ("promote: automatic", "within: 47h"),
        ("[storefront-5xx]", "[a, a, a]"),
        ("failures: 3 }]", "failures: 3 }, { path: /healthz }, { path: /b, within: 10s }]"),
        ("bake: 5m", "bake: 0m"),
    ];
    let text = changes.iter().fold(GOOD.to_owned(), |text, (was, is)| changed(&text, was, is));
    assert_eq!(parse(&text, "a.yml").unwrap_err().list().len(), 10);
}

/// What would never be judged or done is no silent wish.
#[test]
fn keys_of_the_other_kind_are_said() {
    let places = |text: &str| {
        let problems = parse(text, "a.yml").unwrap_err();
        let told = problems.list().iter().map(|it| {
            let span = it.span.unwrap();
            (text[span.start..span.end].to_owned(), it.message.clone())
        });
        told.collect::<Vec<_>>()
    };
    let fleet = "fleet: { application: storefront, deployment_group: storefront-web }";
    let text = changed(GOOD, fleet, "function: { name: shop, alias: live }");
    let text = changed(&text, "{ blue_green: { promote: automatic, keep_blue: 0m } }", "{ all_at_once: {} }");
    let of = |marked: &[&str], kind: &str| -> Vec<(String, String)> {
        marked.iter().map(|it| ((*it).to_owned(), format!("this key is for {kind}"))).collect()
    };
    assert_eq!(places(&text), of(&["true", "targets", "http"], "fleets"));
    let text =
        changed(GOOD, "    artifact: web\n", "    artifact: web\n    keep_versions: 3\n    restore_latest: true\n");
    assert_eq!(places(&text), of(&["3", "true"], "functions"));
}

#[test]
fn what_aws_has_is_taken() {
    for region in
        ["eusc-de-east-1", "us-gov-west-1", "us-isob-east-1", "cn-north-1", "ap-southeast-7", "xx-new-far-east-12"]
    {
        let text = changed(GOOD, "region: ap-northeast-2", &format!("region: {region}"));
        assert!(parse(&text, "a.yml").is_ok(), "{region}");
    }
    let metric = |words: &str| {
        changed(GOOD, "failures: 3 }]", &format!("failures: 3 }}]\\n      metrics: [{{ {words}, is: \"< 5\" }}]"))
    };
    let statistics =
        ["p99.9", "p100", "tm90", "tc95.5", "ts5", "wm98", "IQM", "TM(2%:98%)", "TM(150:)", "PR(:300)", "PR(100:2000)"];
    for statistic in statistics {
        let text = metric(&format!("metric: {{ namespace: A, name: b, statistic: \"{statistic}\" }}"));
        assert!(parse(&text, "a.yml").is_ok(), "{statistic}: {:?}", parse(&text, "a.yml").err());
    }
    for statistic in ["p101", "PR(1%:2%)", "TM(:)", "iqm", "Median"] {
        let text = metric(&format!("metric: {{ namespace: A, name: b, statistic: \"{statistic}\" }}"));
        assert!(parse(&text, "a.yml").is_err(), "{statistic}");
    }
    let of = "of: { a: { namespace: A, name: b, statistic: Sum }, b: { namespace: A, name: c, statistic: Sum } }";
    let problems = parse(&metric(&format!("expression: {{ math: a % b, {of} }}")), "a.yml").unwrap_err();
    assert_eq!(problems.list()[0].message, "CloudWatch has no operator `%` in math");
}

#[test]
fn a_choice_without_keys_needs_no_value() {
    let fleet = "fleet: { application: storefront, deployment_group: storefront-web }";
    let text = changed(GOOD, fleet, "function: { name: shop, alias: live }");
    let text = changed(&text, "{ blue_green: { promote: automatic, keep_blue: 0m } }", "{ all_at_once: }");
    let problems = parse(&text, "a.yml").unwrap_err();
    let messages: Vec<&str> = problems.list().iter().map(|problem| problem.message.as_str()).collect();
    assert!(messages.iter().all(|message| *message == "this key is for fleets"), "{messages:?}");
}

fn shape_of(schema: &serde_json::Value, text: &str) -> Vec<Problem> {
    let mut node = crate::yaml::parse(text, "a.yml").unwrap();
    let facts = Facts::default();
    let variables = variables::Variables { vars: Default::default(), facts: &facts, need: Need::Nothing };
    let mut walk = shape::Walk::new(schema, text, &variables);
    walk.pipeline(&mut node);
    walk.problems
}

#[test]
fn a_choice_has_one_key() {
    #[derive(schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Choice {
        Plain,
        One(bool),
        Two(bool),
    }
    let schema = schemars::schema_for!(Choice).to_value();
    for (text, expected) in [
        ("{one: true, two: true}", "the pipeline is already `one`"),
        ("{one: true, three: true}", "unknown key `three`"),
        ("{one: 1}", "`one` must be true or false, not `1`"),
        ("{}", "the pipeline is empty"),
        ("plane", "the pipeline cannot be `plane`"),
        ("two", "`two` has settings"),
        ("[one]", "the pipeline must be one of `plain`, `one`, `two`, not a list"),
    ] {
        let messages: Vec<_> = shape_of(&schema, text).into_iter().map(|problem| problem.message).collect();
        assert_eq!(messages, [expected], "{text}");
    }
    assert!(shape_of(&schema, "plain").is_empty());
}

#[test]
fn every_schema_pattern_and_reference_is_understood() {
    fn walk(value: &serde_json::Value) {
        if let Some(pattern) = value["pattern"].as_str() {
            regex_lite::Regex::new(pattern).unwrap();
        }
        if let Some(path) = value["$ref"].as_str() {
            assert!(schema::shared().pointer(&path[1..]).is_some(), "{path}");
        }
        let known =
            ["type", "properties", "required", "additionalProperties", "patternProperties", "items", "oneOf", "$ref"];
        let limits = [
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "pattern",
            "format",
            "minProperties",
            "minItems",
            "maxItems",
            "maxProperties",
        ];
        let words = [
            "title",
            "description",
            "default",
            "const",
            "$defs",
            "$schema",
            "examples",
            "x-variables",
            "x-instead-of",
            "x-left-out",
            "x-short",
            "x-one",
            "x-is-missed",
            "x-choice",
        ];
        let is_schema = value.get("description").is_some() || value.get("type").is_some_and(|kind| kind.is_string());
        for keyword in value.as_object().filter(|_| is_schema).into_iter().flat_map(|object| object.keys()) {
            let is_known = known.iter().chain(&limits).chain(&words).any(|known| known == keyword);
            assert!(is_known, "{keyword} in {value} is not walked");
        }
        value.as_object().into_iter().flat_map(|object| object.values()).for_each(walk);
        value.as_array().into_iter().flatten().for_each(walk);
    }
    let schema = schema::shared();
    assert_eq!(schema["title"], "shipit pipeline");
    walk(schema);
}

#[test]
fn long_lists_and_values_are_not_echoed_whole() {
    let alarms: Vec<String> = (0..101).map(|number| format!("alarm-{number}")).collect();
    let text = changed(GOOD, "storefront-5xx", &alarms.join(", "));
    let shown = parse(&text, "a.yml").unwrap_err().to_string();
    assert!(shown.starts_with("a.yml:16:7: `alarms` has 101 items, at most 100 are possible\n"), "{shown}");
    let long = "x".repeat(500_000);
    for was in
        ["storefront\n", "acme-shipit", "ap-northeast-2", "automatic", "0m", "5m", "2s", "bake", "web:", "health", "{}"]
    {
        let shown = parse(&changed(GOOD, was, &long), &long).unwrap_err().to_string();
        assert!(shown.len() < 4000, "{was}: {} bytes", shown.len());
    }
}

#[test]
fn files_that_are_no_pipeline() {
    let folder = std::env::temp_dir().join(format!("shipit-test-{}-load", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let fifo = folder.join("fifo");
    let _ = std::fs::remove_file(&fifo);
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    std::fs::File::create(folder.join("huge")).unwrap().set_len(100 << 20).unwrap();
    std::fs::write(folder.join("latin"), b"a: 1\nb: \xff\n").unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
    std::fs::write(folder.join("good"), GOOD).unwrap();
    for (name, expected) in [
        ("", "a directory, not a pipeline"),
        ("fifo", "not a regular file"),
        ("huge", "larger than 1 MiB, too large for a pipeline"),
        ("latin", "not UTF-8 on line 2"),
        ("empty", "empty"),
        ("none", "cannot be read: entity not found"),
        ("empty/x", "cannot be read: not a directory"),
    ] {
        let problems = File::load(&folder.join(name), "a.yml").unwrap_err();
        assert_eq!(problems.list()[0].message, expected);
    }
    let file = File::load(&folder.join("good"), "a.yml").unwrap();
    let pipeline = file.pipeline("production", &Facts::default(), Need::All).unwrap();
    assert_eq!(pipeline, parse(GOOD, "a.yml").unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_pipeline_survives_being_written_and_read() {
    let pipeline = parse(GOOD, "a.yml").unwrap();
    let written = serde_json::to_string(&pipeline).unwrap().replace("\"role\":null,", "");
    assert_eq!(parse(&written, "a.json").unwrap(), pipeline);
}

proptest::proptest! {
    /// Whatever somebody does to a pipeline, it is read or its problems are shown.
    #[test]
    fn a_mangled_pipeline_never_panics(at in 0..GOOD.len(), length in 0..40usize, by in "[a-z0-9:{}\\[\\]\"'~&*<|>%, \n-]{0,12}|\\PC{0,4}") {
        let mut text = GOOD.to_owned();
        text.replace_range(at..(at + length).min(GOOD.len()), &by);
        if let Err(problems) = parse(&text, "a.yml") {
            proptest::prop_assert!(!problems.to_string().is_empty());
        }
    }
}
