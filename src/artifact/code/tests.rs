use std::collections::BTreeSet;

use super::super::files::Machine;
use super::*;

const ELF: &str = "\u{7f}ELF";

/// A tree by short lines: `path!` may be run, `path?` nobody but its owner may read, `path @ machine` is machine code,
/// `path = text` has a content.
fn tree(lines: &[&str]) -> (Tree, BTreeMap<String, String>) {
    let (mut tree, mut texts) = (Tree::new(), BTreeMap::new());
    for line in lines {
        let (line, text) = line.split_once(" = ").unwrap_or((line, ""));
        let (line, machine) = line.split_once(" @ ").map_or((line, None), |(line, machine)| (line, Some(machine)));
        let name = line.trim_end_matches(['!', '?']);
        let machine = machine.map(|machine| match machine {
            "x86" => Machine::X86,
            "arm" => Machine::Arm,
            "mac" => Machine::MacOs,
            "windows" => Machine::Windows,
            _ => Machine::Other,
        });
        let mode = if line.ends_with('!') {
            0o755
        } else if line.ends_with('?') {
            0o600
        } else {
            0o644
        };
        let is_script = text.starts_with("#!");
        let size = text.len() as u64;
        tree.insert(name.to_owned(), Kept { kind: Kind::File, mode: Some(mode), is_script, machine, size });
        texts.insert(name.to_owned(), text.replace("\\n", "\n"));
    }
    (tree, texts)
}

/// What is said of a tree for a function: `error` or `warning`, and the rule's id.
fn said(runtime: &str, handler: &str, lines: &[&str]) -> String {
    let (tree, texts) = tree(lines);
    let (runtime, layer) = runtime.split_once(" + ").unwrap_or((runtime, ""));
    let (runtime, architecture) = runtime.split_once(' ').unwrap_or((runtime, "x86_64"));
    let facts = Facts {
        runtime: runtime.to_owned(),
        handler: handler.to_owned(),
        architecture: architecture.to_owned(),
        has_layers: !layer.is_empty(),
    };
    let read = |path: &str| texts.get(path).map(|text| text.as_bytes().to_vec());
    let found = alone(&tree).into_iter().chain(judge(&tree, &read, &facts));
    let line = |finding: Finding| {
        let id = finding.message.rsplit('[').next().unwrap_or("").trim_end_matches(']').replace("function/", "");
        format!("{} {id}", if finding.is_error { "error" } else { "warning" })
    };
    found.map(line).collect::<Vec<_>>().join(", ")
}

type Case<'a> = (&'a str, &'a str, &'a [&'a str], &'a str);

