//! What lies in a bundle, as far as rules look at it.

use std::collections::BTreeMap;

/// The files of a bundle by path, from the directory that holds the AppSpec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, Kept>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it is.
    pub kind: Kind,
    /// Its permission bits; unknown in a zip that carries none.
    pub mode: Option<u32>,
    /// Whether it begins with `#!`.
    pub is_script: bool,
    /// What machine code it is, if it is any.
    pub machine: Option<Machine>,
    /// Bytes of a file, unpacked; 0 of anything else.
    pub size: u64,
}

impl Kept {
    /// A directory that nothing is known of.
    pub fn directory() -> Kept {
        Kept { kind: Kind::Directory, mode: None, is_script: false, machine: None, size: 0 }
    }
}

/// What machine code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// Linux on x86-64.
    X86,
    /// Linux on 64-bit ARM.
    Arm,
    /// ELF for something else.
    Other,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

/// So many bytes at the beginning of a file say what it is.
pub const HEAD: u64 = 20;

impl Machine {
    /// What the first bytes of a file say.
    pub fn of(head: &[u8]) -> Option<Machine> {
        let word = |at: usize| head.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes);
        match (word(0)?, head.get(18)) {
            (0x7f45_4c46, Some(0x3e)) => Some(Machine::X86),
            (0x7f45_4c46, Some(0xb7)) => Some(Machine::Arm),
            (0x7f45_4c46, _) => Some(Machine::Other),
            (0xfeed_face | 0xfeed_facf | 0xcefa_edfe | 0xcffa_edfe, _) => Some(Machine::MacOs),
            // Java's classes begin alike, and go on with a version that is larger than any number of architectures.
            (0xcafe_babe, _) => word(4).filter(|count| *count < 40).map(|_| Machine::MacOs),
            (first, _) if first >> 16 == 0x4d5a => Some(Machine::Windows),
            _ => None,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Machine::X86 => "Linux on x86_64",
            Machine::Arm => "Linux on arm64",
            Machine::Other => "another processor",
            Machine::MacOs => "macOS",
            Machine::Windows => "Windows",
        }
    }

    /// Whether a function of this architecture can run it.
    pub fn runs_on(self, architecture: &str) -> bool {
        match self {
            Machine::X86 => architecture != "arm64",
            Machine::Arm => architecture == "arm64",
            Machine::Other | Machine::MacOs | Machine::Windows => false,
        }
    }
}

/// What a kept thing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file.
    File,
    /// A symbolic link, and where it points.
    Link(String),
}

/// Links that are followed on the way to one file, as a kernel does.
const MOST_LINKS: usize = 40;

impl Files {
    /// Adds something, and the directories above it.
    pub fn add(&mut self, path: &str, kept: Kept) {
        for (end, _) in path.match_indices('/') {
            self.0.entry(path[..end].to_owned()).or_insert_with(Kept::directory);
        }
        self.0.insert(path.to_owned(), kept);
    }

    /// What stands at a path, without following it if it is a link itself.
    pub fn get(&self, path: &str) -> Option<&Kept> {
        self.0.get(path)
    }

    /// The path, and everything that links on the way to a path lead to.
    pub fn resolve(&self, path: &str) -> Option<String> {
        let (mut done, mut todo): (Vec<String>, Vec<String>) = (Vec::new(), parts(path).rev().collect());
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.pop()?;
                continue;
            }
            done.push(part);
            match &self.0.get(&done.join("/"))?.kind {
                Kind::Directory => {}
                Kind::File if todo.is_empty() => {}
                Kind::File => return None,
                Kind::Link(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    done.pop();
                    todo.extend(parts(target).rev());
                }
            }
        }
        Some(done.join("/"))
    }

    /// All paths with what stands there, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Kept)> {
        self.0.iter().map(|(path, kept)| (path.as_str(), kept))
    }

    /// What lies below a directory (everything, if it is empty), each by its path from there.
    pub fn below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = (&'a str, &'a Kept)> {
        let start = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let range = self.0.range(start.clone()..);
        let inside =
            range.map_while(move |(path, kept)| Some((path.get(start.len()..)?, path.starts_with(&start), kept)));
        inside.take_while(|(_, is_inside, _)| *is_inside).map(|(path, _, kept)| (path, kept))
    }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = String> {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Files by short lines: `d/` is a directory, `l -> x` a link, `x!` may be run, `#x` begins with `#!`.
    pub fn files(lines: &[&str]) -> Files {
        let mut files = Files::default();
        for line in lines {
            let (name, target) = line.split_once(" -> ").map_or((*line, None), |(name, target)| (name, Some(target)));
            let mode = Some(if name.ends_with('!') { 0o755 } else { 0o644 });
            let path = name.trim_start_matches('#').trim_end_matches(['!', '/']);
            let kind = match target {
                Some(target) => Kind::Link(target.to_owned()),
                None if name.ends_with('/') => Kind::Directory,
                None => Kind::File,
            };
            files.add(path, Kept { kind, mode, is_script: name.starts_with('#'), ..Kept::directory() });
        }
        files
    }

    #[test]
    fn links_are_followed_as_a_kernel_does() {
        let files = files(&["a/b/x!", "a-b", "now -> a/b", "a/up -> ..", "loop -> loop", "a/b/y -> ../../now/x"]);
        for (path, expected) in [
            ("a/b/x", Some("a/b/x")),
            ("/a//b/./x", Some("a/b/x")),
            ("a/b/../b/x", Some("a/b/x")),
            ("now/x", Some("a/b/x")),
            ("a/up/now/x", Some("a/b/x")),
            ("a/b/y", Some("a/b/x")),
            ("now", Some("a/b")),
            ("", Some("")),
            ("a/b/z", None),
            ("a/b/x/y", None),
            ("../a", None),
            ("loop", None),
        ] {
            assert_eq!(files.resolve(path).as_deref(), expected, "{path}");
        }
        let below = |directory| files.below(directory).map(|(path, _)| path.to_owned()).collect::<Vec<_>>();
        assert_eq!(below("a"), ["b", "b/x", "b/y", "up"]);
        assert_eq!(below("").len(), 8);
        assert_eq!(below("none"), [""; 0]);
    }
}
