//! Who asks.

use super::Clients;
use super::error::{AwsError, Call, Class, Result, failed};
use crate::model::observed::Caller;

const WHO: Call = ("sts", "GetCallerIdentity");

impl Clients {
    /// The identity and account that all calls are made as. Needs no permission.
    ///
    /// # Errors
    /// The call's; most often credentials that are missing or expired.
    pub async fn caller(&self) -> Result<Caller> {
        let answer = self.sts.get_caller_identity().send().await.map_err(failed(WHO))?;
        match (answer.account, answer.arn) {
            (Some(account), Some(arn)) => Ok(Caller { account, arn }),
            _ => Err(AwsError::new(WHO, Class::Transient, "the answer was empty")),
        }
    }
}
