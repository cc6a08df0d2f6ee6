//! Paths in an AppSpec: in the bundle, and on a host.

use super::super::files::Files;
use super::Os;

/// A path of the bundle with `/` between its parts.
pub fn slashes(os: Os, path: &str) -> String {
    if os == Os::Windows { path.replace('\\', "/") } else { path.to_owned() }
}

/// Where a path of the AppSpec lies in the bundle, links followed; on Windows in whatever case.
pub fn find(files: &Files, os: Os, path: &str) -> Option<String> {
    let path = slashes(os, path);
    let found = files.resolve(&path);
    if found.is_some() || os == Os::Linux {
        return found;
    }
    let same = in_other_letters(files, &path)?;
    files.resolve(&same)
}

/// The path that differs from this one in upper and lower case only.
pub fn in_other_letters(files: &Files, path: &str) -> Option<String> {
    let wanted = clean(path).to_lowercase();
    files.iter().map(|(name, _)| name).find(|name| name.to_lowercase() == wanted).map(str::to_owned)
}

/// Whether a path climbs out of the bundle, to where nothing here can see.
pub fn climbs_out(os: Os, path: &str) -> bool {
    let mut depth = 0_usize;
    for part in slashes(os, path).split('/').filter(|part| !matches!(*part, "" | ".")) {
        match (part, depth.checked_sub(1)) {
            ("..", Some(up)) => depth = up,
            ("..", None) => return true,
            _ => depth += 1,
        }
    }
    false
}

/// A path without empty parts and `.`.
pub fn clean(path: &str) -> String {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}

/// A path on a host as the agent compares it: absolute, `.` and `..` resolved, no final slash; on Windows in small letters.
pub fn on_host(os: Os, path: &str) -> String {
    let path = slashes(os, path);
    let path = if os == Os::Windows { path.to_lowercase() } else { path };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let root = if is_absolute(os, &path) && os == Os::Linux { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// Whether a path on a host says itself where it begins.
pub fn is_absolute(os: Os, path: &str) -> bool {
    match os {
        Os::Linux => path.starts_with('/') || path.starts_with('~'),
        Os::Windows => path.as_bytes().get(1) == Some(&b':') || path.starts_with(['/', '\\']),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::files::tests::files;
    use super::*;

    #[test]
    fn paths_mean_what_they_mean_on_a_host() {
        let bundle = files(&["Scripts/a.sh", "now -> Scripts"]);
        for (os, path, expected) in [
            (Os::Linux, "/Scripts/../now/a.sh", Some("Scripts/a.sh")),
            (Os::Linux, "scripts/a.sh", None),
            (Os::Linux, "Scripts\\a.sh", None),
            (Os::Windows, "\\scripts\\A.SH", Some("Scripts/a.sh")),
        ] {
            assert_eq!(find(&bundle, os, path).as_deref(), expected, "{path}");
        }
        assert_eq!(
            ["a/../..", "a/..", "../a", "a"].map(|path| climbs_out(Os::Linux, path)),
            [true, false, true, false]
        );
        assert_eq!(on_host(Os::Linux, "/srv//a/./b/../c/"), "/srv/a/c");
        assert_eq!(on_host(Os::Windows, "C:\\Web\\App\\"), "c:/web/app");
        assert_eq!(on_host(Os::Linux, "/"), "/");
    }
}
