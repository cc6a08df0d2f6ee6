use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::bundle::{from_dir, from_path, of};
use super::entry::{check_link, check_name};
use super::spool::{Spool, Spooled};
use super::tree::Choice;
use super::*;

mod zips;

/// A directory that is removed at the end of a test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("shipit-test-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn zip(&self, name: &str, entries: &[(&str, &str)]) -> PathBuf {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            match name.strip_suffix('@') {
                Some(link) => zip.add_symlink(link, content, SimpleFileOptions::default()).unwrap(),
                None => {
                    zip.start_file(name, SimpleFileOptions::default()).unwrap();
                    zip.write_all(content.as_bytes()).unwrap();
                }
            }
        }
        let path = self.0.join(name);
        fs::write(&path, zip.finish().unwrap().into_inner()).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A small tree, its files made in the given order, aged differently.
fn small_tree(name: &str, backwards: bool) -> Scratch {
    let scratch = Scratch::new(name);
    let mut files = vec![
        ("appspec.yml", "version: 0.0\nos: linux\n", 0o644),
        ("bin/start.sh", "#!/bin/sh\nexec ./shop\n", 0o755),
        (".hidden", "kept", 0o600),
        (".git/HEAD", "left out", 0o644),
        (".gitignore", "*.log\n!keep.log\n", 0o644),
        ("a.log", "ignored", 0o644),
        ("web/keep.log", "kept by a rule", 0o644),
        ("web/.ignore", "secret\n", 0o644),
        ("web/secret/key", "ignored by a rule below", 0o644),
        ("web/ü.html", "<p>ü</p>", 0o644),
    ];
    if backwards {
        files.reverse();
    }
    for (index, (name, content, mode)) in files.into_iter().enumerate() {
        let path = scratch.file(name, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let age = Duration::from_secs(1000 * index as u64 + 7);
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH + age).unwrap();
    }
    fs::create_dir(scratch.0.join("empty")).unwrap();
    symlink("bin/start.sh", scratch.0.join("start")).unwrap();
    for directory in ["bin", "web", "empty"] {
        let umask = if backwards { 0o002 } else { 0o022 };
        fs::set_permissions(scratch.0.join(directory), fs::Permissions::from_mode(0o777 & !umask)).unwrap();
    }
    scratch
}

fn bytes(bundle: &Bundle) -> Vec<u8> {
    match &bundle.source {
        Source::Memory(bytes) => bytes.to_vec(),
        Source::File(path) => fs::read(path).unwrap(),
    }
}

fn names(bundle: &Bundle) -> Vec<String> {
    let zip = zip::ZipArchive::new(Cursor::new(bytes(bundle))).unwrap();
    zip.file_names().map(|name| name.unwrap().into_owned()).collect()
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let (one, two) = (small_tree("same-1", false), small_tree("same-2", true));
    let (first, second) = (from_dir(&one.0, &[]).unwrap(), from_dir(&two.0, &[]).unwrap());
    assert_eq!(bytes(&first), bytes(&second));
    assert_eq!(first.sha256, "946b7977b186602e0763534c6243579216299afd8c2b9823acb8ee7eb2833045");
    assert_eq!(first.size, bytes(&first).len() as u64);
}

/// The compressor's own bytes are pinned, too: they must not depend on the processor.
#[test]
fn larger_files_give_the_same_bytes_everywhere() {
    let scratch = Scratch::new("larger");
    scratch.file("appspec.yml", "version: 0.0\nos: linux\n");
    let lines: Vec<String> = (0..20_000_u64).map(|n| format!("{:x} line {}", n * n * 2_654_435_761, n % 97)).collect();
    scratch.file("lines", &lines.join("\n"));
    let bundle = from_dir(&scratch.0, &[]).unwrap();
    assert_eq!(
        (bundle.size, bundle.sha256.as_str()),
        (200_527, "304479fbe3eacd21a091e41db5ffb84fc42b02a66445c31ffe3e9da1ad9ddcc5")
    );
}

