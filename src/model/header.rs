//! Headers of a probe: their names, and where their values come from.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// Headers that say how a message is carried; whoever sends it sets them.
const OF_THE_WAY: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
];

/// The name of a header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct HeaderName(String);

impl HeaderName {
    /// How every such name looks.
    pub const PATTERN: &str = "^[A-Za-z][A-Za-z0-9-]{0,99}$";

    /// Checks a name.
    ///
    /// # Errors
    /// Says what a name may be.
    pub fn new(text: &str) -> Result<HeaderName, String> {
        let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if text.len() > 100 || !letters || !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Err(format!("`{text}` is not a header's name; use letters, digits and -, a letter first"));
        }
        if OF_THE_WAY.contains(&text.to_ascii_lowercase().as_str()) {
            return Err(format!("`{text}` is set by whoever sends the request"));
        }
        Ok(HeaderName(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for HeaderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HeaderName, D::Error> {
        HeaderName::new(&Cow::<str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for HeaderName {
    fn schema_name() -> Cow<'static, str> {
        "HeaderName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": HeaderName::PATTERN,
            "description": "Letters, digits and -, a letter first.",
        })
    }
}

/// Where a header's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-short" = "value"))]
pub enum HeaderSource {
    /// Plain text, which everybody may see.
    Value(HeaderText),
    /// The ARN of a secret in Secrets Manager.
    Secret(SecretArn),
    /// The name or the ARN of an SSM parameter.
    Parameter(ParameterName),
}

/// Plain text of a header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct HeaderText(
    /// Printable ASCII.
    #[schemars(regex(pattern = r"^[!-~]([ -~]*[!-~])?$"), length(max = 4096), extend("examples" = ["shipit"]))]
    pub String,
);

/// The ARN of a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretArn(
    /// `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-xxxxxx`.
    #[schemars(
        regex(pattern = r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]+$"),
        length(max = 2048),
        extend("examples" = ["arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:probe-a1b2c3"])
    )]
    pub String,
);

/// The name or the ARN of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ParameterName(
    /// Such as `/shop/probe-key`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_./:-]+$"), length(max = 2048), extend("examples" = ["/shop/probe-key"]))]
    pub String,
);

/// Most bytes of a header's value.
const VALUE_MAX: usize = 4096;

/// A header's value, which may be secret: it is sent, and shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderValue(String);

impl HeaderValue {
    /// Takes in a value. Line breaks and spaces at its ends, as editors leave them, do not belong to it.
    ///
    /// # Errors
    /// Why it cannot be a header's value; it is not repeated there.
    pub fn new(text: &str) -> Result<HeaderValue, String> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.len() > VALUE_MAX {
            return Err(format!("it has {} bytes, and a header takes at most {VALUE_MAX}", text.len()));
        }
        if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err("it holds something else than printable ASCII, such as a line break".to_owned());
        }
        Ok(HeaderValue(text.to_owned()))
    }

    /// The value, for the request alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderValue(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_whole_or_not_at_all() {
        assert_eq!(HeaderValue::new(" Bearer a b\r\n").unwrap().reveal(), "Bearer a b");
        for bad in ["", "\n", "a\nX-Other: b", "a\rb", "a\0b", "é", "a\u{7f}", &"a".repeat(4097)] {
            let why = HeaderValue::new(bad).unwrap_err();
            assert!(!why.contains("X-Other"), "{why}");
        }
    }

    #[test]
    fn names_of_headers() {
        for good in ["Authorization", "x-probe", "Host", "X-1"] {
            assert_eq!(HeaderName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-x", "1x", "a b", "a:b", "a\r\nb", "é", "Content-Length", "CONNECTION", &"a".repeat(101)] {
            assert!(HeaderName::new(bad).is_err(), "{bad}");
        }
    }
}
