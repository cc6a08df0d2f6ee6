//! Problems: what is wrong at which place, shown in the source.

use std::fmt;

use crate::error::{Failure, Kind};

use super::node::Span;
use super::show::{excerpt, harmless};

/// So many are shown; a file with more has one cause that hides behind them.
const SHOWN: usize = 100;

/// Something wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where, if it has a place.
    pub span: Option<Span>,
    /// What is wrong: one line, lower-case, no full stop, nothing in it that could move a cursor.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at a place.
    pub fn at(span: Span, message: impl AsRef<str>) -> Problem {
        Problem { span: Some(span), message: harmless(message.as_ref()), help: None }
    }

    /// A problem with a file as a whole.
    pub fn whole(message: impl AsRef<str>) -> Problem {
        Problem { span: None, message: harmless(message.as_ref()), help: None }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl AsRef<str>) -> Problem {
        self.help = Some(harmless(help.as_ref()));
        self
    }
}

/// All problems of one text, sorted by place, none twice. Shown with the lines they stand on.
#[derive(Clone, PartialEq, Eq)]
pub struct Problems {
    name: String,
    text: String,
    list: Vec<Problem>,
}

impl Problems {
    /// The problems of a text that is called `name` (its path).
    pub fn new(name: &str, text: &str, mut list: Vec<Problem>) -> Problems {
        list.sort();
        list.dedup();
        Problems { name: harmless(name), text: text.to_owned(), list }
    }

    /// One problem with a file that could not even be read.
    pub fn whole(name: &str, problem: Problem) -> Problems {
        Problems::new(name, "", vec![problem])
    }

    /// What the text is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The line and column after the last character of a span, both counted from 1.
    pub fn end(&self, span: Span) -> (usize, usize) {
        let marked = self.text.get(span.start..span.end).unwrap_or("").trim_end();
        match marked.rsplit_once('\n') {
            None => (span.line, span.column + marked.chars().count()),
            Some((before, last)) => (span.line + before.matches('\n').count() + 1, last.chars().count() + 1),
        }
    }

    /// The problems, sorted by place.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// All of them, each beginning with a label of its own and ending with a line break.
    pub fn labelled(&self, label: &str) -> String {
        struct One<'a>(&'a Problems, &'a Problem);
        impl fmt::Display for One<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write_one(f, self.1)
            }
        }
        let mut shown: Vec<String> =
            self.list.iter().take(SHOWN).map(|problem| format!("{label}{}\n", One(self, problem))).collect();
        if let Some(more) = self.list.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            shown.push(format!("{label}{}: {more} more\n", self.name));
        }
        shown.concat()
    }

    fn write_one(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        let Problem { span, message, help } = problem;
        match span {
            None => write!(f, "{}: {message}", self.name)?,
            Some(span) => {
                write!(f, "{}:{}:{}: {message}", self.name, span.line, span.column)?;
                if let Some([source, marks]) = excerpt(&self.text, *span) {
                    write!(f, "\n{}\n      | {marks}", format!("{:>5} | {source}", span.line).trim_end())?;
                }
            }
        }
        help.iter().try_for_each(|help| write!(f, "\n  help: {help}"))
    }
}

/// The problems as a person reads them, without the first `error: `, so that they can be a failure's message.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\nerror: ")?;
            }
            self.write_one(f, problem)?;
        }
        match self.list.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nerror: {}: {more} more problems", self.name),
        }
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Problems {}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Failure {
        Failure::new(Kind::Usage, problems.to_string())
    }
}
