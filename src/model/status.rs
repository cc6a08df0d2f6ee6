//! HTTP statuses that are good answers, as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Codes and classes; without any, all from 200 to 299.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("x-one" = true))]
pub struct Statuses(#[schemars(length(min = 1, max = 20))] Vec<Status>);

impl Default for Statuses {
    fn default() -> Statuses {
        Statuses(vec![Status::Class(2)])
    }
}

impl Statuses {
    /// Whether this code is good.
    pub fn holds(&self, code: u16) -> bool {
        self.0.iter().any(|status| match status {
            Status::Code(one) => *one == code,
            Status::Class(hundreds) => code / 100 == *hundreds,
        })
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&words.join(", "))
    }
}

/// A code, or all codes of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Code(u16),
    Class(u16),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Code(code) => write!(f, "{code}"),
            Status::Class(hundreds) => write!(f, "{hundreds}xx"),
        }
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Status, String> {
        let wrong = || format!("`{text}` is not a status; write a code such as 200 or a class such as 2xx");
        let (digits, is_class) = text.strip_suffix("xx").map_or((text, false), |hundreds| (hundreds, true));
        let length = if is_class { 1 } else { 3 };
        if digits.len() != length || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let number: u16 = digits.parse().map_err(|_| wrong())?;
        match (is_class, number) {
            (true, 1..=5) => Ok(Status::Class(number)),
            (false, 100..=599) => Ok(Status::Code(number)),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Status {
    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "format": "status", "pattern": "^[1-5]([0-9][0-9]|xx)$",
            "description": "A code such as 200, or a class such as 2xx.", "examples": ["2xx"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_and_met() {
        let of = |text: &str| serde_json::from_str::<Statuses>(text);
        for (written, good, bad) in [
            (r#"["200"]"#, &[200][..], &[199, 201, 404][..]),
            (r#"["2xx"]"#, &[200, 204, 299], &[199, 300, 500]),
            (r#"["2xx","301","404"]"#, &[200, 301, 404], &[302, 403, 405]),
        ] {
            let statuses = of(written).unwrap();
            assert_eq!(serde_json::to_string(&statuses).unwrap(), written);
            assert!(good.iter().all(|code| statuses.holds(*code)), "{written}");
            assert!(!bad.iter().any(|code| statuses.holds(*code)), "{written}");
        }
        for bad in ["20", "2000", "600", "099", "2x", "xx", "6xx", "0xx", "+20", "", "ok"] {
            assert!(of(&format!("[\"{bad}\"]")).is_err(), "{bad}");
        }
    }
}
