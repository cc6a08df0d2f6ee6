//! Mistakes that end a parser's work but not a person's: a tab that indents, a quote that is never closed, a second
//! document. They are said at their place and mended, so that the rest of the text can be judged too.

use super::draft::{Draft, Edit, byte_of, line_start, span_of};
use super::parse::{Fault, Trouble};
use super::problem::Problem;
use super::quotes::{Quoted, quoted};

/// What is wrong, in places of the draft's text, and the drafts in which it is mended, the likeliest first.
pub struct Mend<'t> {
    /// What is wrong.
    pub problem: Problem,
    /// What was probably meant.
    pub drafts: Vec<Draft<'t>>,
}

/// How a fault can be mended, if it is of a kind that can.
pub fn mend<'t>(draft: &Draft<'t>, fault: &Fault) -> Option<Mend<'t>> {
    match fault.trouble {
        Trouble::Tab => tabs(draft, fault),
        Trouble::Quote => quote(draft, fault),
        Trouble::Document => document(draft, fault),
        Trouble::Duplicate | Trouble::Other => None,
    }
}

/// Everything from the second document on is left out.
fn document<'t>(draft: &Draft<'t>, fault: &Fault) -> Option<Mend<'t>> {
    let text = draft.text();
    let mut start = line_start(text, fault.line);
    let is_mark = |at: usize| text.get(at..).is_some_and(|rest| rest.starts_with("---"));
    // The fault may stand on the first line of what follows the marks.
    while !is_mark(start) && start > 0 {
        let line = text[..start - 1].rfind('\n').map_or(0, |at| at + 1);
        if !is_mark(line) && !text[line..start].trim().is_empty() && !text[line..start].trim().starts_with('#') {
            break;
        }
        start = line;
    }
    let end = start + text.get(start..)?.find('\n').unwrap_or(text.len() - start);
    let problem = Problem::at(span_of(text, start, end), "a second document begins here")
        .help("one file holds one document; move it to a file of its own");
    let cut = Edit { start, end: text.len(), with: String::new() };
    Some(Mend { problem, drafts: vec![draft.edited(&[cut])] })
}

/// The quote is closed where its value probably ends, on its own line.
fn quote<'t>(draft: &Draft<'t>, fault: &Fault) -> Option<Mend<'t>> {
    let text = draft.text();
    let at = byte_of(text, fault.line, fault.column);
    let is_culprit = |it: &Quoted| {
        let end = it.end.unwrap_or(text.len());
        it.start <= at && at <= end && (it.end.is_none() || text[it.start..end].contains('\n'))
    };
    let open = quoted(text).into_iter().find(is_culprit)?;
    let inside = open.start + 1;
    let line = text[inside..].split('\n').next().unwrap_or("");
    let whole = line.find(" #").map_or(line, |comment| &line[..comment]).trim_end();
    let unclosed = whole.trim_end_matches([' ', '}', ']', ',']);
    let first = whole.split([',', '}', ']']).next().unwrap_or("").trim_end();
    let tries = if open.is_in_flow { vec![first, unclosed, whole] } else { vec![whole] };
    let mark = text[open.start..].chars().next().unwrap_or('"');
    let closed = |value: &str| {
        let end = inside + value.len();
        draft.edited(&[Edit { start: end, end, with: mark.to_string() }])
    };
    let problem = Problem::at(span_of(text, open.start, inside + tries[0].len()), "this quote is never closed")
        .help(format!("write another {mark} where the value ends"));
    Some(Mend { problem, drafts: tries.into_iter().map(closed).collect() })
}

/// One problem, however many lines: it is one mistake, usually an editor's setting.
fn tabs<'t>(draft: &Draft<'t>, fault: &Fault) -> Option<Mend<'t>> {
    let text = draft.text();
    let lines = lines(text);
    let tabbed: Vec<usize> = (0..lines.len()).filter(|index| lines[*index].is_tabbed()).collect();
    let first = *tabbed.iter().find(|index| **index + 1 >= fault.line)?;
    let line = &lines[first];
    let tab = line.start + line.lead.find('\t').unwrap_or(0);
    let width = line.lead[tab - line.start..].len() - line.lead[tab - line.start..].trim_start_matches('\t').len();
    let help = match tabbed.len() {
        1 => "use spaces".to_owned(),
        several => format!("use spaces; {several} lines of this file begin with tabs"),
    };
    let problem = Problem::at(span_of(text, tab, tab + width), "a tab cannot indent").help(help);
    let mut indents: Vec<usize> = Vec::new();
    let mut edits = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let indent = if line.is_tabbed() { meant(&lines, &indents, index) } else { line.lead.len() };
        indents.push(indent);
        if line.is_tabbed() {
            let end = line.start + line.lead.len();
            edits.push(Edit { start: line.start, end, with: " ".repeat(indent) });
        }
    }
    Some(Mend { problem, drafts: vec![draft.edited(&edits)] })
}

/// A line with something on it.
struct Line<'t> {
    start: usize,
    lead: &'t str,
    rest: &'t str,
}

impl Line<'_> {
    fn is_tabbed(&self) -> bool {
        self.lead.contains('\t')
    }

    /// How far it seems to be indented.
    fn width(&self) -> usize {
        self.lead.bytes().map(|byte| if byte == b'\t' { 8 } else { 1 }).sum()
    }

    /// Whether what belongs to it stands on the next lines.
    fn opens(&self) -> bool {
        self.rest.split(" #").next().unwrap_or("").trim_end().ends_with(':')
    }
}

/// All lines but empty ones and comments.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let lead = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        let rest = line[lead.len()..].trim_end();
        if !rest.is_empty() && !rest.starts_with('#') {
            found.push(Line { start, lead, rest });
        }
        start += line.len();
    }
    found
}

/// How many spaces were probably meant before a line with tabs, from the lines around it.
fn meant(lines: &[Line<'_>], indents: &[usize], index: usize) -> usize {
    let line = &lines[index];
    let Some(before) = index.checked_sub(1) else { return 0 };
    let (above, indent) = (&lines[before], indents[before]);
    if above.is_tabbed() {
        // A run of lines with tabs: the same tabs, the same column.
        let same = (0..index).rev().take_while(|earlier| lines[*earlier].is_tabbed());
        if let Some(same) = same.into_iter().find(|earlier| lines[*earlier].width() == line.width()) {
            return indents[same];
        }
    }
    let below = lines.get(index + 1).filter(|below| !below.is_tabbed()).map(|below| below.lead.len());
    if above.opens() {
        return below.filter(|below| *below > indent).unwrap_or(indent + 2);
    }
    let is_in_item = above.rest.starts_with("- ") && !line.rest.starts_with('-');
    if is_in_item { indent + 2 } else { indent }
}
