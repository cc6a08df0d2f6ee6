//! The value that requests are decoded to and answers are encoded from, whatever the protocol.

use jiff::Timestamp;

/// A document of the AWS data model. Numbers keep their kind, because protocols write them differently.
#[derive(Clone, Debug, PartialEq)]
pub enum Doc {
    /// Absent; members with this value are left out of answers.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text. In the query protocol every scalar arrives as text; the accessors read through that.
    Text(String),
    /// A moment; each protocol has its own form for it.
    Time(Timestamp),
    /// A list.
    List(Vec<Doc>),
    /// Members in the order in which they are written.
    Map(Vec<(String, Doc)>),
}

impl Doc {
    /// The member of this name; `Null` if there is none or this is not a map.
    pub fn get(&self, name: &str) -> &Doc {
        static NULL: Doc = Doc::Null;
        match self {
            Doc::Map(members) => members.iter().find(|(key, _)| key == name).map_or(&NULL, |(_, value)| value),
            _ => &NULL,
        }
    }

    /// Adds or replaces a member. Does nothing to what is not a map.
    pub fn set(&mut self, name: &str, value: impl Into<Doc>) {
        if let Doc::Map(members) = self {
            match members.iter_mut().find(|(key, _)| key == name) {
                Some((_, old)) => *old = value.into(),
                None => members.push((name.to_owned(), value.into())),
            }
        }
    }

    /// Whether this is absent.
    pub fn is_null(&self) -> bool {
        matches!(self, Doc::Null)
    }

    /// The text of a member.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Doc::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number of a member, also if it came as text.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Doc::Int(number) => Some(*number),
            Doc::Float(number) if number.fract() == 0.0 => Some(*number as i64),
            Doc::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The number of a member, also if it came as text.
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Doc::Int(number) => Some(*number as f64),
            Doc::Float(number) => Some(*number),
            Doc::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The boolean of a member, also if it came as text.
    pub fn bool(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Doc::Bool(value) => Some(*value),
            Doc::Text(text) => match text.as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The moment of a member; text is read as RFC 3339, numbers as epoch seconds.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        match self.get(name) {
            Doc::Time(at) => Some(*at),
            Doc::Int(seconds) => Timestamp::from_second(*seconds).ok(),
            Doc::Float(seconds) => Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok(),
            Doc::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The items of a member list; none if it is absent.
    pub fn list(&self, name: &str) -> &[Doc] {
        match self.get(name) {
            Doc::List(items) => items,
            _ => &[],
        }
    }

    /// The texts of a member list; none if it is absent.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.list(name)
            .iter()
            .filter_map(|item| match item {
                Doc::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect()
    }
}

/// A map from names to values: `doc! { "a" => 1, "b" => "text" }`.
#[macro_export]
macro_rules! doc {
    () => { $crate::doc::Doc::Map(Vec::new()) };
    ($($name:expr => $value:expr),+ $(,)?) => {
        $crate::doc::Doc::Map(vec![$(($name.to_string(), $crate::doc::Doc::from($value))),+])
    };
}
pub use crate::doc;

impl From<bool> for Doc {
    fn from(value: bool) -> Doc {
        Doc::Bool(value)
    }
}
impl From<i64> for Doc {
    fn from(value: i64) -> Doc {
        Doc::Int(value)
    }
}
impl From<i32> for Doc {
    fn from(value: i32) -> Doc {
        Doc::Int(value.into())
    }
}
impl From<u32> for Doc {
    fn from(value: u32) -> Doc {
        Doc::Int(value.into())
    }
}
impl From<u16> for Doc {
    fn from(value: u16) -> Doc {
        Doc::Int(value.into())
    }
}
impl From<usize> for Doc {
    fn from(value: usize) -> Doc {
        Doc::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
impl From<f64> for Doc {
    fn from(value: f64) -> Doc {
        Doc::Float(value)
    }
}
impl From<&str> for Doc {
    fn from(value: &str) -> Doc {
        Doc::Text(value.to_owned())
    }
}
impl From<String> for Doc {
    fn from(value: String) -> Doc {
        Doc::Text(value)
    }
}
impl From<&String> for Doc {
    fn from(value: &String) -> Doc {
        Doc::Text(value.clone())
    }
}
impl From<Timestamp> for Doc {
    fn from(value: Timestamp) -> Doc {
        Doc::Time(value)
    }
}
impl<T: Into<Doc>> From<Vec<T>> for Doc {
    fn from(values: Vec<T>) -> Doc {
        Doc::List(values.into_iter().map(Into::into).collect())
    }
}
impl<T: Into<Doc>> From<Option<T>> for Doc {
    fn from(value: Option<T>) -> Doc {
        value.map_or(Doc::Null, Into::into)
    }
}
