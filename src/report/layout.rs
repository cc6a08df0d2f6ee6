//! Text in columns that fit the width, narrow ones included. Ids and commands are never broken: they are copied.

use super::commands::Suggestion;
use super::style::{Style, Tint};

/// A text that grows line by line.
pub struct Page {
    style: Style,
    text: String,
}

/// A part of a story that is told in several forms.
pub enum Block {
    /// What it is about.
    Title(String),
    /// The heading of a part.
    Section(String),
    /// See [`Page::field`].
    Field(&'static str, String),
    /// See [`Page::note`].
    Note(&'static str, String),
    /// See [`Table`].
    Table(Table),
    /// See [`Page::commands`].
    Commands(&'static str, Vec<Suggestion>),
    /// Some room.
    Blank,
}

impl Block {
    /// A field.
    pub fn field(label: &'static str, text: impl Into<String>) -> Block {
        Block::Field(label, text.into())
    }
}

/// Where fields' texts begin, on a page that is wide enough.
const FIELD: usize = 12;

/// Below this width a label stands on a line of its own text's.
const NARROW: usize = 60;

impl Page {
    /// An empty page.
    pub fn new(style: Style) -> Page {
        Page { style, text: String::new() }
    }

    /// A part of a story.
    pub fn block(&mut self, block: &Block) {
        match block {
            Block::Title(title) => self.heading(Tint::Strong, title),
            Block::Section(title) => {
                self.blank();
                self.heading(Tint::Strong, title);
            }
            Block::Field(label, text) => self.field(label, text),
            Block::Note(label, text) => self.note(label, text),
            Block::Table(table) => self.table(table),
            Block::Commands(label, commands) => self.commands(label, commands),
            Block::Blank => self.blank(),
        }
    }

    /// A line at the left edge that stands out; wrapped.
    pub fn heading(&mut self, tint: Tint, text: &str) {
        for line in wrap(&self.style.text(text), self.style.width, 0, 2) {
            self.push(&self.style.paint(tint, &line));
        }
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.push("");
    }

    /// `  label     text`, the text wrapped under itself. An empty label goes on with the field before.
    pub fn field(&mut self, label: &str, text: &str) {
        let text = self.style.text(text);
        if self.style.width < NARROW {
            let label = if label.is_empty() { String::new() } else { format!("{label}: ") };
            let indent = if label.is_empty() { 4 } else { 2 };
            wrap(&format!("{label}{text}"), self.style.width, indent, 4).iter().for_each(|line| self.push(line));
            return;
        }
        let mut label = label;
        for line in wrap(&text, self.style.width, FIELD, FIELD) {
            let text = line.trim_start();
            self.push(&format!("  {label:<width$}{text}", width = FIELD - 2));
            label = "";
        }
    }

    /// A field whose text may end in a command (`…: aws …`), which then stands on a line of its own, unbroken.
    pub fn note(&mut self, label: &str, text: &str) {
        let command = [": aws ", ": shipit ", ": curl "].iter().filter_map(|start| text.find(start)).min();
        let (text, command) = command.map_or((text, None), |at| (&text[..=at], Some(&text[at + 2..])));
        self.field(label, text);
        if let Some(command) = command {
            self.verbatim(if self.style.width < NARROW { 4 } else { FIELD }, command);
        }
    }

    /// Commands to copy, with what each does as a shell's comment.
    pub fn commands(&mut self, label: &str, commands: &[Suggestion]) {
        let indent = if self.style.width < NARROW { 4 } else { FIELD };
        let longest = commands.iter().map(|it| width(&it.command)).max().unwrap_or_default();
        let fits = |it: &Suggestion| indent + longest + 5 + width(&self.style.text(&it.does)) <= self.style.width;
        let is_aside = commands.iter().all(fits);
        let mut label = label;
        if self.style.width < NARROW {
            self.push(&format!("  {label}:"));
            label = "";
        }
        for Suggestion { command, does } in commands {
            let comment = self.style.text(&format!("# {does}"));
            let start = format!("  {label:<width$}{command}", width = indent - 2);
            label = "";
            if is_aside {
                let gap = " ".repeat(longest - width(command) + 3);
                self.push(&format!("{start}{gap}{}", self.style.paint(Tint::Quiet, &comment)));
                continue;
            }
            self.push(&start);
            for line in wrap(&comment, self.style.width, indent + 2, indent + 4) {
                self.push(&self.style.paint(Tint::Quiet, &line));
            }
        }
    }

    /// A line as it is, harmless but neither wrapped nor cut: log tails.
    pub fn verbatim(&mut self, indent: usize, text: &str) {
        let text = self.style.text(text);
        self.push(&format!("{:indent$}{text}", ""));
    }

    /// A table; see [`Table`].
    pub fn table(&mut self, table: &Table) {
        table.lines(&self.style).iter().for_each(|line| self.push(line));
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

/// Rows under headers. Where they do not fit side by side, each row becomes a few lines.
#[derive(Default)]
pub struct Table {
    /// The columns' names; the first column names the row.
    pub headers: Vec<&'static str>,
    /// Rows, and remarks that run across.
    pub rows: Vec<Row>,
}

/// A row of a table.
pub enum Row {
    /// One cell per column.
    Cells(Vec<String>),
    /// A remark on the rows above it.
    Remark(String),
}

impl Table {
    fn lines(&self, style: &Style) -> Vec<String> {
        let mut widths: Vec<usize> = self.headers.iter().map(|header| width(header)).collect();
        for row in &self.rows {
            if let Row::Cells(cells) = row {
                for (column, cell) in widths.iter_mut().zip(cells) {
                    *column = (*column).max(width(&style.text(cell)));
                }
            }
        }
        let total = widths.iter().map(|column| column + 2).sum::<usize>();
        if total <= style.width { self.side_by_side(style, &widths) } else { self.stacked(style) }
    }

    fn side_by_side(&self, style: &Style, widths: &[usize]) -> Vec<String> {
        let joined = |cells: &mut dyn Iterator<Item = String>| -> String {
            cells.zip(widths).map(|(cell, width)| format!("  {cell:<width$}")).collect()
        };
        let mut headers = self.headers.iter().map(|header| (*header).to_owned());
        let mut lines = vec![style.paint(Tint::Quiet, joined(&mut headers).trim_end())];
        for row in &self.rows {
            match row {
                Row::Cells(cells) => lines.push(joined(&mut cells.iter().map(|cell| style.text(cell)))),
                Row::Remark(text) => lines.extend(remark(style, text)),
            }
        }
        lines
    }

    fn stacked(&self, style: &Style) -> Vec<String> {
        let mut lines = Vec::new();
        for row in &self.rows {
            match row {
                Row::Remark(text) => lines.extend(remark(style, text)),
                Row::Cells(cells) => {
                    let mut cells = self.headers.iter().zip(cells.iter().map(|cell| style.text(cell)));
                    let name = cells.next().map(|(_, name)| name).unwrap_or_default();
                    lines.push(format!("  {}", style.paint(Tint::Strong, &name)));
                    let rest: Vec<String> = cells
                        .filter(|(_, cell)| !cell.is_empty())
                        .map(|(header, cell)| format!("{header}: {cell}"))
                        .collect();
                    lines.extend(wrap(&rest.join("; "), style.width, 4, 6));
                }
            }
        }
        lines
    }
}

fn remark(style: &Style, text: &str) -> Vec<String> {
    let lines = wrap(&style.text(&format!("─ {text}")), style.width, 4, 6);
    lines.iter().map(|line| style.paint(Tint::Quiet, line)).collect()
}

/// Breaks a text between words. Longer words stay whole.
pub fn wrap(text: &str, most: usize, first: usize, rest: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(first);
    let mut is_fresh = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !is_fresh && width(&line) + 1 + width(word) > most {
            lines.push(std::mem::replace(&mut line, " ".repeat(rest)));
            is_fresh = true;
        }
        if !is_fresh {
            line.push(' ');
        }
        line.push_str(word);
        is_fresh = false;
    }
    lines.push(line);
    lines
}

fn width(text: &str) -> usize {
    text.chars().count()
}
