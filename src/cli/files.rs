//! Writing files where others may write, too: nothing is written through a link that somebody else has made.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How often another name is tried.
const TRIES: u32 = 8;

/// Replaces a file as a whole: whoever reads it sees the old text or the new one. A link of that name is replaced, and
/// what it points to stays as it is.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(mut stream) = stream(path)? {
        return stream.write_all(text.as_bytes());
    }
    let (mut file, beside) = fresh(path)?;
    let done = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done
}

/// Makes a file that is empty and ours, in place of what is there.
pub fn create(path: &Path) -> io::Result<File> {
    if let Some(stream) = stream(path)? {
        return Ok(stream);
    }
    let (file, beside) = fresh(path)?;
    match fs::rename(&beside, path) {
        Ok(()) => Ok(file),
        Err(error) => {
            let _ = fs::remove_file(&beside);
            Err(error)
        }
    }
}

/// What is there and is no file, or a name of the system's such as `/dev/stdout`, is written to and never replaced.
fn stream(path: &Path) -> io::Result<Option<File>> {
    let is_system = path.starts_with("/proc")
        || path.parent().is_some_and(|it| it == Path::new("/dev") || it == Path::new("/dev/fd"));
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() && (is_system || !found.is_file()) => {
            File::options().append(true).open(path).map(Some)
        }
        Ok(_) | Err(_) => Ok(None),
    }
}

/// A new file in the same directory, under a name that nobody can have foreseen: `create_new` follows no link.
fn fresh(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let short: String = name.chars().take(60).collect();
    let mut last = io::Error::other("no name is free");
    for _ in 0..TRIES {
        let beside = path.with_file_name(format!(".{short}.{:032x}", fastrand::u128(..)));
        match File::options().write(true).create_new(true).open(&beside) {
            Ok(file) => return Ok((file, beside)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_link_points_to_stays_as_it_is() {
        let directory = std::env::temp_dir().join(format!("shipit-files-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (victim, path) = (directory.join("victim"), directory.join("result.json"));
        fs::write(&victim, "mine").unwrap();
        for write in [|path: &Path| replace(path, "new"), |path: &Path| create(path)?.write_all(b"new")] {
            let _ = fs::remove_file(&path);
            symlink(&victim, &path).unwrap();
            // The name that an older shipit took.
            let guessed = directory.join(format!(".result.json.{}", std::process::id()));
            let _ = symlink(&victim, &guessed);
            write(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
            assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
            assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        }
        assert!(stream(Path::new("/dev/null")).unwrap().is_some() && stream(&victim).unwrap().is_none());
        replace(Path::new("/dev/null"), "nothing").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let left = fs::read_dir(&directory).unwrap().count();
        assert_eq!(left, 3, "nothing is left behind");
        fs::remove_dir_all(&directory).unwrap();
    }
}
