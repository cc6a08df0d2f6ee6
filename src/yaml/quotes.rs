//! Where quoted text begins and ends: as much of YAML's grammar as is needed to find the quote that nobody closed.

/// Text in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// The byte of the quote that opens it.
    pub start: usize,
    /// The byte after the quote that closes it, if one does.
    pub end: Option<usize>,
    /// Whether it stands in brackets.
    pub is_in_flow: bool,
}

/// All quoted texts, in order.
pub fn quoted(text: &str) -> Vec<Quoted> {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0, is_fresh: true, depth: 0, found: Vec::new() };
    while scan.at < scan.bytes.len() {
        scan.step();
    }
    scan.found
}

struct Scan<'t> {
    bytes: &'t [u8],
    at: usize,
    /// Whether a value may begin here.
    is_fresh: bool,
    /// How many brackets are open.
    depth: usize,
    found: Vec<Quoted>,
}

impl Scan<'_> {
    fn step(&mut self) {
        let is_spaced = self.bytes.get(self.at + 1).is_none_or(u8::is_ascii_whitespace);
        let mut next = self.at + 1;
        match self.bytes[self.at] {
            b' ' | b'\t' | b'\r' => {}
            b'\n' => self.is_fresh = true,
            b'#' if self.at == 0 || self.bytes[self.at - 1].is_ascii_whitespace() => next = self.line_end(self.at),
            b'"' | b'\'' if self.is_fresh => {
                let end = self.closing();
                self.found.push(Quoted { start: self.at, end, is_in_flow: self.depth > 0 });
                self.is_fresh = false;
                next = end.unwrap_or(self.bytes.len());
            }
            b':' => self.is_fresh = is_spaced || self.depth > 0,
            b'-' | b'?' if self.is_fresh && is_spaced => {}
            b'[' | b'{' if self.is_fresh => self.depth += 1,
            b']' | b'}' if self.depth > 0 => {
                self.depth -= 1;
                self.is_fresh = false;
            }
            b',' if self.depth > 0 => self.is_fresh = true,
            b'|' | b'>' if self.is_fresh && self.depth == 0 => next = self.after_block(),
            b'&' | b'!' if self.is_fresh => {
                let rest = &self.bytes[self.at..];
                next = self.at + rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
            }
            _ => self.is_fresh = false,
        }
        self.at = next;
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = &self.bytes[from..];
        from + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
    }

    /// The byte after the quote that closes the one here.
    fn closing(&self) -> Option<usize> {
        let quote = self.bytes[self.at];
        let mut at = self.at + 1;
        while let Some(byte) = self.bytes.get(at) {
            let is_doubled = *byte == b'\'' && quote == b'\'' && self.bytes.get(at + 1) == Some(&b'\'');
            if is_doubled || (*byte == b'\\' && quote == b'"') {
                at += 2;
            } else if *byte == quote {
                return Some(at + 1);
            } else {
                at += 1;
            }
        }
        None
    }

    /// The end of the block of text that is opened here: everything deeper than this line.
    fn after_block(&mut self) -> usize {
        let begun = self.bytes[..self.at].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let indent = |from: usize| self.bytes[from..].iter().take_while(|byte| **byte == b' ').count();
        let own = indent(begun);
        let mut end = self.line_end(self.at);
        while end < self.bytes.len() {
            let (from, to) = (end + 1, self.line_end(end + 1));
            let is_blank = self.bytes[from..to].iter().all(u8::is_ascii_whitespace);
            if !is_blank && indent(from) <= own {
                break;
            }
            end = to;
        }
        end
    }
}
