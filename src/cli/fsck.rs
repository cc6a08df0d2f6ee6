//! `shipit fsck`: what lies in the store, object by object.

use std::io::Write;

use super::args::{FsckArgs, Output};
use super::around::Around;
use super::project::Project;
use super::{Ended, runs};
use crate::config::Need;
use crate::error::{Failure, Kind};
use crate::model::Format;
use crate::report::fsck::{FaultView, FindingView};
use crate::report::{FsckView, fsck_text};
use crate::store::StoreError;
use crate::store::fsck::{self, Fault, Finding};

pub async fn run(args: &FsckArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around, Need::Store)?;
    let cloud = project.cloud(around, "shipit-fsck").await;
    let found = fsck::check(&cloud.bucket, &cloud.keys, around.clock.now(), args.repair).await?;
    let is_sound = found.is_sound();
    let view = FsckView {
        v: Format::NOW,
        pipeline: project.pipeline.pipeline.clone(),
        environment: project.environment.clone(),
        bucket: cloud.bucket.name().to_owned(),
        objects: found.objects,
        findings: found.findings.into_iter().map(shown).collect(),
    };
    let text = match args.output {
        Output::Json => {
            let json = serde_json::to_string_pretty(&view);
            json.map_err(|error| Failure::new(Kind::Unexpected, "cannot be written as JSON").because(error))? + "\n"
        }
        Output::Text | Output::Plain => fsck_text(&view, &project.invocation, around.out_style),
    };
    let _ = around.out.write_all(text.as_bytes());
    Ok(if is_sound { 0 } else { Kind::Unexpected.exit_code() })
}

fn shown(finding: Finding) -> FindingView {
    let help = match &finding.fault {
        Fault::Broken(error) => Some(runs::next_steps(error)),
        Fault::Unseen(_) => {
            Some("allow `s3:ListBucketMultipartUploads` to see uploads that were never completed".to_owned())
        }
        Fault::Stale | Fault::LeftOver(_) | Fault::Unlike | Fault::Upload(_) | Fault::Foreign => None,
    };
    let fault = match finding.fault {
        Fault::Broken(error) => FaultView::Broken { why: what_of(&error) },
        Fault::Stale => FaultView::Stale,
        Fault::LeftOver(run) => FaultView::LeftOver { run },
        Fault::Unlike => FaultView::Unlike,
        Fault::Upload(since) => FaultView::Upload { since },
        Fault::Foreign => FaultView::Foreign,
        Fault::Unseen(error) => FaultView::Unseen { why: error.to_string() },
    };
    FindingView { key: finding.key, fault, repaired: finding.is_repaired, help }
}

/// What is wrong, without the key that stands above it.
fn what_of(error: &StoreError) -> String {
    let text = error.to_string();
    let place = error.object().map(|(bucket, key)| format!("s3://{bucket}/{key}: ")).unwrap_or_default();
    text.strip_prefix(&place).unwrap_or(&text).to_owned()
}
