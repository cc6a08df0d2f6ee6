//! The walls of the project: which folder may use which, how long things may be, and what must not be found anywhere.
//!
//! A rule is a function from a file to its findings; each has violations planted below that it must report. A new edge
//! between folders, or a new exception, is a reviewed line in one of the tables here.

#[path = "tidy/plants.rs"]
mod plants;
#[path = "tidy/scan.rs"]
mod scan;

use std::fs;
use std::path::Path;

use scan::{Finding, Source, definitions, find_word, item_end, newlines, overlay, uses, words};

/// Which top-level modules each one may use. `ANY` may use everything but `cli`.
const EDGES: &[(&str, &[&str])] = &[
    ("lib", ANY),
    ("main", EVERYTHING),
    ("clock", &[]),
    ("error", &[]),
    ("yaml", &["error"]),
    ("model", &["error"]),
    ("config", &["model", "error", "yaml"]),
    ("artifact", &["model", "error", "yaml"]),
    ("plan", &["model"]),
    ("event", &["plan", "model"]),
    ("run", &["event", "plan", "model"]),
    ("release", &["run", "event", "plan", "model"]),
    ("exchange", &[]),
    ("aws", &["exchange", "model", "error", "clock"]),
    // `run`, because a run that is read is its records and their fold, and nobody is to read one otherwise.
    ("store", &["run", "aws", "event", "plan", "artifact", "model", "clock", "error"]),
    ("probe", &["exchange", "model", "clock", "error"]),
    ("engine", &["release", "run", "event", "plan", "store", "aws", "probe", "model", "clock", "error"]),
    ("report", &["release", "run", "event", "plan", "model", "error"]),
    ("sandbox", &["clock"]),
    ("rehearsal", ANY),
    ("cli", EVERYTHING),
];
const ANY: &[&str] = &["*"];
const EVERYTHING: &[&str] = &["*", "cli"];
/// Members of the workspace, which are named without `crate`.
const MEMBERS: &[&str] = &["clock", "sandbox"];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const TEST_FILES: &[&str] = &["tidy", "cli", "scenario", "wire", "rehearsal"];
const EMPTY_NAMES: &[&str] = &["manager", "helper", "util", "handler"];
const PURE: Place = Place::In(&["model", "plan", "run", "release"]);

/// Words that must not be found.
struct Ban {
    words: &'static [&'static str],
    place: Place,
    layer: Layer,
    instead: &'static str,
}

enum Place {
    Anywhere,
    In(&'static [&'static str]),
    Outside(&'static [&'static str]),
}

/// Which part of a file is looked at, see [`Source`].
enum Layer {
    Code,
    Shipped,
    ShippedAndTexts,
    Comments,
}

