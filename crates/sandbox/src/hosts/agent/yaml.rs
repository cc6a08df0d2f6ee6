//! YAML as the agent's Ruby reads it: untyped, with the octal numbers of YAML 1.1.

use std::fmt;

use serde_yaml::options::DuplicateKeyPolicy;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// An AppSpec is small; what is larger is not one.
const MOST_BYTES: usize = 1 << 20;

/// A YAML value.
#[derive(Clone, Debug, PartialEq)]
pub enum Yaml {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a point.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Yaml>),
    /// A map; keys are texts.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// Reads one document.
    ///
    /// # Errors
    /// The text is not YAML, or too large.
    pub fn parse(text: &str) -> Result<Yaml, String> {
        if text.len() > MOST_BYTES {
            return Err("the file is too large".to_owned());
        }
        let options = serde_yaml::options! {
            strict_booleans: true, legacy_octal_numbers: true, with_snippet: false,
            duplicate_keys: DuplicateKeyPolicy::LastWins,
            budget: serde_yaml::budget! { max_nodes: 20_000, max_depth: 64 },
        };
        serde_yaml::from_str_with_options(text, options).map_err(|bad| bad.to_string())
    }

    /// The member of this name; `Null` if there is none.
    pub fn get(&self, name: &str) -> &Yaml {
        static NULL: Yaml = Yaml::Null;
        match self {
            Yaml::Map(members) => members.iter().find(|(key, _)| key == name).map_or(&NULL, |(_, value)| value),
            _ => &NULL,
        }
    }

    /// Whether this is nothing.
    pub fn is_null(&self) -> bool {
        *self == Yaml::Null
    }
}

impl fmt::Display for Yaml {
    /// As Ruby would put it into a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Yaml::Null => Ok(()),
            Yaml::Bool(value) => write!(f, "{value}"),
            Yaml::Int(value) => write!(f, "{value}"),
            Yaml::Float(value) => write!(f, "{value:?}"),
            Yaml::Text(value) => f.write_str(value),
            Yaml::List(_) => f.write_str("[...]"),
            Yaml::Map(_) => f.write_str("{...}"),
        }
    }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Yaml, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Yaml, E> {
        Ok(Yaml::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Yaml, E> {
        Ok(i64::try_from(value).map_or_else(|_| Yaml::Text(value.to_string()), Yaml::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Yaml, E> {
        Ok(Yaml::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Yaml, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = members.next_entry::<Yaml, Yaml>()? {
            map.push((key.to_string(), value));
        }
        Ok(Yaml::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_what_ruby_makes_of_them() {
        let table = [
            ("0.0", Yaml::Float(0.0)),
            ("\"0.0\"", Yaml::Text("0.0".to_owned())),
            ("0644", Yaml::Int(420)),
            ("644", Yaml::Int(644)),
            ("\"0644\"", Yaml::Text("0644".to_owned())),
            ("~", Yaml::Null),
            ("true", Yaml::Bool(true)),
            ("no", Yaml::Text("no".to_owned())),
            ("[1, a]", Yaml::List(vec![Yaml::Int(1), Yaml::Text("a".to_owned())])),
        ];
        for (text, value) in table {
            assert_eq!(Yaml::parse(&format!("a: {text}")).unwrap().get("a"), &value, "{text}");
        }
        assert!(Yaml::parse(&"[".repeat(100_000)).is_err());
        assert_eq!(Yaml::parse("").unwrap(), Yaml::Null);
    }
}