/// For every rule one that fires, and one near it that is innocent.
const CASES: &[Case<'_>] = &[
    ("python3.13", "app.main", &["app.py = def main(event, context): pass"], ""),
    ("python3.13", "app.main", &["src/app.py = def main(): pass"], "error handler-file"),
    ("python3.13 + layer", "app.main", &["x.py"], "warning handler-file"),
    ("python3.13", "pkg/app.main", &["pkg/app.py = main = x"], ""),
    ("python3.13", "pkg.app.main", &["pkg/app/__init__.py = from .x import main"], ""),
    ("python3.13", "app.main", &["app.cpython-313-x86_64-linux-gnu.so @ x86"], ""),
    ("python3.13", "app.main", &["app.py = def handler(): pass"], "error handler-name"),
    ("python3.13", "app.main", &["app.py = from x import *"], ""),
    ("python3.13", "app", &["app.py"], "error handler"),
    ("python3.13", "app.main", &["app.py? = def main(): pass"], "error mode"),
    ("nodejs22.x", "index.handler", &["index.js = exports.handler = async () => 1"], ""),
    ("nodejs22.x", "index.handler", &["index.mjs = export const handler = async () => 1"], ""),
    ("nodejs22.x", "index.handler", &["dist/index.js = exports.handler = 1"], "error handler-file"),
    ("nodejs22.x", "dist/index.handler", &["dist/index.js = exports.handler = 1"], ""),
    ("nodejs22.x", "app.api.handler", &["app/index.js = module.exports = require('./api')"], ""),
    ("nodejs22.x", "index.handler", &["index.js = exports.main = 1"], "error handler-name"),
    ("nodejs22.x", "index.handler", &["index.js = module.exports = require('./x')"], ""),
    ("nodejs22.x", "index.handler", &["index.js = exports.handler = (e, c, callback) => callback()"], ""),
    ("nodejs24.x", "index.handler", &["index.js = exports.handler = (e, c, callback) => callback()"], "error callback"),
    (
        "nodejs26.x",
        "index.handler",
        &["index.mjs = export const handler = async function (e, c, cb) {}"],
        "error callback",
    ),
    ("nodejs24.x", "index.handler", &["index.mjs = export async function handler(e, c, cb) {}"], "error callback"),
    (
        "nodejs24.x",
        "index.handler",
        &["index.js = function handler(e, {a, b}, cb) {}\\nmodule.exports = {handler}"],
        "error callback",
    ),
    ("nodejs24.x", "index.handler", &["index.js = exports.handler=(e,t,n)=>n(null)"], "error callback"),
    ("nodejs24.x", "index.handler", &["index.js = exports.handler = async (event, {a, b}) => 1"], ""),
    ("nodejs24.x", "index.handler", &["index.js = exports.handler = (e, c, cb = null) => 1"], ""),
    ("nodejs24.x", "index.handler", &["index.js = exports.handler = (e, ...rest) => 1"], ""),
    (
        "nodejs24.x",
        "index.handler",
        &["index.js = // exports.handler = (a, b, c) => 1\\nexports.handler = wrap((a, b, c) => 1)"],
        "",
    ),
    (
        "nodejs24.x",
        "index.handler",
        &["index.js = x = {handler: (a, b, c) => 1}\\nexports.handler = async () => 1"],
        "",
    ),
    ("ruby3.4", "function.call", &["function.rb = def call(event:, context:) end"], ""),
    ("ruby3.4", "function.App.call", &["function.rb = class App; def self.call; end; end"], ""),
    ("ruby3.4", "function.call", &["lib/function.rb"], "error handler-file"),
    ("ruby3.4", "function.call", &["function.rb = def run; end"], "error handler-name"),
    ("java21", "com.shop.App::run", &["com/shop/App.class"], ""),
    ("java21", "com.shop.App", &["com/shop/Other.class"], "error handler-file"),
    ("java21", "com.shop.App::run", &["classes/com/shop/App.class"], "error handler-file"),
    ("dotnet8", "Shop::Shop.App::Run", &["Shop.dll @ windows"], ""),
    ("dotnet8", "Shop::Shop.App::Run", &["publish/Shop.dll"], "error handler-file"),
    ("provided.al2023", "x", &["bootstrap! @ x86"], ""),
    ("provided.al2023", "x", &["bootstrap! = #!/bin/sh"], ""),
    ("provided.al2023", "x", &["main! @ x86"], "error handler-file"),
    ("provided.al2023", "x", &["bootstrap @ x86"], "error bootstrap"),
    ("provided.al2023", "x", &["bootstrap! = echo"], "error bootstrap"),
    ("provided.al2023", "x", &["bootstrap! @ arm"], "error architecture"),
    ("provided.al2023 arm64", "x", &["bootstrap! @ arm"], ""),
    ("provided.al2023", "x", &["bootstrap! @ mac"], "error architecture"),
    ("go1.x", "main", &["main! @ x86"], ""),
    ("", "", &["x"], ""),
    ("cobol1", "x", &["x"], "warning runtime"),
    ("python3.13", "a.b", &["a.py = b", "numpy/core/_m.so @ mac"], "warning platform"),
    ("python3.13", "a.b", &["a.py = b", "numpy/core/_m.pyd @ windows"], "warning platform"),
    ("python3.13", "a.b", &["a.py = b", "numpy/_m.so @ mac", "numpy/_m2.so @ x86"], ""),
    ("python3.13", "a.b", &["a.py = b", "numpy/_m.so @ arm"], "warning architecture"),
    ("python3.13 arm64", "a.b", &["a.py = b", "numpy/_m.so @ arm"], ""),
    (
        "nodejs22.x",
        "a.b",
        &["a.js = exports.b = 1", "node_modules/x/prebuilds/darwin/x.node @ mac"],
        "warning platform",
    ),
    (
        "nodejs22.x",
        "a.b",
        &[
            "a.js = exports.b = 1",
            "node_modules/x/prebuilds/darwin/x.node @ mac",
            "node_modules/x/prebuilds/linux/x.node @ x86",
            "node_modules/x/prebuilds/linux-arm64/x.node @ arm",
        ],
        "",
    ),
];

