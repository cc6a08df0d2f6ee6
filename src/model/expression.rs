//! Math over metrics, as people write it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::harmless;
use super::measure::Metric;
use super::units::Period;

/// Math over metrics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expression {
    /// CloudWatch's metric math over the names of `of`. A datapoint that is missing counts as 0 beside one that is there, and
    /// where it divides by 0 there is none.
    #[schemars(regex(pattern = r"^[ -~]{1,1024}$"), extend("examples" = ["100 * late / all"]))]
    pub math: String,
    /// The metrics by the names that the math has for them, all of one period.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 10, "examples" = [{
        "all": { "namespace": "Shop", "name": "Orders", "statistic": "Sum" },
        "late": { "namespace": "Shop", "name": "LateOrders", "statistic": "Sum" },
    }]))]
    pub of: BTreeMap<MathName, Metric>,
}

/// How often the math may name metrics: with the longer names of a call it must still be one that CloudWatch takes.
pub const MOST_NAMES: usize = 150;

/// The most characters of the math in a label.
const LABEL: usize = 120;

impl Expression {
    /// What people call it.
    pub fn label(&self) -> String {
        harmless(&self.math, LABEL)
    }

    /// The length of one datapoint.
    pub fn period(&self) -> Period {
        self.of.values().next().map(|metric| metric.period).unwrap_or_default()
    }

    /// The words of the math that are names of metrics, each as often as it is used: they begin with a small letter.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        words(&self.math).into_iter().map(|(_, word)| word).filter(|word| is_name(word))
    }

    /// The functions and words of the language.
    pub fn functions(&self) -> BTreeSet<&str> {
        words(&self.math).into_iter().map(|(_, word)| word).filter(|word| !is_name(word)).collect()
    }

    /// The first thing outside of quotation marks that is none of CloudWatch's operators: it has `+ - * / ^`,
    /// comparisons, `AND` and `OR`, and no remainder.
    pub fn foreign(&self) -> Option<&str> {
        let mut quote = None;
        let mut rest = self.math.as_str();
        while let Some(c) = rest.chars().next() {
            let two = rest.get(..2).unwrap_or("");
            let length = match (quote, c) {
                (Some(open), _) => {
                    quote = Some(open).filter(|open| *open != c);
                    c.len_utf8()
                }
                (None, '"' | '\'') => {
                    quote = Some(c);
                    1
                }
                (None, _) if matches!(two, "==" | "!=" | "<=" | ">=" | "&&" | "||") => 2,
                (None, c) if c.is_ascii_alphanumeric() || c.is_whitespace() || "_.+-*/^()[],<>".contains(c) => {
                    c.len_utf8()
                }
                (None, c) => return rest.get(..c.len_utf8()),
            };
            rest = rest.get(length..)?;
        }
        None
    }

    /// The math with something before each name, so that it can be asked for together with others.
    pub fn renamed(&self, before: &str) -> String {
        let mut text = String::new();
        let mut from = 0;
        for (at, _) in words(&self.math).into_iter().filter(|(_, word)| is_name(word)) {
            text += self.math.get(from..at).unwrap_or_default();
            text += before;
            from = at;
        }
        text + self.math.get(from..).unwrap_or_default()
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
}

/// The words outside of quotation marks and numbers, and where they begin.
fn words(math: &str) -> Vec<(usize, &str)> {
    let bytes = math.as_bytes();
    let run =
        |from: usize, goes_on: &dyn Fn(u8) -> bool| bytes.iter().skip(from).take_while(|byte| goes_on(**byte)).count();
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let length = if byte == b'"' || byte == b'\'' {
            run(at + 1, &|other| other != byte) + 2
        } else if byte.is_ascii_digit() || byte == b'.' {
            run(at, &|byte| is_part(byte) || byte == b'.')
        } else {
            run(at, &is_part)
        };
        if is_part(byte) && !byte.is_ascii_digit() {
            found.extend(math.get(at..at + length).map(|word| (at, word)));
        }
        at += length.max(1);
    }
    found
}

