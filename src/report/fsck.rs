//! What is wrong in a store, object by object.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::layout::Page;
use super::style::{Style, Tint};
use super::{Invocation, words};
use crate::model::{Format, Name, RunId};

/// What was found: the document of `--output json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FsckView {
    /// The format's version.
    pub v: Format,
    /// The pipeline.
    pub pipeline: Name,
    /// The environment.
    pub environment: Name,
    /// The bucket.
    pub bucket: String,
    /// How many objects were looked at.
    pub objects: usize,
    /// What is wrong, in the order in which it was looked at.
    pub findings: Vec<FindingView>,
}

/// One object with something to say about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingView {
    /// The object's key.
    pub key: String,
    /// What is wrong with it.
    #[serde(flatten)]
    pub fault: FaultView,
    /// Whether it was put right.
    pub repaired: bool,
    /// What to do about it, commands on lines of their own; nothing if nothing is to be done.
    pub help: Option<String>,
}

/// What is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum FaultView {
    /// It is not what it should be, or not there.
    Broken {
        /// In a line.
        why: String,
    },
    /// The head says less than the journals, or something else.
    Stale,
    /// It belongs to a run that is over.
    LeftOver {
        /// The run.
        run: RunId,
    },
    /// A pack is not the entries that it stands for.
    Unlike,
    /// An upload was never completed.
    Upload {
        /// When it was begun.
        since: Timestamp,
    },
    /// Nothing of shipit's.
    Foreign,
    /// It may not be looked at.
    Unseen {
        /// In a line.
        why: String,
    },
}

impl FaultView {
    fn words(&self) -> String {
        match self {
            FaultView::Broken { why } | FaultView::Unseen { why } => why.clone(),
            FaultView::Stale => "lags behind the journals; readers look there".to_owned(),
            FaultView::LeftOver { run } => format!("belongs to run {run}, which is over"),
            FaultView::Unlike => "is not the entries that it stands for; readers do without it".to_owned(),
            FaultView::Upload { since } => {
                format!("an upload of {} was never completed; its parts cost money", words::date(*since))
            }
            FaultView::Foreign => "is nothing of shipit's; it is passed over".to_owned(),
        }
    }
}

/// What was found, as text.
pub fn fsck_text(view: &FsckView, invocation: &Invocation, style: Style) -> String {
    let mut page = Page::new(style);
    let open = view.findings.iter().filter(|it| !it.repaired && it.fault != FaultView::Foreign).count();
    let mended = view.findings.iter().filter(|it| it.repaired).count();
    let (tint, verdict) = match (open, mended) {
        (0, 0) => (Tint::Good, "nothing is wrong".to_owned()),
        (0, mended) => (Tint::Good, format!("{mended} put right, nothing else is wrong")),
        (open, 0) => (Tint::Bad, format!("{open} wrong")),
        (open, mended) => (Tint::Bad, format!("{mended} put right, {open} wrong")),
    };
    page.heading(tint, &format!("{} in {}: {verdict}", view.pipeline, view.environment));
    page.field("objects", &format!("{} below s3://{}", view.objects, view.bucket));
    for finding in &view.findings {
        page.blank();
        let mended = if finding.repaired { " (put right)" } else { "" };
        page.verbatim(2, &finding.key);
        page.verbatim(4, &format!("{}{mended}", finding.fault.words()));
        for line in finding.help.iter().flat_map(|help| help.lines()) {
            page.verbatim(4, line);
        }
    }
    let can_be_mended = view.findings.iter().any(|it| !it.repaired && it.fault.is_repairable());
    if can_be_mended {
        page.blank();
        page.field("next", &invocation.command("fsck --repair"));
    }
    page.finish()
}

impl FaultView {
    /// Whether `--repair` puts it right.
    pub fn is_repairable(&self) -> bool {
        match self {
            FaultView::Stale | FaultView::LeftOver { .. } | FaultView::Unlike | FaultView::Upload { .. } => true,
            FaultView::Broken { .. } | FaultView::Foreign | FaultView::Unseen { .. } => false,
        }
    }
}