#[test]
fn every_rule_fires_and_lets_its_neighbours_pass() {
    let mut ids = BTreeSet::from(["size"]);
    for (runtime, handler, lines, expected) in CASES {
        assert_eq!(said(runtime, handler, lines), *expected, "{runtime} {handler} {lines:?}");
        ids.extend(expected.split(' ').nth(1));
    }
    let sources =
        [include_str!("mod.rs"), include_str!("call.rs"), include_str!("native.rs"), include_str!("callback.rs")];
    let known = sources.iter().flat_map(|source| source.split("\"function/").skip(1));
    let known: BTreeSet<&str> = known.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(known, ids);
}

#[test]
fn what_is_found_a_folder_too_deep_is_said_to_lie_there() {
    let (tree, _) = tree(&["shop/dist/index.js"]);
    let facts = Facts { runtime: "nodejs22.x".to_owned(), handler: "index.handler".to_owned(), ..Facts::default() };
    let found = judge(&tree, &|_| None, &facts);
    insta::assert_snapshot!(format!("{}\n{}", found[0].message, found[0].help), @r"
    the handler index.handler needs `index.js`, which is not in the bundle [function/handler-file]
    it lies at `shop/dist/index.js`: ship `shop/dist` itself, or set the handler to match
    ");
}

#[test]
fn a_function_is_packed_alike_whatever_the_umask_was() {
    use std::os::unix::fs::PermissionsExt;
    let packed = |name: &str, modes: [u32; 3]| {
        let root = std::env::temp_dir().join(format!("shipit-modes-{}-{name}", std::process::id()));
        std::fs::create_dir_all(root.join("lib")).unwrap();
        for (path, mode) in [("index.py", modes[0]), ("bootstrap", modes[1]), ("lib", modes[2])] {
            if path != "lib" {
                std::fs::write(root.join(path), "#!/bin/sh\n").unwrap();
            }
            std::fs::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let bundle = super::super::bundle::code(super::super::Recipe::whole(&root, &[])).unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        bundle.sha256
    };
    let usual = packed("usual", [0o644, 0o755, 0o755]);
    assert_eq!(packed("private", [0o600, 0o700, 0o700]), usual);
    assert_eq!(packed("group", [0o664, 0o775, 0o775]), usual);
    assert_ne!(packed("off", [0o644, 0o644, 0o755]), usual);
}

#[test]
fn sizes_are_the_services() {
    let (mut tree, _) = tree(&["a/x", "b/y"]);
    let mut size = |path: &str, size| tree.get_mut(path).unwrap().size = size;
    size("a/x", MOST_UNPACKED - 5);
    size("b/y", 5);
    assert_eq!(alone(&tree), []);
    tree.get_mut("b/y").unwrap().size = 6;
    let found = alone(&tree);
    assert!(found[0].is_error && found[0].help.contains("a has 249 MiB"), "{found:?}");
}

#[test]
fn machine_code_is_known_by_its_first_bytes() {
    let elf = |machine: u8| [ELF.as_bytes(), &[2, 1, 1, 0], &[0; 10], &[machine, 0]].concat();
    for (bytes, expected) in [
        (elf(0x3e), Some(Machine::X86)),
        (elf(0xb7), Some(Machine::Arm)),
        (elf(0x28), Some(Machine::Other)),
        (vec![0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1], Some(Machine::MacOs)),
        (vec![0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2], Some(Machine::MacOs)),
        (vec![0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 0x41], None),
        (b"MZ\x90\0".to_vec(), Some(Machine::Windows)),
        (b"#!/bin/sh".to_vec(), None),
        (b"".to_vec(), None),
    ] {
        assert_eq!(Machine::of(&bytes), expected, "{bytes:?}");
    }
}

proptest::proptest! {
    #[test]
    fn random_code_never_panics(text in "(exports\\.|handler|=|async |function|\\(|\\)|,|=>|\\{|\\}|'|\"|`|/\\*|//|\\*/|\n|ü|\\\\|\\.\\.\\.| ){0,40}") {
        let read = |_: &str| Some(text.clone().into_bytes());
        callback::deprecated("index.js", "handler", &read, "nodejs24.x");
        let (tree, _) = tree(&["index.js"]);
        for runtime in ["nodejs24.x", "python3.13", "ruby3.4", "java21", "dotnet8"] {
            let facts = Facts { runtime: runtime.to_owned(), handler: text.clone(), ..Facts::default() };
            judge(&tree, &read, &facts);
        }
    }
}
