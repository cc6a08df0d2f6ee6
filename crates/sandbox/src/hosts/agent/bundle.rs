//! Bundles: fetched, checked, unpacked.

use std::io::{Cursor, Read};

use bytes::Bytes;
use zip::ZipArchive;

use super::super::super::codedeploy::commands::Revision;
use super::super::super::s3;
use super::super::super::world::World;
use super::appspec;

/// A bundle may unpack to this much; more would fill the disk of whoever rehearses it.
pub const MOST_BYTES: u64 = 2 << 30;
const MOST_ENTRIES: usize = 100_000;

/// An entry of a bundle. Paths are relative, without `..`, parts joined with `/`.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Directory {
        /// Where.
        path: String,
    },
    /// A file.
    File {
        /// Where.
        path: String,
        /// Permission bits.
        mode: u32,
        /// What is in it.
        content: Vec<u8>,
    },
    /// A symbolic link.
    Link {
        /// Where.
        path: String,
        /// Where it points.
        target: String,
    },
}

/// Fetches a revision as the instance's role may, and compares the ETag if one was pinned.
///
/// # Errors
/// What S3 says, or the agent's text.
pub fn fetch(world: &World, revision: &Revision) -> Result<Bytes, String> {
    let found = s3::fetch(world, &revision.account, (&revision.bucket, &revision.key, revision.version.as_deref()));
    let (bytes, actual) = found.map_err(|refused| refused.message)?;
    match revision.etag.as_deref().map(|etag| etag.trim_matches('"')) {
        Some(wanted) if wanted != actual => {
            Err(format!("Expected deployment artifact bundle etag {wanted} but was actually {actual}"))
        }
        _ => Ok(bytes),
    }
}

/// Gives every entry of a zip archive to `take`, in order. A single directory at the top that holds an AppSpec is
/// stripped.
///
/// # Errors
/// The archive is broken, too large, or reaches out of its directory; or what `take` says.
pub fn unpack(bytes: &[u8], take: impl FnMut(Entry) -> Result<(), String>) -> Result<(), String> {
    each(bytes, top, take)
}

/// The same for archives that are no deployment's: nothing is stripped.
///
/// # Errors
/// As of [`unpack`].
pub fn unpack_whole(bytes: &[u8], take: impl FnMut(Entry) -> Result<(), String>) -> Result<(), String> {
    each(bytes, |_| 0, take)
}

fn each(
    bytes: &[u8],
    top: impl Fn(&[String]) -> usize,
    mut take: impl FnMut(Entry) -> Result<(), String>,
) -> Result<(), String> {
    let broken = |why: zip::result::ZipError| format!("The bundle could not be unpacked: {why}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > MOST_ENTRIES {
        return Err("The bundle could not be unpacked: it has too many entries".to_owned());
    }
    let mut names = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(broken)?;
        names.push(entry.name().map_err(broken)?.into_owned());
    }
    let strip = top(&names);
    let (mut left, mut links) = (MOST_BYTES, Vec::new());
    for (at, name) in names.iter().enumerate() {
        let path = clean(name.get(strip..).unwrap_or_default())
            .ok_or_else(|| format!("The bundle could not be unpacked: {name} reaches out of its directory"))?;
        if path.is_empty() {
            continue;
        }
        if links.iter().any(|link: &String| path.strip_prefix(link.as_str()).is_some_and(|rest| rest.starts_with('/')))
        {
            return Err(format!("The bundle could not be unpacked: {name} lies behind a symbolic link"));
        }
        let mut entry = archive.by_index(at).map_err(broken)?;
        if entry.is_dir() {
            take(Entry::Directory { path })?;
            continue;
        }
        let mut content = Vec::new();
        entry
            .by_ref()
            .take(left + 1)
            .read_to_end(&mut content)
            .map_err(|why| format!("The bundle could not be unpacked: {why}"))?;
        left = left.checked_sub(content.len() as u64).ok_or("The bundle could not be unpacked: it is too large")?;
        if entry.is_symlink() {
            links.push(path.clone());
            take(Entry::Link { path, target: String::from_utf8_lossy(&content).into_owned() })?;
        } else {
            take(Entry::File { path, mode: entry.unix_mode().unwrap_or(0o644) & 0o7777, content })?;
        }
    }
    Ok(())
}

/// The length of the single directory that everything lies in, with its slash; 0 if there is none or it has no AppSpec.
fn top(names: &[String]) -> usize {
    let Some((first, _)) = names.first().and_then(|name| name.split_once('/')) else { return 0 };
    let prefix = format!("{first}/");
    let inside = |name: &String| name.strip_prefix(&prefix).map(|rest| rest.trim_end_matches('/').to_lowercase());
    let has_appspec = names.iter().filter_map(inside).any(|rest| !rest.contains('/') && rest.contains("appspec"));
    if has_appspec && names.iter().all(|name| name.starts_with(&prefix)) { prefix.len() } else { 0 }
}

/// A relative path without `.` and empty parts; `None` if it is absolute or has `..`.
pub fn clean(path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\0') || path.contains('\\') {
        return None;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    (!parts.contains(&"..")).then(|| parts.join("/"))
}

/// Whether this is the AppSpec at the root.
pub fn is_appspec(path: &str) -> bool {
    path == appspec::NAME
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::*;

    /// A zip archive of these files; scripts are executable.
    pub(crate) fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            let mode = if name.ends_with(".sh") { 0o755 } else { 0o644 };
            zip.start_file(*name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn paths(bytes: &[u8]) -> Result<Vec<String>, String> {
        let mut paths = Vec::new();
        unpack(bytes, |entry| {
            paths.push(match entry {
                Entry::Directory { path } | Entry::File { path, .. } | Entry::Link { path, .. } => path,
            });
            Ok(())
        })?;
        Ok(paths)
    }

    #[test]
    fn a_single_directory_is_stripped_if_it_has_an_appspec() {
        assert_eq!(paths(&zipped(&[("web/appspec.yml", ""), ("web/a/b", "")])).unwrap(), ["appspec.yml", "a/b"]);
        assert_eq!(paths(&zipped(&[("web/x", ""), ("web/a/b", "")])).unwrap(), ["web/x", "web/a/b"]);
        assert_eq!(paths(&zipped(&[("web/appspec.yml", ""), ("b", "")])).unwrap(), ["web/appspec.yml", "b"]);
    }

    #[test]
    fn nothing_reaches_out() {
        for name in ["../a", "/a", "a/../../b", "a\\b"] {
            assert!(paths(&zipped(&[(name, "")])).is_err(), "{name}");
        }
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink("out", "/tmp", SimpleFileOptions::default()).unwrap();
        zip.start_file("out/file", SimpleFileOptions::default()).unwrap();
        let refused = paths(&zip.finish().unwrap().into_inner()).expect_err("behind a link");
        assert!(refused.contains("behind a symbolic link"), "{refused}");
        assert!(paths(b"not a zip").is_err());
    }
}
