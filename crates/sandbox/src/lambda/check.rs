//! The constraints of the service's model: all that an input breaks are told at once.

use super::super::doc::Doc;
use super::super::world::ApiError;

/// Constraints that were broken so far.
#[derive(Default)]
pub(super) struct Checks(Vec<String>);

impl Checks {
    pub fn broken(&mut self, member: &str, value: &str, rule: &str) {
        self.0.push(format!("Value {value} at '{member}' failed to satisfy constraint: {rule}"));
    }

    /// The rule for one member, if it is broken.
    pub fn unless(&mut self, fits: bool, member: &str, value: &str, rule: &str) {
        if !fits {
            self.broken(member, &format!("'{value}'"), rule);
        }
    }

    /// A whole number of a range.
    pub fn within(&mut self, input: &Doc, name: &str, low: i64, high: i64) -> Option<i64> {
        let number = input.int(name)?;
        let edge = |than: &str, edge: i64| format!("Member must have value {than} than or equal to {edge}");
        self.unless(number >= low, &member(name), &number.to_string(), &edge("greater", low));
        self.unless(number <= high, &member(name), &number.to_string(), &edge("less", high));
        Some(number)
    }

    /// A text that has to be there.
    pub fn required<'a>(&mut self, input: &'a Doc, name: &str) -> &'a str {
        input.text(name).unwrap_or_else(|| {
            self.broken(&member(name), "null", "Member must not be null");
            ""
        })
    }

    /// One of a set of words.
    pub fn one_of(&mut self, value: Option<&str>, member: &str, words: &[&str]) {
        if let Some(value) = value {
            let rule = format!("Member must satisfy enum value set: [{}]", words.join(", "));
            self.unless(words.contains(&value), member, value, &rule);
        }
    }

    pub fn done(self) -> Result<(), ApiError> {
        let (count, all) = (self.0.len(), self.0.join("; "));
        let errors = if count == 1 { "error" } else { "errors" };
        if count == 0 {
            return Ok(());
        }
        Err(ApiError::new("ValidationException", format!("{count} validation {errors} detected: {all}")))
    }
}

/// A member as constraints name it: it begins in lower case.
fn member(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// One broken constraint alone.
pub(super) fn one(member: &str, value: &str, rule: &str) -> ApiError {
    let mut checks = Checks::default();
    checks.broken(member, value, rule);
    checks.done().err().unwrap_or_else(|| ApiError::new("ValidationException", rule))
}

/// Letters, digits, hyphen, underscore, and these.
pub(super) fn is_word(text: &str, more: &str) -> bool {
    !text.is_empty() && text.chars().all(|one| one.is_ascii_alphanumeric() || "-_".contains(one) || more.contains(one))
}

/// One page of a list and the marker of the next.
pub(super) fn page(input: &Doc, items: Vec<Doc>) -> Result<(Vec<Doc>, Option<String>), ApiError> {
    let mut checks = Checks::default();
    let size = checks.within(input, "MaxItems", 1, 10_000).unwrap_or(50).min(50);
    checks.done()?;
    super::super::input::page(items, input.text("Marker"), usize::try_from(size).unwrap_or(50))
        .map_err(|_| super::errors::invalid("Invalid marker"))
}