/// The name that math has for a metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MathName(String);

impl MathName {
    /// How every such name looks.
    pub const PATTERN: &str = "^[a-z][A-Za-z0-9_]{0,99}$";

    /// Checks a name.
    ///
    /// # Errors
    /// Says what a name may be.
    pub fn new(text: &str) -> Result<MathName, String> {
        let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if text.len() > 100 || !fits || !is_name(text) {
            return Err(format!("`{text}` is no name for math; use letters, digits and _, a small letter first"));
        }
        Ok(MathName(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for MathName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MathName, D::Error> {
        MathName::new(&Cow::<str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for MathName {
    fn schema_name() -> Cow<'static, str> {
        "MathName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": MathName::PATTERN,
            "description": "Letters, digits and _, a small letter first.",
        })
    }
}

/// What is measured: a metric, or math over several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// A metric.
    Metric(Metric),
    /// Math over some.
    Math(Expression),
}

impl Measure {
    /// What people call it.
    pub fn label(&self) -> String {
        match self {
            Measure::Metric(metric) => metric.label(),
            Measure::Math(expression) => expression.label(),
        }
    }

    /// The length of one datapoint.
    pub fn period(&self) -> Period {
        match self {
            Measure::Metric(metric) => metric.period,
            Measure::Math(expression) => expression.period(),
        }
    }

    /// How many queries it takes to ask for it.
    pub fn queries(&self) -> usize {
        match self {
            Measure::Metric(_) => 1,
            Measure::Math(expression) => expression.of.len() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(math: &str) -> Expression {
        Expression { math: math.to_owned(), of: BTreeMap::new() }
    }

    #[test]
    fn names_are_found_and_renamed() {
        for (math, names, renamed) in [
            ("100 * late / all", "late all", "100 * q1_late / q1_all"),
            ("late+late", "late late", "q1_late+q1_late"),
            ("SUM([a,b])/1e-36", "a b", "SUM([q1_a,q1_b])/1e-36"),
            ("IF(a>1.5e3 AND b, FILL(c, REPEAT))", "a b c", "IF(q1_a>1.5e3 AND q1_b, FILL(q1_c, REPEAT))"),
            ("SUM(SEARCH('{Shop} \"late\"', 'Sum'))+m_1", "m_1", "SUM(SEARCH('{Shop} \"late\"', 'Sum'))+q1_m_1"),
            ("'no end a", "", "'no end a"),
            ("2m + é", "", "2m + é"),
            ("", "", ""),
        ] {
            assert_eq!(of(math).names().collect::<Vec<_>>().join(" "), names, "{math}");
            assert_eq!(of(math).renamed("q1_"), renamed, "{math}");
        }
        let functions = of("IF(a AND METRICS(\"x\"), _b, B2)").functions().into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(functions, "AND B2 IF METRICS _b");
    }

    #[test]
    fn operators_are_those_of_cloudwatch() {
        for good in
            ["a / b", "(a + b) * 2 ^ -1", "IF(a >= 1 && b != 2 || c == 3, [a, b], 0)", "SEARCH('{A} x=\"%\"', 'p99')"]
        {
            assert_eq!(of(good).foreign(), None, "{good}");
        }
        for (bad, expected) in
            [("a % b", "%"), ("100%", "%"), ("a = b", "="), ("!a", "!"), ("a & b", "&"), ("a; b", ";"), ("a × b", "×")]
        {
            assert_eq!(of(bad).foreign(), Some(expected), "{bad}");
        }
    }

    #[test]
    fn names_are_what_cloudwatch_takes() {
        for good in ["a", "late", "m1", "lateOrders_2"] {
            assert_eq!(MathName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "1a", "_a", "a-b", "a b", "é", &"x".repeat(101)] {
            assert!(MathName::new(bad).is_err(), "{bad}");
        }
    }
}
