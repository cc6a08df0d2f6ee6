//! The `permissions` section: which paths it means, and modes.

use super::yaml::Yaml;

const FAILED: &str = "The deployment failed because";
const UPDATE: &str = "Update the permissions section of the AppSpec file, and then try again.";

/// An entry of `permissions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// A file, or a directory whose content is meant.
    pub object: String,
    /// `**` for everything below, else a glob whose `*` never crosses a `/`.
    pub pattern: String,
    /// What of that is not meant.
    pub except: Vec<String>,
    /// Whether files are meant.
    pub files: bool,
    /// Whether directories are meant.
    pub directories: bool,
    /// Permission bits.
    pub mode: Option<u32>,
    /// A user's name.
    pub owner: Option<String>,
    /// A group's name.
    pub group: Option<String>,
}

/// Reads the section.
///
/// # Errors
/// The agent's text.
pub fn read(yaml: &Yaml) -> Result<Vec<Permission>, String> {
    match yaml {
        Yaml::Null => Ok(Vec::new()),
        Yaml::List(items) => items.iter().map(entry).collect(),
        _ => Err(format!("{FAILED} the permissions section of the application specification file is not a list.")),
    }
}

fn entry(yaml: &Yaml) -> Result<Permission, String> {
    let text = |name: &str| Some(yaml.get(name).to_string()).filter(|text| !text.is_empty());
    let list = |name: &str| match yaml.get(name) {
        Yaml::List(items) => items.iter().map(ToString::to_string).collect(),
        Yaml::Null => Vec::new(),
        one => vec![one.to_string()],
    };
    let object = text("object").ok_or_else(|| {
        format!("{FAILED} a permission listed in the application specification file has no object value. {UPDATE}")
    })?;
    let types: Vec<String> = list("type");
    let means = |kind: &str| types.is_empty() || types.iter().any(|listed| listed == kind);
    Ok(Permission {
        object,
        pattern: text("pattern").unwrap_or_else(|| "**".to_owned()),
        except: list("except"),
        files: means("file"),
        directories: means("directory"),
        mode: text("mode").map(|mode| parse_mode(&mode)).transpose()?,
        owner: text("owner"),
        group: text("group"),
    })
}

/// One to four octal digits. A number that YAML has read as octal (`0644`) arrives here as its decimal digits (`420`) and
/// is taken for that: the agent's own trap.
fn parse_mode(mode: &str) -> Result<u32, String> {
    if mode.chars().count() > 4 {
        return Err(format!(
            "{FAILED} the length of a permissions mode ({mode}) in the application specification file is invalid. \
             Permissions modes must be between one and four characters long. {UPDATE}"
        ));
    }
    if let Some(bad) = mode.chars().find(|c| !('0'..='7').contains(c)) {
        return Err(format!(
            "{FAILED} the permissions mode ({mode}) in the application specification file contains an invalid character \
             ({bad}). {UPDATE}"
        ));
    }
    u32::from_str_radix(mode, 8).map_err(|why| why.to_string())
}

impl Permission {
    /// Whether a path below the object, given relative to it, is meant.
    pub fn means(&self, relative: &str) -> bool {
        matches(&self.pattern, relative) && !self.except.iter().any(|except| matches(except, relative))
    }

    /// For a single file pattern and exceptions must be left as they are by default.
    ///
    /// # Errors
    /// The agent's text.
    pub fn check_for_file(&self) -> Result<(), String> {
        if self.pattern == "**" && self.except.is_empty() {
            return Ok(());
        }
        let object = &self.object;
        Err(format!(
            "{FAILED} the permission for the file {object} in the application specification file contains an invalid \
             format: only directories can have a pattern or exceptions. {UPDATE}"
        ))
    }
}

/// `**` is everything; else the same number of parts, each with `*` for any run of characters.
fn matches(pattern: &str, path: &str) -> bool {
    if pattern == "**" {
        return true;
    }
    let (patterns, parts): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    patterns.len() == parts.len() && patterns.iter().zip(parts).all(|(pattern, part)| globs(pattern, part))
}

fn globs(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stay_on_their_level() {
        let table = [
            ("**", "a/b", true),
            ("*.html", "index.html", true),
            ("*.html", "sub/index.html", false),
            ("sub/*.html", "sub/index.html", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxc", false),
            ("ab", "abc", false),
            ("*", "abc", true),
            ("a*a", "a", false),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn modes() {
        let read =
            |text: &str| read(&Yaml::parse(&format!("p: [{{object: /x, mode: {text}}}]")).unwrap().get("p").clone());
        for (text, mode) in [("644", 0o644), ("\"0644\"", 0o644), ("0644", 0o420), ("4755", 0o4755), ("7", 0o7)] {
            assert_eq!(read(text).unwrap()[0].mode, Some(mode), "{text}");
        }
        assert!(
            read("u+x")
                .expect_err("symbolic")
                .contains("(u+x) in the application specification file contains an invalid character (u)")
        );
        assert!(read("77777").expect_err("long").contains("length of a permissions mode (77777)"));
        assert!(super::read(&Yaml::List(vec![Yaml::Map(vec![])])).expect_err("no object").contains("no object value"));
    }
}