#[test]
fn a_bundle_holds_what_the_tree_holds() {
    let tree = small_tree("holds", false);
    let bundle =
        from_dir(&tree.0, &[("bin/start.sh".into(), b"new".to_vec()), ("etc/x".into(), b"y".to_vec())]).unwrap();
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes(&bundle))).unwrap();
    let mut listed = String::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let time = entry.last_modified().unwrap();
        listed += &format!("{:o} {} {} {content:?}\n", entry.unix_mode().unwrap(), time.year(), entry.name().unwrap());
    }
    let expected = r#"
100644 1980 .gitignore "*.log\n!keep.log\n"
100600 1980 .hidden "kept"
100644 1980 appspec.yml "version: 0.0\nos: linux\n"
40755 1980 bin/ ""
100644 1980 bin/start.sh "new"
40755 1980 empty/ ""
100644 1980 etc/x "y"
120777 1980 start "bin/start.sh"
40755 1980 web/ ""
100644 1980 web/.ignore "secret\n"
100644 1980 web/keep.log "kept by a rule"
100644 1980 web/ü.html "<p>ü</p>"
"#;
    assert_eq!(listed, expected.trim_start());
}

#[test]
fn nothing_outside_the_tree_has_an_influence() {
    let outer = Scratch::new("outer");
    outer.file(".gitignore", "*\n");
    outer.file(".git/info/exclude", "*\n");
    outer.file("app/appspec.yml", "version: 0.0\n");
    outer.file("app/file", "x");
    assert_eq!(names(&from_dir(&outer.0.join("app"), &[]).unwrap()), ["appspec.yml", "file"]);
}

#[test]
fn what_cannot_be_shipped_is_named() {
    let no_extra: &[(String, Vec<u8>)] = &[];
    type Spoil = Box<dyn Fn(&Path)>;
    let cases: Vec<(&str, Spoil, &str)> = vec![
        (
            "out",
            Box::new(|at| symlink("../x", at.join("l")).unwrap()),
            "the link `l` points to `../x`, out of the bundle",
        ),
        (
            "abs",
            Box::new(|at| symlink("/etc", at.join("l")).unwrap()),
            "the link `l` points to `/etc`, out of the bundle",
        ),
        ("socket", Box::new(|at| drop(UnixListener::bind(at.join("s")).unwrap())), "`s` is a socket [bundle/kind]"),
        (
            "name",
            Box::new(|at| fs::write(at.join("a\\b"), "").unwrap()),
            "the name `a\\\\b` has a character that unpackers read differently",
        ),
        ("latin", Box::new(|at| fs::write(at.join(latin()), "").unwrap()), "the name `\u{fffd}` is not UTF-8"),
        ("rules", Box::new(|at| symlink("appspec.yml", at.join(".gitignore")).unwrap()), "is not a regular file"),
        (
            "fifo",
            Box::new(|at| assert!(std::process::Command::new("mkfifo").arg(at.join("f")).status().unwrap().success())),
            "`f` is a FIFO [bundle/kind]",
        ),
        (
            "both",
            Box::new(|at| fs::write(at.join("appspec.yaml"), "").unwrap()),
            "appspec.yml and appspec.yaml are both there",
        ),
        (
            "ignored",
            Box::new(|at| fs::write(at.join(".ignore"), "appspec*").unwrap()),
            "there is no appspec.yml at the root [appspec/missing]",
        ),
        (
            "capital",
            Box::new(|at| fs::rename(at.join("appspec.yml"), at.join("AppSpec.yml")).unwrap()),
            "there is no appspec.yml at the root [appspec/missing]",
        ),
    ];
    for (name, spoil, expected) in cases {
        let scratch = Scratch::new(&format!("refused-{name}"));
        scratch.file("appspec.yml", "version: 0.0\n");
        spoil(&scratch.0);
        let failure = from_dir(&scratch.0, no_extra).expect_err(name);
        assert!(failure.message.contains(expected), "{name}: {}", failure.message);
        assert_eq!(failure.kind.exit_code(), 2);
    }
}

