//! What stands in a bundle, and which names and links may.

use std::path::PathBuf;

use super::files::{Kept, Kind, Machine};

/// One thing in a bundle.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its path from the root, with `/` between parts.
    pub name: String,
    /// The nine permission bits.
    pub mode: u32,
    /// The first bytes of a file.
    pub head: Vec<u8>,
    /// Bytes of a file.
    pub size: u64,
    /// What it is.
    pub content: Content,
}

/// What an entry is.
#[derive(Clone, Debug)]
pub enum Content {
    /// A directory.
    Directory,
    /// A file on disk.
    File(PathBuf),
    /// A file given as bytes.
    Bytes(Vec<u8>),
    /// A symbolic link, and where it points.
    Link(String),
}

impl Entry {
    /// How rules see it.
    pub fn kept(&self) -> Kept {
        let kind = match &self.content {
            Content::Directory => Kind::Directory,
            Content::File(_) | Content::Bytes(_) => Kind::File,
            Content::Link(target) => Kind::Link(target.clone()),
        };
        let (is_script, machine) = (self.head.starts_with(b"#!"), Machine::of(&self.head));
        Kept { kind, mode: Some(self.mode), is_script, machine, size: self.size }
    }
}

/// Checks a path inside a bundle: relative, without `.`, `..`, empty parts, backslashes and control characters, so that
/// every unpacker puts it in the same place.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_odd = |c: char| c.is_control() || c == '\\';
    let wrong = if name.starts_with('/') {
        "is absolute"
    } else if name.split('/').any(|part| part == "..") {
        "leaves the bundle"
    } else if name.split('/').any(|part| matches!(part, "" | ".")) {
        "has an empty part"
    } else if name.contains(is_odd) {
        "has a character that unpackers read differently"
    } else if name.len() > 1024 {
        "is longer than 1024 bytes"
    } else {
        return Ok(());
    };
    Err(format!("the name `{}` {wrong}", shown(name)))
}

/// Checks that a link stays inside the bundle, whatever other links do: a number of `..`, no more than there are
/// directories above it, then names. A `..` after a name is refused, for the name may be a link too.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_link(name: &str, target: &str) -> Result<(), String> {
    let above = name.split('/').count() - 1;
    let parts: Vec<&str> = target.split('/').filter(|part| *part != ".").collect();
    let up = parts.iter().take_while(|part| **part == "..").count();
    let is_inside = up <= above && !parts[up..].contains(&"..") && !target.starts_with('/');
    if target.is_empty() || target.len() > 1024 || !is_inside || target.contains(|c: char| c.is_control() || c == '\\')
    {
        return Err(format!("the link `{}` points to `{}`, out of the bundle", shown(name), shown(target)));
    }
    Ok(())
}

/// A name fit for a message.
pub fn shown(name: &str) -> String {
    name.chars().take(200).flat_map(char::escape_debug).collect()
}
