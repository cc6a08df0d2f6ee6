//! The calls that change a function: code, version, alias; and the call of a version.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, LogType};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Clients;
use super::error::{AwsError, Call, Class, Result, failed};
use crate::model::function::FunctionRef;
use crate::model::lambda::Answered;
use crate::model::{Percent, Revision};

const UPDATE: Call = ("lambda", "UpdateFunctionCode");
const PUBLISH: Call = ("lambda", "PublishVersion");
const DELETE_ALIAS: Call = ("lambda", "DeleteAlias");
const CREATE_ALIAS: Call = ("lambda", "CreateAlias");
const UPDATE_ALIAS: Call = ("lambda", "UpdateAlias");
const DELETE: Call = ("lambda", "DeleteFunction");
const INVOKE: Call = ("lambda", "Invoke");

/// How much longer than it may take a call of a version is waited for: the way there and back.
const WAY: Duration = Duration::from_secs(5);

/// Most of an answer that is kept.
const PAYLOAD: usize = 256 * 1024;

impl Clients {
    /// Puts a bundle into `$LATEST`, if that is still as it was seen. Returns before it is in use.
    ///
    /// # Errors
    /// The call's; `PreconditionFailedException` if it was changed, `ResourceConflictException` while an update runs.
    pub async fn update_code(&self, function: &str, bundle: &Revision, revision_id: &str) -> Result<()> {
        let call = self.lambda.update_function_code().function_name(function).revision_id(revision_id);
        let call = call.s3_bucket(&bundle.bucket).s3_key(&bundle.key).set_s3_object_version(bundle.version.clone());
        call.send().await.map_err(failed(UPDATE))?;
        Ok(())
    }

    /// Makes a version of `$LATEST`, if that still holds this code and is as it was seen. Gives the number; if nothing
    /// has changed since the last version, that one's.
    ///
    /// # Errors
    /// The call's.
    pub async fn publish(&self, function: &str, code_sha256: &str, revision_id: &str) -> Result<String> {
        let call = self.lambda.publish_version().function_name(function);
        let answer = call.code_sha256(code_sha256).revision_id(revision_id).send().await.map_err(failed(PUBLISH))?;
        answer.version.ok_or_else(|| AwsError::new(PUBLISH, Class::Unknown, "the answer names no version"))
    }

    /// Makes the alias, with all calls on this version; gives its revision id.
    ///
    /// # Errors
    /// The call's; `ResourceConflictException` if it exists.
    pub async fn create_alias(&self, of: &FunctionRef, version: &str) -> Result<String> {
        let call = self.lambda.create_alias().function_name(&of.name).name(&of.alias).function_version(version);
        let answer = call.send().await.map_err(failed(CREATE_ALIAS))?;
        Ok(answer.revision_id.unwrap_or_default())
    }

    /// Deletes the alias.
    ///
    /// # Errors
    /// The call's.
    pub async fn delete_alias(&self, of: &FunctionRef) -> Result<()> {
        let call = self.lambda.delete_alias().function_name(&of.name).name(&of.alias);
        call.send().await.map(drop).map_err(failed(DELETE_ALIAS))
    }

    /// Sends the alias's calls to a version, with a share to another, if the alias is still as it was seen; gives the
    /// revision id that it has then.
    ///
    /// # Errors
    /// The call's; `PreconditionFailedException` if it was moved.
    pub async fn shift(
        &self,
        of: &FunctionRef,
        version: &str,
        share: Option<(&str, Percent)>,
        revision_id: &str,
    ) -> Result<String> {
        // Weights that are not named stay: none is said by an empty map.
        let weights: HashMap<String, f64> =
            share.into_iter().map(|(other, weight)| (other.to_owned(), weight.fraction())).collect();
        let routing = AliasRoutingConfiguration::builder().set_additional_version_weights(Some(weights)).build();
        let call = self.lambda.update_alias().function_name(&of.name).name(&of.alias).function_version(version);
        let call = call.routing_config(routing).revision_id(revision_id);
        let answer = call.send().await.map_err(failed(UPDATE_ALIAS))?;
        Ok(answer.revision_id.unwrap_or_default())
    }

    /// Deletes a version that nobody uses.
    ///
    /// # Errors
    /// The call's; `ResourceConflictException` if an alias uses it.
    pub async fn delete_version(&self, function: &str, version: u64) -> Result<()> {
        let call = self.lambda.delete_function().function_name(function).qualifier(version.to_string());
        match call.send().await.map_err(failed(DELETE)) {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Calls a version once and waits for its answer. It is not sent again by itself: a function may do something.
    ///
    /// # Errors
    /// The call's; that the function raised an error is no error of the call.
    pub async fn invoke(&self, function: &str, version: &str, payload: &str, within: Duration) -> Result<Answered> {
        let limit = within + WAY;
        let timeouts = TimeoutConfig::builder()
            .read_timeout(limit)
            .operation_attempt_timeout(limit)
            .operation_timeout(limit)
            .build();
        let settings = aws_sdk_lambda::config::Builder::new()
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(1));
        let call = self.lambda.invoke().function_name(function).qualifier(version).log_type(LogType::Tail);
        let began = Instant::now();
        let sent = call.payload(Blob::new(payload)).customize().config_override(settings).send().await;
        let answer = sent.map_err(failed(INVOKE))?;
        let bytes = answer.payload().map(AsRef::as_ref).unwrap_or_default();
        let log = answer.log_result().and_then(|log| STANDARD.decode(log).ok()).unwrap_or_default();
        Ok(Answered {
            version: answer.executed_version().unwrap_or_default().to_owned(),
            error: answer.function_error().map(str::to_owned),
            payload: String::from_utf8_lossy(&bytes[..bytes.len().min(PAYLOAD)]).into_owned(),
            log: String::from_utf8_lossy(&log).into_owned(),
            milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}