fn latin() -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(vec![0xff])
}

#[test]
fn an_appspec_elsewhere_is_pointed_at() {
    let scratch = Scratch::new("elsewhere");
    scratch.file("dist/appspec.yml", "");
    scratch.file("README", "");
    let failure = from_path(&scratch.0).unwrap_err();
    let help = "  help: there is one at `dist/appspec.yml`; ship its directory, as appspec.yml";
    assert_eq!(failure.message.lines().last(), Some(help), "{failure}");
    assert_eq!(from_path(&scratch.0.join("none")).unwrap_err().kind.exit_code(), 2);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let scratch = Scratch::new("large");
    scratch.file("appspec.yml", "version: 0.0\n");
    for name in ["a", "b"] {
        File::create(scratch.0.join(name)).unwrap().set_len(1 << 30).unwrap();
    }
    let begun = std::time::Instant::now();
    let failure = from_dir(&scratch.0, &[]).unwrap_err();
    assert!(failure.message.contains(": larger than 2 GiB [bundle/size]\n  help: `allow_large: true`"), "{failure}");
    File::create(scratch.0.join("c.zip")).unwrap().set_len(3 << 30).unwrap();
    assert!(from_path(&scratch.0.join("c.zip")).unwrap_err().message.contains(": larger than 2 GiB [bundle/size]"));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn extra_files_go_nowhere_odd() {
    let tree = small_tree("extra", false);
    for bad in ["../x", "/x", "a/../x", "", "bin", "start/x", "appspec.yml/x", "a//b", "a\\b"] {
        assert!(from_dir(&tree.0, &[(bad.to_owned(), Vec::new())]).is_err(), "{bad}");
    }
}

#[test]
fn a_large_spool_moves_to_a_file_that_goes_away() {
    let mut spool = Spool::new(10);
    spool.write_all(b"0123456789").unwrap();
    spool.write_all(b"abc").unwrap();
    let (spooled, sha256, size) = spool.finish().unwrap();
    let Spooled::File(temp) = spooled else { panic!("still in memory") };
    let path = temp.path().to_owned();
    assert_eq!((fs::read(&path).unwrap().as_slice(), size), (&b"0123456789abc"[..], 13));
    assert_eq!(&sha256[..8], "8f740516");
    drop(temp);
    assert!(!path.exists());
}

fn with(path: &Path, exclude: &[&str]) -> Result<Bundle, crate::error::Failure> {
    let exclude: Vec<String> = exclude.iter().map(|pattern| (*pattern).to_owned()).collect();
    let choice = Choice { exclude: &exclude, include: &[], follow_links: false };
    of(Recipe { choice, ..Recipe::whole(path, &[]) })
}

#[test]
fn patterns_leave_out_as_a_gitignore_does() {
    let scratch = Scratch::new("exclude");
    for name in ["appspec.yml", "a.pyc", "lib/b.pyc", "lib/c.py", "tests/t.py", "lib/tests/t.py", "logs/1", "logs/keep"]
    {
        scratch.file(name, "");
    }
    let cases: [(&[&str], &[&str]); 5] = [
        (
            &[],
            &[
                "a.pyc",
                "appspec.yml",
                "lib/",
                "lib/b.pyc",
                "lib/c.py",
                "lib/tests/",
                "lib/tests/t.py",
                "logs/",
                "logs/1",
                "logs/keep",
                "tests/",
                "tests/t.py",
            ],
        ),
        (&["*.pyc", "/tests/", "logs"], &["appspec.yml", "lib/", "lib/c.py", "lib/tests/", "lib/tests/t.py"]),
        (&["lib/**", "tests", "*.pyc", "logs/*", "!logs/keep"], &["appspec.yml", "lib/", "logs/", "logs/keep"]),
        (&["*", "!appspec.yml"], &["appspec.yml"]),
        (
            &["# a comment", ""],
            &[
                "a.pyc",
                "appspec.yml",
                "lib/",
                "lib/b.pyc",
                "lib/c.py",
                "lib/tests/",
                "lib/tests/t.py",
                "logs/",
                "logs/1",
                "logs/keep",
                "tests/",
                "tests/t.py",
            ],
        ),
    ];
    for (exclude, expected) in cases {
        assert_eq!(names(&with(&scratch.0, exclude).unwrap()), expected, "{exclude:?}");
    }
    let failure = with(&scratch.zip("x.zip", &[("appspec.yml", "")]), &["*.pyc"]).unwrap_err();
    assert!(failure.message.contains("a ready zip is taken as it is"), "{failure}");
}

#[test]
fn everything_that_is_wrong_with_a_tree_is_said_at_once() {
    let scratch = Scratch::new("all");
    scratch.file("appspec.yml", "");
    symlink("/etc", scratch.0.join("etc")).unwrap();
    symlink("../../x", scratch.0.join("up")).unwrap();
    drop(UnixListener::bind(scratch.0.join("s")).unwrap());
    fs::write(scratch.0.join(latin()), "").unwrap();
    let failure = from_dir(&scratch.0, &[("../x".to_owned(), Vec::new())]).unwrap_err();
    let ids = ["bundle/link", "bundle/link", "bundle/kind", "bundle/name", "bundle/name"];
    let mut found: Vec<&str> = failure.message.split(['[', ']']).skip(1).step_by(2).collect();
    found.sort_unstable();
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    assert_eq!(found, ids, "{failure}");
}

/// Only somebody other than root can fail to read a file.
#[test]
fn what_cannot_be_read_is_named() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let scratch = Scratch::new("unreadable");
    scratch.file("appspec.yml", "");
    for name in ["a", "d/b"] {
        fs::set_permissions(scratch.file(name, ""), fs::Permissions::from_mode(0o0)).unwrap();
    }
    fs::create_dir(scratch.0.join("e")).unwrap();
    fs::set_permissions(scratch.0.join("e"), fs::Permissions::from_mode(0o0)).unwrap();
    let failure = from_dir(&scratch.0, &[]).unwrap_err();
    fs::set_permissions(scratch.0.join("e"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(failure.message.matches("[bundle/unreadable]").count(), 3, "{failure}");
    assert!(failure.message.contains("cannot read `d/b`: permission denied"), "{failure}");
}

proptest! {
    /// No link that is accepted leaves the tree, when links are followed by hand through a tree of such links.
    #[test]
    fn accepted_links_stay_inside(targets in prop::collection::vec("(\\.\\./|[ab]/){0,4}(\\.\\.|[ab])", 1..4)) {
        let places = ["a/b/a", "b", "a/a"];
        let links: Vec<(&str, &String)> =
            places.into_iter().zip(&targets).filter(|(place, target)| check_link(place, target).is_ok()).collect();
        for (place, target) in &links {
            let start: Vec<String> = place.split('/').map(str::to_owned).rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect();
            prop_assert!(stays(start, target, &links, 0), "{links:?}");
        }
    }

    #[test]
    fn names_and_links_never_panic(name in ".{0,40}", target in ".{0,40}") {
        let _ = (check_name(&name), check_link(&name, &target));
    }

    #[test]
    fn random_bytes_are_no_zip(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!super::archive::contents(Cursor::new(bytes), Limits::of(false)).1.is_empty());
    }
}

/// Resolves a path as a kernel does; whether it stays below the root.
fn stays(mut at: Vec<String>, target: &str, links: &[(&str, &String)], depth: usize) -> bool {
    for part in target.split('/') {
        if part == ".." {
            if at.pop().is_none() {
                return false;
            }
            continue;
        }
        at.push(part.to_owned());
        let here = at.join("/");
        if let Some((_, next)) = links.iter().find(|(place, _)| *place == here) {
            at.pop();
            if depth > 8 {
                return true;
            }
            let mut inner = at.clone();
            if !stays(inner.clone(), next, links, depth + 1) {
                return false;
            }
            for part in next.split('/') {
                if part == ".." {
                    inner.pop();
                } else {
                    inner.push(part.to_owned());
                }
            }
            at = inner;
        }
    }
    true
}

#[test]
fn what_ignore_files_leave_out_is_told_and_can_be_included() {
    let scratch = Scratch::new("left-out");
    for name in
        ["index.js", "node_modules/a/index.js", "node_modules/a/.gitignore", "x.log", "dist/app.js", "dist/app.map"]
    {
        scratch.file(name, "text");
    }
    scratch.file("node_modules/a/.gitignore", "*\n");
    scratch.file(".gitignore", "# made here\nnode_modules/\n*.log\ndist\n");
    let walked = |include: &[&str], exclude: &[&str]| {
        let [include, exclude] =
            [include, exclude].map(|list| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        let choice = Choice { exclude: &exclude, include: &include, follow_links: false };
        super::tree::entries(&scratch.0, choice, Limits::of(false))
    };
    let told = |everything| {
        let warnings = walked(&[], &[]).left_out.warnings("shop", &scratch.0, everything);
        warnings.iter().map(|warnings| warnings.labelled("warning: ")).collect::<String>()
    };
    insta::assert_snapshot!(told(false), @r#"
    warning: shop/.gitignore:2:1: this leaves out 2 files (6 B) [bundle/left-out]
        2 | node_modules/
          | ^^^^^^^^^^^^^
      help: `include: ["node_modules/"]` at the artifact ships it; `exclude: ["node_modules/"]` says that it is meant
    warning: shop/.gitignore:4:1: this leaves out 2 files (8 B) [bundle/left-out]
        4 | dist
          | ^^^^
      help: `include: ["dist"]` at the artifact ships it; `exclude: ["dist"]` says that it is meant
    "#);
    assert!(told(true).contains("shop/.gitignore:3:1: this leaves out 1 file (4 B)"), "{}", told(true));
    let names =
        |include: &[&str], exclude: &[&str]| walked(include, exclude).entries.into_keys().collect::<Vec<_>>().join(" ");
    assert_eq!(names(&[], &[]), ".gitignore index.js");
    assert_eq!(
        names(&["node_modules/"], &[]),
        ".gitignore index.js node_modules node_modules/a node_modules/a/.gitignore node_modules/a/index.js"
    );
    assert_eq!(names(&["/dist/app.js"], &[]), ".gitignore dist dist/app.js index.js");
    assert_eq!(names(&["dist"], &["*.map"]), ".gitignore dist dist/app.js index.js");
    assert!(walked(&[], &["node_modules", "dist", "*.log"]).left_out.warnings("shop", &scratch.0, true).is_empty());
}

#[test]
fn links_out_of_the_tree_can_be_followed() {
    let (outer, scratch) = (Scratch::new("outer"), Scratch::new("followed"));
    outer.file("shared/a.txt", "a");
    scratch.file("appspec.yml", "");
    symlink(outer.0.join("shared"), scratch.0.join("public")).unwrap();
    symlink(outer.0.join("shared/a.txt"), scratch.0.join("b.txt")).unwrap();
    symlink("b.txt", scratch.0.join("c.txt")).unwrap();
    let made = |follow_links| {
        let choice = Choice { exclude: &[], include: &[], follow_links };
        super::tree::entries(&scratch.0, choice, Limits::of(false))
    };
    assert_eq!(made(false).problems.len(), 2);
    let walked = made(true);
    assert_eq!(walked.problems, []);
    let names: Vec<&str> = walked.entries.keys().map(String::as_str).collect();
    assert_eq!(names, ["appspec.yml", "b.txt", "c.txt", "public", "public/a.txt"]);
    assert!(matches!(walked.entries["c.txt"].content, super::entry::Content::Link(_)));
    symlink(&outer.0, outer.0.join("shared/loop")).unwrap();
    symlink(outer.0.join("shared"), outer.0.join("again")).unwrap();
    assert!(made(true).problems.iter().any(|problem| problem.message.contains("is followed into a directory")));
}
