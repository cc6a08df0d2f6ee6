//! Runs, as commands speak of them: what is wrong with the store, in words.

use crate::error::{Failure, Kind};
use crate::model::RunId;
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
            StoreError::Corrupt { .. } => Failure::new(Kind::Unexpected, error.to_string()),
        }
    }
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
