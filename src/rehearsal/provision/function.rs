//! A Lambda function with an alias, and its alarms; and those who call it.

use std::path::Path;
use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, LastUpdateStatus, Runtime, State};
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::fleet::{failed, make_alarm};
use super::unfit;
use crate::artifact::bundle::{Bundle, Source};
use crate::error::Result;
use crate::model::function::FunctionRef;
use crate::model::pipeline::{Environment, Target};
use clock::Clock;

/// How long a function may take until it can be called (world time).
const ACTIVE_LIMIT: Duration = Duration::from_secs(600);
/// What a function may take for one call, in seconds, and its memory in MiB.
const TIMEOUT: i32 = 30;
const MEMORY: i32 = 256;
/// Errors in a minute that turn an alarm red.
const ERRORS: f64 = 3.0;

/// A function that was made.
#[derive(Clone, Debug)]
pub struct MadeFunction {
    /// It and its alias.
    pub function: FunctionRef,
    /// The version that serves.
    pub version: String,
}

/// Makes the function of a target with the baseline as its only version, its alias and its alarms.
///
/// # Errors
/// What AWS says; code of which nobody knows how it is started.
pub async fn make_function(
    config: &SdkConfig,
    place: &Environment,
    clock: Clock,
    target: &Target,
    (bundle, directory): (&Bundle, &Path),
) -> Result<MadeFunction> {
    let function = target.function.clone().ok_or_else(|| unfit("the target is no function"))?;
    let config = config.to_builder().region(Region::new(place.region.clone())).build();
    let lambda = aws_sdk_lambda::Client::new(&config);
    let (runtime, handler) = how_it_starts(directory)?;
    let code = match &bundle.source {
        Source::Memory(bytes) => bytes.to_vec(),
        Source::File(path) => std::fs::read(path).map_err(|error| unfit(&format!("{}: {error}", path.display())))?,
    };
    lambda
        .create_function()
        .function_name(&function.name)
        .role(format!("arn:aws:iam::{}:role/{}", place.account, function.name))
        .runtime(runtime)
        .handler(handler)
        .timeout(TIMEOUT)
        .memory_size(MEMORY)
        .code(FunctionCode::builder().zip_file(Blob::new(code)).build())
        .send()
        .await
        .map_err(failed("CreateFunction"))?;
    wait_active(&lambda, &function.name, clock).await?;
    let published = lambda.publish_version().function_name(&function.name).send().await;
    let published = published.map_err(failed("PublishVersion"))?;
    let version = published.version().unwrap_or_default().to_owned();
    let alias = lambda.create_alias().function_name(&function.name).name(&function.alias).function_version(&version);
    alias.send().await.map_err(failed("CreateAlias"))?;
    make_alarms(&aws_sdk_cloudwatch::Client::new(&config), target, &function).await?;
    Ok(MadeFunction { function, version })
}

/// The runtime and the handler, by the files: a program `bootstrap`, or the one module that has a handler.
fn how_it_starts(directory: &Path) -> Result<(Runtime, String)> {
    if directory.join("bootstrap").is_file() {
        return Ok((Runtime::from("provided.al2023"), "bootstrap".to_owned()));
    }
    let cannot = |error| unfit(&format!("{}: {error}", directory.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let (Some(stem), Some(kind)) = (path.file_stem(), path.extension()) else { continue };
        let (runtime, mark) = match kind.to_str() {
            Some("py") => (Runtime::from("python3.13"), "def handler("),
            Some("mjs" | "js" | "cjs") => (Runtime::from("nodejs22.x"), "handler"),
            _ => continue,
        };
        if std::fs::read_to_string(&path).is_ok_and(|text| text.contains(mark)) {
            found.push((runtime, format!("{}.handler", stem.to_string_lossy())));
        }
    }
    match (found.pop(), found.pop()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(unfit(&format!("{} has no `bootstrap` and no module with a `handler`", directory.display()))),
        (Some(_), Some(_)) => Err(unfit(&format!("{} has several modules with a `handler`", directory.display()))),
    }
}

async fn wait_active(lambda: &aws_sdk_lambda::Client, name: &str, clock: Clock) -> Result<()> {
    let deadline = clock.now() + ACTIVE_LIMIT;
    loop {
        let got = lambda.get_function_configuration().function_name(name).send().await;
        let got = got.map_err(failed("GetFunctionConfiguration"))?;
        let is_updated = got.last_update_status().is_none_or(|status| *status == LastUpdateStatus::Successful);
        match got.state() {
            Some(State::Active) if is_updated => return Ok(()),
            Some(State::Failed) => {
                return Err(unfit(&format!(
                    "the function failed: {}",
                    got.state_reason().unwrap_or("no reason given")
                )));
            }
            _ if clock.now() > deadline => return Err(unfit("the function was not active within ten minutes")),
            _ => clock.sleep(Duration::from_secs(2)).await,
        }
    }
}

/// Every alarm that the pipeline names counts the errors that callers of the alias met.
async fn make_alarms(cloudwatch: &aws_sdk_cloudwatch::Client, target: &Target, function: &FunctionRef) -> Result<()> {
    let alias = format!("{}:{}", function.name, function.alias);
    let dimensions = [("FunctionName", function.name.clone()), ("Resource", alias)];
    for alarm in &target.health.alarms {
        make_alarm(cloudwatch, &alarm.name, ("AWS/Lambda", "Errors"), &dimensions, ERRORS).await?;
    }
    Ok(())
}

/// How a call of an alias ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invoked {
    /// A version answered.
    Answered(String),
    /// A version raised an error.
    Raised(String),
    /// AWS refused, with this status.
    Refused(u16),
    /// There was no answer.
    Lost,
}

/// Somebody who calls an alias, each time once.
#[derive(Clone, Debug)]
pub struct Caller {
    lambda: aws_sdk_lambda::Client,
    function: FunctionRef,
    event: Blob,
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.function.fmt(f)
    }
}

impl Caller {
    /// A caller with these credentials, who always sends this event.
    pub fn new(config: &SdkConfig, region: &str, function: &FunctionRef, event: &str) -> Caller {
        let config = config.to_builder().region(Region::new(region.to_owned())).build();
        let once = RetryConfig::standard().with_max_attempts(1);
        let config = aws_sdk_lambda::config::Builder::from(&config).retry_config(once).build();
        Caller {
            lambda: aws_sdk_lambda::Client::from_conf(config),
            function: function.clone(),
            event: Blob::new(event),
        }
    }

    /// Calls once.
    pub async fn call(&self) -> Invoked {
        let call = self.lambda.invoke().function_name(&self.function.name).qualifier(&self.function.alias);
        match call.payload(self.event.clone()).send().await {
            Ok(answer) => {
                let version = answer.executed_version().unwrap_or_default().to_owned();
                if answer.function_error().is_some() { Invoked::Raised(version) } else { Invoked::Answered(version) }
            }
            Err(error) => match error.raw_response() {
                Some(response) => Invoked::Refused(response.status().as_u16()),
                None => Invoked::Lost,
            },
        }
    }
}
