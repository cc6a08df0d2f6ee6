//! Names and ids.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::harmless::harmless;

/// The name of a pipeline, an environment, a target or an artifact: it becomes part of object keys and commands, so it is
/// lower-case letters, digits and single `-`, at most 50 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// Says what a name may be.
    pub fn new(text: &str) -> Result<Name, String> {
        let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let dashes = text.starts_with('-') || text.ends_with('-') || text.contains("--");
        if text.is_empty() || text.len() > 50 || !letters || dashes {
            return Err(format!(
                "`{text}` is not a name; use lower-case letters, digits and single dashes, at most 50"
            ));
        }
        Ok(Name(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        Name::new(&Cow::<str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "format": "name", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 50,
            "description": "Lower-case letters, digits and single dashes.",
        })
    }
}

/// The name of a variable: letters, digits, `_` and `-`, at most 50 characters, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct VarName(String);

impl VarName {
    /// Checks a name.
    ///
    /// # Errors
    /// Says what a name may be.
    pub fn new(text: &str) -> Result<VarName, String> {
        let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if text.len() > 50 || !letters || !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Err(format!(
                "`{text}` is not a variable's name; use letters, digits, _ and -, a letter first, at most 50"
            ));
        }
        Ok(VarName(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for VarName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<VarName, D::Error> {
        VarName::new(&Cow::<str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for VarName {
    fn schema_name() -> Cow<'static, str> {
        "VarName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]*$", "maxLength": 50,
            "description": "Letters, digits, _ and -, a letter first.",
        })
    }
}

/// The id of a run: when it was planned, in UTC, and four random letters, so that ids sort by time:
/// `20261121-093406-kfzw`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// The id of a run planned at this moment; `random` makes it unlike others of the same second.
    pub fn new(at: Timestamp, random: u32) -> RunId {
        let letters: String = (0..4).map(|place| char::from(b'a' + ((random >> (place * 8)) as u8 % 26))).collect();
        RunId(format!("{}-{letters}", at.strftime("%Y%m%d-%H%M%S")))
    }

    /// Reads an id that a person typed.
    ///
    /// # Errors
    /// Says what an id looks like.
    pub fn parse(text: &str) -> Result<RunId, String> {
        let parts: Vec<&str> = text.split('-').collect();
        let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        match parts.as_slice() {
            [day, time, letters]
                if digits(day, 8)
                    && digits(time, 6)
                    && letters.len() == 4
                    && letters.bytes().all(|byte| byte.is_ascii_lowercase()) =>
            {
                Ok(RunId(text.to_owned()))
            }
            _ => Err(format!("`{text}` is not a run; runs look like 20261121-093406-kfzw (see `shipit history`)")),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RunId, D::Error> {
        RunId::parse(&Cow::<str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Longest label of a release, in characters.
const LABEL: usize = 128;

/// Reads the label of a release that a person or a script typed: 1 to 128 visible characters. It becomes part of
/// commands, logs and the names under which releases are found again.
///
/// # Errors
/// Says what is wrong with it.
pub fn label(text: &str) -> Result<String, String> {
    let wrong = if text.is_empty() {
        "it is empty; is its variable not set?".to_owned()
    } else if text.chars().count() > LABEL {
        format!("it has {} characters; a release is known by at most {LABEL}", text.chars().count())
    } else if text.chars().any(char::is_control) || harmless(text.trim(), LABEL + 1) != text.trim() {
        "it has line breaks, control or hidden characters, or what a CI system takes for a command".to_owned()
    } else if text.trim() != text {
        "it begins or ends with a blank".to_owned()
    } else if text.starts_with('-') {
        "it begins with a dash; a command would take it for an option".to_owned()
    } else {
        return Ok(text.to_owned());
    };
    Err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_releases() {
        for good in ["1", "v1.2.3", "jenkins-shop main #12", "2026-11-30_12", "카페", &"a".repeat(128)] {
            assert_eq!(label(good).as_deref(), Ok(good));
        }
        for (bad, part) in [
            ("", "is its variable not set"),
            (" ", "begins or ends"),
            ("-a", "a dash"),
            (" a", "begins or ends"),
            ("a ", "begins or ends"),
            ("a\nb", "line breaks"),
            ("a\tb", "control"),
            ("a\u{1b}[31mb", "control"),
            ("a\u{202e}b", "hidden"),
            ("a\u{a0}", "begins or ends"),
            ("::error::a", "a CI system"),
            (&"a".repeat(129), "129 characters"),
        ] {
            let said = label(bad).unwrap_err();
            assert!(said.contains(part), "{bad:?}: {said}");
        }
    }

    #[test]
    fn names() {
        for good in ["web", "a", "web-2", "0"] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "Web", "a_b", "-a", "a-", "a--b", "a/b", "..", "é", &"a".repeat(51)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn run_ids_sort_by_time_and_are_read_back() {
        let id = RunId::new("2026-11-21T09:34:06Z".parse().unwrap(), 0x0102_0304);
        assert_eq!(id.as_str(), "20261121-093406-edcb");
        assert_eq!(RunId::parse(id.as_str()).unwrap(), id);
        for bad in ["", "x", "20261121-093406", "20261121-093406-EDCB", "../20261121-093406-edcb"] {
            assert!(RunId::parse(bad).is_err(), "{bad}");
        }
    }
}
