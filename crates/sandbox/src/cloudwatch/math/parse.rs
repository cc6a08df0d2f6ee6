//! Metric math as text.

/// How long an expression may be.
const LENGTH: usize = 2048;
/// How deep its brackets, signs and functions may go.
const DEPTH: usize = 40;
/// How many values it may have: a row of them goes as deep.
const PARTS: usize = 400;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Node {
    Number(f64),
    Text(String),
    /// A metric or another expression, by its id.
    Id(String),
    /// A word of the language, such as `REPEAT`.
    Word(String),
    Negative(Box<Node>),
    Both(Operator, Box<Node>, Box<Node>),
    List(Vec<Node>),
    Call(String, Vec<Node>),
}

/// What stands between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    AtMost,
    AtLeast,
    Less,
    More,
    Plus,
    Minus,
    Times,
    Over,
    Power,
}

/// The operators with how closely they bind; longer ones before those that they begin with.
const OPERATORS: [(&str, Operator, u8); 15] = [
    ("OR", Operator::Or, 1),
    ("||", Operator::Or, 1),
    ("AND", Operator::And, 2),
    ("&&", Operator::And, 2),
    ("==", Operator::Equal, 3),
    ("!=", Operator::Unequal, 3),
    ("<=", Operator::AtMost, 3),
    (">=", Operator::AtLeast, 3),
    ("<", Operator::Less, 3),
    (">", Operator::More, 3),
    ("+", Operator::Plus, 4),
    ("-", Operator::Minus, 4),
    ("*", Operator::Times, 5),
    ("/", Operator::Over, 5),
    ("^", Operator::Power, 7),
];
/// A sign binds closer than a product, and less than a power.
const SIGN: u8 = 6;

impl Operator {
    pub fn of(self, a: f64, b: f64) -> f64 {
        let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
        match self {
            Operator::Or => truth(a != 0.0 || b != 0.0),
            Operator::And => truth(a != 0.0 && b != 0.0),
            Operator::Equal => truth(a == b),
            Operator::Unequal => truth(a != b),
            Operator::AtMost => truth(a <= b),
            Operator::AtLeast => truth(a >= b),
            Operator::Less => truth(a < b),
            Operator::More => truth(a > b),
            Operator::Plus => a + b,
            Operator::Minus => a - b,
            Operator::Times => a * b,
            Operator::Over => a / b,
            Operator::Power => a.powf(b),
        }
    }
}

impl Node {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Node, String> {
        if text.is_empty() || text.chars().count() > LENGTH {
            return Err(format!("it must have between 1 and {LENGTH} characters"));
        }
        let mut parser = Parser { rest: text, parts: 0 };
        let node = parser.both(0, 0)?;
        match parser.peek() {
            None => Ok(node),
            Some(_) => Err(parser.unexpected()),
        }
    }

    /// The ids that it names.
    pub fn ids(&self) -> Vec<&str> {
        match self {
            Node::Number(_) | Node::Text(_) | Node::Word(_) => Vec::new(),
            Node::Id(id) => vec![id],
            Node::Negative(one) => one.ids(),
            Node::Both(_, a, b) => a.ids().into_iter().chain(b.ids()).collect(),
            Node::List(all) | Node::Call(_, all) => all.iter().flat_map(Node::ids).collect(),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    parts: usize,
}

impl<'a> Parser<'a> {
    /// The next sign.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(sign);
        if found {
            self.rest = self.rest.strip_prefix(sign).unwrap_or(self.rest);
        }
        found
    }

    /// Takes as many characters as belong to it.
    fn run(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c: char| !belongs(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run
    }

    fn operator(&mut self, least: u8) -> Option<(Operator, u8)> {
        self.peek();
        let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        for (text, operator, strength) in OPERATORS {
            let Some(rest) = self.rest.strip_prefix(text) else { continue };
            if text.starts_with(char::is_alphabetic) && goes_on(rest) {
                continue;
            }
            if strength < least {
                return None;
            }
            self.rest = rest;
            return Some((operator, strength));
        }
        None
    }

    /// Values with operators between them that bind at least so closely.
    fn both(&mut self, least: u8, depth: usize) -> Result<Node, String> {
        let mut node = self.one(depth)?;
        while let Some((operator, strength)) = self.operator(least) {
            // Powers are taken from the right.
            let next = if operator == Operator::Power { strength } else { strength + 1 };
            let right = if operator == Operator::Power { self.both(next, depth + 1)? } else { self.both(next, depth)? };
            node = Node::Both(operator, Box::new(node), Box::new(right));
        }
        Ok(node)
    }

    fn one(&mut self, depth: usize) -> Result<Node, String> {
        if depth > DEPTH {
            return Err(format!("it is nested more than {DEPTH} levels deep"));
        }
        self.parts += 1;
        if self.parts > PARTS {
            return Err(format!("it has more than {PARTS} parts"));
        }
        match self.peek() {
            Some('-') => {
                self.sign('-');
                Ok(Node::Negative(Box::new(self.both(SIGN, depth + 1)?)))
            }
            Some('(') => {
                self.sign('(');
                let inner = self.both(0, depth + 1)?;
                if self.sign(')') { Ok(inner) } else { Err(self.unexpected()) }
            }
            Some('[') => {
                self.sign('[');
                Ok(Node::List(self.list(']', depth)?))
            }
            Some(quote @ ('"' | '\'')) => {
                self.sign(quote);
                let text = self.run(|c| c != quote).to_owned();
                if self.sign(quote) { Ok(Node::Text(text)) } else { Err("a quotation mark is missing".to_owned()) }
            }
            Some('0'..='9' | '.') => self.number(),
            Some(first) if first.is_ascii_alphabetic() => {
                let word = self.run(|c| c.is_ascii_alphanumeric() || c == '_').to_owned();
                if self.sign('(') {
                    return Ok(Node::Call(word, self.list(')', depth)?));
                }
                Ok(if first.is_ascii_lowercase() { Node::Id(word) } else { Node::Word(word) })
            }
            Some(_) | None => Err(self.unexpected()),
        }
    }

    /// Values with commas between them, up to the closing sign.
    fn list(&mut self, end: char, depth: usize) -> Result<Vec<Node>, String> {
        let mut all = Vec::new();
        if self.sign(end) {
            return Ok(all);
        }
        loop {
            all.push(self.both(0, depth + 1)?);
            if self.sign(end) {
                return Ok(all);
            }
            if !self.sign(',') {
                return Err(self.unexpected());
            }
        }
    }

    fn number(&mut self) -> Result<Node, String> {
        let whole = self.rest;
        self.run(|c| c.is_ascii_digit() || c == '.');
        if let Some(rest) = self.rest.strip_prefix(['e', 'E']) {
            let before = self.rest;
            self.rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
            if self.run(|c| c.is_ascii_digit()).is_empty() {
                self.rest = before;
            }
        }
        let text = whole.strip_suffix(self.rest).unwrap_or(whole);
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.map(Node::Number).ok_or_else(|| format!("`{text}` is no number"))
    }

    fn unexpected(&mut self) -> String {
        match self.peek() {
            Some(_) => format!("`{}` is not expected there", self.rest.chars().take(20).collect::<String>()),
            None => "it ends too early".to_owned(),
        }
    }
}