const BANS: &[Ban] = &[
    Ban {
        words: &["todo!", "unimplemented!", "#[ignore", "allow(dead_code"],
        place: Place::Anywhere,
        layer: Layer::Code,
        instead: "finish it or delete it",
    },
    Ban {
        words: &["TODO", "FIXME", "XXX"],
        place: Place::Anywhere,
        layer: Layer::Comments,
        instead: "do it now, or describe it in an issue",
    },
    Ban {
        words: &["println!", "eprintln!", "print!", "eprint!", "dbg!", "stdout()", "stderr()"],
        // What a supervisor writes to stdout is read by the process that started it, not by a person.
        place: Place::Outside(&["report", "cli", "sandbox/hosts/supervisor"]),
        layer: Layer::Shipped,
        instead: "return what is to be said; only `report` and `cli` print",
    },
    Ban {
        words: &["aws_sdk_*"],
        place: Place::Outside(&["aws", "store", "rehearsal/provision"]),
        layer: Layer::Shipped,
        instead: "ask `aws` or `store`, which hold the clients",
    },
    Ban {
        words: &[".await", "async", "tokio", "SystemTime", "Instant", "::now()", "wall_now"],
        place: PURE,
        layer: Layer::Code,
        instead: "take the time as an argument and leave waiting to `engine`",
    },
    Ban {
        words: &["HashMap", "HashSet"],
        place: PURE,
        layer: Layer::Code,
        instead: "use BTreeMap or BTreeSet: equal input gives equal bytes",
    },
    Ban {
        words: &[".await", "async"],
        place: Place::In(&["config"]),
        layer: Layer::Code,
        instead: "let `cli` fetch it",
    },
    Ban {
        words: &["serde_yaml"],
        place: Place::Outside(&["yaml", "sandbox"]),
        layer: Layer::Shipped,
        instead: "read YAML through `yaml`; runs are resumed from the stored plan",
    },
    Ban {
        words: &["dry_run", "dry-run", "DryRun"],
        // Two operations of Lambda have an input of that name.
        place: Place::Outside(&["cli", "main", "sandbox/lambda"]),
        layer: Layer::ShippedAndTexts,
        instead: "make the plan and show it; nothing below `cli` knows why it was asked for",
    },
    Ban {
        words: &["sandbox*", "Sandbox*"],
        place: Place::Outside(&["sandbox", "rehearsal", "cli", "lib"]),
        layer: Layer::ShippedAndTexts,
        instead: "let `cli` or `rehearsal` hand in what differs (endpoint, connector, clock)",
    },
];

type Rule = fn(&Source) -> Vec<Finding>;

const RULES: &[(&str, Rule)] = &[
    ("edges", edges),
    ("bans", bans),
    ("pure modules read nothing", pure_modules_read_nothing),
    ("matches name every variant", matches_name_every_variant),
    ("file length", file_length),
    ("function length", function_length),
    ("empty names", empty_names),
    ("test files", test_files),
];

fn edges(source: &Source) -> Vec<Finding> {
    let (Some(module), Some(place)) = (source.module(), source.place()) else { return Vec::new() };
    if source.is_of_member() {
        return Vec::new();
    }
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == module) else {
        return vec![source.finding(0, format!("`{module}` has no line in EDGES; say there what it may use"))];
    };
    let root = vec!["super"; place.split('/').count()].join("::");
    let mut used = uses(&source.shipped, "crate");
    used.extend(uses(&source.shipped, "shipit"));
    used.extend(uses(&source.shipped, &root));
    for member in MEMBERS {
        used.extend(extern_uses(&source.shipped, member).into_iter().map(|at| (at, (*member).to_owned())));
    }
    let mut findings = Vec::new();
    for (at, name) in &used {
        let (at, name) = (*at, name.as_str());
        let is_known = EDGES.iter().any(|(known, _)| *known == name);
        if !is_known {
            findings
                .push(source.finding(at, format!("`{name}` is not a module of EDGES; name the module it lives in")));
        } else if name != module && !allowed.contains(&name) && (name == "cli" || !allowed.contains(&"*")) {
            let what = format!("`{module}` must not use `{name}`; move what both need down, or hand it in from above");
            findings.push(source.finding(at, what));
        }
    }
    findings
}

fn bans(source: &Source) -> Vec<Finding> {
    let shipped_and_texts = overlay(&source.shipped, &source.shipped_texts);
    let mut findings = Vec::new();
    for ban in BANS {
        let is_banned_here = match (&ban.place, source.place()) {
            (Place::Anywhere, _) => true,
            (Place::In(places), Some(place)) => places.iter().any(|wall| is_within(&place, wall)),
            (Place::Outside(places), Some(place)) => !places.iter().any(|wall| is_within(&place, wall)),
            (_, None) => false,
        };
        let layer = match ban.layer {
            Layer::Code => &source.code,
            Layer::Shipped => &source.shipped,
            Layer::ShippedAndTexts => &shipped_and_texts,
            Layer::Comments => &source.comments,
        };
        for word in ban.words.iter().filter(|_| is_banned_here) {
            let say = |at| source.finding(at, format!("`{word}` has no place here; {}", ban.instead));
            findings.extend(find_word(layer, word).into_iter().map(say));
        }
    }
    findings
}

