//! Runs, as commands speak of them: what is wrong with the store, in words.

use crate::error::{Failure, Kind};
use crate::model::RunId;
use crate::report::Invocation;
use crate::store::StoreError;
pub use crate::store::runs::{Loaded, load};

/// A store's error as it reaches a person.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        match error {
            StoreError::Aws(error) if error.code.as_deref() == Some("NoSuchBucket") => {
                Failure::new(Kind::Preflight, "the store's bucket does not exist")
                    .help("create it, with versioning, in the region of the environment; `store: bucket:` names it")
            }
            StoreError::Aws(error) => error.into_failure(),
            error => {
                let help = next_steps(&error);
                Failure::new(Kind::Unexpected, error.to_string()).help(help)
            }
        }
    }
}

/// What to do about an object that is not as it should be; commands stand on lines of their own.
pub fn next_steps(error: &StoreError) -> String {
    let (bucket, key) = error.object().unwrap_or_default();
    let versions = format!("aws s3api list-object-versions --bucket {bucket} --prefix {}", quoted(key));
    let advice = match error {
        StoreError::Format { .. } if error.is_newer() => {
            "use the shipit that wrote it, or a newer one; nothing was changed there"
        }
        StoreError::Format { .. } => {
            "it was written before formats were promises: finish that run with the shipit that wrote it, or give \
             `store: prefix:` another value"
        }
        StoreError::Rewritten { .. } => "see who changed it, and restore the version before",
        StoreError::Missing { .. } => "see what became of it, and restore its last version",
        StoreError::Corrupt { .. } | StoreError::Aws(_) => "see which of its versions was good, and restore that",
    };
    match error.home() {
        Some((pipeline, environment)) => {
            let fsck = Invocation::new(pipeline.as_str(), environment.as_str()).command("fsck");
            format!("{advice}\n{versions}\n{fsck}")
        }
        None => format!("{advice}\n{versions}"),
    }
}

/// A word as a shell takes it.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./%".contains(&byte);
    if text.bytes().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

impl From<crate::aws::AwsError> for Failure {
    fn from(error: crate::aws::AwsError) -> Failure {
        error.into_failure()
    }
}

/// Somebody else drives a run on that this process drove.
pub fn taken_over(run: &RunId) -> Failure {
    Failure::new(Kind::NotFinished, format!("another driver has taken over {run}"))
        .help(format!("it drives on; `shipit show {run}` tells how far it is"))
}

/// A run that is claimed, and whose plan is not in the store.
pub fn planless(run: &RunId) -> Failure {
    Failure::new(Kind::Unexpected, format!("the plan of {run} is gone from the store"))
        .help("restore the object's last version in the bucket, then run the same command again")
}
