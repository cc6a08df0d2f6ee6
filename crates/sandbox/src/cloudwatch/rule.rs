//! The rules of composite alarms: states of other alarms, put together with `AND`, `OR`, `NOT` and brackets.

use std::collections::BTreeSet;

use super::alarms::{ALARM, INSUFFICIENT_DATA, OK};

/// How many parts a rule may have.
const PARTS: usize = 500;
/// How deep its brackets and `NOT`s may go.
const DEPTH: usize = 100;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    Constant(bool),
    /// The alarm of this name is in this state.
    Is(&'static str, String),
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

impl Expression {
    /// Reads a rule of this account and region, whose alarms' ARNs begin so.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, arns: &str) -> Result<Expression, String> {
        let mut parser = Parser { rest: text, arns, parts: 0 };
        let read = parser.any(0)?;
        match parser.rest.trim_start() {
            "" => Ok(read),
            rest => Err(unexpected(rest)),
        }
    }

    /// The names of the alarms that it looks at.
    pub fn names<'a>(&'a self, into: &mut BTreeSet<&'a str>) {
        match self {
            Expression::Constant(_) => {}
            Expression::Is(_, name) => drop(into.insert(name)),
            Expression::Not(one) => one.names(into),
            Expression::And(all) | Expression::Or(all) => all.iter().for_each(|one| one.names(into)),
        }
    }

    /// Whether it holds, given the states of the alarms; an alarm that does not exist is in no state.
    pub fn holds(&self, state: &impl Fn(&str) -> Option<&'static str>) -> bool {
        match self {
            Expression::Constant(value) => *value,
            Expression::Is(wanted, name) => state(name) == Some(wanted),
            Expression::Not(one) => !one.holds(state),
            Expression::And(all) => all.iter().all(|one| one.holds(state)),
            Expression::Or(any) => any.iter().any(|one| one.holds(state)),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    arns: &'a str,
    parts: usize,
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<Expression, String> {
        let mut all = vec![self.all(depth)?];
        while self.word("OR") {
            all.push(self.all(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expression::Or(all) })
    }

    fn all(&mut self, depth: usize) -> Result<Expression, String> {
        let mut all = vec![self.one(depth)?];
        while self.word("AND") {
            all.push(self.one(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expression::And(all) })
    }

    fn one(&mut self, depth: usize) -> Result<Expression, String> {
        self.parts += 1;
        if self.parts > PARTS || depth > DEPTH {
            return Err(format!("it has more than {PARTS} parts or is nested more than {DEPTH} levels deep"));
        }
        if self.sign('(') {
            let inner = self.any(depth + 1)?;
            return if self.sign(')') { Ok(inner) } else { Err("a closing bracket is missing".to_owned()) };
        }
        if self.word("NOT") {
            return Ok(Expression::Not(Box::new(self.one(depth + 1)?)));
        }
        for (word, value) in [("TRUE", true), ("FALSE", false)] {
            if self.word(word) {
                return Ok(Expression::Constant(value));
            }
        }
        let state = [ALARM, OK, INSUFFICIENT_DATA].into_iter().find(|state| self.word(state));
        let state = state.ok_or_else(|| unexpected(self.rest.trim_start()))?;
        if !self.sign('(') {
            return Err(format!("{state} needs an alarm in brackets"));
        }
        Ok(Expression::Is(state, self.name()?))
    }

    /// An alarm's name or ARN up to the closing bracket, in quotes or not.
    fn name(&mut self) -> Result<String, String> {
        let rest = self.rest.trim_start();
        let (name, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a closing quotation mark is missing")?,
            None => rest.split_at(rest.find(')').ok_or("a closing bracket is missing")?),
        };
        self.rest = rest;
        if !self.sign(')') {
            return Err("a closing bracket is missing".to_owned());
        }
        let name = name.trim();
        match name.strip_prefix(self.arns).unwrap_or(name) {
            "" => Err("an alarm's name is empty".to_owned()),
            name => Ok(name.to_owned()),
        }
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.rest.trim_start().strip_prefix(sign);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn word(&mut self, word: &str) -> bool {
        let goes_on = |rest: &&str| rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
        let found = self.rest.trim_start().strip_prefix(word).filter(|rest| !goes_on(rest));
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }
}

fn unexpected(rest: &str) -> String {
    match rest.split_whitespace().next() {
        Some(word) => format!("`{}` is not expected there", word.chars().take(40).collect::<String>()),
        None => "it ends too early".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` is in alarm, `b` is fine, `c` does not know; others do not exist.
    fn judge(text: &str) -> Result<bool, String> {
        let state = |name: &str| match name {
            "a" => Some(ALARM),
            "b" => Some(OK),
            "c (old)" => Some(INSUFFICIENT_DATA),
            _ => None,
        };
        Expression::parse(text, "arn:x:alarm:").map(|rule| rule.holds(&state))
    }

    #[test]
    fn rules() {
        let table = [
            ("TRUE", true),
            ("FALSE", false),
            ("ALARM(a)", true),
            ("ALARM(\"a\") AND OK( b )", true),
            ("ALARM(arn:x:alarm:a)", true),
            ("INSUFFICIENT_DATA(\"c (old)\")", true),
            ("OK(a) OR ALARM(b)", false),
            ("NOT OK(a)", true),
            ("NOT NOT ALARM(b)", false),
            ("ALARM(gone) OR OK(gone) OR INSUFFICIENT_DATA(gone)", false),
            ("TRUE OR TRUE AND FALSE", true),
            ("(TRUE OR TRUE) AND FALSE", false),
            ("NOT (ALARM(a) AND ALARM(b)) AND NOT(FALSE)", true),
            ("ALARM(a)AND\n ALARM(a)", true),
        ];
        for (text, expected) in table {
            assert_eq!(judge(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_rule() {
        let table = [
            ("", "it ends too early"),
            ("ALARM(a) AND", "it ends too early"),
            ("ALARM(a) ALARM(b)", "`ALARM(b)` is not expected there"),
            ("alarm(a)", "`alarm(a)` is not expected there"),
            ("ALARM a", "ALARM needs an alarm in brackets"),
            ("ALARM()", "an alarm's name is empty"),
            ("ALARM(a", "a closing bracket is missing"),
            ("ALARM(\"a)", "a closing quotation mark is missing"),
            ("(TRUE", "a closing bracket is missing"),
            ("TRUEANDFALSE", "`TRUEANDFALSE` is not expected there"),
        ];
        for (text, expected) in table {
            assert_eq!(judge(text), Err(expected.to_owned()), "{text}");
        }
        let deep = "(".repeat(9000);
        assert!(judge(&deep).is_err_and(|why| why.contains("nested")));
        assert!(judge(&vec!["TRUE"; 501].join(" OR ")).is_err_and(|why| why.contains("500 parts")));
    }
}