fn pure_modules_read_nothing(source: &Source) -> Vec<Finding> {
    let Place::In(pure) = PURE else { return Vec::new() };
    let is_pure = source.module().is_some_and(|module| pure.contains(&module.as_str()));
    let outside = |(_, name): &(usize, String)| is_pure && ["env", "fs", "net", "process"].contains(&name.as_str());
    let say = |(at, name)| {
        source.finding(at, format!("a pure module must not use `std::{name}`; take what it reads as an argument"))
    };
    uses(&source.code, "std").into_iter().filter(outside).map(say).collect()
}

fn matches_name_every_variant(source: &Source) -> Vec<Finding> {
    let attribute = "#![deny(clippy::wildcard_enum_match_arm)]";
    let is_root = ["src/plan/mod.rs", "src/run/mod.rs", "src/release/mod.rs", "src/engine/mod.rs", "src/report/mod.rs"]
        .contains(&&*source.path);
    if !is_root || source.code.contains(attribute) {
        return Vec::new();
    }
    vec![source.finding(0, format!("`{attribute}` is missing; a new variant must show every place that decides by it"))]
}

fn file_length(source: &Source) -> Vec<Finding> {
    let lines = newlines(&source.code);
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![source.finding(0, format!("{lines} lines, more than {FILE_LINES_MAX}; split it by topic"))]
}

fn function_length(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, name) in definitions(&source.code, &["fn"]) {
        let lines = 1 + newlines(&source.code[at..item_end(&source.code, at)]);
        if lines > FUNCTION_LINES_MAX {
            let what = format!("`{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}; give its parts names");
            findings.push(source.finding(at, what));
        }
    }
    findings
}

fn empty_names(source: &Source) -> Vec<Finding> {
    let kinds = ["struct", "enum", "union", "trait", "type", "fn", "mod", "const", "static"];
    let mut named = definitions(&source.code, &kinds);
    named.extend(source.path.split(['/', '.']).map(|part| (0, part.to_owned())));
    let is_empty = |name: &str| words(name).iter().any(|word| EMPTY_NAMES.contains(&word.trim_end_matches('s')));
    named.retain(|(_, name)| is_empty(name));
    let say = |(at, name)| source.finding(at, format!("`{name}` says nothing; name what it is or does"));
    named.into_iter().map(say).collect()
}

fn test_files(source: &Source) -> Vec<Finding> {
    let Some(rest) = source.path.strip_prefix("tests/") else { return Vec::new() };
    let name = rest.split(['/', '.']).next().unwrap_or(rest);
    if TEST_FILES.contains(&name) {
        return Vec::new();
    }
    let what = format!("`{name}` would be one more binary to link; put it into one of {}", TEST_FILES.join(", "));
    vec![source.finding(0, what)]
}

/// Where another package is named: `use name::…`, `name::…`, `::name::…`, but not `other::name::…`.
fn extern_uses(code: &str, name: &str) -> Vec<usize> {
    let is_first = |at: &usize| {
        let before = &code[..*at];
        code[*at + name.len()..].starts_with("::")
            && before
                .strip_suffix("::")
                .is_none_or(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    find_word(code, name).into_iter().filter(is_first).collect()
}

fn is_within(place: &str, wall: &str) -> bool {
    place.strip_prefix(wall).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn findings_in(source: &Source) -> Vec<Finding> {
    RULES.iter().flat_map(|(_, rule)| rule(source)).collect()
}

fn rust_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("its entries too").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn the_tree_is_tidy() {
    let mut findings = Vec::new();
    for path in ["src", "tests", "crates"].into_iter().flat_map(|folder| rust_files(Path::new(folder))) {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        findings.extend(findings_in(&Source::new(&path, &text)).iter().map(ToString::to_string));
    }
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}
